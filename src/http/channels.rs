//! The channels of a workspace: public ones, that every member may know of and join, and private ones, that only those in them know of.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, Success, created, ok};
use crate::http::body;
use crate::http::name::Name;
use crate::http::query::{Params, unknown_cursor};
use crate::http::routes::Routes;
use crate::http::workspace_access::{channel_of, known_channel, role, workspace_of};
use crate::protocol::chat::command::Command;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{ChannelId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::workspaces::channels;

const NAME_CHARS_MAX: usize = 80;

pub fn routes(routes: &mut Routes) {
    let tag = "channels";
    routes.call(tag, Method::POST, "/api/workspaces/{id}/channels", create, "Make a channel; the caller is its first member", |call| {
        call.takes::<NewChannel>().gives::<Channel>(201, "The channel").refuses(&[404, 409, 503])
    });
    routes.call(
        tag,
        Method::GET,
        "/api/workspaces/{id}/channels",
        list,
        "The public channels of a workspace, and the private ones that the caller is in",
        |call| call.pages().gives::<List>(200, "A page of them").refuses(&[404]),
    );
    routes.call(tag, Method::POST, "/api/channels/{id}/join", join, "Become a member of a public channel", |call| {
        call.gives::<Channel>(200, "The channel").refuses(&[404, 409, 503])
    });
    routes.call(tag, Method::POST, "/api/channels/{id}/leave", leave, "Be a member of a channel no more", |call| {
        call.gives::<Success>(200, "The caller is no member").refuses(&[403, 404, 503])
    });
    routes.call(
        tag,
        Method::POST,
        "/api/channels/{id}/archive",
        archive,
        "Archive a channel: what is in it stays, nothing is added",
        |call| call.gives::<Channel>(200, "The channel").refuses(&[403, 404, 409, 503]),
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewChannel {
    /// Of the public channels that are not archived no two have the same name.
    name: Name<NAME_CHARS_MAX>,
    /// False when absent.
    #[serde(default)]
    private: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Channel {
    id: ChannelId,
    workspace_id: WorkspaceId,
    name: String,
    private: bool,
    created_by: UserId,
    created_at: Timestamp,
    archived_at: Option<Timestamp>,
    /// Whether the caller is in it.
    member: bool,
    /// Of its last message, 0 without one; to its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sequence: Option<i64>,
    /// Messages that the caller has not read; to its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread_count: Option<i64>,
}

impl From<channels::Channel> for Channel {
    fn from(channel: channels::Channel) -> Self {
        let standing = channel.standing;
        Self {
            id: channel.id,
            workspace_id: channel.workspace,
            name: channel.name,
            private: channel.private,
            created_by: channel.created_by,
            created_at: channel.created_at,
            archived_at: channel.archived_at,
            member: standing.is_some(),
            last_sequence: standing.map(|standing| standing.last_sequence),
            unread_count: standing.map(|standing| standing.unread()),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Channels")]
struct List {
    channels: Vec<Channel>,
}

async fn create(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let NewChannel { name: Name(name), private } = body::json(payload).await?;
    let done = api.workspaces.command(&workspace, Some(&me.user), Command::CreateChannel { name, private }).await?;
    let id = done.channel_id.ok_or_else(Rejection::internal)?;
    created(Channel::from(known_channel(&api, id, &me.user).await?))
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| channels::of_workspace(db, &workspace, &me.user, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { channels: found.into_iter().map(Channel::from).collect() })
}

async fn join(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    let command = Command::JoinChannel { channel_id: channel.id.clone() };
    api.workspaces.command(&channel.workspace, Some(&me.user), command).await?;
    ok(Channel::from(known_channel(&api, channel.id, &me.user).await?))
}

async fn leave(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    let command = Command::LeaveChannel { channel_id: channel.id };
    api.workspaces.command(&channel.workspace, Some(&me.user), command).await?;
    ok(Success { success: true })
}

async fn archive(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    let command = Command::ArchiveChannel { channel_id: channel.id.clone() };
    api.workspaces.command(&channel.workspace, Some(&me.user), command).await?;
    ok(Channel::from(known_channel(&api, channel.id, &me.user).await?))
}
