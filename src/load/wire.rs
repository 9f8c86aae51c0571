//! What a scenario reads of a server's frame, by looking for bytes: a JSON parser would cost more than the server spends on a delivery.
//!
//! The names looked for are those of the contract. Their order is not, so each is looked for where it usually stands and then everywhere.

/// The `type` of a frame.
pub fn kind(frame: &[u8]) -> &[u8] {
    string_field(frame, b"\"type\":\"")
}

/// `seq`, which the server puts last.
pub fn seq(frame: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"seq\":";
    let start = frame.len().saturating_sub(NAME.len() + 21);
    number_after(&frame[start..], NAME).or_else(|| number_after(frame, NAME))
}

/// The number within the `id` of an answer to a command whose id is `prefix` and a number.
pub fn answered(frame: &[u8], prefix: u8) -> Option<u64> {
    let id = string_field(frame, b"\"id\":\"");
    let (&first, digits) = id.split_first()?;
    (first == prefix).then(|| digits_of(digits)).flatten()
}

/// The number that [`mark`] put into a terrain; of several, the first.
pub fn marked(frame: &[u8]) -> Option<u64> {
    number_after(frame, b"\"terrain\":\"t")
}

/// A terrain of `len` characters that tells the number of the update it came with.
pub fn mark(number: u64, len: usize) -> String {
    format!("{:-<len$}", format!("t{number}"))
}

pub fn string_field<'a>(frame: &'a [u8], name: &[u8]) -> &'a [u8] {
    let Some(start) = after(frame, name) else { return b"" };
    let rest = &frame[start..];
    &rest[..rest.iter().position(|&byte| byte == b'"').unwrap_or(0)]
}

fn number_after(frame: &[u8], name: &[u8]) -> Option<u64> {
    digits_of(&frame[after(frame, name)?..])
}

fn after(frame: &[u8], name: &[u8]) -> Option<usize> {
    let first = *name.first()?;
    let mut from = 0;
    while let Some(at) = frame[from..].iter().position(|&byte| byte == first) {
        if frame[from + at..].starts_with(name) {
            return Some(from + at + name.len());
        }
        from += at + 1;
    }
    None
}

fn digits_of(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATED: &[u8] =
        br#"{"type":"hex:updated","changes":[{"key":"0,1","terrain":"t42------"},{"key":"1,1","terrain":"t42------"}],"seq":107}"#;

    #[test]
    fn an_update_tells_its_kind_its_mark_and_its_seq() {
        assert_eq!((kind(UPDATED), marked(UPDATED), seq(UPDATED)), (&b"hex:updated"[..], Some(42), Some(107)));
    }

    #[test]
    fn an_answer_tells_which_command_it_is_for_wherever_its_fields_stand() {
        for ack in [br#"{"type":"ack","id":"u7","seq":9}"#, br#"{"seq":9,"id":"u7","type":"ack"}"#] {
            assert_eq!((kind(ack), answered(ack, b'u'), answered(ack, b'k'), seq(ack)), (&b"ack"[..], Some(7), None, Some(9)));
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let pong = br#"{"type":"pong"}"#;
        assert_eq!((seq(pong), marked(pong), answered(pong, b'u')), (None, None, None));
        assert_eq!(kind(b""), b"");
        assert_eq!(kind(br#"{"type":"cut"#), b"");
    }

    #[test]
    fn a_mark_is_a_terrain_of_the_length_asked_for() {
        assert_eq!(mark(42, 12), "t42---------");
        assert!(crate::protocol::hex::Terrain::parse(&mark(999_999_999, 32)).is_some());
    }
}
