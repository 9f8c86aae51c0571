//! Conversations: the same people have one, and nobody else knows of it.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, created, ok};
use crate::http::body;
use crate::http::query::{Params, unknown_cursor};
use crate::http::routes::Routes;
use crate::http::workspace_access::{known_conversation, role, workspace_of};
use crate::protocol::chat::command::Command;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{ConversationId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::workspaces::conversations;

pub fn routes(routes: &mut Routes) {
    let tag = "conversations";
    routes.call(
        tag,
        Method::POST,
        "/api/workspaces/{id}/conversations",
        open,
        "The conversation of the caller with these members; made if they have none",
        |call| {
            call.takes::<People>().gives::<Conversation>(201, "It was made").gives::<Conversation>(200, "It was there").refuses(&[404, 503])
        },
    );
    routes.call(tag, Method::GET, "/api/workspaces/{id}/conversations", list, "The caller's conversations in a workspace", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct People {
    /// The caller need not be named.
    user_ids: Vec<UserId>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    id: ConversationId,
    workspace_id: WorkspaceId,
    /// With the caller's.
    user_ids: Vec<UserId>,
    created_at: Timestamp,
    /// Of its last message; 0 without one.
    last_sequence: i64,
    /// Messages that the caller has not read.
    unread_count: i64,
}

impl From<conversations::Conversation> for Conversation {
    fn from(conversation: conversations::Conversation) -> Self {
        Self {
            id: conversation.id,
            workspace_id: conversation.workspace,
            user_ids: conversation.users,
            created_at: conversation.created_at,
            last_sequence: conversation.standing.last_sequence,
            unread_count: conversation.standing.unread(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conversations")]
struct List {
    conversations: Vec<Conversation>,
}

async fn open(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let People { user_ids: users } = body::json(payload).await?;
    let done = api.workspaces.command(&workspace, Some(&me.user), Command::OpenConversation { users }).await?;
    let id = done.conversation_id.ok_or_else(Rejection::internal)?;
    let conversation = Conversation::from(known_conversation(&api, id, &me.user).await?);
    if done.created { created(conversation) } else { ok(conversation) }
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| conversations::of_workspace(db, &workspace, &me.user, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { conversations: found.into_iter().map(Conversation::from).collect() })
}
