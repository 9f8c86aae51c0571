//! CORS: which other sites may read the server's answers. The server's own site needs none of this, and strangers get none.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::auth::state::AuthState;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");

/// Middleware for the whole application (`from_fn(cors)`), outermost, so that refusals can be read, too.
pub async fn cors<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = request.app_data::<web::Data<AuthState>>().expect("the application holds an AuthState").clone();
    if !concerns(request.path()) || !state.sites().origins.allows_any() {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let origin = allowed_origin(&state, request.headers());
    let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight && origin.is_some() {
        let mut answer = HttpResponse::NoContent().finish();
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        request.into_response(answer).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    let headers = response.headers_mut();
    // Also on answers to others: a cache must not give those to an allowed origin.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn concerns(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/") || path.starts_with("/socket.io/")
}

fn allowed_origin(state: &AuthState, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    origin.to_str().ok().filter(|text| state.sites().origins.allows(text)).map(|_| origin.clone())
}
