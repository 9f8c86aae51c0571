//! What a scenario reads of a server's frame, by looking for bytes: a JSON parser would cost more than the server spends on a delivery.
//!
//! The names looked for are those of the contract. Their order is not, so each is looked for where it usually stands and then everywhere.

use std::fmt;

/// How a connection is spoken on: JSON frames on a WebSocket, or packets of Socket.IO, of which Engine.IO's first character is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Raw,
    SocketIo,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Raw => "ws",
            Form::SocketIo => "socket.io",
        })
    }
}

impl Form {
    /// A command with an id that [`answered`] finds again. `fields` is the inside of an object.
    pub fn command(self, name: &str, prefix: u8, number: u64, fields: &str) -> String {
        match self {
            Form::Raw => {
                let comma = if fields.is_empty() { "" } else { "," };
                format!("{{\"type\":\"{name}\",\"id\":\"{}{number}\"{comma}{fields}}}", char::from(prefix))
            }
            // Engine.IO's message, Socket.IO's event, the number of the acknowledgement.
            Form::SocketIo => format!("42{number}[\"{name}\",{{{fields}}}]"),
        }
    }

    /// A command that is not answered unless it is refused. `fields` is the inside of an object.
    pub fn event(self, name: &str, fields: &str) -> String {
        match self {
            Form::Raw => format!("{{\"type\":\"{name}\",{fields}}}"),
            Form::SocketIo => format!("42[\"{name}\",{{{fields}}}]"),
        }
    }
}

/// The `type` of a frame, or what it would be of a packet of Socket.IO.
pub fn kind(frame: &[u8]) -> &[u8] {
    match frame.first() {
        Some(b'2') => string_field(frame, b"[\""),
        Some(b'3') if after(frame, b"\"success\":false").is_none() => b"ack",
        Some(b'3' | b'4') => b"error",
        _ => string_field(frame, b"\"type\":\""),
    }
}

/// `seq`, which the server puts last; an offset of Socket.IO may follow it.
pub fn seq(frame: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"seq\":";
    let start = frame.len().saturating_sub(NAME.len() + 50);
    number_after(&frame[start..], NAME).or_else(|| number_after(frame, NAME))
}

/// The number within the `id` of an answer to a command whose id is `prefix` and a number. Socket.IO has the number alone.
pub fn answered(frame: &[u8], prefix: u8) -> Option<u64> {
    if let Some((b'3', rest)) = frame.split_first() {
        return digits_of(rest);
    }
    let id = string_field(frame, b"\"id\":\"");
    let (&first, digits) = id.split_first()?;
    (first == prefix).then(|| digits_of(digits)).flatten()
}

/// The number that [`mark`] put into a terrain; of several, the first.
pub fn marked(frame: &[u8]) -> Option<u64> {
    number_after(frame, b"\"terrain\":\"t")
}

/// The same of the content of a message.
pub fn marked_content(frame: &[u8]) -> Option<u64> {
    number_after(frame, b"\"content\":\"t")
}

/// The number that a position has for its height.
pub fn marked_altitude(frame: &[u8]) -> Option<u64> {
    number_after(frame, b"\"altitude\":")
}

/// A text of `len` characters that tells the number of the update it came with.
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
    fn a_packet_of_socket_io_tells_the_same_as_a_frame() {
        let event = br#"2["message:new",{"id":"m","content":"t42---","sequence":3,"seq":107},"Ab-_9z-18446744"]"#;
        assert_eq!((kind(event), marked_content(event), seq(event)), (&b"message:new"[..], Some(42), Some(107)));
        let ack = br#"37[{"success":true,"seq":9,"messageId":"m","sequence":3}]"#;
        assert_eq!((kind(ack), answered(ack, b'u')), (&b"ack"[..], Some(7)));
        let refusal = br#"37[{"success":false,"error":{"code":"BUSY"}}]"#;
        assert_eq!((kind(refusal), answered(refusal, b'u')), (&b"error"[..], Some(7)));
        assert_eq!(kind(br#"0{"sid":"s"}"#), b"");
        assert_eq!(kind(br#"2["ready",{}]"#), b"ready");
    }

    #[test]
    fn a_command_has_its_number_where_the_answer_is_looked_for() {
        assert_eq!(Form::Raw.command("message:send", b'u', 7, "\"a\":1"), r#"{"type":"message:send","id":"u7","a":1}"#);
        assert_eq!(Form::SocketIo.command("message:send", b'u', 7, "\"a\":1"), r#"427["message:send",{"a":1}]"#);
        assert_eq!(Form::Raw.command("location:subscribe", b's', 7, ""), r#"{"type":"location:subscribe","id":"s7"}"#);
        assert_eq!(Form::SocketIo.event("location:update", "\"a\":1"), r#"42["location:update",{"a":1}]"#);
    }

    #[test]
    fn a_mark_is_a_terrain_of_the_length_asked_for() {
        assert_eq!(mark(42, 12), "t42---------");
        assert!(crate::protocol::hex::Terrain::parse(&mark(999_999_999, 32)).is_some());
    }
}
