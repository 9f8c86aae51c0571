//! Error replies: what a client is told when a frame or a request cannot be done. None of them closes a connection.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    BadJson,
    BadMessage,
    Forbidden,
    InvalidState,
    NotFound,
    IdReused,
    RateLimited,
    Busy,
    TooLarge,
    Unauthorized,
    StorageUnavailable,
    Internal,
    /// REST only: it exists already, or the state of things is against it.
    Conflict,
    /// REST only: it was there and is used up.
    Gone,
}

impl ErrorCode {
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadJson => "BAD_JSON",
            ErrorCode::BadMessage => "BAD_MESSAGE",
            ErrorCode::Forbidden => "FORBIDDEN",
            ErrorCode::InvalidState => "INVALID_STATE",
            ErrorCode::NotFound => "NOT_FOUND",
            ErrorCode::IdReused => "ID_REUSED",
            ErrorCode::RateLimited => "RATE_LIMITED",
            ErrorCode::Busy => "BUSY",
            ErrorCode::TooLarge => "TOO_LARGE",
            ErrorCode::Unauthorized => "UNAUTHORIZED",
            ErrorCode::StorageUnavailable => "STORAGE_UNAVAILABLE",
            ErrorCode::Internal => "INTERNAL",
            ErrorCode::Conflict => "CONFLICT",
            ErrorCode::Gone => "GONE",
        }
    }

    /// The HTTP status that says the same.
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::BadJson | ErrorCode::BadMessage => 400,
            ErrorCode::Unauthorized => 401,
            ErrorCode::Forbidden => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::InvalidState | ErrorCode::IdReused | ErrorCode::Conflict => 409,
            ErrorCode::Gone => 410,
            ErrorCode::TooLarge => 413,
            ErrorCode::RateLimited => 429,
            ErrorCode::Internal => 500,
            ErrorCode::Busy | ErrorCode::StorageUnavailable => 503,
        }
    }
}

/// Why a command was not done: a code for programs, a sentence for people. It names nothing that its reader may not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: ErrorCode,
    pub message: String,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u32>,
}

impl Rejection {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    pub fn retry_in(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn storage_unavailable() -> Self {
        Self::new(ErrorCode::StorageUnavailable, "The database cannot be reached; the same id sent again tells whether it was done")
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub fn busy() -> Self {
        Self::new(ErrorCode::Busy, "The server is busy").retry_in(1)
    }

    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "Something went wrong on the server")
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}
