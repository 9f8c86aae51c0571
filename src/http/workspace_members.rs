//! The members of a workspace and what they are in it.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, no_content, ok};
use crate::http::body;
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{require_admin, role, workspace_of};
use crate::protocol::chat::command::{Command, Role};
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::store::workspaces::{self, MemberRow};

pub fn routes(routes: &mut Routes) {
    let tag = "workspaces";
    routes.call(tag, Method::GET, "/api/workspaces/{id}/members", list, "The members of a workspace", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
    routes.call(tag, Method::PATCH, "/api/workspaces/{id}/members/{userId}", set_role, "Change what a member is; by an admin", |call| {
        call.takes::<NewRole>().gives::<Member>(200, "The member").refuses(&[403, 404, 409, 503])
    });
    routes.call(
        tag,
        Method::DELETE,
        "/api/workspaces/{id}/members/{userId}",
        remove,
        "Take out a member; by an admin, or oneself",
        |call| call.gives_nothing(204, "He or she is no member any more").refuses(&[403, 404, 409, 503]),
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: Role,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkspaceMember")]
pub(super) struct Member {
    id: String,
    user_id: UserId,
    name: String,
    role: Role,
    joined_at: Timestamp,
}

impl From<MemberRow> for Member {
    fn from(MemberRow { id, user, name, role, joined_at }: MemberRow) -> Self {
        Self { id, user_id: user, name, role, joined_at }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WorkspaceMembers")]
struct List {
    members: Vec<Member>,
}

fn no_such_member() -> Refusal {
    Refusal::not_found("member")
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| workspaces::members(db, &workspace, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { members: found.into_iter().map(Member::from).collect() })
}

async fn set_role(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    require_admin(&api, &workspace, &me.user).await?;
    let user = UserId::new(path_id(&request, "userId", "member")?);
    let NewRole { role } = body::json(payload).await?;
    api.workspaces.command(&workspace, Some(&me.user), Command::SetRole { user: user.clone(), role }).await?;
    let found = api.db.read(move |db| workspaces::member(db, &workspace, &user)).await?;
    ok(found.map(Member::from).ok_or_else(no_such_member)?)
}

async fn remove(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    let role = role(&api, &workspace, &me.user).await?;
    let user = UserId::new(path_id(&request, "userId", "member")?);
    if role == Role::Member && user != me.user {
        return Err(Refusal::forbidden("Only an admin may take out somebody else"));
    }
    api.workspaces.command(&workspace, Some(&me.user), Command::RemoveMember { user }).await?;
    no_content()
}
