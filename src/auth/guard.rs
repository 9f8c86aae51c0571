//! Around every call of the API: who may send it, and the cookie that its answer carries.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};

use crate::auth::origin::OriginFault;
use crate::auth::session::RenewedCookies;
use crate::auth::state::AuthState;

const AUTH: &str = "/api/auth/";

/// Middleware for the whole application (`from_fn(guard)`): notices forwarding headers that are not believed, refuses requests of other sites
/// under `/api`, and sends the session cookie again after the session was extended.
pub async fn guard<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = request.app_data::<web::Data<AuthState>>().expect("the application holds an AuthState").clone();
    state.sites().proxies.notice(request.peer_addr().map(|peer| peer.ip()), request.headers());
    if needs_check(request.method(), request.path(), request.headers())
        && let Err(fault) = state.sites().origins.check(request.headers(), state.sites().is_https(request.request()))
    {
        let refusal = refusal(fault, request.path());
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    let renewed = response.request().extensions_mut().remove::<RenewedCookies>();
    for cookie in renewed.into_iter().flat_map(|renewed| renewed.0) {
        let cookie = HeaderValue::try_from(cookie).expect("a cookie is made of visible ASCII");
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response.map_into_left_body())
}

/// Requests that a browser could have been made to send with somebody's cookie, or that would sign it in as somebody else.
fn needs_check(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let under_api = path == "/api" || path.starts_with("/api/");
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let from_browser = [ORIGIN, REFERER].iter().chain(&FETCH_METADATA).any(|name| headers.contains_key(name));
    under_api && changes && (headers.contains_key(COOKIE) || (is_entrance(path) && from_browser))
}

const FETCH_METADATA: [HeaderName; 3] =
    [HeaderName::from_static("sec-fetch-site"), HeaderName::from_static("sec-fetch-mode"), HeaderName::from_static("sec-fetch-dest")];

/// Calls that begin a session without having one.
fn is_entrance(path: &str) -> bool {
    path.strip_prefix(AUTH).is_some_and(|call| call.starts_with("sign-in/") || call.starts_with("sign-up/") || call == "join")
}

fn refusal(fault: OriginFault, path: &str) -> HttpResponse {
    let text = if path.starts_with(AUTH) { "message" } else { "error" };
    HttpResponse::Forbidden().json(serde_json::json!({text: fault.message(), "code": fault.code()}))
}
