//! Passwords as Better Auth stores them: `saltHex:keyHex` of scrypt with N = 16384, r = 16, p = 1 and 64 bytes.
//!
//! The salt that scrypt gets is the 32-character hex text itself, not the 16 bytes that it spells. One hash takes 32 MiB and 30–100 ms.

use scrypt::Params;
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;

/// UTF-16 code units of the text as typed, before it is normalized.
pub const UNITS_MIN: usize = 8;
pub const UNITS_MAX: usize = 128;

pub const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 64;
const LOG2_N: u8 = 14;
const R: u32 = 16;
const P: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLength {
    TooShort,
    TooLong,
}

pub fn check_length(password: &str) -> Result<(), BadLength> {
    // A character has at most two units, so what is longer than any good password is not counted to its end.
    match password.encode_utf16().take(UNITS_MAX + 1).count() {
        0..UNITS_MIN => Err(BadLength::TooShort),
        UNITS_MIN..=UNITS_MAX => Ok(()),
        _ => Err(BadLength::TooLong),
    }
}

/// The text to store. `salt` is random.
pub fn hash(password: &str, salt: [u8; SALT_BYTES]) -> String {
    let salt = hex(&salt);
    let key = hex(&derive(password, &salt));
    format!("{salt}:{key}")
}

/// Whether `stored` was made from this password. A stored text that cannot be read matches nothing, and costs as much.
pub fn verify(password: &str, stored: &str) -> bool {
    let (salt, key) = stored.split_once(':').unwrap_or(("", ""));
    let derived = hex(&derive(password, salt));
    !salt.is_empty() && derived.as_bytes().ct_eq(key.as_bytes()).into()
}

/// Costs as much as [`verify`]: for an e-mail address that nobody has, so that the time does not tell.
pub fn spend(password: &str) {
    std::hint::black_box(derive(password, "00000000000000000000000000000000"));
}

fn derive(password: &str, salt: &str) -> [u8; KEY_BYTES] {
    let password: String = password.nfkc().collect();
    let params = Params::new(LOG2_N, R, P).expect("the parameters are within scrypt's limits");
    let mut key = [0; KEY_BYTES];
    scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut key).expect("64 bytes are a length that scrypt gives");
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = "b4338dcd6d94c31283730ff62f230891:cb1220f2f844b31d275b9a097d9d893513af617cbdc1ee71ddbb3668df9443515109541d9ad0016168f649c7e9715196f668e866a163a04bd41be84ce04063e0";
    const STORED_NFKC: &str = "17cdc21d471cc9a5bf0158decec27a15:1b2de5377f5709df0e68ae8a4d767c647e42447ad9052f7156d2f6f7b646be778ad2484b6c45fc0d4b65a507ced82cb4f99c1ad900dc8462a2b20aab7d4b7a12";

    #[test]
    fn passwords_are_hashed_as_better_auth_hashes_them() {
        let salt = [0xb4, 0x33, 0x8d, 0xcd, 0x6d, 0x94, 0xc3, 0x12, 0x83, 0x73, 0x0f, 0xf6, 0x2f, 0x23, 0x08, 0x91];
        assert_eq!(hash("correct horse battery", salt), STORED);
        assert!(verify("correct horse battery", STORED));
        assert!(!verify("correct horse batterY", STORED));
    }

    #[test]
    fn spellings_that_unicode_holds_for_the_same_are_one_password() {
        assert!(verify("p\u{e4}ssw\u{ff4f}rd-\u{2460}", STORED_NFKC));
        assert!(verify("pa\u{308}ssword-1", STORED_NFKC));
        assert!(!verify("passwort-1", STORED_NFKC));
    }

    #[test]
    fn a_stored_text_that_cannot_be_read_matches_nothing() {
        for stored in ["", ":", "salt", "salt:", &STORED[..STORED.len() - 1], &STORED[33..]] {
            assert!(!verify("correct horse battery", stored), "{stored}");
        }
    }

    #[test]
    fn lengths_are_counted_in_utf_16_units_of_the_text_as_typed() {
        assert_eq!(check_length("1234567"), Err(BadLength::TooShort));
        assert_eq!(check_length("12345678"), Ok(()));
        assert_eq!(check_length(&"é".repeat(7)), Err(BadLength::TooShort));
        assert_eq!(check_length(&"😀".repeat(4)), Ok(()));
        assert_eq!(check_length(&"😀".repeat(64)), Ok(()));
        assert_eq!(check_length(&format!("{}x", "😀".repeat(64))), Err(BadLength::TooLong));
        assert_eq!(check_length(&"x".repeat(129)), Err(BadLength::TooLong));
        // One character that becomes eighteen when it is normalized.
        assert_eq!(check_length(&"\u{fdfa}".repeat(7)), Err(BadLength::TooShort));
    }
}
