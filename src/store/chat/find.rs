//! Which workspace something belongs to: what is asked before its room is.

use diesel::prelude::*;

use crate::protocol::ids::{ChannelId, ConversationId, MessageId, UserId, WorkspaceId};
use crate::store::db::{Db, on};
use crate::store::schema::{channel, conversation, message, workspace, workspace_member};

/// The workspaces of which somebody is a member, oldest first.
pub fn workspaces_of(db: &mut Db, user: &UserId) -> QueryResult<Vec<WorkspaceId>> {
    let ids: Vec<String> = on!(db, c => workspace_member::table
        .inner_join(workspace::table)
        .filter(workspace_member::user_id.eq(user.as_str()).and(workspace_member::left_at.is_null()))
        .order((workspace::created_at, workspace::id))
        .select(workspace::id)
        .load(c))?;
    Ok(ids.into_iter().map(WorkspaceId::new).collect())
}

pub fn workspace_of_channel(db: &mut Db, id: &ChannelId) -> QueryResult<Option<WorkspaceId>> {
    let found: Option<String> = on!(db, c => channel::table.find(id.as_str()).select(channel::workspace_id).get_result(c).optional())?;
    Ok(found.map(WorkspaceId::new))
}

pub fn workspace_of_conversation(db: &mut Db, id: &ConversationId) -> QueryResult<Option<WorkspaceId>> {
    let found: Option<String> =
        on!(db, c => conversation::table.find(id.as_str()).select(conversation::workspace_id).get_result(c).optional())?;
    Ok(found.map(WorkspaceId::new))
}

pub fn workspace_of_message(db: &mut Db, id: &MessageId) -> QueryResult<Option<WorkspaceId>> {
    let found: Option<String> = on!(db, c => message::table.find(id.as_str()).select(message::workspace_id).get_result(c).optional())?;
    Ok(found.map(WorkspaceId::new))
}
