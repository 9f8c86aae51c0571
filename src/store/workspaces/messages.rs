//! Messages as they are listed: with their authors' names and the reactions, without the content of deleted ones.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::protocol::chat::command::Target;
use crate::protocol::chat::messages::{Author, Message, Reaction};
use crate::protocol::ids::{ChannelId, ConversationId, MessageId, UserId};
use crate::store::campaigns::page::{Page, in_order};
use crate::store::chat::reactions_of;
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;
use crate::store::workspaces::{channels, conversations};

/// Which messages are wanted: between sequences.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub target: Target,
    /// Only the replies to this one.
    pub parent: Option<MessageId>,
    pub page: Page<i64>,
}

/// Messages, oldest first.
#[derive(Debug)]
pub struct MessagePage {
    pub messages: Vec<Message>,
    /// Whether there are more beyond the end that the page was not asked to have.
    pub has_more: bool,
}

/// A page, for somebody who is in the channel or conversation: `None` for whoever is not, at the moment of reading.
pub fn read_by(db: &mut Db, user: &UserId, wanted: &Wanted) -> QueryResult<Option<MessagePage>> {
    db.read(|db| {
        let is_in = match &wanted.target {
            Target::Channel(id) => channels::one(db, id, user)?.is_some_and(|channel| channel.standing.is_some()),
            Target::Dm(id) => conversations::one(db, id, user)?.is_some(),
        };
        if is_in { read(db, wanted).map(Some) } else { Ok(None) }
    })
}

/// A page, whoever asks.
pub fn read(db: &mut Db, wanted: &Wanted) -> QueryResult<MessagePage> {
    use schema::message as d;
    let Wanted { target, parent, page } = wanted;
    let rows: Vec<MessageColumns> = on!(&mut *db, c => {
        let mut query = messages!().limit(i64::from(page.limit) + 1).into_boxed();
        query = match target {
            Target::Channel(id) => query.filter(d::channel_id.eq(id.as_str())),
            Target::Dm(id) => query.filter(d::conversation_id.eq(id.as_str())),
        };
        if let Some(parent) = parent {
            query = query.filter(d::parent_id.eq(parent.as_str()));
        }
        if let Some(after) = page.after {
            query = query.filter(d::sequence.gt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(d::sequence.lt(before));
        }
        match page.is_backward() {
            true => query.order(d::sequence.desc()).load(c),
            false => query.order(d::sequence).load(c),
        }
    })?;
    let (rows, has_more) = cut(rows, page.limit);
    Ok(MessagePage { messages: with_reactions(db, in_order(rows, page.is_backward()))?, has_more })
}

/// At most `limit` of the rows, and whether there were more.
pub(super) fn cut<T>(mut rows: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    (rows, has_more)
}

pub(super) type MessageColumns = (String, String, String, String, Option<String>, Option<String>, Option<String>, i64, At, At, Option<At>);

/// All messages, as [`MessageColumns`].
macro_rules! messages {
    () => {{
        use schema::{message, user};
        message::table.inner_join(user::table).select((
            message::id,
            message::content,
            message::author_id,
            user::name,
            message::channel_id,
            message::conversation_id,
            message::parent_id,
            message::sequence,
            message::created_at,
            message::updated_at,
            message::deleted_at,
        ))
    }};
}
pub(super) use messages;

pub(super) fn with_reactions(db: &mut Db, rows: Vec<MessageColumns>) -> QueryResult<Vec<Message>> {
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let mut reactions_by_id = reactions_of(db, &ids)?;
    Ok(rows.into_iter().map(|row| message(row, &mut reactions_by_id)).collect())
}

fn message(row: MessageColumns, reactions_by_id: &mut HashMap<String, Vec<Reaction>>) -> Message {
    let (id, content, author, name, channel, conversation, parent, sequence, created_at, updated_at, deleted_at) = row;
    let author = UserId::new(author);
    let is_deleted = deleted_at.is_some();
    Message {
        reactions: reactions_by_id.remove(&id).filter(|_| !is_deleted).unwrap_or_default(),
        id: MessageId::new(id),
        content: if is_deleted { String::new() } else { content },
        author_id: author.clone(),
        author: Author { id: author, name: name.into() },
        channel_id: channel.map(ChannelId::new),
        conversation_id: conversation.map(ConversationId::new),
        parent_id: parent.map(MessageId::new),
        sequence,
        created_at: created_at.0,
        updated_at: updated_at.0,
        deleted_at: deleted_at.map(|at| at.0),
    }
}
