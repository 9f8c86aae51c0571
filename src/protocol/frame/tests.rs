use std::io::{self, Cursor, Read, Write};

use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Message as Theirs, protocol::WebSocketConfig};

use super::*;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const LIMITS: Limits = Limits { message_bytes_max: 70_000, fragments_max: 8 };

/// A frame of a client, whatever it says about itself.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = client_frame(Opcode::Text, payload, MASK).to_vec();
    bytes[0] = first;
    bytes
}

/// Everything that a stream yields, and how it ends.
fn read(decoder: &mut Decoder, chunks: impl IntoIterator<Item = Vec<u8>>) -> (Vec<Inbound>, Option<Violation>) {
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk.into());
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}

fn read_all(bytes: &[u8]) -> (Vec<Inbound>, Option<Violation>) {
    read(&mut Decoder::new(LIMITS), [bytes.to_vec()])
}

/// Heap bytes that the decoder holds between two chunks.
fn held(decoder: &Decoder) -> usize {
    let partial = decoder.partial.as_ref().map_or(0, |partial| {
        let message = partial.message.as_ref().map_or(0, |message| message.bytes.capacity());
        size_of::<Partial>() + message + partial.control.capacity()
    });
    assert!(decoder.input.is_empty());
    decoder.input.capacity() + partial
}

fn text_of(text: &str) -> Inbound {
    Inbound::Text(text.into())
}

#[test]
fn good_frames_are_read() {
    let close = |code: u16, reason: &str| [&code.to_be_bytes(), reason.as_bytes()].concat();
    let table: [(&str, Vec<u8>, Vec<Inbound>); 13] = [
        ("text", raw(0x81, b"Hello"), vec![text_of("Hello")]),
        ("empty text", raw(0x81, b""), vec![text_of("")]),
        ("binary", raw(0x82, &[0, 255]), vec![Inbound::Binary(Bytes::from_static(&[0, 255]))]),
        ("126 bytes", raw(0x81, &[b'a'; 126]), vec![text_of(&"a".repeat(126))]),
        ("65535 bytes", raw(0x81, &[b'a'; 65_535]), vec![text_of(&"a".repeat(65_535))]),
        ("65536 bytes", raw(0x81, &[b'a'; 65_536]), vec![text_of(&"a".repeat(65_536))]),
        ("ping of 125 bytes", raw(0x89, &[1; 125]), vec![Inbound::Ping(Bytes::from_static(&[1; 125]))]),
        ("pong", raw(0x8A, b"x"), vec![Inbound::Pong(Bytes::from_static(b"x"))]),
        ("empty close", raw(0x88, b""), vec![Inbound::Close(None)]),
        ("close", raw(0x88, &close(3000, "é")), vec![Inbound::Close(Some((3000, "é".into())))]),
        ("fragments that cut a character", [raw(0x01, b"\xC3"), raw(0x00, b""), raw(0x80, b"\xA9")].concat(), vec![text_of("é")]),
        (
            "a ping between fragments",
            [raw(0x01, b"a"), raw(0x89, b"p"), raw(0x80, b"b")].concat(),
            vec![Inbound::Ping(Bytes::from_static(b"p")), text_of("ab")],
        ),
        ("two messages", [raw(0x81, b"a"), raw(0x82, b"")].concat(), vec![text_of("a"), Inbound::Binary(Bytes::new())]),
    ];
    for (name, bytes, expected) in table {
        assert_eq!(read_all(&bytes), (expected, None), "{name}");
    }
}

#[test]
fn bad_frames_are_refused() {
    let masked = |header: &[u8]| [header, &MASK, &[0; 8]].concat();
    let close = |payload: &[u8]| raw(0x88, payload);
    let protocol = [
        ("reserved bit 1", raw(0xC1, b"a")),
        ("reserved bit 2", raw(0xA1, b"a")),
        ("reserved bit 3", raw(0x91, b"a")),
        ("reserved data opcode", raw(0x83, b"a")),
        ("reserved control opcode", raw(0x8B, b"")),
        ("not masked", text(b"a").to_vec()),
        ("fragmented ping", raw(0x09, b"")),
        ("ping of 126 bytes", raw(0x89, &[0; 126])),
        ("close of 126 bytes", raw(0x88, &[0; 126])),
        ("continuation of nothing", raw(0x80, b"a")),
        ("second text within a text", [raw(0x01, b"a"), raw(0x81, b"b")].concat()),
        ("second binary within a text", [raw(0x01, b"a"), raw(0x02, b"b")].concat()),
        ("short length in 16 bits", masked(&[0x82, 0xFE, 0, 125])),
        ("short length in 64 bits", masked(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])),
        ("length of 64 bits", masked(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        ("close of one byte", close(&[3])),
        ("close code 0", close(&0u16.to_be_bytes())),
        ("close code 999", close(&999u16.to_be_bytes())),
        ("close code 1004", close(&1004u16.to_be_bytes())),
        ("close code 1005", close(&1005u16.to_be_bytes())),
        ("close code 1006", close(&1006u16.to_be_bytes())),
        ("close code 1015", close(&1015u16.to_be_bytes())),
        ("close code 2999", close(&2999u16.to_be_bytes())),
        ("close code 5000", close(&5000u16.to_be_bytes())),
    ];
    for (name, bytes) in protocol {
        assert_eq!(read_all(&bytes).1, Some(Violation::Protocol), "{name}");
    }
    let invalid_utf8 = [
        ("lone continuation byte", raw(0x81, b"a\x80")),
        ("surrogate", raw(0x81, b"\xED\xA0\x80")),
        ("cut character", raw(0x81, b"\xC3")),
        ("cut character at the end of fragments", [raw(0x01, b"a"), raw(0x80, b"\xC3")].concat()),
        ("close reason", close(b"\x03\xE8\xFF")),
    ];
    for (name, bytes) in invalid_utf8 {
        assert_eq!(read_all(&bytes).1, Some(Violation::InvalidUtf8), "{name}");
    }
    let too_big = [
        ("one frame", raw(0x82, &[0; 70_001])),
        ("fragments together", [raw(0x02, &[0; 70_000]), raw(0x80, &[0])].concat()),
        ("too many fragments", [vec![raw(0x02, b"")], vec![raw(0x00, b""); 8]].concat().concat()),
    ];
    for (name, bytes) in too_big {
        assert_eq!(read_all(&bytes), (vec![], Some(Violation::TooBig)), "{name}");
    }
}

#[test]
fn a_length_over_the_limit_is_refused_from_the_header_alone() {
    let mut decoder = Decoder::new(LIMITS);
    let header = [&[0x82, 0xFF][..], &(1u64 << 40).to_be_bytes(), &MASK].concat();
    assert_eq!(read(&mut decoder, [header]), (vec![], Some(Violation::TooBig)));
    assert_eq!(held(&decoder), 0);
}

#[test]
fn a_declared_length_takes_no_memory_before_its_bytes_come() {
    let mut decoder = Decoder::new(Limits { message_bytes_max: 1 << 30, fragments_max: 8 });
    let header = [&[0x82, 0xFF][..], &(1u64 << 30).to_be_bytes(), &MASK].concat();
    assert_eq!(read(&mut decoder, [header, vec![0; 1000]]), (vec![], None));
    assert!(held(&decoder) <= 2 * 1000 + size_of::<Partial>());
}

#[test]
fn a_text_is_refused_at_the_byte_that_makes_it_invalid() {
    let bytes = [raw(0x01, "κόσμε".as_bytes()), raw(0x80, b"\xF4\x90\x80\x80edited")].concat();
    let invalid_at = bytes.len() - b"\x90\x80\x80edited".len();
    for whole in [false, true] {
        let mut decoder = Decoder::new(LIMITS);
        let chunks = if whole { vec![bytes[..invalid_at].to_vec()] } else { bytes[..invalid_at].iter().map(|&b| vec![b]).collect() };
        assert_eq!(read(&mut decoder, chunks), (vec![], None));
        assert_eq!(read(&mut decoder, [vec![bytes[invalid_at]]]).1, Some(Violation::InvalidUtf8));
    }
}

#[test]
fn a_violation_is_final() {
    let mut decoder = Decoder::new(LIMITS);
    assert_eq!(read(&mut decoder, [raw(0x83, b"")]).1, Some(Violation::Protocol));
    assert_eq!(read(&mut decoder, [raw(0x81, b"a")]), (vec![], Some(Violation::Protocol)));
    assert_eq!(held(&decoder), 0);
}

#[test]
fn nothing_is_read_after_a_close_frame() {
    let mut decoder = Decoder::new(LIMITS);
    let bytes = [raw(0x88, b""), raw(0x81, b"a"), raw(0xFF, b"")].concat();
    assert_eq!(read(&mut decoder, [bytes, raw(0x81, b"b")]), (vec![Inbound::Close(None)], None));
}

#[test]
fn an_idle_decoder_is_small_and_owns_nothing() {
    assert!(size_of::<Decoder>() <= 104, "{}", size_of::<Decoder>());
    let mut decoder = Decoder::new(LIMITS);
    let ping = raw(0x89, b"p");
    let text = raw(0x81, "é".as_bytes());
    let chunks = [text.clone(), text[..3].to_vec(), text[3..7].to_vec(), text[7..].to_vec(), ping[..6].to_vec(), ping[6..].to_vec()];
    assert_eq!(read(&mut decoder, chunks), (vec![text_of("é"), text_of("é"), Inbound::Ping(Bytes::from_static(b"p"))], None));
    assert_eq!(held(&decoder), 0);
}

#[test]
fn a_whole_frame_in_a_chunk_of_its_own_is_not_copied() {
    let chunk = client_text(&[b'a'; 1000], MASK);
    let payload_at = chunk[8..].as_ptr();
    let mut decoder = Decoder::new(LIMITS);
    decoder.feed(chunk);
    let Ok(Some(Inbound::Text(text))) = decoder.next() else { panic!("no text") };
    assert_eq!(text.as_ptr(), payload_at);
}

#[test]
fn a_client_refuses_masked_frames() {
    let mut decoder = Decoder::for_client(LIMITS);
    assert_eq!(read(&mut decoder, [text(b"a").to_vec()]), (vec![text_of("a")], None));
    assert_eq!(read(&mut decoder, [client_text(b"a", MASK).to_vec()]).1, Some(Violation::Protocol));
}

#[test]
fn a_close_reason_that_is_too_long_is_cut_between_characters() {
    let frame = close_code(4000, &"é".repeat(100));
    let (messages, violation) = read(&mut Decoder::for_client(LIMITS), [frame.to_vec()]);
    assert_eq!((messages, violation), (vec![Inbound::Close(Some((4000, "é".repeat(61).into())))], None));
}

#[test]
fn every_close_of_the_server_is_one_that_a_client_may_get() {
    for reason in [Close::Normal, Close::Restarting, Close::TryAgainLater, Close::MessageTooBig, Close::TooSlow, Close::Removed] {
        let expected = Inbound::Close(Some((reason.code(), reason.reason().into())));
        assert_eq!(read(&mut Decoder::for_client(LIMITS), [close(reason).to_vec()]), (vec![expected], None));
    }
}

/// A message or a control frame, and into how many frames a message is cut.
fn sent() -> impl Strategy<Value = (Inbound, usize)> {
    let payload = || vec(any::<u8>(), 0..=CONTROL_BYTES_MAX).prop_map(Bytes::from);
    prop_oneof![
        ("\\PC{0,300}", 1..4usize).prop_map(|(text, frames)| (Inbound::Text(text.into()), frames)),
        (vec(any::<u8>(), 0..66_000), 1..4usize).prop_map(|(bytes, frames)| (Inbound::Binary(bytes.into()), frames)),
        payload().prop_map(|payload| (Inbound::Ping(payload), 1)),
        payload().prop_map(|payload| (Inbound::Pong(payload), 1)),
    ]
}

fn opcode_and_payload(message: &Inbound) -> (Opcode, &[u8]) {
    match message {
        Inbound::Text(text) => (Opcode::Text, text.as_bytes()),
        Inbound::Binary(bytes) => (Opcode::Binary, bytes),
        Inbound::Ping(bytes) => (Opcode::Ping, bytes),
        Inbound::Pong(bytes) => (Opcode::Pong, bytes),
        Inbound::Close(_) => (Opcode::Close, &[]),
    }
}

fn encoded(messages: &[(Inbound, usize)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (message, frames) in messages {
        let (opcode, payload) = opcode_and_payload(message);
        let pieces: Vec<&[u8]> = match payload.len().div_ceil(*frames) {
            0 => vec![&[]],
            len => payload.chunks(len).collect(),
        };
        for (at, piece) in pieces.iter().enumerate() {
            let opcode = if at == 0 { opcode } else { Opcode::Continuation };
            let start = bytes.len();
            bytes.extend_from_slice(&client_frame(opcode, piece, MASK));
            if at + 1 < pieces.len() {
                bytes[start] &= 0x7F;
            }
        }
    }
    bytes
}

fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    for &length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

fn from_theirs(message: Theirs) -> Inbound {
    match message {
        Theirs::Text(text) => Inbound::Text(text.as_str().into()),
        Theirs::Binary(bytes) => Inbound::Binary(bytes),
        Theirs::Ping(bytes) => Inbound::Ping(bytes),
        Theirs::Pong(bytes) => Inbound::Pong(bytes),
        other => panic!("{other:?} was not sent"),
    }
}

/// A stream that was recorded. What is answered to it, as a pong to a ping, does not become part of it.
struct Recorded(Cursor<Vec<u8>>);

impl Read for Recorded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Recorded {
    fn write(&mut self, answer: &[u8]) -> io::Result<usize> {
        Ok(answer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_a_stream_yields_what_was_sent(messages in vec(sent(), 0..6), lengths in vec(1..200usize, 1..8)) {
        let bytes = encoded(&messages);
        let expected: Vec<Inbound> = messages.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!(read_all(&bytes), (expected.clone(), None));
        prop_assert_eq!(read(&mut Decoder::new(LIMITS), cut(&bytes, &lengths)), (expected, None));
    }

    #[test]
    fn another_implementation_reads_the_same(messages in vec(sent(), 0..6)) {
        let bytes = encoded(&messages);
        let config = WebSocketConfig::default().accept_unmasked_frames(false);
        let mut theirs = WebSocket::from_raw_socket(Recorded(Cursor::new(bytes.clone())), Role::Server, Some(config));
        let expected: Vec<Inbound> = messages.iter().map(|_| from_theirs(theirs.read().expect("the stream is valid"))).collect();
        prop_assert_eq!(read_all(&bytes), (expected, None));
    }

    #[test]
    fn another_implementation_reads_what_the_server_sends(payload in vec(any::<u8>(), 0..70_000)) {
        let mut theirs = WebSocket::from_raw_socket(Cursor::new(binary(&payload).to_vec()), Role::Client, None);
        prop_assert_eq!(theirs.read().ok(), Some(Theirs::Binary(payload.into())));
    }

    #[test]
    fn arbitrary_bytes_are_read_alike_in_any_cut_and_take_no_more_than_the_limit(
        frames in vec((any::<u8>(), vec(any::<u8>(), 0..40), any::<bool>()), 0..20),
        lengths in vec(1..20usize, 1..8),
    ) {
        let limits = Limits { message_bytes_max: 100, fragments_max: 4 };
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload, is_frame)| if *is_frame { raw(first & 0x8F, payload) } else { payload.clone() })
            .collect();
        let (mut whole, mut pieces) = (Decoder::new(limits), Decoder::new(limits));
        let held_max = 100 + CONTROL_BYTES_MAX + size_of::<Partial>();
        let (mut messages, mut end) = (Vec::new(), None);
        for chunk in cut(&bytes, &lengths) {
            let (more, violation) = read(&mut pieces, [chunk]);
            messages.extend(more);
            end = violation;
            prop_assert!(held(&pieces) <= held_max);
        }
        prop_assert_eq!(read(&mut whole, [bytes]), (messages, end));
        prop_assert!(held(&whole) <= held_max);
    }
}

#[test]
fn limits_that_change_hold_from_the_next_header_on() {
    let frame = |bytes: usize| client_text(&vec![b'x'; bytes], [1, 2, 3, 4]);
    let mut decoder = Decoder::new(Limits { message_bytes_max: 10, fragments_max: 10 });
    decoder.feed(frame(10));
    assert!(matches!(decoder.next(), Ok(Some(Inbound::Text(_)))));
    decoder.set_limits(Limits { message_bytes_max: 20, fragments_max: 10 });
    decoder.feed(frame(20));
    assert!(matches!(decoder.next(), Ok(Some(Inbound::Text(_)))));
    decoder.feed(frame(21));
    assert_eq!(decoder.next(), Err(Violation::TooBig));
}
