//! The members of a circle, and whether they share where they are.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, no_content, ok};
use crate::http::circle_access::{circle_of, role};
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::circle::Command;
use crate::protocol::circle::command::{Precision, Role};
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::store::circles::{self, MemberRow};

pub fn routes(routes: &mut Routes) {
    let tag = "circles";
    routes.call(tag, Method::GET, "/api/circles/{id}/members", list, "The members of a circle", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
    routes.call(tag, Method::DELETE, "/api/circles/{id}/members/{userId}", remove, "Take out a member; by the owner, or oneself", |call| {
        call.gives_nothing(204, "He or she is no member any more").refuses(&[403, 404, 503])
    });
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CircleMember")]
struct Member {
    id: String,
    user_id: UserId,
    name: String,
    role: Role,
    joined_at: Timestamp,
    sharing: Shared,
}

/// Whether somebody shares where he or she is, and how.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CircleSharing")]
struct Shared {
    enabled: bool,
    /// From then on not any more.
    until: Option<Timestamp>,
    /// Only the caller's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<Precision>,
}

impl Member {
    fn seen_by(viewer: &UserId, now: Timestamp, MemberRow { id, user, name, role, joined_at, sharing }: MemberRow) -> Self {
        let enabled = sharing.is_on(now);
        let shared =
            Shared { enabled, until: sharing.until.filter(|_| enabled), precision: (user == *viewer).then_some(sharing.precision) };
        Self { id, user_id: user, name, role, joined_at, sharing: shared }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CircleMembers")]
struct List {
    members: Vec<Member>,
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let circle = circle_of(&request)?;
    role(&api, &circle, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| circles::members(db, &circle, page)).await?.ok_or_else(unknown_cursor)?;
    let now = clock::now();
    ok(List { members: found.into_iter().map(|member| Member::seen_by(&me.user, now, member)).collect() })
}

async fn remove(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let circle = circle_of(&request)?;
    let role = role(&api, &circle, &me.user).await?;
    let user = UserId::new(path_id(&request, "userId", "member")?);
    if role != Role::Owner && user != me.user {
        return Err(Refusal::forbidden("Only the owner may take out somebody else"));
    }
    api.circles.command(&circle, Some(&me.user), Command::RemoveMember { user }).await?;
    no_content()
}
