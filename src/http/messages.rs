//! The messages of a channel or a conversation, for those who are in it.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Data;
use schemars::JsonSchema;
use serde::Serialize;

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, ok};
use crate::http::query::Params;
use crate::http::refusal::Refusal;
use crate::http::routes::{Call, Routes};
use crate::http::workspace_access::{channel_of, conversation_of, no_such_channel, no_such_conversation};
use crate::protocol::chat::command::Target;
use crate::protocol::chat::messages::Message;
use crate::protocol::ids::{MessageId, UserId};
use crate::store::workspaces::messages::{self, MessagePage, Wanted};

pub fn routes(routes: &mut Routes) {
    let tag = "messages";
    routes.call(tag, Method::GET, "/api/channels/{id}/messages", of_channel, "The messages of a channel; for its members", |call| {
        described(call).refuses(&[403])
    });
    routes.call(
        tag,
        Method::GET,
        "/api/conversations/{id}/messages",
        of_conversation,
        "The messages of a conversation; for those who are in it",
        described,
    );
}

fn described(call: Call) -> Call {
    call.pages()
        .asks("parentId", "Only the replies to this message", &[])
        .gives::<Messages>(200, "A page of them, oldest first; the cursors are sequences")
        .refuses(&[404])
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Messages {
    messages: Vec<Message>,
    /// Whether there are more of them beyond this page: older ones if it ends before a cursor, else newer ones.
    has_more: bool,
}

async fn of_channel(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let channel = channel_of(&api, &request, &me.user).await?;
    if channel.standing.is_none() {
        return Err(Refusal::forbidden("Only members of the channel may read it"));
    }
    page_of(&api, me.user, Target::Channel(channel.id), &request).await?.ok_or_else(no_such_channel).and_then(ok)
}

async fn of_conversation(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let conversation = conversation_of(&api, &request, &me.user).await?;
    page_of(&api, me.user, Target::Dm(conversation.id), &request).await?.ok_or_else(no_such_conversation).and_then(ok)
}

/// `None` when the user was taken out since.
async fn page_of(api: &Api, user: UserId, target: Target, request: &HttpRequest) -> Result<Option<Messages>, Refusal> {
    let params = Params::of(request)?;
    let parent = params.one("parentId")?.map(MessageId::from);
    let wanted = Wanted { target, parent, page: params.page_by_seq()? };
    let found = api.db.read(move |db| messages::read_by(db, &user, &wanted)).await?;
    Ok(found.map(|MessagePage { messages, has_more }| Messages { messages, has_more }))
}
