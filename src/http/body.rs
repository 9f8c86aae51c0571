//! Request bodies: read up to a bound, then parsed with the field named in what is wrong.
//!
//! Handlers read the body themselves, after they know the caller and what he or she may do: nobody else's bytes are kept in memory.

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::http::refusal::Refusal;
use crate::protocol::error::ErrorCode;

/// Bytes of a JSON body; more is 413.
pub const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Of a body that is too large this much more is read and thrown away, so that an honest client gets to read the answer.
const DISCARDED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The whole body, if it has no more than `bytes_max` bytes.
pub async fn bytes(mut payload: Payload, bytes_max: usize) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::new(ErrorCode::BadMessage, "The body ended early"))?;
        if body.len() + chunk.len() > bytes_max {
            drop(body);
            discard(payload).await;
            return Err(Refusal::new(ErrorCode::TooLarge, format!("The body has more than {bytes_max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn discard(mut payload: Payload) {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

/// A JSON body. An empty one counts as `{}`.
pub async fn json<T: DeserializeOwned>(payload: Payload) -> Result<T, Refusal> {
    parse(&bytes(payload, JSON_BYTES_MAX).await?)
}

/// Checks in the order of the contract: JSON first, then the fields.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let text = std::str::from_utf8(body).map_err(|_| Refusal::new(ErrorCode::BadJson, "The body is not UTF-8"))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| Refusal::new(ErrorCode::BadJson, format!("The body is not JSON: {error}")))?;
    if holds_nul(text) {
        return Err(Refusal::new(ErrorCode::BadMessage, "A string of the body holds U+0000"));
    }
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let field = error.path().to_string();
        let complaint = error.into_inner();
        match complaint.is_data() {
            true if field == "." => Refusal::new(ErrorCode::BadMessage, complaint.to_string()),
            true => Refusal::bad_field(&field, complaint),
            false => Refusal::new(ErrorCode::BadJson, format!("The body is not JSON: {complaint}")),
        }
    })
}

/// Whether `\u0000` stands in a JSON text that is well formed, so that a backslash begins an escape of a string.
fn holds_nul(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with("u0000") {
            return true;
        }
        rest = escape.get(1..).unwrap_or("");
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    fn refused(body: &str) -> (ErrorCode, String) {
        let Refusal(rejection) = parse::<Named>(body.as_bytes()).expect_err(body);
        (rejection.code, rejection.message)
    }

    #[test]
    fn what_is_no_json_is_bad_json_even_when_a_field_is_wrong_before_it() {
        for body in ["{", "{\"name\":1,", "nope", "{\"name\":\"a\"} x", "{\"name\":\"\\ud800\"}"] {
            assert_eq!(refused(body).0, ErrorCode::BadJson, "{body}");
        }
        assert_eq!(parse::<Named>(b"{\"name\":\"\xff\"}").expect_err("is no UTF-8").0.code, ErrorCode::BadJson);
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (body, name) in [("", "name"), ("{}", "name"), ("{\"name\":1}", "name"), ("{\"name\":\"a\",\"colour\":1}", "colour")] {
            let (code, message) = refused(body);
            assert_eq!(code, ErrorCode::BadMessage, "{body}");
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn u_0000_is_refused_and_an_escaped_backslash_before_u0000_is_not() {
        assert_eq!(refused(r#"{"name":"a\u0000"}"#).0, ErrorCode::BadMessage);
        assert_eq!(parse::<Named>(br#"{"name":"a\\u0000"}"#).expect("has no U+0000").name, "a\\u0000");
    }
}
