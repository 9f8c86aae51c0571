//! What may be seen of a sealed position from outside: that it is base64, and how long it is.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::protocol::circle::command::{KeyVersion, Sealed};
use crate::protocol::limits::SEALED_BYTES_MAX;

const KEY_VERSION_CHARS_MAX: usize = 64;

/// Seals are never opened here: nothing is decoded to know how many bytes it stands for. `None` for a text that is not base64, or stands for none.
fn bytes_of(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let is_whole = match padding {
        0 => digits.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    (is_whole && !digits.is_empty() && digits.bytes().all(is_digit)).then(|| digits.len() * 3 / 4)
}

/// What is wrong with it.
pub fn check(sealed: &Sealed) -> Result<(), String> {
    let ciphertext = bytes_of(&sealed.ciphertext).ok_or("ciphertext: is not base64")?;
    let nonce = bytes_of(&sealed.nonce).ok_or("nonce: is not base64")?;
    match ciphertext + nonce <= SEALED_BYTES_MAX {
        true => Ok(()),
        false => Err(format!("ciphertext: has more than {SEALED_BYTES_MAX} bytes together with the nonce")),
    }
}

/// A field that may be absent or `null`.
pub fn key_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeyVersion>, D::Error> {
    let wrong = || D::Error::custom(format_args!("must be a whole number or a text of 1–{KEY_VERSION_CHARS_MAX} characters"));
    match Option::<KeyVersion>::deserialize(deserializer).map_err(|_| wrong())? {
        Some(KeyVersion::Text(text)) if text.is_empty() || text.chars().count() > KEY_VERSION_CHARS_MAX => Err(wrong()),
        version => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn base64_of_any_alphabet_has_as_many_bytes_as_it_stands_for(bytes in prop::collection::vec(any::<u8>(), 1..60)) {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                prop_assert_eq!(bytes_of(&engine.encode(&bytes)), Some(bytes.len()));
            }
        }

        #[test]
        fn what_no_alphabet_has_is_no_base64(text in "[A-Za-z0-9+/=_é -]{0,12}") {
            let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
            if let Some(bytes) = engines.iter().find_map(|engine| engine.decode(&text).ok()) {
                prop_assert_eq!(bytes_of(&text), Some(bytes.len()).filter(|len| *len > 0));
            }
            if text.contains(['é', ' ']) || text.starts_with('=') || text.is_empty() {
                prop_assert_eq!(bytes_of(&text), None);
            }
        }
    }
}
