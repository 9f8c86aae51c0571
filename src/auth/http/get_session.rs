//! `GET /get-session`: the session of the request and its user, or `null`.

use actix_web::http::header::{CACHE_CONTROL, SET_COOKIE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::view::{SessionView, UserView};
use crate::auth::credentials::Credentials;
use crate::auth::session;
use crate::auth::state::AuthState;

pub async fn get_session(state: Data<AuthState>, request: HttpRequest) -> Result<HttpResponse, Refusal> {
    let found = session::of_request(&state, &request).await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    let Some(session) = found else {
        let cookies = state.authenticator().cookies();
        // A cookie of this server's own making whose session is gone: it will never be good again.
        if matches!(Credentials::of_request(request.headers(), cookies), Credentials::Cookie { .. }) {
            for cookie in cookies.clear() {
                answer.append_header((SET_COOKIE, cookie));
            }
        }
        return Ok(answer.json(Value::Null));
    };
    Ok(answer.json(json!({"session": SessionView::of_session(&session), "user": UserView::of_session(&session)})))
}
