//! Invite links: whoever has the code may join.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::HOST;
use actix_web::web::{Data, Payload};
use diesel::QueryResult;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::random;
use crate::auth::session::SignedIn;
use crate::auth::state::AuthState;
use crate::http::Api;
use crate::http::access::{Answer, Joined, campaign_of, created, ok, require_dm};
use crate::http::body;
use crate::http::circle_invites::as_made;
use crate::http::query::path_id;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{require_admin, workspace_of};
use crate::protocol::campaign::command::Command;
use crate::protocol::chat::command as chat;
use crate::protocol::circle::command as circle;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::CircleId;
use crate::protocol::time::Timestamp;
use crate::store::campaigns::invitations as to_campaigns;
use crate::store::circles::invites as to_circles;
use crate::store::db::Db;
use crate::store::workspaces::invitations as to_workspaces;

const EXPIRES_IN_HOURS: u32 = 168;
const EXPIRES_IN_HOURS_MAX: u32 = 8_760;
const USES_MAX: u32 = 10_000;

pub fn routes(routes: &mut Routes) {
    let tag = "invitations";
    routes.call(tag, Method::POST, "/api/campaigns/{id}/invite-links", create, "Make an invite link; by a DM", |call| {
        call.takes::<NewLink>().gives::<Link>(201, "The link").refuses(&[403, 404, 503])
    });
    routes.call(tag, Method::POST, "/api/workspaces/{id}/invite-links", create_to_workspace, "Make an invite link; by an admin", |call| {
        call.takes::<NewLink>().gives::<Link>(201, "The link").refuses(&[403, 404, 503])
    });
    routes.call(
        tag,
        Method::POST,
        "/api/invite-links/{code}/accept",
        accept,
        "Join the campaign or workspace of an invite link, or the circle of a code",
        |call| call.gives::<Joined>(200, "The caller is a member").refuses(&[404, 409, 410, 503]),
    );
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewInviteLink")]
struct NewLink {
    /// 168 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 8760))]
    expires_in_hours: Option<u32>,
    /// Without limit when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    max_uses: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "InviteLink")]
struct Link {
    code: String,
    url: String,
    expires_at: Timestamp,
}

/// A link that a room is about to know.
struct Drawn {
    code: String,
    expires_at: Timestamp,
    max_uses: Option<u32>,
}

async fn drawn(payload: Payload) -> Result<Drawn, Refusal> {
    let wanted: NewLink = body::json(payload).await?;
    let hours = within("expiresInHours", wanted.expires_in_hours.unwrap_or(EXPIRES_IN_HOURS), EXPIRES_IN_HOURS_MAX)?;
    let max_uses = wanted.max_uses.map(|uses| within("maxUses", uses, USES_MAX)).transpose()?;
    let expires_at = clock::now().plus(Duration::from_secs(u64::from(hours) * 3600));
    Ok(Drawn { code: random::token(), expires_at, max_uses })
}

async fn create(api: Data<Api>, auth: Data<AuthState>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let Drawn { code, expires_at, max_uses } = drawn(payload).await?;
    let command = Command::CreateInviteLink { code: code.clone(), expires_at, max_uses };
    api.rooms.command(&campaign, Some(&me.user), command).await?;
    created(Link { url: format!("{}/join/{code}", origin(&api, &auth, &request)), code, expires_at })
}

async fn create_to_workspace(api: Data<Api>, auth: Data<AuthState>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    require_admin(&api, &workspace, &me.user).await?;
    let Drawn { code, expires_at, max_uses } = drawn(payload).await?;
    let command = chat::Command::CreateInviteLink { code: code.clone(), expires_at, max_uses };
    api.workspaces.command(&workspace, Some(&me.user), command).await?;
    created(Link { url: format!("{}/join/{code}", origin(&api, &auth, &request)), code, expires_at })
}

/// The server as the caller reached it, or as the settings say.
fn origin(api: &Api, auth: &AuthState, request: &HttpRequest) -> String {
    let own = || {
        let scheme = if auth.sites().is_https(request) { "https" } else { "http" };
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("{scheme}://{host}")
    };
    api.base_url.as_deref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
}

fn within(field: &str, number: u32, max: u32) -> Result<u32, Refusal> {
    let fits = (1..=max).contains(&number);
    if fits { Ok(number) } else { Err(Refusal::bad_field(field, format_args!("must be from 1 to {max}"))) }
}

async fn accept(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let code = path_id(&request, "code", "invite link")?;
    let which = code.clone();
    let leads = api.db.read(move |db| where_to(db, &which)).await?.ok_or_else(|| Refusal::not_found("invite link"))?;
    let (user, name) = (me.user.clone(), me.name);
    match leads {
        Leads::Campaign(link) => {
            require_usable(link.is_used_up, link.expires_at)?;
            api.rooms.command(&link.campaign, None, Command::AcceptInviteLink { code, user, name }).await?;
            ok(Joined::campaign(&api, link.campaign, &me.user).await?)
        }
        Leads::Workspace(link) => {
            require_usable(link.is_used_up, link.expires_at)?;
            api.workspaces.command(&link.workspace, None, chat::Command::AcceptInviteLink { code, user, name }).await?;
            ok(Joined::workspace(&api, link.workspace, &me.user).await?)
        }
        Leads::Circle(id, code) => {
            api.circles.command(&id, None, circle::Command::AcceptInvite { code, user, name }).await?;
            ok(Joined::circle(&api, id, &me.user).await?)
        }
    }
}

/// Where a link leads.
enum Leads {
    Campaign(to_campaigns::Link),
    Workspace(to_workspaces::Link),
    /// With the code as it was made.
    Circle(CircleId, String),
}

fn where_to(db: &mut Db, code: &str) -> QueryResult<Option<Leads>> {
    if let Some(link) = to_campaigns::link(db, code)? {
        return Ok(Some(Leads::Campaign(link)));
    }
    if let Some(link) = to_workspaces::link(db, code)? {
        return Ok(Some(Leads::Workspace(link)));
    }
    let code = as_made(code);
    Ok(to_circles::usable(db, &code, clock::now())?.map(|circle| Leads::Circle(circle, code)))
}

/// A room that was loaded since does not know of links that are used up.
fn require_usable(is_used_up: bool, expires_at: Timestamp) -> Result<(), Refusal> {
    if is_used_up || expires_at <= clock::now() {
        return Err(Refusal::new(ErrorCode::Gone, "The invite link is used up or expired"));
    }
    Ok(())
}
