//! What people write: which characters a message and an emoji may hold.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::protocol::fields::chars;
use crate::protocol::limits::{CONTENT_CHARS_MAX, EMOJI_CHARS_MAX};

/// Reverses or isolates what stands around it: embeddings, overrides and isolates, with what ends them.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A message's text as it is stored and told. Line feeds and tabs stay, and joiners, of which emoji are made.
pub fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = chars::<CONTENT_CHARS_MAX, D>(deserializer)?;
    if text.chars().all(char::is_whitespace) {
        return Err(D::Error::custom("must be more than white space"));
    }
    let harmful = |c: char| (c.is_control() && c != '\n' && c != '\t') || turns_direction(c);
    Ok(if text.contains(harmful) { text.replace(harmful, "\u{fffd}") } else { text })
}

pub fn emoji<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = chars::<EMOJI_CHARS_MAX, D>(deserializer)?;
    match text.contains(|c: char| c.is_whitespace() || c.is_control() || turns_direction(c)) {
        true => Err(D::Error::custom("must not hold white space or control characters")),
        false => Ok(text),
    }
}

/// A `sequence` to read below.
pub fn cursor<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Option::<i64>::deserialize(deserializer)? {
        Some(..0) => Err(D::Error::custom("must be 0 or more")),
        cursor => Ok(cursor),
    }
}
