//! Error answers: `{"message","code"}`, as the client library reads them.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::actors::executor::StoreError;
use crate::auth::hashing::Overloaded;
use crate::auth::password::BadLength;

#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_seconds: None }
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized")
    }

    pub fn invalid_email_or_password() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
    }

    pub fn invalid_email() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_EMAIL", "Invalid email")
    }

    pub fn email_taken() -> Self {
        let message = "User already exists. Use another email.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", message)
    }

    pub fn sign_up_closed() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "EMAIL_PASSWORD_SIGN_UP_DISABLED", "Email and password sign up is not enabled")
    }

    pub fn session_not_fresh() -> Self {
        Self::new(StatusCode::FORBIDDEN, "SESSION_NOT_FRESH", "Session is not fresh")
    }

    pub fn too_many_requests(retry_after_seconds: u64) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Too many requests. Please try again later.");
        Self { retry_after_seconds: Some(retry_after_seconds), ..refusal }
    }
}

impl From<BadLength> for Refusal {
    fn from(length: BadLength) -> Self {
        let (code, message) = match length {
            BadLength::TooShort => ("PASSWORD_TOO_SHORT", "Password too short"),
            BadLength::TooLong => ("PASSWORD_TOO_LONG", "Password too long"),
        };
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

impl From<Overloaded> for Refusal {
    fn from(_: Overloaded) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY", "The server is busy. Please try again later.");
        Self { retry_after_seconds: Some(2), ..refusal }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Failed(error) => {
                log::error!("the tables of users refused: {error}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "Internal Server Error")
            }
            StoreError::Busy | StoreError::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "STORAGE_UNAVAILABLE", "The database cannot be reached")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after_seconds {
            answer.insert_header(("x-retry-after", seconds.to_string()));
        }
        answer.json(serde_json::json!({"message": self.message, "code": self.code}))
    }
}
