//! Engine.IO, revision 4: packets, and the payloads that long polling carries.
//!
//! A packet is a type digit and its data. A WebSocket frame holds one packet, a binary frame a binary message without a digit. A payload of long
//! polling holds packets with U+001E between them, and a binary message is `b` and its base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

/// The revision that a client names as `EIO`.
pub const REVISION: &str = "4";
/// Bytes of a request's body or of a WebSocket message; clients are told.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

/// Between two packets of a payload.
pub const SEPARATOR: char = '\u{1e}';

pub const CLOSE: &str = "1";
pub const PING: &str = "2";
pub const PONG_PROBE: &str = "3probe";
pub const NOOP: &str = "6";
/// The digit before the text of a message.
pub const MESSAGE: &str = "4";
/// The data of the ping with which a client tries a WebSocket.
pub const PROBE: &str = "probe";

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Close,
    /// Clients ping on a WebSocket that they probe, and nowhere else.
    Ping(ByteString),
    Pong,
    Text(ByteString),
    Binary(Bytes),
    Upgrade,
    /// `0` and `6`, which only a server has reason to send.
    Meaningless,
}

/// No packet begins or goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the text of a WebSocket frame.
pub fn packet(text: &ByteString) -> Result<Packet, Malformed> {
    let digit = text.bytes().next().ok_or(Malformed)?;
    if !digit.is_ascii_digit() {
        return Err(Malformed);
    }
    let data = || text.slice_ref(&text[1..]);
    Ok(match digit {
        b'0' | b'6' => Packet::Meaningless,
        b'1' => Packet::Close,
        b'2' => Packet::Ping(data()),
        b'3' => Packet::Pong,
        b'4' => Packet::Text(data()),
        b'5' => Packet::Upgrade,
        _ => return Err(Malformed),
    })
}

/// Reads one packet of a payload.
fn packet_of_payload(text: &ByteString) -> Result<Packet, Malformed> {
    match text.strip_prefix('b') {
        Some(base64) => STANDARD.decode(base64).map(|bytes| Packet::Binary(bytes.into())).map_err(|_| Malformed),
        None => packet(text),
    }
}

/// The packets of a payload, in order. What is wrong is found where it stands: what stands before it counts.
pub fn packets(payload: &ByteString) -> impl Iterator<Item = Result<Packet, Malformed>> {
    payload.split(SEPARATOR).map(|text| packet_of_payload(&payload.slice_ref(text)))
}

/// A packet on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// With its digit.
    Text(ByteString),
    Binary(Bytes),
}

impl Outgoing {
    pub fn bytes(&self) -> usize {
        match self {
            Outgoing::Text(text) => text.len(),
            Outgoing::Binary(bytes) => bytes.len(),
        }
    }
}

/// The payload with these packets.
pub fn payload<'a>(packets: impl IntoIterator<Item = &'a Outgoing>) -> String {
    let mut payload = String::new();
    for packet in packets {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match packet {
            Outgoing::Text(text) => payload.push_str(text),
            Outgoing::Binary(bytes) => {
                payload.push('b');
                STANDARD.encode_string(bytes, &mut payload);
            }
        }
    }
    payload
}

/// What the open packet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Open<'a> {
    pub sid: &'a str,
    /// Transports that the client may go on to.
    pub upgrades: &'a [&'a str],
    pub ping_interval: u64,
    pub ping_timeout: u64,
    pub max_payload: usize,
}

impl Open<'_> {
    pub fn packet(&self) -> String {
        format!("0{}", serde_json::to_string(self).expect("numbers and texts have a JSON form"))
    }
}

/// Why a request is refused; the session, if there is one, need not end by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    TransportUnknown,
    SessionIdUnknown,
    BadHandshakeMethod,
    BadRequest,
    Forbidden,
    UnsupportedProtocolVersion,
}

impl Refusal {
    pub fn code(self) -> u8 {
        match self {
            Refusal::TransportUnknown => 0,
            Refusal::SessionIdUnknown => 1,
            Refusal::BadHandshakeMethod => 2,
            Refusal::BadRequest => 3,
            Refusal::Forbidden => 4,
            Refusal::UnsupportedProtocolVersion => 5,
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Refusal::TransportUnknown => "Transport unknown",
            Refusal::SessionIdUnknown => "Session ID unknown",
            Refusal::BadHandshakeMethod => "Bad handshake method",
            Refusal::BadRequest => "Bad request",
            Refusal::Forbidden => "Forbidden",
            Refusal::UnsupportedProtocolVersion => "Unsupported protocol version",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        if self == Refusal::Forbidden { 403 } else { 400 }
    }

    /// The body of the answer.
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{}"}}"#, self.code(), self.message())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> ByteString {
        text.into()
    }

    fn read(payload: &str) -> Vec<Result<Packet, Malformed>> {
        packets(&text(payload)).collect()
    }

    #[test]
    fn every_type_has_its_digit_and_nothing_else_is_one() {
        for (given, meant) in [
            ("0{}", Packet::Meaningless),
            ("1", Packet::Close),
            ("2probe", Packet::Ping(text("probe"))),
            ("3", Packet::Pong),
            ("4", Packet::Text(text(""))),
            ("4héllo", Packet::Text(text("héllo"))),
            ("5", Packet::Upgrade),
            ("6", Packet::Meaningless),
        ] {
            assert_eq!(packet(&text(given)), Ok(meant), "{given}");
        }
        for wrong in ["", "7", "9", "abc", "b", "b4", " 4", "é", "\u{0}", "-1", "４"] {
            assert_eq!(packet(&text(wrong)), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn a_payload_is_read_packet_by_packet() {
        let hello = Packet::Text(text("hello"));
        assert_eq!(
            read("4hello\u{1e}2\u{1e}bAQIDBA=="),
            [Ok(hello.clone()), Ok(Packet::Ping(text(""))), Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))),]
        );
        assert_eq!(read("4hello\u{1e}abc"), [Ok(hello), Err(Malformed)]);
        assert_eq!(read(""), [Err(Malformed)]);
        assert_eq!(read("\u{1e}"), [Err(Malformed), Err(Malformed)]);
        assert_eq!(read("b"), [Ok(Packet::Binary(Bytes::new()))]);
    }

    #[test]
    fn base64_that_is_none_is_malformed() {
        for wrong in ["bAQIDBA=", "bAQIDBA", "bA", "b====", "bAQ ID", "b_-__", "bAQIDBA==x", "bé"] {
            assert_eq!(read(wrong), [Err(Malformed)], "{wrong}");
        }
    }

    #[test]
    fn the_open_packet_holds_these_fields_and_no_other() {
        let open =
            Open { sid: "abc", upgrades: &["websocket"], ping_interval: 25_000, ping_timeout: 20_000, max_payload: PAYLOAD_BYTES_MAX };
        assert_eq!(
            open.packet(),
            r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
    }

    #[test]
    fn a_refusal_has_a_code_a_text_and_a_status() {
        assert_eq!(Refusal::SessionIdUnknown.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
        assert_eq!(Refusal::Forbidden.body(), r#"{"code":4,"message":"Forbidden"}"#);
        assert_eq!((Refusal::Forbidden.status(), Refusal::UnsupportedProtocolVersion.status()), (403, 400));
    }

    fn outgoing() -> impl Strategy<Value = Outgoing> {
        prop_oneof![
            "[^\u{1e}]{0,40}".prop_map(|body| Outgoing::Text(format!("4{body}").into())),
            prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| Outgoing::Binary(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(sent in prop::collection::vec(outgoing(), 1..20)) {
            let meant: Vec<_> = sent.iter().map(|packet| Ok(match packet {
                Outgoing::Text(packet) => Packet::Text(text(&packet[1..])),
                Outgoing::Binary(bytes) => Packet::Binary(bytes.clone()),
            })).collect();
            prop_assert_eq!(read(&payload(&sent)), meant);
        }

        #[test]
        fn no_text_makes_the_reader_panic_and_every_piece_is_one_packet_or_none(given in ".{0,200}") {
            prop_assert_eq!(read(&given).len(), given.matches(SEPARATOR).count() + 1);
        }
    }
}
