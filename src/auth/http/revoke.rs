//! `POST /revoke-session`, `/revoke-sessions` and `/revoke-other-sessions`: ending sessions from afar.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::body::{self, Fields};
use super::refusal::Refusal;
use crate::auth::session::{self, Session};
use crate::auth::state::AuthState;
use crate::store::accounts;

/// Says the same of unknown and foreign tokens, which stay: a token is not told by this.
pub async fn revoke_session(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    let mut fields = Fields::read(&request, payload).await?;
    let token = fields.text("token");
    fields.check()?;
    let user = caller(&state, &request).await?.user;
    let job = move |db: &mut _| Ok(accounts::delete_session(db, &token, Some(user.as_str()))?.into_iter().collect());
    state.authenticator().end_sessions(job).await?;
    Ok(done())
}

pub async fn revoke_sessions(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    body::ignore(&request, payload).await?;
    let user = caller(&state, &request).await?.user;
    state.authenticator().end_sessions(move |db| accounts::delete_sessions_of(db, user.as_str(), None)).await?;
    Ok(done())
}

pub async fn revoke_other_sessions(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    body::ignore(&request, payload).await?;
    let own = caller(&state, &request).await?;
    state.authenticator().end_sessions(move |db| accounts::delete_sessions_of(db, own.user.as_str(), Some(&own.id))).await?;
    Ok(done())
}

async fn caller(state: &AuthState, request: &HttpRequest) -> Result<Session, Refusal> {
    session::of_request(state, request).await?.ok_or_else(Refusal::unauthorized)
}

fn done() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": true}))
}
