//! The HTTP API of Better Auth for e-mail and password, one file per resource.
//!
//! Answers have the shapes, and errors the statuses and codes, that the client library of Better Auth knows.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::fn_guard;
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpResponse, ResponseError, web};

use crate::auth::rate_limit::Limit;
use crate::auth::state::AuthState;

mod body;
mod email;
mod get_session;
mod list_sessions;
mod refusal;
mod revoke;
mod sign_in;
mod sign_out;
mod sign_up;
mod view;

use refusal::Refusal;

/// Calls at `/api/auth` that are not of Better Auth: REST mounts them.
const OF_OTHERS: [&str; 2] = ["/api/auth/join", "/api/auth/me"];

/// Mounts the API at `/api/auth`. The application holds a `web::Data<AuthState>` and is wrapped in [`crate::auth::guard::guard`].
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/auth")
            .guard(fn_guard(|request| !OF_OTHERS.contains(&request.head().uri.path())))
            .wrap(from_fn(limit_rate))
            .route("/sign-up/email", web::post().to(sign_up::sign_up))
            .route("/sign-in/email", web::post().to(sign_in::sign_in))
            .route("/sign-out", web::post().to(sign_out::sign_out))
            .route("/get-session", web::get().to(get_session::get_session))
            .route("/list-sessions", web::get().to(list_sessions::list_sessions))
            .route("/revoke-session", web::post().to(revoke::revoke_session))
            .route("/revoke-sessions", web::post().to(revoke::revoke_sessions))
            .route("/revoke-other-sessions", web::post().to(revoke::revoke_other_sessions))
            .route("/ok", web::get().to(ok))
            .default_service(web::to(HttpResponse::NotFound)),
    );
}

async fn ok() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"ok": true}))
}

async fn limit_rate<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = request.app_data::<web::Data<AuthState>>().expect("the application holds an AuthState").clone();
    let limit = match request.path() {
        path if path.starts_with("/api/auth/sign-in/") => Limit::SignIn,
        path if path.starts_with("/api/auth/sign-up/") => Limit::SignUp,
        _ => Limit::Other,
    };
    match state.admit(request.request(), limit) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(seconds) => {
            let answer = Refusal::too_many_requests(seconds).error_response();
            Ok(request.into_response(answer).map_into_right_body())
        }
    }
}
