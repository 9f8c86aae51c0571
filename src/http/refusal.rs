//! How REST says no: `{"error":"text","code":"CODE"}` with the status that says the same.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

use crate::actors::executor::StoreError;
use crate::protocol::error::{ErrorCode, Rejection};

/// A [`Rejection`] as the answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Rejection);

/// The body of every failure.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For people.
    error: String,
    /// For programs.
    code: ErrorCode,
    /// Seconds after which trying again makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl Refusal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Rejection::new(code, message))
    }

    /// There is no such thing, or none that the caller may know of: the two look the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("No such {what}"))
    }

    pub fn forbidden(message: &str) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// `field` is named first, as sockets do it.
    pub fn bad_field(field: &str, complaint: impl fmt::Display) -> Self {
        Self::new(ErrorCode::BadMessage, format!("{field}: {complaint}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let Rejection { code, message, retry_after } = self.0.clone();
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(seconds) = retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        answer.json(ErrorBody { error: message, code, retry_after })
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self(Rejection::busy()),
            StoreError::Unavailable => Self::new(ErrorCode::StorageUnavailable, "The database cannot be reached"),
            StoreError::Failed(error) => {
                log::error!("a query of REST failed: {error}");
                Self(Rejection::internal())
            }
        }
    }
}
