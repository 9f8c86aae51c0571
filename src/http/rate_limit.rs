//! Limits on what strangers may try, by their address.

use actix_web::HttpRequest;

use crate::auth::rate_limit::Limit;
use crate::auth::state::AuthState;
use crate::http::refusal::Refusal;
use crate::protocol::error::{ErrorCode, Rejection};

/// Counts an attempt in, or says when there may be another one.
pub fn admit(auth: &AuthState, request: &HttpRequest, limit: Limit) -> Result<(), Refusal> {
    auth.admit(request, limit).map_err(|seconds| {
        let wait = seconds.try_into().unwrap_or(u32::MAX);
        Refusal(Rejection::new(ErrorCode::RateLimited, "Too many requests. Please try again later.").retry_in(wait))
    })
}
