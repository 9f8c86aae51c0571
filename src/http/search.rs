//! Search in the messages of a workspace that the caller may read at the time.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, ok};
use crate::http::query::{Params, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{role, workspace_of};
use crate::protocol::chat::messages::Message;
use crate::protocol::ids::MessageId;
use crate::store::workspaces::search::{self, Search, Words};

/// Characters of what is searched for.
const QUERY_CHARS_MAX: usize = 200;

pub fn routes(routes: &mut Routes) {
    let tag = "messages";
    routes.call(
        tag,
        Method::GET,
        "/api/workspaces/{id}/search",
        find,
        "Messages that hold all of some words, in the channels and conversations that the caller is in",
        |call| {
            call.requires("q", "1 to 200 characters: the words; the last one may be the beginning of one", &[])
                .asks("limit", "Messages of a page, 1 to 200; 200 when absent", &[])
                .asks("before", "The id of the message that the page begins after, which is the last one of the page before", &[])
                .gives::<Hits>(200, "A page of them, newest first")
                .refuses(&[400, 404])
        },
    );
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Hits {
    messages: Vec<Message>,
    /// Whether there are older ones.
    has_more: bool,
}

async fn find(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    role(&api, &workspace, &me.user).await?;
    let params = Params::of(&request)?;
    let text = params.one("q")?.filter(|text| !text.trim().is_empty() && text.chars().take(QUERY_CHARS_MAX + 1).count() <= QUERY_CHARS_MAX);
    let text = text.ok_or_else(|| Refusal::bad_field("q", format_args!("must have 1–{QUERY_CHARS_MAX} characters")))?;
    let before = params.one("before")?.map(MessageId::from);
    let search = Search { workspace, user: me.user, words: Words::of(text), before, limit: params.limit()? };
    let found = api.db.read(move |db| search::find(db, &search)).await?.ok_or_else(unknown_cursor)?;
    ok(Hits { messages: found.messages, has_more: found.has_more })
}
