//! Who is in a channel.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, created, no_content, ok};
use crate::http::body;
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{channel_of, no_such_channel};
use crate::protocol::chat::command::Command;
use crate::protocol::ids::UserId;
use crate::store::workspaces::channels::{self, ChannelMember};

pub fn routes(routes: &mut Routes) {
    let tag = "channels";
    routes.call(tag, Method::GET, "/api/channels/{id}/members", list, "Who is in a channel", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[404])
    });
    routes.call(
        tag,
        Method::POST,
        "/api/channels/{id}/members",
        add,
        "Take a member of the workspace into a channel; by one of its members",
        |call| call.takes::<Newcomer>().gives::<Member>(201, "He or she is in it").refuses(&[403, 404, 409, 503]),
    );
    routes.call(tag, Method::DELETE, "/api/channels/{id}/members/{userId}", remove, "Take somebody out of a channel", |call| {
        call.gives_nothing(204, "He or she is not in it any more").refuses(&[403, 404, 503])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Newcomer {
    user_id: UserId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChannelMember")]
struct Member {
    user_id: UserId,
    name: String,
}

impl From<ChannelMember> for Member {
    fn from(ChannelMember { user, name }: ChannelMember) -> Self {
        Self { user_id: user, name }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChannelMembers")]
struct List {
    members: Vec<Member>,
}

fn no_such_member() -> Refusal {
    Refusal::not_found("member")
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    // Who was in it may have been taken out since it was asked for: membership is read again with the list.
    let found = api.db.read(move |db| channels::members(db, &channel.id, &me.user, page)).await?.ok_or_else(no_such_channel)?;
    ok(List { members: found.ok_or_else(unknown_cursor)?.into_iter().map(Member::from).collect() })
}

async fn add(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    if channel.standing.is_none() {
        return Err(Refusal::forbidden("Only members of the channel may do this"));
    }
    let Newcomer { user_id } = body::json(payload).await?;
    let command = Command::AddToChannel { channel_id: channel.id.clone(), user: user_id.clone() };
    api.workspaces.command(&channel.workspace, Some(&me.user), command).await?;
    let found = api.db.read(move |db| channels::member(db, &channel.id, &user_id)).await?;
    created(Member::from(found.ok_or_else(no_such_member)?))
}

async fn remove(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    let user = UserId::new(path_id(&request, "userId", "member")?);
    let command = Command::RemoveFromChannel { channel_id: channel.id, user };
    api.workspaces.command(&channel.workspace, Some(&me.user), command).await?;
    no_content()
}
