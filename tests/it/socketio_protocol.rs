//! The public test suite of Socket.IO v5 (32 cases, of which 16 are Engine.IO's), and packets that broke other servers, against the conformance
//! handlers of a real server.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::Client;
use crate::support::server::Server;
use crate::support::socketio::{Came, POLLING, Poll, Socket, WEBSOCKET};

/// As the suite wants it.
fn start_hasty() -> Server {
    Server::start(&[("PROTOCOL_TEST", "1"), ("PING_INTERVAL", "300ms"), ("PING_TIMEOUT", "200ms")])
}

/// A server that has time for clients on a busy machine.
fn start_patient() -> Server {
    Server::start(&[("PROTOCOL_TEST", "1")])
}

/// Which server a case talks to. Both ping every 300 ms; a test that answers may be late on a busy machine, so only what is about silence is hasty.
#[derive(Clone, Copy, PartialEq)]
enum Timing {
    Hasty,
    Steady,
}
use Timing::{Hasty, Steady};

type Case = (&'static str, Timing, fn(&Server));

/// The suite's cases under its own names.
const SUITE: [Case; 32] = [
    ("handshake, polling: should successfully open a session", Hasty, opens_by_polling),
    ("handshake, polling: should fail with an invalid 'EIO' query parameter", Steady, refuses_other_revisions_by_polling),
    ("handshake, polling: should fail with an invalid 'transport' query parameter", Steady, refuses_other_transports_by_polling),
    ("handshake, polling: should fail with an invalid request method", Steady, refuses_other_methods),
    ("handshake, WebSocket: should successfully open a session", Hasty, opens_by_websocket),
    ("handshake, WebSocket: should fail with an invalid 'EIO' query parameter", Steady, refuses_other_revisions_by_websocket),
    ("handshake, WebSocket: should fail with an invalid 'transport' query parameter", Steady, refuses_other_transports_by_websocket),
    ("heartbeat, polling: should send ping/pong packets", Steady, pings_by_polling),
    ("heartbeat, polling: should close the session upon ping timeout", Hasty, ends_without_pongs_by_polling),
    ("heartbeat, WebSocket: should send ping/pong packets", Steady, pings_by_websocket),
    ("heartbeat, WebSocket: should close the session upon ping timeout", Hasty, ends_without_pongs_by_websocket),
    ("close, polling: should forcefully close the session", Steady, closes_by_polling),
    ("close, WebSocket: should forcefully close the session", Steady, closes_by_websocket),
    ("upgrade: should successfully upgrade from HTTP long-polling to WebSocket", Steady, upgrades),
    ("upgrade: should ignore HTTP requests with same sid after upgrade", Steady, refuses_polls_after_an_upgrade),
    ("upgrade: should ignore WebSocket connection with same sid after upgrade", Steady, refuses_a_second_upgrade),
    ("connect: should allow connection to the main namespace", Steady, connects_to_main),
    ("connect: should allow connection to the main namespace with a payload", Steady, connects_to_main_with_a_payload),
    ("connect: should allow connection to a custom namespace", Steady, connects_to_custom),
    ("connect: should allow connection to a custom namespace with a payload", Steady, connects_to_custom_with_a_payload),
    ("connect: should disallow connection to an unknown namespace", Steady, refuses_unknown_namespaces),
    ("connect: should disallow connection with an invalid handshake", Steady, refuses_an_invalid_handshake),
    ("connect: should close the connection if no handshake is received", Hasty, ends_without_a_handshake),
    ("disconnect: should disconnect from the main namespace", Steady, disconnects_from_main),
    ("disconnect: should connect then disconnect from a custom namespace", Steady, disconnects_from_custom),
    ("message: should send a plain-text packet", Steady, echoes_text),
    ("message: should send a packet with binary attachments", Steady, echoes_attachments),
    ("message: should send a plain-text packet with an ack", Steady, acknowledges_text),
    ("message: should send a packet with binary attachments and an ack", Steady, acknowledges_attachments),
    ("message: should close the connection upon invalid format (unknown packet type)", Steady, ends_upon_an_unknown_type),
    ("message: should close the connection upon invalid format (invalid payload format)", Steady, ends_upon_an_invalid_payload),
    ("message: should close the connection upon invalid format (invalid ack id)", Steady, ends_upon_an_invalid_ack_id),
];

#[test]
fn the_public_suite_passes() {
    let (hasty, steady) = (start_hasty(), Server::start(&[("PROTOCOL_TEST", "1"), ("PING_INTERVAL", "300ms")]));
    let failed: Vec<_> = thread::scope(|scope| {
        let running = SUITE.map(|(name, timing, case)| {
            let server = if timing == Hasty { &hasty } else { &steady };
            (name, scope.spawn(move || case(server)))
        });
        running.into_iter().filter_map(|(name, case)| case.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

fn poll_raw(server: &Server, method: &str, query: &str) -> u16 {
    Client::new(server).send(method, &format!("/socket.io/{query}"), None, &[]).status
}

fn opens_by_polling(server: &Server) {
    let open = Poll::open(server).open;
    let mut keys: Vec<_> = open.as_object().expect("the open packet is an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert!(open["sid"].as_str().is_some_and(|sid| sid.len() >= 20));
    assert_eq!(open["upgrades"], json!(["websocket"]));
    assert_eq!((&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]), (&json!(300), &json!(200), &json!(1_000_000)));
}

fn refuses_other_revisions_by_polling(server: &Server) {
    assert_eq!(poll_raw(server, "GET", "?transport=polling"), 400);
    assert_eq!(poll_raw(server, "GET", "?EIO=abc&transport=polling"), 400);
}

fn refuses_other_transports_by_polling(server: &Server) {
    assert_eq!(poll_raw(server, "GET", "?EIO=4"), 400);
    assert_eq!(poll_raw(server, "GET", "?EIO=4&transport=abc"), 400);
}

fn refuses_other_methods(server: &Server) {
    for method in ["POST", "PUT"] {
        assert_eq!(Client::new(server).send(method, POLLING, Some(b""), &[]).status, 400, "{method}");
    }
}

fn opens_by_websocket(server: &Server) {
    let mut socket = Socket::try_connect(server, WEBSOCKET).expect("the upgrade is accepted");
    let open = socket.text();
    let open: Value = serde_json::from_str(open.strip_prefix('0').expect("the first is the open packet")).expect("it is JSON");
    assert_eq!(open["upgrades"], json!([]));
    assert_eq!((&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"]), (&json!(300), &json!(200), &json!(1_000_000)));
}

fn refused_upgrade(server: &Server, query: &str) {
    match Socket::try_connect(server, &format!("/socket.io/{query}")) {
        Err(status) => assert_eq!(status, 400, "{query}"),
        Ok(mut socket) => assert!(matches!(socket.came(), Came::Closed(_)), "{query} opened a session"),
    }
}

fn refuses_other_revisions_by_websocket(server: &Server) {
    refused_upgrade(server, "?transport=websocket");
    refused_upgrade(server, "?EIO=abc&transport=websocket");
}

fn refuses_other_transports_by_websocket(server: &Server) {
    refused_upgrade(server, "?EIO=4");
    refused_upgrade(server, "?EIO=4&transport=abc");
}

fn pings_by_polling(server: &Server) {
    let poll = Poll::open(server);
    for _ in 0..3 {
        assert_eq!(poll.get().text, "2");
        poll.say("3");
    }
}

fn ends_without_pongs_by_polling(server: &Server) {
    let poll = Poll::open(server);
    let came = poll.read_to_end();
    assert_eq!(came.first().map(String::as_str), Some("2"));
    assert_eq!(poll.post("41").status, 400);
}

fn pings_by_websocket(server: &Server) {
    let mut socket = Socket::open(server).leave_pings();
    for _ in 0..3 {
        socket.expect("2");
        socket.send("3");
    }
}

fn ends_without_pongs_by_websocket(server: &Server) {
    let mut socket = Socket::open(server).leave_pings();
    socket.expect("2");
    socket.expect_closed();
}

fn closes_by_polling(server: &Server) {
    let poll = Poll::open(server);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| poll.get());
        // Whether the poll is there already or comes after, it ends.
        poll.say("1");
        let answer = waiting.join().expect("the poll was answered");
        assert!(answer.status == 400 || answer.text == "6", "{} {}", answer.status, answer.text);
    });
    assert_eq!(poll.get().status, 400);
}

fn closes_by_websocket(server: &Server) {
    let mut socket = Socket::open(server);
    socket.send("1");
    socket.expect_closed();
}

fn upgraded(server: &Server) -> (Poll, Socket) {
    let poll = Poll::open(server);
    let mut socket = Socket::try_connect(server, &format!("{WEBSOCKET}&sid={}", poll.sid())).expect("the upgrade is accepted");
    socket.send("2probe");
    socket.expect("3probe");
    socket.send("5");
    (poll, socket)
}

fn upgrades(server: &Server) {
    let (_, mut socket) = upgraded(server);
    socket.connect("40");
    socket.expect_silence();
}

fn refuses_polls_after_an_upgrade(server: &Server) {
    let (poll, mut socket) = upgraded(server);
    socket.connect("40");
    assert_eq!(poll.get().status, 400);
    socket.expect_silence();
}

fn refuses_a_second_upgrade(server: &Server) {
    let (poll, mut socket) = upgraded(server);
    socket.connect("40");
    refused_upgrade(server, &format!("?EIO=4&transport=websocket&sid={}", poll.sid()));
    socket.expect_silence();
}

/// The `sid` is all that a client is told, since nobody is recovered here.
fn sid_in(text: &str, head: &str) -> String {
    let answer: Value =
        text.strip_prefix(head).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_else(|| panic!("{head} in {text}"));
    assert_eq!(answer.as_object().map(|answer| answer.len()), Some(1), "{text}");
    let sid = answer["sid"].as_str().expect("a sid is a text");
    assert!(sid.len() >= 20);
    sid.to_owned()
}

fn connects(server: &Server, packet: &str, head: &str, auth: &str) {
    let mut socket = Socket::open(server);
    socket.send(packet);
    sid_in(&socket.text(), head);
    socket.expect(auth);
}

fn connects_to_main(server: &Server) {
    connects(server, "40", "40", r#"42["auth",{}]"#);
}

fn connects_to_main_with_a_payload(server: &Server) {
    connects(server, r#"40{"token":"123"}"#, "40", r#"42["auth",{"token":"123"}]"#);
}

fn connects_to_custom(server: &Server) {
    connects(server, "40/custom,", "40/custom,", r#"42/custom,["auth",{}]"#);
    connects(server, "40/custom", "40/custom,", r#"42/custom,["auth",{}]"#);
}

fn connects_to_custom_with_a_payload(server: &Server) {
    connects(server, r#"40/custom,{"token":"abc"}"#, "40/custom,", r#"42/custom,["auth",{"token":"abc"}]"#);
}

fn refuses_unknown_namespaces(server: &Server) {
    let mut socket = Socket::open(server);
    socket.send("40/random");
    socket.expect(r#"44/random,{"message":"Invalid namespace"}"#);
}

fn refuses_an_invalid_handshake(server: &Server) {
    let mut socket = Socket::open(server);
    socket.send("4abc");
    socket.expect_closed();
}

fn ends_without_a_handshake(server: &Server) {
    let mut socket = Socket::open(server).leave_pings();
    socket.expect("2");
    socket.expect_closed();
}

fn disconnects_from_main(server: &Server) {
    let mut socket = Socket::enter(server).leave_pings();
    socket.send("41");
    // No answer: the next is a ping.
    socket.expect("2");
}

fn disconnects_from_custom(server: &Server) {
    let mut socket = Socket::enter(server);
    socket.connect("40/custom");
    socket.send("41/custom");
    socket.send(r#"42["message","message to main namespace"]"#);
    socket.expect(r#"42["message-back","message to main namespace"]"#);
}

fn echoes_text(server: &Server) {
    let mut socket = Socket::enter(server);
    socket.send(r#"42["message",1,"2",{"3":[true]}]"#);
    socket.expect(r#"42["message-back",1,"2",{"3":[true]}]"#);
}

fn echoes_attachments(server: &Server) {
    let mut socket = Socket::enter(server);
    socket.send(r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    socket.send_binary(&[1, 2, 3]);
    socket.send_binary(&[4, 5, 6]);
    socket.expect(r#"452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    socket.expect_binary(&[1, 2, 3]);
    socket.expect_binary(&[4, 5, 6]);
}

fn acknowledges_text(server: &Server) {
    let mut socket = Socket::enter(server);
    socket.send(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#);
    socket.expect(r#"43456[1,"2",{"3":[false]}]"#);
}

fn acknowledges_attachments(server: &Server) {
    let mut socket = Socket::enter(server);
    socket.send(r#"452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    socket.send_binary(&[1, 2, 3]);
    socket.send_binary(&[4, 5, 6]);
    socket.expect(r#"462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    socket.expect_binary(&[1, 2, 3]);
    socket.expect_binary(&[4, 5, 6]);
}

fn ends_upon(server: &Server, packet: &str) {
    let mut socket = Socket::enter(server);
    socket.send(packet);
    socket.expect_closed();
}

fn ends_upon_an_unknown_type(server: &Server) {
    ends_upon(server, "4abc");
}

fn ends_upon_an_invalid_payload(server: &Server) {
    ends_upon(server, "42{}");
}

fn ends_upon_an_invalid_ack_id(server: &Server) {
    ends_upon(server, r#"42abc["message-with-ack"]"#);
}

// Beyond the suite.

#[test]
fn packets_pass_both_ways_over_polling() {
    let server = start_patient();
    let poll = Poll::open(&server);
    poll.say("40\u{1e}40/custom,{\"a\":1.0}");
    let came = poll.read(4);
    sid_in(&came[0], "40");
    sid_in(&came[2], "40/custom,");
    assert_eq!([came[1].as_str(), came[3].as_str()], [r#"42["auth",{}]"#, r#"42/custom,["auth",{"a":1.0}]"#]);
    poll.say("451-7[\"message-with-ack\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID\u{1e}42[\"message\",1e400]");
    let came = poll.read(3);
    assert_eq!(came, [r#"461-7[{"_placeholder":true,"num":0}]"#, "bAQID", r#"42["message-back",1e400]"#]);
}

#[test]
fn a_client_is_known_by_different_names_to_each_layer() {
    let server = start_patient();
    let poll = Poll::open(&server);
    poll.say("40\u{1e}40/custom,");
    let came = poll.read(4);
    let (main, custom) = (sid_in(&came[0], "40"), sid_in(&came[2], "40/custom,"));
    assert!(main != custom && main != poll.sid() && custom != poll.sid());
}

#[test]
fn what_is_no_packet_or_out_of_turn_ends_the_connection_and_no_other() {
    let server = start_patient();
    let mut other = Socket::enter(&server);
    let digits = "9".repeat(999_000);
    let name = "n".repeat(999_000);
    let nested = "[".repeat(400_000) + &"]".repeat(400_000);
    let before_connect =
        ["42[\"message\"]", "41", "430[]", "44", "451-[\"message\",{\"_placeholder\":true,\"num\":0}]", "4", "42/custom,[\"message\"]"];
    let connected = [
        // Out of turn.
        "40",
        "44{\"message\":\"x\"}",
        "42/custom,[\"message\"]",
        "41/custom",
        "430/custom,[]",
        "451-/custom,[\"message\",{\"_placeholder\":true,\"num\":0}]",
        // No packets.
        "4",
        "47",
        "42[{\"toString\":\"foo\"}]",
        "42[\"connect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "42[]",
        "42[null]",
        "42-1[\"message\"]",
        "423[\"message\"",
        "40[]",
        "41{}",
        "450-[\"message\"]",
        "4511-[\"message\"]",
        "45999999999-[\"message\",{\"_placeholder\":true,\"num\":0}]",
        "451.5-[\"message\"]",
        "45-[\"message\"]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":\"splice\"}]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":-1}]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":0.5}]",
        "451-[\"message\",{\"_placeholder\":true,\"num\":1}]",
        "451-[\"message\",{\"_placeholder\":true}]",
        "451-[\"message\",[{\"deep\":{\"_placeholder\":true,\"num\":9}}]]",
        "461-1[{\"_placeholder\":true,\"num\":\"splice\"}]",
    ];
    let long = [
        format!("42{digits}"),
        format!("45{digits}-[]"),
        format!("43{digits}[]"),
        format!("40/{name}"),
        format!("42/{name},[\"message\"]"),
    ];
    let long = long.into_iter().chain([format!("42[\"message\",{nested}]")]);
    for packet in before_connect {
        let mut socket = Socket::open(&server);
        socket.send(packet);
        socket.expect_closed();
    }
    for packet in connected.into_iter().map(str::to_owned).chain(long) {
        let mut socket = Socket::enter(&server);
        socket.send(&packet);
        let shown: String = packet.chars().take(80).collect();
        println!("{shown}");
        socket.expect_closed();
        other.expect_silence();
    }
}

#[test]
fn attachments_and_texts_in_the_wrong_order_end_the_connection() {
    let server = start_patient();
    let half = r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let unannounced = |socket: &mut Socket| socket.send_binary(&[1]);
    let text_between = |socket: &mut Socket| {
        socket.send(half);
        socket.send_binary(&[1]);
        socket.send("42[\"message\"]");
    };
    let one_too_many = |socket: &mut Socket| {
        socket.send(half);
        (0..3u8).for_each(|n| socket.send_binary(&[n]));
        socket.expect(&half.replace("message", "message-back"));
        socket.expect_binary(&[0]);
        socket.expect_binary(&[1]);
    };
    for act in [&unannounced as &dyn Fn(&mut Socket), &text_between, &one_too_many] {
        let mut socket = Socket::enter(&server);
        act(&mut socket);
        socket.expect_closed();
    }
}

#[test]
fn what_needs_no_answer_gets_none() {
    let server = start_patient();
    let mut socket = Socket::enter(&server);
    for packet in
        ["430[]", "439007199254740991[\"x\"]", "42[\"error\",1]", "42[\"__proto__\"]", "427[\"no-such-event\"]", "42[\"message-with-ack\"]"]
    {
        socket.send(packet);
    }
    socket.send(r#"461-5[{"_placeholder":true,"num":0}]"#);
    socket.send_binary(&[1]);
    socket.expect_silence();
    socket.connect("40/custom");
    socket.send(r#"42/custom,["message"]"#);
    socket.send(r#"42/custom,1["message-with-ack"]"#);
    socket.send("41/custom,");
    socket.expect_silence();
    socket.send("41");
    socket.connect("40");
}

#[test]
fn payloads_come_back_as_they_were_written() {
    let server = start_patient();
    let mut socket = Socket::enter(&server);
    let payload = "{\"b\":1.00,\"a\":12345678901234567890,\"1\":\"\\u00e9\\ud800\"},[ 1e400 ],\"\u{2028}\"";
    socket.send(&format!("42[\"message\",{payload}]"));
    socket.expect(&format!("42[\"message-back\",{payload}]"));
    let long = "x".repeat(200_000);
    socket.send(&format!("4212[\"message-with-ack\",\"{long}\"]"));
    socket.expect(&format!("4312[\"{long}\"]"));
}

#[test]
fn junk_in_place_of_pid_and_offset_recovers_nobody() {
    let server = start_patient();
    let long = json!({"pid": "P", "offset": "9".repeat(900_000)});
    let junk = [
        json!({"pid": "P", "offset": "7"}),
        json!({"pid": 7, "offset": {"pid": []}}),
        json!({"pid": "__proto__", "offset": "constructor"}),
        json!({"pid": ["P"], "offset": null}),
        json!({"offset": "-1"}),
        long,
    ];
    for auth in junk {
        let mut socket = Socket::open(&server);
        socket.send(&format!("40{auth}"));
        sid_in(&socket.text(), "40");
        let echoed = socket.text();
        let echoed: Value = echoed.strip_prefix("42").and_then(|json| serde_json::from_str(json).ok()).expect("`auth` is an event");
        assert_eq!(echoed, json!(["auth", auth]));
        socket.expect_silence();
    }
}

#[test]
fn connects_and_disconnects_by_the_thousand_leave_nothing_behind() {
    let server = start_patient();
    let mut socket = Socket::open(&server);
    let pairs = |socket: &mut Socket, count: usize| {
        for _ in 0..count {
            for nsp in ["", "/custom,"] {
                socket.connect(&format!("40{nsp}"));
                socket.send(&format!("41{nsp}"));
            }
            socket.send("40/unknown");
            socket.expect(r#"44/unknown,{"message":"Invalid namespace"}"#);
        }
    };
    pairs(&mut socket, 100);
    let before = server.resident_bytes();
    pairs(&mut socket, 3_000);
    assert_grew_less(&server, before, 4);
}

#[test]
fn acknowledgements_that_nobody_sends_or_awaits_take_no_memory() {
    let server = start_patient();
    let mut socket = Socket::enter(&server);
    let flood = |socket: &mut Socket, count: usize| {
        for id in 0..count {
            socket.send(&format!(r#"42{id}["nobody-answers",{id}]"#));
            socket.send(&format!("43{id}[]"));
            if id % 100 == 0 {
                socket.expect_silence();
            }
        }
        socket.expect_silence();
    };
    flood(&mut socket, 1_000);
    let before = server.resident_bytes();
    flood(&mut socket, 50_000);
    assert_grew_less(&server, before, 4);
}

#[test]
fn attachments_without_end_are_not_kept() {
    let server = start_patient();
    let mut other = Socket::enter(&server);
    let chunk = vec![0; 500_000];
    let before = server.resident_bytes();
    for head in ["45999999999-[\"message\"]", "4510-[\"message\",{\"_placeholder\":true,\"num\":9}]"] {
        let mut socket = Socket::enter(&server);
        socket.send(head);
        // 64 MB, unless the connection ends earlier.
        let sent = (0..128).take_while(|_| socket.try_send_binary(&chunk)).count();
        assert!(sent < 128, "all was taken after {head}");
        other.expect_silence();
    }
    assert_grew_less(&server, before, 8);
}

#[track_caller]
fn assert_grew_less(server: &Server, before: u64, mib: u64) {
    let grew = server.resident_bytes().saturating_sub(before);
    assert!(grew < mib << 20, "the server grew by {grew} bytes");
}

#[test]
fn half_a_packet_and_silence_end_like_silence_alone() {
    let server = start_hasty();
    let mut socket = Socket::enter(&server).leave_pings();
    socket.send(r#"451-["message",{"_placeholder":true,"num":0}]"#);
    socket.expect("2");
    socket.expect_closed();
}

#[test]
fn who_answers_pings_and_does_nothing_else_is_not_waited_for_without_end() {
    let server = Server::start(&[("PROTOCOL_TEST", "1"), ("PING_INTERVAL", "2s"), ("PING_TIMEOUT", "20s")]);
    let never_connects = |_: &mut Socket| {};
    let leaves = |socket: &mut Socket| {
        socket.connect("40");
        socket.send("41");
    };
    let is_refused = |socket: &mut Socket| {
        socket.send("40/unknown");
        socket.expect(r#"44/unknown,{"message":"Invalid namespace"}"#);
    };
    let sends_half = |socket: &mut Socket| {
        socket.connect("40");
        socket.send(r#"451-["message",{"_placeholder":true,"num":0}]"#);
    };
    let idlers: [&(dyn Fn(&mut Socket) + Sync); 4] = [&never_connects, &leaves, &is_refused, &sends_half];
    let mut patient = Socket::enter(&server);
    thread::scope(|scope| {
        for idle in idlers {
            let server = &server;
            scope.spawn(move || {
                let mut socket = Socket::open(server);
                idle(&mut socket);
                let began = Instant::now();
                socket.expect_closed_within(Duration::from_secs(100));
                assert!(began.elapsed() > Duration::from_secs(40), "it was closed after {:?}", began.elapsed());
            });
        }
        // Who is in a namespace may stay as long as he likes.
        scope.spawn(|| patient.stays_for(Duration::from_secs(50)));
    });
    patient.expect_silence();
}

#[test]
fn without_the_setting_nobody_is_let_in_who_does_not_say_who_he_is() {
    let server = Server::start(&[]);
    for path in ["/echo", "/engine.io/?EIO=4&transport=websocket"] {
        assert_eq!(Socket::try_connect(&server, path).err(), Some(404), "{path}");
    }
    match Socket::try_connect(&server, WEBSOCKET) {
        Err(status) => assert_eq!(status, 404),
        Ok(mut socket) => {
            socket.text();
            socket.send("40");
            let answer = socket.text();
            assert!(answer.starts_with("44{"), "{answer}");
        }
    }
}
