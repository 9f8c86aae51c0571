//! `POST /api/auth/join`: an account for somebody who has a code, and a place in the circle that the code leads into.
//!
//! The room decides whether the code works, so of several people who try it at once one gets in. The account has to be there before: it is taken back
//! when the room refuses.

use actix_web::HttpRequest;
use actix_web::http::header::{SET_COOKIE, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::rate_limit::Limit;
use crate::auth::state::{AuthState, SignUp};
use crate::auth::{random, session};
use crate::http::Api;
use crate::http::access::{Answer, answer};
use crate::http::body;
use crate::http::circle_invites::as_made;
use crate::http::name::Name;
use crate::http::rate_limit::admit;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::circle::Command;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::UserId;
use crate::store::accounts::{self, UserRow};
use crate::store::circles::invites;
use crate::store::types::At;

const NAME_CHARS_MAX: usize = 100;
/// No mail goes there: the domain is reserved for names that do not exist (RFC 2606). The address is what makes an account one.
const UNREACHABLE_DOMAIN: &str = "join.invalid";

pub fn routes(routes: &mut Routes) {
    let summary = "Make an account without a password with a code, and join its circle";
    routes.call("circles", Method::POST, "/api/auth/join", join, summary, |call| {
        let says = "The account was made; the session is also set as a cookie";
        call.open().takes::<Newcomer>().gives::<Joined>(201, says).refuses(&[403, 410, 413, 429, 503])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Newcomer {
    code: String,
    name: Name<NAME_CHARS_MAX>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JoinedCircle")]
struct Joined {
    /// The session's.
    token: String,
    user: User,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JoinedUser")]
struct User {
    id: UserId,
    name: String,
}

/// The same for a code that was used, one that has expired and one that never was.
fn not_usable() -> Refusal {
    Refusal::new(ErrorCode::Gone, "This code cannot be used")
}

async fn join(api: Data<Api>, auth: Data<AuthState>, request: HttpRequest, payload: Payload) -> Answer {
    admit(&auth, &request, Limit::Code)?;
    let Newcomer { code, name: Name(name) } = body::json(payload).await?;
    if auth.sign_up() == SignUp::Closed {
        return Err(Refusal::forbidden("This server makes no new accounts"));
    }
    let (code, now) = (as_made(&code), clock::now());
    let which = code.clone();
    let circle = api.db.read(move |db| invites::usable(db, &which, now)).await?.ok_or_else(not_usable)?;

    let user = UserId::new(random::token());
    let row = UserRow {
        id: user.to_string(),
        name: name.clone(),
        email: format!("{}@{UNREACHABLE_DOMAIN}", user.as_str().to_lowercase()),
        email_verified: false,
        image: None,
        created_at: At(now),
        updated_at: At(now),
    };
    api.db.write(move |db| invites::add_user(db, &row)).await?;
    let accept = Command::AcceptInvite { code, user: user.clone(), name: name.clone() };
    if let Err(rejection) = api.circles.command(&circle, None, accept).await {
        let refused = user.clone();
        api.db.write(move |db| invites::remove_user(db, &refused)).await?;
        return Err(match rejection.code {
            ErrorCode::NotFound | ErrorCode::Gone => not_usable(),
            _ => rejection.into(),
        });
    }

    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let begun = session::begin(user.as_str(), true, auth.sites().client_address(&request).to_string(), user_agent, clock::now());
    let token = begun.token.clone();
    api.db.write(move |db| db.write(|db| accounts::begin_session(db, &begun))).await?;
    let mut made = answer(StatusCode::CREATED);
    for cookie in auth.authenticator().cookies().set(&token, true) {
        made.append_header((SET_COOKIE, cookie));
    }
    Ok(made.json(Joined { token, user: User { id: user, name } }))
}
