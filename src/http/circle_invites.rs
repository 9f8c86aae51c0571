//! Codes that lead into a circle. Each works once, for whoever has it; making an account with one is `join`'s.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::random;
use crate::auth::rate_limit::Limit;
use crate::auth::session::SignedIn;
use crate::auth::state::AuthState;
use crate::http::Api;
use crate::http::access::{Answer, created, ok};
use crate::http::body;
use crate::http::circle_access::{circle_of, role};
use crate::http::rate_limit::admit;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::circle::Command;
use crate::protocol::time::Timestamp;
use crate::store::circles::invites;

const EXPIRES_IN_HOURS: u32 = 168;
const EXPIRES_IN_HOURS_MAX: u32 = 8_760;
/// Characters of a code as somebody typed it; what is longer is none.
const TYPED_CHARS_MAX: usize = 64;

pub fn routes(routes: &mut Routes) {
    let tag = "circles";
    routes.call(tag, Method::POST, "/api/circles/{id}/invites", create, "Make a code that lets one person join; by a member", |call| {
        call.takes::<NewInvite>().gives::<Invite>(201, "The code").refuses(&[404, 503])
    });
    routes.call(tag, Method::POST, "/api/invites/validate", validate, "Whether a code can be used", |call| {
        call.open().takes::<Typed>().gives::<Validity>(200, "Whether it can, and not why not").refuses(&[429, 503])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewCircleInvite")]
struct NewInvite {
    /// 168 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 8760))]
    expires_in_hours: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CircleInvite")]
struct Invite {
    code: String,
    expires_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "InviteCode")]
struct Typed {
    code: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InviteValidity")]
struct Validity {
    valid: bool,
    /// As it is to be sent, when it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// A code as it was made, whatever case, spaces and hyphens somebody typed it with. Empty for what is none.
pub(super) fn as_made(typed: &str) -> String {
    if typed.chars().nth(TYPED_CHARS_MAX).is_some() {
        return String::new();
    }
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

async fn create(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let circle = circle_of(&request)?;
    role(&api, &circle, &me.user).await?;
    let NewInvite { expires_in_hours } = body::json(payload).await?;
    let hours = expires_in_hours.unwrap_or(EXPIRES_IN_HOURS);
    if !(1..=EXPIRES_IN_HOURS_MAX).contains(&hours) {
        return Err(Refusal::bad_field("expiresInHours", format_args!("must be from 1 to {EXPIRES_IN_HOURS_MAX}")));
    }
    let invite = Invite { code: random::code(), expires_at: clock::now().plus(Duration::from_secs(u64::from(hours) * 3600)) };
    let command = Command::CreateInvite { code: invite.code.clone(), expires_at: invite.expires_at };
    api.circles.command(&circle, Some(&me.user), command).await?;
    created(invite)
}

async fn validate(api: Data<Api>, auth: Data<AuthState>, request: HttpRequest, payload: Payload) -> Answer {
    admit(&auth, &request, Limit::Code)?;
    let Typed { code } = body::json(payload).await?;
    let (code, now) = (as_made(&code), clock::now());
    let which = code.clone();
    let valid = api.db.read(move |db| invites::usable(db, &which, now)).await?.is_some();
    ok(Validity { valid, code: valid.then_some(code) })
}

#[cfg(test)]
mod tests {
    use super::as_made;

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        assert_eq!(as_made(" abcd-2345 efgh"), "ABCD2345EFGH");
        assert_eq!(as_made(&"A".repeat(65)), "");
        assert_eq!(as_made("ÄÖ\u{202e}"), "");
    }
}
