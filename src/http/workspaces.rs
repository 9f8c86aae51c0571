//! Workspaces: making, listing, renaming and deleting them.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, created, no_content, ok};
use crate::http::body;
use crate::http::name::Name;
use crate::http::query::{Params, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{no_such_workspace, require_owner, workspace_of};
use crate::protocol::chat::command::{Command, Role};
use crate::protocol::ids::{UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::workspaces::{self, NewWorkspace, Summary};

const NAME_CHARS_MAX: usize = 100;

pub fn routes(routes: &mut Routes) {
    let tag = "workspaces";
    routes.call(tag, Method::POST, "/api/workspaces", create, "Make a workspace; the caller becomes its owner", |call| {
        call.takes::<Named>().gives::<NewlyMade>(201, "It was made")
    });
    routes.call(tag, Method::GET, "/api/workspaces", list, "The caller's workspaces", |call| {
        call.pages().gives::<List>(200, "A page of them")
    });
    routes.call(tag, Method::GET, "/api/workspaces/{id}", get, "A workspace", |call| {
        call.gives::<Workspace>(200, "The workspace").refuses(&[404])
    });
    routes.call(tag, Method::PATCH, "/api/workspaces/{id}", rename, "Rename a workspace; by its owner", |call| {
        call.takes::<Named>().gives::<Workspace>(200, "The workspace as it is called").refuses(&[403, 404, 503])
    });
    routes.call(
        tag,
        Method::DELETE,
        "/api/workspaces/{id}",
        delete,
        "Delete a workspace and all that belongs to it; by its owner",
        |call| call.gives_nothing(204, "It is gone").refuses(&[403, 404, 503]),
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WorkspaceName")]
struct Named {
    name: Name<NAME_CHARS_MAX>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewWorkspace")]
struct NewlyMade {
    id: WorkspaceId,
    name: String,
    owner_id: UserId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workspace {
    id: WorkspaceId,
    name: String,
    owner_id: UserId,
    /// The caller's.
    role: Role,
    created_at: Timestamp,
}

impl From<Summary> for Workspace {
    fn from(Summary { id, name, owner, role, created_at }: Summary) -> Self {
        Self { id, name, owner_id: owner, role, created_at }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Workspaces")]
struct List {
    workspaces: Vec<Workspace>,
}

async fn create(api: Data<Api>, me: SignedIn, payload: Payload) -> Answer {
    let Named { name: Name(name) } = body::json(payload).await?;
    let made = NewlyMade { id: WorkspaceId::new(clock::fresh_id()), name: name.clone(), owner_id: me.user.clone() };
    let new = NewWorkspace { id: made.id.clone(), name, owner: me.user, membership: clock::fresh_id(), at: clock::now() };
    api.db.write(move |db| workspaces::create(db, &new)).await?;
    api.workspaces.welcome(&made.id, &made.owner_id);
    created(made)
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| workspaces::list(db, &me.user, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { workspaces: found.into_iter().map(Workspace::from).collect() })
}

async fn get(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    ok(read(&api, workspace_of(&request)?, me.user).await?)
}

async fn rename(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    require_owner(&api, &workspace, &me.user).await?;
    let Named { name: Name(name) } = body::json(payload).await?;
    api.workspaces.command(&workspace, Some(&me.user), Command::Rename { name }).await?;
    ok(read(&api, workspace, me.user).await?)
}

async fn delete(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    require_owner(&api, &workspace, &me.user).await?;
    api.workspaces.command(&workspace, Some(&me.user), Command::DeleteWorkspace).await?;
    no_content()
}

async fn read(api: &Api, workspace: WorkspaceId, user: UserId) -> Result<Workspace, Refusal> {
    let found = api.db.read(move |db| workspaces::one(db, &workspace, &user)).await?;
    found.map(Workspace::from).ok_or_else(no_such_workspace)
}
