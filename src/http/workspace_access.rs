//! What every handler of a workspace, a channel or a conversation asks first.

use actix_web::HttpRequest;

use crate::http::Api;
use crate::http::query::path_id;
use crate::http::refusal::Refusal;
use crate::protocol::chat::command::Role;
use crate::protocol::ids::{ChannelId, ConversationId, UserId, WorkspaceId};
use crate::store::workspaces;
use crate::store::workspaces::channels::{self, Channel};
use crate::store::workspaces::conversations::{self, Conversation};

pub fn no_such_workspace() -> Refusal {
    Refusal::not_found("workspace")
}

pub fn no_such_channel() -> Refusal {
    Refusal::not_found("channel")
}

pub fn no_such_conversation() -> Refusal {
    Refusal::not_found("conversation")
}

/// The workspace that the path names.
pub fn workspace_of(request: &HttpRequest) -> Result<WorkspaceId, Refusal> {
    path_id(request, "id", "workspace").map(WorkspaceId::new)
}

/// The caller's role in a workspace. To whoever is not in it there is no such workspace.
pub async fn role(api: &Api, workspace: &WorkspaceId, user: &UserId) -> Result<Role, Refusal> {
    let (workspace, user) = (workspace.clone(), user.clone());
    api.db.read(move |db| workspaces::role(db, &workspace, &user)).await?.ok_or_else(no_such_workspace)
}

/// For what only the owner and admins may do.
pub async fn require_admin(api: &Api, workspace: &WorkspaceId, user: &UserId) -> Result<(), Refusal> {
    match role(api, workspace, user).await? {
        Role::Owner | Role::Admin => Ok(()),
        Role::Member => Err(Refusal::forbidden("Only an admin of the workspace may do this")),
    }
}

/// For what only an owner may do.
pub async fn require_owner(api: &Api, workspace: &WorkspaceId, user: &UserId) -> Result<(), Refusal> {
    match role(api, workspace, user).await? {
        Role::Owner => Ok(()),
        Role::Admin | Role::Member => Err(Refusal::forbidden("Only the owner of the workspace may do this")),
    }
}

/// The channel that the path names. To whoever is not in its workspace, or not in it while it is private, there is no such channel.
pub async fn channel_of(api: &Api, request: &HttpRequest, user: &UserId) -> Result<Channel, Refusal> {
    let id = ChannelId::new(path_id(request, "id", "channel")?);
    known_channel(api, id, user).await
}

pub async fn known_channel(api: &Api, id: ChannelId, user: &UserId) -> Result<Channel, Refusal> {
    let user = user.clone();
    api.db.read(move |db| channels::one(db, &id, &user)).await?.ok_or_else(no_such_channel)
}

/// The conversation that the path names. To whoever is not in it there is no such conversation.
pub async fn conversation_of(api: &Api, request: &HttpRequest, user: &UserId) -> Result<Conversation, Refusal> {
    let id = ConversationId::new(path_id(request, "id", "conversation")?);
    known_conversation(api, id, user).await
}

pub async fn known_conversation(api: &Api, id: ConversationId, user: &UserId) -> Result<Conversation, Refusal> {
    let user = user.clone();
    api.db.read(move |db| conversations::one(db, &id, &user)).await?.ok_or_else(no_such_conversation)
}
