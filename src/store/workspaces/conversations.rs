//! Conversations, for those who are in them.

use std::collections::HashMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::protocol::ids::{ConversationId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;
use crate::store::workspaces::Standing;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub workspace: WorkspaceId,
    pub created_at: Timestamp,
    /// By id; also those who left the workspace since.
    pub users: Vec<UserId>,
    pub standing: Standing,
}

type ConversationColumns = (String, String, At, i64, Option<i64>);

/// The end of an index, for each conversation alone.
const LAST_SEQUENCE: &str = "(SELECT coalesce(max(m.sequence), 0) FROM message m WHERE m.conversation_id = conversation.id)";

/// The conversations that somebody is in, as [`ConversationColumns`].
macro_rules! conversations_of {
    ($user:expr) => {{
        use schema::{conversation as d, conversation_participant as participant, read_state, workspace_member as member};
        // What a join is made by must own what it is compared with.
        let user = || $user.as_str().to_owned();
        let is_in_workspace = member::workspace_id.eq(d::workspace_id).and(member::user_id.eq(user())).and(member::left_at.is_null());
        let is_read = read_state::workspace_id.eq(d::workspace_id).and(read_state::target_id.eq(d::id)).and(read_state::user_id.eq(user()));
        d::table
            .inner_join(member::table.on(is_in_workspace))
            .inner_join(participant::table)
            .left_join(read_state::table.on(is_read))
            .filter(participant::user_id.eq(user()))
            .select((d::id, d::workspace_id, d::created_at, sql::<BigInt>(LAST_SEQUENCE), read_state::sequence.nullable()))
    }};
}

/// `None` when there is no such conversation, or the user is not in it.
pub fn one(db: &mut Db, id: &ConversationId, user: &UserId) -> QueryResult<Option<Conversation>> {
    use schema::conversation as d;
    let row: Option<ConversationColumns> = on!(&mut *db, c => conversations_of!(user).filter(d::id.eq(id.as_str())).first(c).optional())?;
    Ok(with_users(db, row.into_iter().collect())?.pop())
}

/// The conversations of a workspace that somebody is in, oldest first. `None` when a cursor names none of them.
pub fn of_workspace(db: &mut Db, workspace: &WorkspaceId, user: &UserId, page: Page<String>) -> QueryResult<Option<Vec<Conversation>>> {
    use schema::conversation as d;
    let found = resolved(page, |id| {
        let known = one(db, &ConversationId::new(id), user)?.filter(|known| known.workspace == *workspace);
        Ok(known.map(|known| known.created_at))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<ConversationColumns> =
        page_of!(&mut *db, conversations_of!(user).filter(d::workspace_id.eq(workspace.as_str())), d::created_at, d::id, span)?;
    with_users(db, in_order(rows, span.is_backward())).map(Some)
}

fn with_users(db: &mut Db, rows: Vec<ConversationColumns>) -> QueryResult<Vec<Conversation>> {
    use schema::conversation_participant as d;
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let participants: Vec<(String, String)> = on!(db, c => d::table
        .filter(d::conversation_id.eq_any(ids))
        .order(d::user_id)
        .select((d::conversation_id, d::user_id))
        .load(c))?;
    let mut users_by_id: HashMap<String, Vec<UserId>> = HashMap::new();
    for (conversation, user) in participants {
        users_by_id.entry(conversation).or_default().push(UserId::new(user));
    }
    let conversation = |(id, workspace, created_at, last_sequence, read): ConversationColumns| Conversation {
        users: users_by_id.remove(&id).unwrap_or_default(),
        id: ConversationId::new(id),
        workspace: WorkspaceId::new(workspace),
        created_at: created_at.0,
        standing: Standing { last_sequence, read: read.unwrap_or(0) },
    };
    Ok(rows.into_iter().map(conversation).collect())
}
