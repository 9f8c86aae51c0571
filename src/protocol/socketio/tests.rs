//! What the stock parser says of packets, and what another implementation says.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide_core::packet::{Packet as OtherPacket, PacketData};
use socketioxide_core::parser::{Parse, ParseError, ParserState};
use socketioxide_core::{Str, Value as OtherValue};
use socketioxide_parser_common::CommonParser;

use super::*;

const BYTES_MAX: usize = 1_000_000;

/// A message as it arrives.
#[derive(Clone, Debug)]
enum Frame {
    Text(String),
    Binary(usize),
}

/// What became of some messages: the packets, or `None` when the last is not whole.
fn read(frames: &[Frame]) -> Result<Option<Packet>, Malformed> {
    let mut reader = Reader::new(BYTES_MAX);
    let mut last = None;
    for frame in frames {
        last = match frame {
            Frame::Text(text) => reader.text(text)?,
            Frame::Binary(len) => reader.binary(Bytes::from(vec![7; *len]))?,
        };
        assert_eq!(last.is_none(), reader.is_waiting());
    }
    Ok(last)
}

fn packet(text: &str) -> Result<Option<Packet>, Malformed> {
    read(&[Frame::Text(text.to_owned())])
}

fn refusal(text: &str) -> Option<Malformed> {
    packet(text).err()
}

fn event_of(text: &str) -> Event {
    match packet(text) {
        Ok(Some(Packet::Event(event))) => event,
        other => panic!("awaited an event in {text}; {other:?} came"),
    }
}

fn raw(value: Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("this is JSON")
}

fn texts(args: &[Box<RawValue>]) -> Vec<&str> {
    args.iter().map(|argument| argument.get()).collect()
}

/// Texts that the stock parser accepts and this one does not, by what is wrong with them.
const STRICTER: [(Malformed, &[&str]); 6] = [
    (Malformed::UnknownType, &[""]),
    (Malformed::FromAClient, &["4", r#"4{"message":"x"}"#, r#"4"x""#]),
    (
        Malformed::AttachmentCount,
        &[r#"5 1-["a",{"_placeholder":true,"num":0}]"#, r#"51e1-["a"]"#, r#"50x1-["a",{"_placeholder":true,"num":0}]"#],
    ),
    (
        Malformed::AckId,
        &[r#"29007199254740993["a"]"#, r#"299999999999999999999999["a"]"#, r#"3["a"]"#, "3", r#"61-[{"_placeholder":true,"num":0}]"#],
    ),
    (Malformed::Payload, &["2", r#"2 ["a"]"#, r#"2 1["a"]"#, "21", "31", r#"2/admin["a"]"#]),
    (Malformed::EventName, &["2[1]"]),
];

#[derive(Deserialize)]
struct Vector {
    frames: Vec<Value>,
    verdict: String,
}

fn vectors() -> Vec<(Vec<Frame>, String)> {
    let frame = |value: &Value| match value {
        Value::String(text) => Frame::Text(text.clone()),
        other => Frame::Binary(other.as_u64().expect("a frame is a text or a length") as usize),
    };
    let lines = include_str!("../../../tests/golden/socketio-packets.jsonl").lines();
    let vector = |line| serde_json::from_str::<Vector>(line).expect("a line is a vector");
    lines.map(vector).map(|vector| (vector.frames.iter().map(frame).collect(), vector.verdict)).collect()
}

/// A packet in the words of the vectors.
fn verdict(packet: &Packet) -> String {
    let (kind, id) = match packet {
        Packet::Connect { .. } => ("connect", None),
        Packet::Disconnect { .. } => ("disconnect", None),
        Packet::Event(event) => ("event", event.ack),
        Packet::Ack(ack) => ("ack", Some(ack.id)),
    };
    format!("accept {kind} ns={} id={id:?}", packet.nsp().as_str())
}

#[test]
fn what_the_stock_parser_rejects_is_rejected_and_little_else() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 105);
    for (frames, expected) in vectors {
        let outcome = read(&frames);
        let Frame::Text(text) = &frames[0] else {
            assert_eq!(outcome.err(), Some(Malformed::AttachmentOfNothing));
            continue;
        };
        let half_num = text.contains(r#""num":0.5"#).then_some(Malformed::Placeholder);
        let stricter = STRICTER.iter().find(|(_, texts)| texts.contains(&text.as_str())).map(|(reason, _)| *reason).or(half_num);
        match (&outcome, stricter) {
            (Err(reason), Some(stricter)) => {
                assert_ne!(expected, "reject", "{frames:?} is not stricter");
                assert_eq!(*reason, stricter, "{frames:?}");
            }
            (Err(_), None) => assert_eq!(expected, "reject", "{frames:?}: {outcome:?}"),
            (Ok(None), None) => assert_eq!(expected, "incomplete", "{frames:?}"),
            (Ok(Some(packet)), None) => assert_eq!(expected, verdict(packet), "{frames:?}"),
            (Ok(_), Some(_)) => panic!("{frames:?} is accepted, and was to be refused"),
        }
    }
}

#[test]
fn payloads_pass_through_as_they_were_written() {
    let event = event_of("21[ \"a\" , {\"b\":1.00,\"a\":12345678901234567890, \"a\":\"\\ud800\"},1e400 ] ");
    assert_eq!((event.name.as_str(), event.ack), ("a", Some(1)));
    assert_eq!(texts(&event.args), [r#"{"b":1.00,"a":12345678901234567890, "a":"\ud800"}"#, "1e400"]);
    let Ok(Some(Packet::Connect { auth: Some(auth), .. })) = packet(r#"0/x,{"b":1e0,"a":2}"#) else { panic!("this connects") };
    assert_eq!(auth.get(), r#"{"b":1e0,"a":2}"#);
}

#[test]
fn a_name_is_what_its_escapes_mean() {
    assert_eq!(event_of(r#"2["he said \"x\" é"]"#).name, "he said \"x\" é");
    assert_eq!(refusal(r#"2["\u0063onnect"]"#), Some(Malformed::EventName));
    assert_eq!(refusal(r#"2["\ud800"]"#), Some(Malformed::EventName));
    assert_eq!(refusal(r#"2[{"toString":"foo"}]"#), Some(Malformed::EventName));
}

#[test]
fn placeholders_are_checked_wherever_they_stand() {
    let placed = |argument: &str| {
        let text = format!(r#"52-["a",{argument}]"#);
        read(&[Frame::Text(text), Frame::Binary(1), Frame::Binary(2)])
    };
    let good = [
        r#"{"_placeholder":true,"num":0},{"num":1,"_placeholder":true}"#,
        r#"[[{"x":[{"_placeholder" : true , "num" : 1}]}]]"#,
        r#"{"_placeholder":false,"num":9}"#,
        r#"{"_placeholder":"true","num":9}"#,
        r#"{"x":"_placeholder","true":true,"num":-1}"#,
        r#"{"num":{"_placeholder":true,"num":1},"x":"a\\\"b{"}"#,
        r#"["_placeholder",true,"num","splice"]"#,
        "{},[],\"\\ud800\",{\"\\ud800\":1}",
    ];
    for argument in good {
        assert!(matches!(placed(argument), Ok(Some(Packet::Event(event))) if event.attachments.len() == 2), "{argument}");
    }
    let bad = [
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":2}"#,
        r#"{"_placeholder":true,"num":-0}"#,
        r#"{"_placeholder":true,"num":1.0}"#,
        r#"{"_placeholder":true,"num":1e0}"#,
        r#"{"_placeholder":true,"num":null}"#,
        r#"{"_placeholder":true,"num":"length"}"#,
        r#"{"_placeholder":true,"num":[0]}"#,
        r#"{"_placeholder":true,"num":{"_placeholder":true,"num":0}}"#,
        r#"{"_placeholder":true,"num":0,"num":"splice"}"#,
        r#"{"_placeholder":true,"num":"splice","num":0}"#,
        r#"{"_placeholder":false,"_placeholder":true,"num":5}"#,
        r#"{"\u005fplaceholder":true,"n\u0075m":5}"#,
        r#"[1,[{"a":{"b":{"_placeholder":true,"num":"splice"}}}]]"#,
        r#"{"__proto__":{"_placeholder":true,"num":7}}"#,
        r#"{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":7}}"#,
    ];
    for argument in bad {
        assert_eq!(placed(argument).err(), Some(Malformed::Placeholder), "{argument}");
    }
    let escaped: String = "_placeholder".chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    assert_eq!(placed(&format!(r#"{{"{escaped}":true,"num":5}}"#)).err(), Some(Malformed::Placeholder));
}

#[test]
fn depth_arguments_and_bytes_are_bounded() {
    let deep = |depth: usize| format!("2[\"a\",{}{}]", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let event = event_of(&deep(DEPTH_MAX));
    assert!(serde_json::from_str::<Value>(event.args[0].get()).is_ok(), "what is let in can be read");
    assert_eq!(refusal(&deep(DEPTH_MAX + 1)), Some(Malformed::TooDeep));
    assert_eq!(refusal(&format!("0{}0{}", r#"{"a":"#.repeat(DEPTH_MAX + 1), "}".repeat(DEPTH_MAX + 1))), Some(Malformed::TooDeep));
    let many = |count: usize| format!("2[\"a\"{}]", ",0".repeat(count - 1));
    assert_eq!(event_of(&many(ARGUMENTS_MAX)).args.len(), ARGUMENTS_MAX - 1);
    assert_eq!(refusal(&many(ARGUMENTS_MAX + 1)), Some(Malformed::Payload));

    let mut reader = Reader::new(100);
    assert_eq!(reader.text(&"2".repeat(101)).err(), Some(Malformed::TooBig));
    let text = r#"52-["a",{"_placeholder":true,"num":0}]"#;
    assert!(reader.text(text).expect("this is the first part of a packet").is_none());
    assert!(reader.binary(Bytes::from(vec![0; 100 - text.len()])).expect("so much may come").is_none());
    assert_eq!(reader.binary(Bytes::from_static(&[0])).err(), Some(Malformed::TooBig));
    assert!(!reader.is_waiting(), "nothing is kept of a packet that was refused");
}

/// Once is a second; as often as it has bytes would be days, and no run of the tests waits for these.
#[test]
fn a_megabyte_of_one_thing_is_read_once() {
    const MEGABYTE: usize = 1_000_000 - 1;
    let mut refusals = Vec::new();
    for kind in ["0", "1", "2", "3", "5", "6"] {
        for filler in ["1", "/", " ", "-", "[", "{", "\"", "\\", "[[],", "{\"\":", "é"] {
            refusals.push(refusal(&format!("{kind}{}", filler.repeat(MEGABYTE / filler.len() - 1))));
        }
        refusals.push(refusal(&format!("{kind}/{}", "n".repeat(MEGABYTE - 2))));
        refusals.push(refusal(&format!("{kind}1-[\"a\"{}", ",{\"_placeholder\":true}".repeat(40_000))));
    }
    assert!(refusals.iter().all(Option::is_some), "{refusals:?}");
}

#[test]
fn a_packet_and_its_attachments_are_one_unit() {
    let text = r#"52-/a,7["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    let mut reader = Reader::new(BYTES_MAX);
    assert!(reader.text(text).expect("a packet").is_none());
    assert_eq!(reader.waits_in().map(Namespace::as_str), Some("/a"));
    assert!(reader.binary(Bytes::from_static(b"one")).expect("an attachment").is_none());
    let Ok(Some(Packet::Event(whole))) = reader.binary(Bytes::from_static(b"two")) else { panic!("the packet is whole") };
    assert_eq!(whole.attachments, ["one", "two"]);
    assert_eq!(reader.waits_in(), None);
    let again = event(&whole.nsp, whole.ack, &whole.name, &whole.args, whole.attachments.clone());
    assert_eq!(again, Encoded { text: text.into(), attachments: whole.attachments });

    assert!(reader.text(text).expect("a packet").is_none());
    assert_eq!(reader.text("1").err(), Some(Malformed::TextBetweenAttachments));
    assert_eq!(reader.binary(Bytes::from_static(b"one")).err(), Some(Malformed::AttachmentOfNothing));
}

#[test]
fn a_namespace_that_could_not_be_written_again_is_none() {
    assert_eq!(Namespace::parse("/").map(|nsp| nsp.is_main()), Some(true));
    for bad in ["", "a", "/a,b", "/a\u{1e}b", &format!("/{}", "n".repeat(NAMESPACE_BYTES_MAX))] {
        assert_eq!(Namespace::parse(bad), None, "{bad:?}");
    }
    assert_eq!(refusal("0/a\u{1e}1"), Some(Malformed::Namespace));
}

#[test]
fn packets_of_a_server_read_as_the_protocol_has_them() {
    let custom = Namespace::parse("/custom").expect("this is a name");
    assert_eq!(connected(&Namespace::MAIN, "A", None), r#"0{"sid":"A"}"#);
    assert_eq!(connected(&custom, "A", Some("P")), r#"0/custom,{"sid":"A","pid":"P"}"#);
    assert_eq!(connect_error(&custom, "Invalid \"namespace\""), r#"4/custom,{"message":"Invalid \"namespace\""}"#);
    assert_eq!((disconnect(&Namespace::MAIN), disconnect(&custom)), ("1".into(), "1/custom,".into()));
    let args = [raw(json!({"b": 1})), raw(json!("x"))];
    assert_eq!(event(&Namespace::MAIN, None, "a\"", &args, vec![]).text, r#"2["a\"",{"b":1},"x"]"#);
    assert_eq!(event(&custom, Some(0), "a", &[], vec![]).text, r#"2/custom,0["a"]"#);
    assert_eq!(ack(&Namespace::MAIN, 12, &args, vec![]).text, r#"312[{"b":1},"x"]"#);
    assert_eq!(ack(&custom, 12, &[], vec![]).text, "3/custom,12[]");
    let placed = [raw(json!({"_placeholder": true, "num": 0}))];
    let sent = ack(&Namespace::MAIN, 3, &placed, vec![Bytes::from_static(b"x")]);
    assert_eq!((&*sent.text, sent.attachments.len()), (r#"61-3[{"_placeholder":true,"num":0}]"#, 1));
}

#[test]
fn an_event_is_encoded_once_and_ended_for_each() {
    let shared = SharedEvent::of_frame(r#"{"type":"hex:hidden","hexKeys":["0,0"],"seq":41}"#).expect("this is a frame");
    assert_eq!(shared.text(Some("7")), r#"2["hex:hidden",{"hexKeys":["0,0"],"seq":41},"7"]"#);
    assert_eq!(shared.text(None), r#"2["hex:hidden",{"hexKeys":["0,0"],"seq":41}]"#);
    assert_eq!([&**shared.body(), &*SharedEvent::tail(Some("7"))].concat(), *shared.text(Some("7")));
    assert_eq!(SharedEvent::of_frame(r#"{"type":"ready"}"#).map(|event| event.text(None)), Some(r#"2["ready",{}]"#.into()));
    assert_eq!(SharedEvent::new("user:online", "\"u\"").text(Some("8")), r#"2["user:online","u","8"]"#);
    for other in ["", r#"{"seq":1,"type":"a"}"#, r#"{"type":7}"#, r#"{"type":"a"#] {
        assert_eq!(SharedEvent::of_frame(other), None, "{other}");
    }
}

#[test]
fn pid_and_offset_are_taken_out_of_what_authenticates() {
    let split = |auth: &str| {
        let auth = RawValue::from_string(auth.to_owned()).expect("this is JSON");
        let (recovery, rest) = split_recovery(&auth);
        (recovery.map(|recovery| (recovery.pid, recovery.offset)), rest.get().to_owned())
    };
    let was = |pid: &str, offset: Option<&str>| Some((pid.to_owned(), offset.map(str::to_owned)));
    let rest = |text: &str| text.to_owned();
    assert_eq!(split(r#"{"z":1.0,"pid":"P","offset":"7","token":"abc"}"#), (was("P", Some("7")), rest(r#"{"z":1.0,"token":"abc"}"#)));
    assert_eq!(split(r#"{"pid":"P"}"#), (was("P", None), rest("{}")));
    assert_eq!(split(r#"{"offset":"7"}"#), (None, rest("{}")));
    assert_eq!(split("{}"), (None, rest("{}")));
    let long = format!(r#"{{"pid":"P","offset":"{}","token":"t"}}"#, "9".repeat(1_000_000));
    for junk in [
        r#"{"pid":7,"token":"t"}"#,
        r#"{"pid":"","token":"t"}"#,
        r#"{"pid":{"pid":"P"},"offset":[],"token":"t"}"#,
        r#"{"pid":"P","offset":null,"token":"t"}"#,
        r#"{"pid":"P","pid":"Q","token":"t"}"#,
        r#"{"p\u0069d":0,"token":"t"}"#,
        &long,
    ] {
        assert_eq!(split(junk), (None, rest(r#"{"token":"t"}"#)), "{junk}");
    }
}

/// What the other implementation makes of messages.
fn other(frames: &[Frame]) -> Result<Option<OtherPacket>, ParseError> {
    let state = ParserState::default();
    let mut last = None;
    for frame in frames {
        let outcome = match frame {
            Frame::Text(text) => CommonParser.decode_str(&state, Str::from(text.clone())),
            Frame::Binary(len) => CommonParser.decode_bin(&state, Bytes::from(vec![7; *len])),
        };
        last = match outcome {
            Ok(packet) => Some(packet),
            Err(ParseError::NeedsMoreBinaryData) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(last)
}

fn elements(data: &OtherValue) -> (Vec<Value>, usize) {
    let OtherValue::Str(text, attachments) = data else { panic!("this parser makes texts") };
    let elements = serde_json::from_str(text).expect("what this side accepted is an array");
    (elements, attachments.as_ref().map_or(0, |attachments| attachments.len()))
}

fn values(args: &[Box<RawValue>]) -> Vec<Value> {
    args.iter().map(|argument| serde_json::from_str(argument.get()).expect("an argument is JSON")).collect()
}

fn assert_same(ours: &Packet, theirs: &OtherPacket) {
    assert_eq!(ours.nsp().as_str(), &*theirs.ns);
    match (ours, &theirs.inner) {
        (Packet::Connect { auth, .. }, PacketData::Connect(data)) => {
            assert_eq!(
                auth.as_ref().map(|auth| auth.get().to_owned()),
                data.as_ref().map(|data| data.as_str().unwrap().trim_end().to_owned())
            );
        }
        (Packet::Disconnect { .. }, PacketData::Disconnect) => {}
        (Packet::Event(event), PacketData::Event(data, ack) | PacketData::BinaryEvent(data, ack)) => {
            let mut expected = values(&event.args);
            expected.insert(0, json!(event.name));
            assert_eq!((expected, event.attachments.len()), elements(data));
            assert_eq!(event.ack.map(|id| id as i64), *ack);
        }
        (Packet::Ack(ack), PacketData::EventAck(data, id) | PacketData::BinaryAck(data, id)) => {
            assert_eq!((values(&ack.args), ack.attachments.len()), elements(data));
            assert_eq!(ack.id as i64, *id);
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

/// Whether two readers agree, as far as they must: the other one takes all that this one takes (it refuses no bad names, placeholders or
/// payloads, and reads a payload late), and finds the same in it. Where an event has an id, the other one finds it only when `[` or `{` follows.
fn compare(frames: &[Frame]) {
    match (read(frames), other(frames)) {
        (Ok(Some(ours)), Ok(Some(theirs))) => assert_same(&ours, &theirs),
        (Ok(None), Ok(None)) | (Err(_), _) => {}
        (ours, theirs) => panic!("{frames:?}: {ours:?} is not {theirs:?}"),
    }
}

/// Pieces of packets, good ones and others.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "-",
        "/",
        ",",
        "/a,",
        "/custom,",
        "1-",
        "2-",
        "10-",
        "11-",
        "12",
        "[",
        "]",
        "{",
        "}",
        "\"a\"",
        "\"message\"",
        "\"\\u0063\"",
        "\"connect\"",
        ":",
        "true",
        "null",
        "-1",
        "0.5",
        "1e400",
        "[\"a\"]",
        "[\"a\",1,{\"b\":[]}]",
        "{\"token\":\"t\"}",
        "\"_placeholder\"",
        "{\"_placeholder\":true,\"num\":0}",
        "{\"_placeholder\":true,\"num\":1}",
        "[\"a\",{\"_placeholder\":true,\"num\":0}]",
        " ",
        "\n",
        "é",
        "\u{1e}",
    ];
    select(pieces.to_vec()).prop_map(str::to_owned)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        (0..4u64).prop_map(|num| json!({"_placeholder": true, "num": num})),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,8}", inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn namespace_name() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), Just("/custom".to_owned()), "/[a-z0-9é\\[\"?=/ ]{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn another_implementation_reads_the_same(
        texts in vec(vec(piece(), 0..8).prop_map(|pieces| pieces.concat()), 1..3), binaries in 0usize..3
    ) {
        let frames: Vec<_> = texts.into_iter().map(Frame::Text).chain((0..binaries).map(Frame::Binary)).collect();
        compare(&frames[..1]);
        // Up to here the other one lets a text come between attachments.
        if !matches!(read(&frames), Err(Malformed::TextBetweenAttachments)) {
            compare(&frames);
        }
    }

    #[test]
    fn what_is_written_is_read_by_both(
        nsp in namespace_name(), id in proptest::option::of(0..=ACK_ID_MAX), name in "[a-z:\"é]{0,12}", args in vec(json_value(), 0..5), attachments in 0usize..=4
    ) {
        prop_assume!(!["connect", "disconnect"].contains(&name.as_str()));
        let nsp = Namespace::parse(&nsp).expect("this is a name");
        let args: Vec<_> = args.into_iter().map(raw).collect();
        let bytes: Vec<_> = (0..attachments).map(|len| Bytes::from(vec![7; len])).collect();
        let binaries: Vec<_> = (0..attachments).map(Frame::Binary).collect();

        let written = event(&nsp, id, &name, &args, bytes.clone());
        let frames: Vec<_> = std::iter::once(Frame::Text(written.text.to_string())).chain(binaries.clone()).collect();
        compare(&frames);
        match read(&frames) {
            Ok(Some(Packet::Event(read))) => {
                prop_assert_eq!((&read.nsp, read.ack, &read.name), (&nsp, id, &name));
                prop_assert_eq!((self::texts(&read.args), &read.attachments), (self::texts(&args), &bytes));
            }
            // Some of the placeholders have no attachment.
            other => prop_assert!(attachments < 4 && matches!(other, Err(Malformed::Placeholder)), "{:?}", other),
        }

        let written = ack(&nsp, id.unwrap_or(0), &args, bytes);
        let frames: Vec<_> = std::iter::once(Frame::Text(written.text.to_string())).chain(binaries).collect();
        compare(&frames);
    }

    #[test]
    fn any_text_and_any_auth_is_read_without_a_panic(text in ".*", pieces in vec(piece(), 0..12)) {
        let _ = packet(&text);
        let _ = packet(&format!("52-[\"a\",{}]", pieces.concat()));
        if let Ok(Some(Packet::Connect { auth: Some(auth), .. })) = packet(&format!("0{{{}}}", pieces.concat())) {
            let (_, rest) = split_recovery(&auth);
            let is_object = rest.get().starts_with('{');
            prop_assert!(is_object);
        }
    }
}
