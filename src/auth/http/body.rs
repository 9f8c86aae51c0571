//! Request bodies, and the complaints about their fields in the words of Better Auth's validator.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Bytes of a body; more is 413.
const BYTES_MAX: usize = 64 * 1024;

/// The fields of a body that is a JSON object. Reading one that is missing or of another type is noted; [`Fields::check`] reports all at once.
pub struct Fields {
    /// `None` when the body is no object; then `complaints` says so.
    object: Option<Map<String, Value>>,
    complaints: Vec<String>,
}

impl Fields {
    pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, Refusal> {
        let value = match json(request, payload).await? {
            Some(Value::Object(object)) => return Ok(Self { object: Some(object), complaints: Vec::new() }),
            other => other,
        };
        let complaint = format!("[body] Invalid input: expected object, received {}", type_name(value.as_ref()));
        Ok(Self { object: None, complaints: vec![complaint] })
    }

    /// Empty when it is missing, which [`Fields::check`] reports.
    pub fn text(&mut self, name: &str) -> String {
        self.take(name, "string", true, as_text).unwrap_or_default()
    }

    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.take(name, "string", false, as_text)
    }

    pub fn optional_flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "boolean", false, |value| value.as_bool())
    }

    /// Notes what is wrong with a field that was read, unless something is already.
    pub fn complain(&mut self, name: &str, about: &str) {
        let field = format!("[body.{name}] ");
        if self.object.is_some() && !self.complaints.iter().any(|complaint| complaint.starts_with(&field)) {
            self.complaints.push(field + about);
        }
    }

    pub fn check(self) -> Result<(), Refusal> {
        match self.complaints.as_slice() {
            [] => Ok(()),
            complaints => Err(Refusal::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", complaints.join("; "))),
        }
    }

    fn take<T>(&mut self, name: &str, expected: &str, required: bool, read: fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.object.as_mut()?.remove(name);
        let read = value.as_ref().and_then(read);
        if read.is_none() && (required || value.is_some()) {
            let about = match &value {
                // The databases cannot hold it, and no name needs it.
                Some(Value::String(_)) if expected == "string" => "Invalid input: U+0000 is not allowed".to_owned(),
                other => format!("Invalid input: expected {expected}, received {}", type_name(other.as_ref())),
            };
            self.complain(name, &about);
        }
        read
    }
}

/// Refuses a body that a browser could have sent for another site, or that is too long, and otherwise does not look into it.
pub async fn ignore(request: &HttpRequest, payload: Payload) -> Result<(), Refusal> {
    json(request, payload).await.map(drop)
}

async fn json(request: &HttpRequest, payload: Payload) -> Result<Option<Value>, Refusal> {
    let body = bytes(payload).await?;
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let about = match content_type {
            Some(given) => format!("Content-Type \"{given}\" is not allowed. Allowed types: application/json"),
            None => "Content-Type is required. Allowed types: application/json".to_owned(),
        };
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", about));
    }
    let malformed = |_| Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "Invalid JSON in request body");
    serde_json::from_slice(&body).map(Some).map_err(malformed)
}

async fn bytes(mut payload: Payload) -> Result<BytesMut, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", "The body ended early"))?;
        if body.len() + chunk.len() > BYTES_MAX {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "The body is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn as_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.contains('\0')).map(str::to_owned)
}

/// What JavaScript calls it.
fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}
