//! Random texts and bytes, from the operating system.

use crate::auth::password::SALT_BYTES;

const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Characters of an id or a session token.
pub const TOKEN_CHARS: usize = 32;

/// Bytes from here on would make some letters likelier than others.
const UNBIASED: u8 = (256 / LETTERS.len() * LETTERS.len()) as u8;

/// An id or a session token: 32 characters of `a-zA-Z0-9`, each as likely as the others.
pub fn token() -> String {
    let mut text = String::with_capacity(TOKEN_CHARS);
    while text.len() < TOKEN_CHARS {
        let fits = bytes::<64>().into_iter().filter(|&byte| byte < UNBIASED);
        text.extend(fits.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).take(TOKEN_CHARS - text.len()));
    }
    text
}

/// Characters of a code: 60 bits.
pub const CODE_CHARS: usize = 12;

/// Without `I`, `L`, `O` and `U`, which are misread or spell words.
const CODE_LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code that people read to each other and type.
pub fn code() -> String {
    bytes::<CODE_CHARS>().into_iter().map(|byte| char::from(CODE_LETTERS[usize::from(byte) % CODE_LETTERS.len()])).collect()
}

pub fn salt() -> [u8; SALT_BYTES] {
    bytes()
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_thirty_two_letters_and_digits_all_equally_likely() {
        let tokens: Vec<String> = (0..2_000).map(|_| token()).collect();
        assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|b| LETTERS.contains(&b))));
        let mean = (2_000 * 32 / 62) as f64;
        for letter in LETTERS {
            let count = tokens.iter().flat_map(|token| token.bytes()).filter(|b| b == letter).count() as f64;
            // Eight standard deviations: a bias towards eight of the letters would be a quarter more of them.
            assert!((count - mean).abs() < 8.0 * mean.sqrt(), "{} came {count} times", char::from(*letter));
        }
    }
}
