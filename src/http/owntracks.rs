//! `POST /api/owntracks`: phones with the OwnTracks app, in its HTTP mode.
//!
//! The app sends one message a request and keeps it until it is answered with 200; so a point is durable before it is answered. It signs in with the
//! user's e-mail address and an app password. What it reports goes to every circle that the user shares with, and the answer is where the others of
//! these circles are, as the gate shows them. (<https://owntracks.org/booklet/tech/http/>, <https://owntracks.org/booklet/tech/json/>)

mod friends;
mod report;

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::actors::clock;
use crate::auth::rate_limit::Limit;
use crate::auth::state::AuthState;
use crate::http::Api;
use crate::http::access::ok;
use crate::http::app_passwords::hash;
use crate::http::body;
use crate::http::rate_limit::admit;
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::circle::Command;
use crate::protocol::circle::command::Point;
use crate::protocol::error::ErrorCode;
use crate::protocol::ids::{CircleId, UserId};
use crate::rooms::circle::rows::StoredCircle;
use crate::store::app_passwords;
use crate::store::circle::{circles_of, load_circle};
use crate::store::db::Db;
use report::Report;

/// Bytes of a body; a message has some hundred.
const BYTES_MAX: usize = 1024 * 1024;
/// Characters of an e-mail address and an app password, with room to spare.
const CREDENTIALS_CHARS_MAX: usize = 1_024;
const DEVICE: HeaderName = HeaderName::from_static("x-limit-d");

pub fn routes(routes: &mut Routes) {
    routes.call("owntracks", Method::POST, "/api/owntracks", post, "What a phone with the OwnTracks app reports", |call| {
        call.app_password()
            .takes::<Value>()
            .gives::<Vec<Value>>(200, "It is kept; where the others are, as `location` and `card`. Empty for what is no location")
            .refuses(&[429, 503])
    });
}

async fn post(api: Data<Api>, auth: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let user = match caller(&api, &auth, &request).await {
        Ok(user) => user,
        Err(refusal) if refusal.0.code == ErrorCode::Unauthorized => {
            let mut answer = refusal.error_response();
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"moothall\", charset=\"UTF-8\""));
            return Ok(answer);
        }
        Err(refusal) => return Err(refusal),
    };
    let body = body::bytes(payload, BYTES_MAX).await?;
    if body.trim_ascii().is_empty() {
        return ok(json!([]));
    }
    let device = request.headers().get(DEVICE).and_then(|value| value.to_str().ok());
    let reports = report::read(&body::parse(&body)?, device, clock::now())?;
    if reports.is_empty() {
        return ok(json!([]));
    }
    let of = user.clone();
    let circles = api.db.read(move |db| circles_of(db, &of)).await?;
    let kept = join_all(circles.iter().map(|circle| keep(&api, circle, &user, &reports))).await;
    kept.into_iter().collect::<Result<(), Refusal>>()?;
    let circles = api.db.read(move |db| circles.iter().filter_map(|circle| load_circle(db, circle).transpose()).collect());
    let circles: Vec<StoredCircle> = circles.await?;
    ok(friends::answer(&user, &circles, clock::now()))
}

/// Has a circle keep the points, in their order. Whether it takes them is its own business: that depends on what is shared with it.
async fn keep(api: &Api, circle: &CircleId, user: &UserId, reports: &[Report]) -> Result<(), Refusal> {
    for Report { device, position } in reports {
        let command = Command::Locate { device: device.clone(), point: Point::Plain(position.clone()) };
        match api.circles.command(circle, Some(user), command).await {
            Ok(_) => {}
            // The user was taken out of it meanwhile, or it is gone: nothing is lost by not keeping it there.
            Err(rejection) if matches!(rejection.code, ErrorCode::Forbidden | ErrorCode::NotFound) => return Ok(()),
            Err(rejection) => return Err(rejection.into()),
        }
    }
    Ok(())
}

/// Whose phone it is. Failures are counted by address; a phone with a good password is never held up by others.
async fn caller(api: &Api, auth: &AuthState, request: &HttpRequest) -> Result<UserId, Refusal> {
    let unknown = || Refusal::new(ErrorCode::Unauthorized, "An e-mail address and an app password are needed");
    let Some((username, password)) = basic(request.headers()) else { return Err(unknown()) };
    let (hash, email) = (hash(&password), username.to_lowercase());
    let wanted = hash.clone();
    let found = api.db.read(move |db| app_passwords::by_hash(db, &wanted)).await?;
    let is_theirs = |known: &app_passwords::Bearer| {
        bool::from(known.hash.as_bytes().ct_eq(hash.as_bytes()) & known.email.to_lowercase().as_bytes().ct_eq(email.as_bytes()))
    };
    let Some(known) = found.filter(is_theirs) else {
        admit(auth, request, Limit::AppPassword)?;
        return Err(unknown());
    };
    let now = clock::now();
    if known.use_is_to_be_noted(now) {
        let id = known.id;
        api.db.write(move |db: &mut Db| app_passwords::note_use(db, &id, now)).await?;
    }
    Ok(UserId::new(known.user))
}

/// `Authorization: Basic`, decoded.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || credentials.len() > CREDENTIALS_CHARS_MAX {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}
