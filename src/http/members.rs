//! The members of a campaign.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, campaign_of, no_content, ok, role};
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::campaign::command::Command;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::rows::Role;
use crate::store::campaigns::{self, MemberRow, role_label};

pub fn routes(routes: &mut Routes) {
    let tag = "members";
    routes.call(tag, Method::GET, "/api/campaigns/{id}/members", list, "The members of a campaign", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
    routes.call(tag, Method::DELETE, "/api/campaigns/{id}/members/{userId}", remove, "Take out a member; by a DM, or oneself", |call| {
        call.gives_nothing(204, "He or she is no member any more").refuses(&[403, 404, 409, 503])
    });
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Member {
    id: String,
    user_id: UserId,
    name: String,
    /// `dm` or `player`.
    role: &'static str,
    joined_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Members")]
struct List {
    members: Vec<Member>,
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    role(&api, &campaign, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| campaigns::members(db, &campaign, page)).await?.ok_or_else(unknown_cursor)?;
    let member =
        |MemberRow { id, user, name, role, joined_at }: MemberRow| Member { id, user_id: user, name, role: role_label(role), joined_at };
    ok(List { members: found.into_iter().map(member).collect() })
}

async fn remove(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    let role = role(&api, &campaign, &me.user).await?;
    let user = UserId::new(path_id(&request, "userId", "member")?);
    if role != Role::Dm && user != me.user {
        return Err(Refusal::forbidden("Only a DM may take out somebody else"));
    }
    api.rooms.command(&campaign, Some(&me.user), Command::RemoveMember { user }).await?;
    no_content()
}
