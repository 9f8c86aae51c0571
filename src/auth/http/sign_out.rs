//! `POST /sign-out`: ends the session of the request, if there is one, and takes the cookies away in any case.

use actix_web::http::header::SET_COOKIE;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::body;
use super::refusal::Refusal;
use crate::auth::credentials::Credentials;
use crate::auth::state::AuthState;
use crate::store::accounts;

pub async fn sign_out(state: Data<AuthState>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Refusal> {
    body::ignore(&request, payload).await?;
    let authenticator = state.authenticator();
    if let Some(token) = Credentials::of_request(request.headers(), authenticator.cookies()).token().map(str::to_owned) {
        authenticator.end_sessions(move |db| Ok(accounts::delete_session(db, &token, None)?.into_iter().collect())).await?;
    }
    let mut answer = HttpResponse::Ok();
    for cookie in authenticator.cookies().clear() {
        answer.append_header((SET_COOKIE, cookie));
    }
    Ok(answer.json(serde_json::json!({"success": true})))
}
