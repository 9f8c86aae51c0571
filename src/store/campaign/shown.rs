//! `session_event.shown`: which players were shown which hexes, as the JSON text `[["05",["0,0","1,-1"]],…]`. The set of players is
//! [`MemberSet::to_bytes`] in hexadecimal.

use std::fmt::Write;

use crate::protocol::hex::HexKey;
use crate::rooms::members::MemberSet;

pub fn encode_shown(shown: &[(MemberSet, Vec<HexKey>)]) -> String {
    let pairs: Vec<(String, &[HexKey])> = shown.iter().map(|(players, keys)| (to_hex(&players.to_bytes()), keys.as_slice())).collect();
    serde_json::to_string(&pairs).expect("strings and lists serialize")
}

/// `None` for a text that [`encode_shown`] does not write.
pub fn decode_shown(text: &str) -> Option<Vec<(MemberSet, Vec<HexKey>)>> {
    let pairs: Vec<(String, Vec<HexKey>)> = serde_json::from_str(text).ok()?;
    pairs.into_iter().map(|(players, keys)| Some((MemberSet::from_bytes(&from_hex(&players)?), keys))).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rooms::kernel::MemberNo;

    #[test]
    fn what_was_shown_to_whom_is_read_as_it_was_written() {
        let players: MemberSet = [0, 2, 200].map(MemberNo).into_iter().collect();
        let keys = vec![HexKey::new(0, 0).expect("in range"), HexKey::new(1, -1).expect("in range")];
        let shown = vec![(MemberSet::one(MemberNo(2)), keys), (players, vec![])];
        let text = encode_shown(&shown);
        assert!(text.starts_with(r#"[["04",["0,0","1,-1"]],["#), "{text}");
        assert_eq!(decode_shown(&text), Some(shown));
    }

    #[test]
    fn a_text_of_another_form_shows_nothing_to_anybody() {
        for bad in ["", "{}", r#"[["0",[]]]"#, r#"[["zz",[]]]"#, r#"[["00",["x"]]]"#, r#"[["é",[]]]"#] {
            assert_eq!(decode_shown(bad), None, "{bad}");
        }
    }
}
