//! What a workspace's room asks of its tables: single messages and pages of them, always of that workspace alone.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::protocol::chat::Target;
use crate::protocol::chat::messages::{Author, Message, Reaction};
use crate::protocol::ids::{ChannelId, ConversationId, MessageId, UserId, WorkspaceId};
use crate::rooms::chat::rows::{Found, Lookup, StoredMessage};
use crate::store::chat::values::invalid;
use crate::store::db::{Db, on};
use crate::store::schema::{message as m, reaction as r, user};
use crate::store::types::At;

pub fn look_up(db: &mut Db, workspace: &WorkspaceId, lookup: Lookup) -> QueryResult<Found> {
    db.read(|db| match lookup {
        Lookup::Message(id) => {
            let found = one(db, workspace, &id)?;
            Ok(Found::Message(id, found))
        }
        Lookup::Older { target, before, limit } => older(db, workspace, &target, before, limit).map(Found::Older),
    })
}

type OneColumns = (Option<String>, Option<String>, i64, String, Option<String>, At, Option<At>);

fn one(db: &mut Db, workspace: &WorkspaceId, id: &MessageId) -> QueryResult<Option<StoredMessage>> {
    let row: Option<OneColumns> = on!(db, c => m::table
        .filter(m::id.eq(id.as_str()).and(m::workspace_id.eq(workspace.as_str())))
        .select((m::channel_id, m::conversation_id, m::sequence, m::author_id, m::parent_id, m::created_at, m::deleted_at))
        .get_result(c)
        .optional())?;
    let Some((channel, conversation, sequence, author, parent, created_at, deleted_at)) = row else { return Ok(None) };
    let reactions: Vec<(String, String)> = on!(db, c => r::table
        .filter(r::message_id.eq(id.as_str()))
        .order((r::created_at, r::user_id, r::emoji))
        .select((r::emoji, r::user_id))
        .load(c))?;
    Ok(Some(StoredMessage {
        id: id.clone(),
        target: target_of(channel, conversation)?,
        sequence,
        author: UserId::new(author),
        parent: parent.map(MessageId::new),
        created_at: created_at.0,
        deleted_at: deleted_at.map(|at| at.0),
        reactions: reactions.into_iter().map(|(emoji, user)| (emoji, UserId::new(user))).collect(),
    }))
}

fn target_of(channel: Option<String>, conversation: Option<String>) -> QueryResult<Target> {
    match (channel, conversation) {
        (Some(id), None) => Ok(Target::Channel(ChannelId::new(id))),
        (None, Some(id)) => Ok(Target::Dm(ConversationId::new(id))),
        _ => Err(invalid("message.channel_id")),
    }
}

type Columns = (String, String, String, String, Option<String>, i64, At, At, Option<At>);

/// At most `limit` + 1, newest first.
fn older(db: &mut Db, workspace: &WorkspaceId, target: &Target, before: Option<i64>, limit: u32) -> QueryResult<Vec<Message>> {
    macro_rules! page {
        ($column:expr, $id:expr) => {
            on!(db, c => m::table
                .inner_join(user::table)
                .filter($column.eq($id.as_str()).and(m::workspace_id.eq(workspace.as_str())).and(m::sequence.lt(before.unwrap_or(i64::MAX))))
                .order(m::sequence.desc())
                .limit(i64::from(limit) + 1)
                .select((
                    m::id, m::content, m::author_id, user::name, m::parent_id, m::sequence, m::created_at, m::updated_at, m::deleted_at,
                ))
                .load::<Columns>(c))
        };
    }
    let rows = match target {
        Target::Channel(id) => page!(m::channel_id, id),
        Target::Dm(id) => page!(m::conversation_id, id),
    }?;
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let mut reactions = reactions_of(db, &ids)?;
    let (channel_id, conversation_id) = match target {
        Target::Channel(id) => (Some(id.clone()), None),
        Target::Dm(id) => (None, Some(id.clone())),
    };
    let message = |(id, content, author, name, parent, sequence, created_at, updated_at, deleted_at): Columns| {
        let author_id = UserId::new(author);
        Message {
            reactions: reactions.remove(&id).unwrap_or_default(),
            id: MessageId::new(id),
            // The column has none either; but a text that should be gone must not be shown for any reason.
            content: if deleted_at.is_some() { String::new() } else { content },
            author: Author { id: author_id.clone(), name: name.into() },
            author_id,
            channel_id: channel_id.clone(),
            conversation_id: conversation_id.clone(),
            parent_id: parent.map(MessageId::new),
            sequence,
            created_at: created_at.0,
            updated_at: updated_at.0,
            deleted_at: deleted_at.map(|at| at.0),
        }
    };
    Ok(rows.into_iter().map(message).collect())
}

/// The reactions to each of these messages that has any: emojis in the order in which they were first used, and so the people of each.
pub fn reactions_of(db: &mut Db, messages: &[&str]) -> QueryResult<HashMap<String, Vec<Reaction>>> {
    if messages.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, String, String)> = on!(db, c => r::table
        .filter(r::message_id.eq_any(messages))
        .order((r::created_at, r::user_id, r::emoji))
        .select((r::message_id, r::emoji, r::user_id))
        .load(c))?;
    let mut by_message: HashMap<String, Vec<Reaction>> = HashMap::new();
    for (message, emoji, user) in rows {
        let reactions = by_message.entry(message).or_default();
        let at = reactions.iter().position(|reaction| reaction.emoji == emoji).unwrap_or_else(|| {
            reactions.push(Reaction { emoji, user_ids: Vec::new() });
            reactions.len() - 1
        });
        reactions[at].user_ids.push(UserId::new(user));
    }
    Ok(by_message)
}
