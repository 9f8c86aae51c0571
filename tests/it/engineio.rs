//! Engine.IO, revision 4, as stock clients speak it: the cases of its public conformance suite, and input that has broken other servers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, Message, WebSocket};

use crate::support::http::{Answer, Client};
use crate::support::server::Server;

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAYLOAD_BYTES_MAX: usize = 1_000_000;

/// A server with the bare echo.
struct Engine {
    server: Server,
    http: Client,
}

impl Engine {
    fn start() -> Self {
        Self::with(&[])
    }

    /// With beats that a test can wait for, and time enough for a pong on a busy machine.
    fn beating() -> Self {
        Self::with(&[("PING_INTERVAL", "300ms"), ("PING_TIMEOUT", "5s")])
    }

    /// With a client that is given up soon.
    fn impatient() -> Self {
        Self::with(&[("PING_INTERVAL", "300ms"), ("PING_TIMEOUT", "200ms")])
    }

    fn with(settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings.iter().copied().chain([("PROTOCOL_TEST", "1")]).collect();
        let server = Server::start(&settings);
        let http = Client::new(&server);
        Self { server, http }
    }

    fn send(&self, method: &str, query: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Answer {
        self.http.send(method, &format!("/engine.io/?{query}"), body, headers)
    }

    fn open(&self) -> Polling<'_> {
        let answer = self.send("GET", "EIO=4&transport=polling", None, &[]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let open = open_packet(&answer.text);
        Polling { engine: self, sid: open["sid"].as_str().expect("an open packet has a sid").to_owned() }
    }

    fn socket(&self) -> Socket {
        self.socket_at("EIO=4&transport=websocket").expect("the upgrade is accepted")
    }

    /// A WebSocket, or the status of the refusal.
    fn socket_at(&self, query: &str) -> Result<Socket, u16> {
        let port = self.server.port();
        let request = format!("ws://127.0.0.1:{port}/engine.io/?{query}").into_client_request().expect("the URL of a test is one");
        match tungstenite::client(request, self.connect()) {
            Ok((socket, response)) => {
                assert!(!response.headers().contains_key("sec-websocket-extensions"), "no extension is negotiated");
                Ok(Socket(socket))
            }
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("connecting: {error}"),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.server.port())).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes its options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes its options");
        stream
    }

    /// The whole answer to bytes that may be no request; the end of the connection counts as one.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What others do goes on as before.
    fn is_well(&self) {
        let mut socket = self.socket();
        socket.read_open();
        socket.send("4still here");
        assert_eq!(socket.text(), "4still here");
        let polling = self.open();
        polling.post_ok("4still here");
        assert_eq!(polling.get_ok(), "4still here");
    }
}

fn open_packet(text: &str) -> Value {
    let json = text.strip_prefix('0').unwrap_or_else(|| panic!("awaited an open packet; {text} came"));
    serde_json::from_str(json).expect("an open packet is JSON")
}

/// A session that polls.
struct Polling<'a> {
    engine: &'a Engine,
    sid: String,
}

impl Polling<'_> {
    fn query(&self) -> String {
        format!("EIO=4&transport=polling&sid={}", self.sid)
    }

    fn get(&self) -> Answer {
        self.engine.send("GET", &self.query(), None, &[])
    }

    fn get_ok(&self) -> String {
        let answer = self.get();
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    }

    fn post(&self, body: &str) -> Answer {
        self.engine.send("POST", &self.query(), Some(body.as_bytes()), &[("content-type", "text/plain;charset=UTF-8")])
    }

    fn post_ok(&self, body: &str) {
        let answer = self.post(body);
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    }

    /// A GET whose answer is asked for later. It is on its way when the server has its head: a connection of its own, and written whole.
    fn get_later(&self) -> Receiver<(u16, String)> {
        let mut stream = self.engine.connect();
        write!(stream, "GET /engine.io/?{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", self.query()).expect("the server reads");
        let (to, from) = channel();
        std::thread::spawn(move || {
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            let _ = to.send(parted(&answer));
        });
        from
    }

    fn is_gone(&self) {
        let answer = self.get();
        assert_eq!((answer.status, answer.json()), (400, json!({"code": 1, "message": "Session ID unknown"})));
    }

    fn try_socket(&self) -> Socket {
        self.engine.socket_at(&self.query().replace("polling", "websocket")).expect("the upgrade is accepted")
    }

    fn upgrade(&self) -> Socket {
        let mut socket = self.try_socket();
        socket.send("2probe");
        assert_eq!(socket.text(), "3probe");
        socket.send("5");
        socket
    }
}

/// Status and body of a raw answer.
fn parted(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}

fn awaited(answer: &Receiver<(u16, String)>) -> (u16, String) {
    answer.recv_timeout(PATIENCE).expect("an answer comes")
}

/// Has a GET that is under way answered, whether it waits already or comes later.
fn have_answered(polling: &Polling<'_>, answer: &Receiver<(u16, String)>) {
    polling.post_ok("4first");
    assert_eq!(awaited(answer), (200, "4first".to_owned()));
}

#[derive(Debug)]
struct Socket(WebSocket<TcpStream>);

impl Socket {
    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("the connection is open");
    }

    fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    fn next(&mut self) -> Message {
        self.0.read().unwrap_or_else(|error| panic!("awaited a frame: {error}"))
    }

    fn text(&mut self) -> String {
        match self.next() {
            Message::Text(text) => text.to_string(),
            other => panic!("awaited a text; {other:?} came"),
        }
    }

    fn read_open(&mut self) -> Value {
        open_packet(&self.text())
    }

    /// Reads to the Close frame; its code, 1005 without one, 1006 without the frame.
    fn close_code(&mut self) -> u16 {
        let mut code = 1006;
        loop {
            match self.0.read() {
                Ok(Message::Close(close)) => code = close.map_or(1005, |close| close.code.into()),
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("awaited the end of the connection")
                }
                Err(_) => return code,
            }
        }
    }
}

fn refusal(code: u8, message: &str) -> Value {
    json!({"code": code, "message": message})
}

// --- handshake ---

#[test]
fn a_handshake_by_polling_tells_all_that_a_client_needs_and_no_more() {
    let engine = Engine::with(&[("PING_INTERVAL", "300ms"), ("PING_TIMEOUT", "200ms")]);
    let answer = engine.send("GET", "EIO=4&transport=polling", None, &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut open = open_packet(&answer.text);
    let sid = open["sid"].take();
    assert!(sid.as_str().is_some_and(|sid| sid.len() >= 20), "{sid}");
    assert_eq!(
        open,
        json!({"sid": null, "upgrades": ["websocket"], "pingInterval": 300, "pingTimeout": 200, "maxPayload": PAYLOAD_BYTES_MAX})
    );
}

#[test]
fn a_handshake_by_websocket_offers_no_upgrade() {
    let engine = Engine::start();
    let mut open = engine.socket().read_open();
    assert_ne!(open["sid"].take(), engine.socket().read_open()["sid"]);
    assert_eq!(open, json!({"sid": null, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": PAYLOAD_BYTES_MAX}));
}

#[test]
fn a_path_without_its_slash_is_as_good() {
    let engine = Engine::start();
    let answer = engine.http.send("GET", "/engine.io?EIO=4&transport=polling", None, &[]);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_handshake_that_is_none_is_refused_with_a_code() {
    let engine = Engine::start();
    let unknown = refusal(0, "Transport unknown");
    let version = refusal(5, "Unsupported protocol version");
    for (method, query, expected) in [
        ("GET", "transport=polling", &version),
        ("GET", "EIO=3&transport=polling", &version),
        ("GET", "EIO=abc&transport=polling", &version),
        ("GET", "EIO=4", &unknown),
        ("GET", "EIO=4&transport=abc", &unknown),
        ("GET", "EIO=4&transport=__proto__", &unknown),
        ("GET", "EIO=4&transport=constructor", &unknown),
        ("GET", "EIO=4&transport=websocket", &refusal(3, "Bad request")),
        ("POST", "EIO=4&transport=polling", &refusal(2, "Bad handshake method")),
        ("PUT", "EIO=4&transport=polling", &refusal(2, "Bad handshake method")),
        ("GET", "EIO=4&transport=polling&sid=", &refusal(1, "Session ID unknown")),
        ("GET", "EIO=4&transport=polling&sid=__proto__", &refusal(1, "Session ID unknown")),
        ("POST", "EIO=4&transport=polling&sid=nobody", &refusal(1, "Session ID unknown")),
    ] {
        let body: Option<&[u8]> = (method != "GET").then_some(b"4x");
        let answer = engine.send(method, query, body, &[]);
        assert_eq!((answer.status, &answer.json()), (400, expected), "{method} {query}");
    }
    engine.is_well();
}

#[test]
fn an_upgrade_that_is_none_is_refused_before_it_is_one() {
    let engine = Engine::start();
    for query in [
        "transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=__proto__",
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=__proto__",
        "EIO=4&transport=websocket&sid=nobody",
    ] {
        assert_eq!(engine.socket_at(query).err(), Some(400), "{query}");
    }
    engine.is_well();
}

#[test]
fn the_echo_is_there_for_tests_only() {
    let server = Server::start(&[]);
    let answer = Client::new(&server).send("GET", "/engine.io/?EIO=4&transport=polling", None, &[]);
    assert_eq!(answer.status, 404);
}

// --- messages ---

#[test]
fn texts_and_bytes_go_by_polling_both_ways() {
    let engine = Engine::start();
    let polling = engine.open();
    let answer = polling.post("4hello");
    assert_eq!((answer.status, answer.text.as_str(), answer.header("content-type")), (200, "ok", Some("text/html")));
    assert_eq!(polling.get_ok(), "4hello");
    polling.post_ok("4test1\u{1e}4test2\u{1e}4test3é");
    assert_eq!(polling.get_ok(), "4test1\u{1e}4test2\u{1e}4test3é");
    polling.post_ok("bAQIDBA==");
    let answer = polling.get();
    assert_eq!((answer.text.as_str(), answer.header("cache-control")), ("bAQIDBA==", Some("no-store")));
}

#[test]
fn a_get_that_waits_gets_all_packets_of_a_turn_in_one_answer() {
    let engine = Engine::start();
    let polling = engine.open();
    let waiting = polling.get_later();
    have_answered(&polling, &waiting);
    let waiting = polling.get_later();
    polling.post_ok("4a\u{1e}bAQ==\u{1e}4b");
    assert_eq!(awaited(&waiting), (200, "4a\u{1e}bAQ==\u{1e}4b".to_owned()));
}

#[test]
fn texts_and_bytes_go_by_websocket_both_ways() {
    let engine = Engine::start();
    let mut socket = engine.socket();
    socket.read_open();
    socket.send("4hello é");
    assert_eq!(socket.text(), "4hello é");
    socket.send("4");
    assert_eq!(socket.text(), "4");
    socket.0.send(Message::binary(vec![1, 2, 3, 4])).expect("the connection is open");
    assert_eq!(socket.next(), Message::binary(vec![1, 2, 3, 4]));
    let long = format!("4{}", "x".repeat(PAYLOAD_BYTES_MAX - 1));
    socket.send(&long);
    assert_eq!(socket.text(), long);
}

#[test]
fn what_only_a_server_sends_is_ignored_from_a_client() {
    let engine = Engine::start();
    let polling = engine.open();
    polling.post_ok("0{}\u{1e}3\u{1e}3probe\u{1e}5\u{1e}6\u{1e}4on");
    assert_eq!(polling.get_ok(), "4on");
    let mut socket = engine.socket();
    socket.read_open();
    ["0{}", "3", "5", "6", "4on"].iter().for_each(|packet| socket.send(packet));
    assert_eq!(socket.text(), "4on");
}

#[test]
fn a_packet_that_is_none_ends_a_session_that_polls() {
    let engine = Engine::start();
    for body in ["abc", "7", "2", "2probe", "bAQ=", "b***", "4x\u{1e}", "4x\u{1e}\u{1e}4y"] {
        let polling = engine.open();
        let answer = polling.post(body);
        assert_eq!((answer.status, answer.json()), (400, refusal(3, "Bad request")), "{body}");
        polling.is_gone();
    }
}

#[test]
fn a_packet_that_is_none_ends_a_session_on_a_websocket() {
    let engine = Engine::start();
    for packet in ["abc", "", "2", "2probe", "9", "bAQ=="] {
        let mut socket = engine.socket();
        socket.read_open();
        socket.send(packet);
        assert_eq!(socket.close_code(), 1002, "{packet}");
    }
}

#[test]
fn an_empty_body_ends_the_session_and_is_answered_ok() {
    let engine = Engine::start();
    for body in ["", "\u{1e}"] {
        let polling = engine.open();
        polling.post_ok(body);
        polling.is_gone();
    }
}

#[test]
fn a_body_that_is_no_text_ends_the_session() {
    let engine = Engine::start();
    let polling = engine.open();
    let answer = engine.send("POST", &polling.query(), Some(b"4x"), &[("content-type", "application/octet-stream")]);
    assert_eq!((answer.status, answer.json()), (400, refusal(3, "Bad request")));
    polling.is_gone();
    let polling = engine.open();
    let answer = engine.send("POST", &polling.query(), Some(b"4\xff\xfe"), &[]);
    assert_eq!(answer.status, 400);
    polling.is_gone();
}

#[test]
fn a_body_of_a_million_bytes_is_read_and_one_of_a_byte_more_leaves_the_session_alive() {
    let engine = Engine::start();
    let polling = engine.open();
    let body = format!("4{}", "x".repeat(PAYLOAD_BYTES_MAX - 1));
    polling.post_ok(&body);
    assert_eq!(polling.get_ok(), body);
    assert_eq!(polling.post(&format!("{body}x")).status, 413);
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
}

#[test]
fn a_second_get_ends_the_session() {
    let engine = Engine::start();
    let polling = engine.open();
    let (one, other) = (polling.get_later(), polling.get_later());
    let mut answers = [awaited(&one), awaited(&other)];
    answers.sort();
    assert_eq!(answers, [(200, "1".to_owned()), (400, refusal(3, "Bad request").to_string())]);
    polling.is_gone();
}

#[test]
fn overlapping_posts_both_fail_and_end_the_session() {
    let engine = Engine::start();
    let polling = engine.open();
    let waiting = polling.get_later();
    have_answered(&polling, &waiting);
    let waiting = polling.get_later();
    let mut first = engine.connect();
    write!(first, "POST /engine.io/?{} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n4", polling.query())
        .expect("the server reads");
    // The first one has to be there: until then the second is alone, and is answered.
    let deadline = Instant::now() + PATIENCE;
    let second = loop {
        let answer = polling.post("3");
        if answer.status != 200 {
            break answer;
        }
        assert!(Instant::now() < deadline, "the first POST is never seen");
    };
    assert_eq!((second.status, second.json()), (400, refusal(3, "Bad request")));
    first.write_all(b"x").expect("the server reads");
    let mut answer = String::new();
    first.read_to_string(&mut answer).expect("the server answers");
    assert_eq!(parted(&answer).0, 400, "{answer}");
    // A GET that was under way meanwhile may have come when all was over.
    let (status, body) = awaited(&waiting);
    assert!((status, body.as_str()) == (200, "1") || status == 400, "{status} {body}");
    polling.is_gone();
}

// --- close ---

#[test]
fn a_close_packet_answers_the_get_that_waits_with_a_noop() {
    let engine = Engine::start();
    // Whether the GET waits already when the POST comes is not to be seen from here: one that comes too late finds no session.
    let told_by_noop = (0..100).any(|_| {
        let polling = engine.open();
        let waiting = polling.get_later();
        polling.post_ok("1");
        polling.is_gone();
        let (status, body) = awaited(&waiting);
        assert!((status, body.as_str()) == (200, "6") || status == 400, "{status} {body}");
        status == 200
    });
    assert!(told_by_noop, "no GET was told by a noop");
}

#[test]
fn a_close_packet_by_websocket_closes_it() {
    let engine = Engine::start();
    let mut socket = engine.socket();
    socket.read_open();
    socket.send("1");
    assert_eq!(socket.close_code(), 1000);
}

#[test]
fn a_close_frame_is_echoed_and_ends_the_session() {
    let engine = Engine::start();
    let polling = engine.open();
    let mut socket = polling.upgrade();
    socket.send("4on");
    assert_eq!(socket.text(), "4on");
    socket.0.close(None).expect("the connection is open");
    assert_eq!(socket.close_code(), 1005);
    polling.is_gone();
}

// --- heartbeat ---

#[test]
fn a_client_that_polls_is_pinged_again_after_each_pong() {
    let engine = Engine::beating();
    let polling = engine.open();
    for _ in 0..3 {
        assert_eq!(polling.get_ok(), "2");
        polling.post_ok("3");
    }
}

#[test]
fn a_client_on_a_websocket_is_pinged_again_after_each_pong() {
    let engine = Engine::beating();
    let opened = Instant::now();
    let mut socket = engine.socket();
    socket.read_open();
    for _ in 0..3 {
        assert_eq!(socket.text(), "2");
        socket.send("3");
    }
    assert!(opened.elapsed() >= Duration::from_millis(900), "{:?}", opened.elapsed());
}

#[test]
fn a_client_that_polls_and_does_not_pong_is_given_up() {
    let engine = Engine::impatient();
    let polling = engine.open();
    assert_eq!(polling.get_ok(), "2");
    let answer = polling.get();
    assert!((answer.status, answer.text.as_str()) == (200, "1") || answer.status == 400, "{}", answer.text);
    polling.is_gone();
}

#[test]
fn a_client_on_a_websocket_that_does_not_pong_is_given_up() {
    let engine = Engine::impatient();
    let opened = Instant::now();
    let mut socket = engine.socket();
    socket.read_open();
    assert_eq!(socket.text(), "2");
    assert_eq!(socket.close_code(), 1000);
    assert!(opened.elapsed() >= Duration::from_millis(500), "{:?}", opened.elapsed());
}

// --- upgrade ---

#[test]
fn a_session_goes_on_from_polling_to_a_websocket() {
    let engine = Engine::start();
    let polling = engine.open();
    let mut socket = polling.try_socket();
    socket.send("2probe");
    assert_eq!(socket.text(), "3probe");
    // What comes before the end of the upgrade is not lost, and no noop is among it.
    polling.post_ok("4by post");
    socket.send("5");
    assert_eq!(socket.text(), "4by post");
    socket.send("4by websocket");
    assert_eq!(socket.text(), "4by websocket");
    socket.0.send(Message::binary(vec![1, 2])).expect("the connection is open");
    assert_eq!(socket.next(), Message::binary(vec![1, 2]));
}

#[test]
fn all_at_once_is_an_upgrade_too() {
    let engine = Engine::start();
    let polling = engine.open();
    let mut socket = polling.try_socket();
    ["2probe", "5", "4hello"].iter().for_each(|packet| socket.send(packet));
    assert_eq!((socket.text(), socket.text()), ("3probe".to_owned(), "4hello".to_owned()));
}

#[test]
fn a_get_that_waits_is_answered_when_the_probe_comes() {
    let engine = Engine::start();
    let polling = engine.open();
    let waiting = polling.get_later();
    let mut socket = polling.try_socket();
    socket.send("2probe");
    assert_eq!(awaited(&waiting), (200, "6".to_owned()));
    assert_eq!(socket.text(), "3probe");
    // One that comes during the upgrade is not held for long.
    assert_eq!(polling.get_ok(), "6");
    polling.post_ok("4still by polling");
    assert_eq!(polling.get_ok(), "4still by polling");
    socket.send("5");
    socket.send("4on");
    assert_eq!(socket.text(), "4on");
}

#[test]
fn requests_by_polling_are_refused_after_the_upgrade_and_do_no_harm() {
    let engine = Engine::start();
    let polling = engine.open();
    let mut socket = polling.upgrade();
    socket.send("4on");
    assert_eq!(socket.text(), "4on");
    assert_eq!((polling.get().status, polling.post("4x").status), (400, 400));
    socket.send("4hello");
    assert_eq!(socket.text(), "4hello");
}

#[test]
fn a_second_websocket_of_a_session_is_closed_and_does_no_harm() {
    let engine = Engine::start();
    let polling = engine.open();
    let mut first = polling.try_socket();
    first.send("2probe");
    assert_eq!(first.text(), "3probe");
    assert_eq!(polling.try_socket().close_code(), 1000);
    first.send("5");
    first.send("4hello");
    assert_eq!(first.text(), "4hello");
    assert_eq!(polling.try_socket().close_code(), 1000);
    first.send("4still");
    assert_eq!(first.text(), "4still");
}

#[test]
fn an_upgrade_that_fails_costs_the_websocket_only() {
    let engine = Engine::start();
    let polling = engine.open();
    for wrong in ["4too early", "5", "2", "2probe2", "3", "", "x"] {
        let mut socket = polling.try_socket();
        socket.send(wrong);
        assert_eq!(socket.close_code(), 1002, "{wrong}");
    }
    let mut socket = polling.try_socket();
    socket.send("2probe");
    assert_eq!(socket.text(), "3probe");
    drop(socket);
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
    // The lost WebSocket is found out: another one is let in.
    let deadline = Instant::now() + PATIENCE;
    let mut socket = loop {
        let mut socket = polling.try_socket();
        socket.send("2probe");
        if matches!(socket.0.read(), Ok(Message::Text(text)) if text.as_str() == "3probe") {
            break socket;
        }
        assert!(Instant::now() < deadline, "no other WebSocket is let in");
    };
    socket.send("5");
    socket.send("4hello");
    assert_eq!(socket.text(), "4hello");
}

#[test]
fn an_upgrade_that_does_not_end_is_given_up_and_the_session_lives() {
    let engine = Engine::start();
    let polling = engine.open();
    let began = Instant::now();
    assert_eq!(polling.try_socket().close_code(), 1000);
    assert!((9..30).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
}

#[test]
fn a_websocket_request_whose_upgrade_header_was_lost_is_no_poll() {
    let engine = Engine::start();
    let polling = engine.open();
    let query = polling.query().replace("polling", "websocket");
    let answer = engine.send("GET", &query, None, &[]);
    assert_eq!((answer.status, answer.json()), (400, refusal(3, "Bad request")));
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
}

#[test]
fn a_sid_is_of_one_revision() {
    let engine = Engine::start();
    let polling = engine.open();
    for query in [polling.query().replace("EIO=4", "EIO=3"), polling.query().replace("EIO=4&", "")] {
        assert_eq!(engine.send("GET", &query, None, &[]).status, 400, "{query}");
        assert_eq!(engine.socket_at(&query.replace("polling", "websocket")).err(), Some(400), "{query}");
    }
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
}

// --- bounds ---

#[test]
fn who_does_not_fetch_what_he_is_told_is_given_up() {
    let engine = Engine::with(&[("SEND_QUEUE_BYTES", "64KiB")]);
    let polling = engine.open();
    let body = format!("4{}", "x".repeat(30_000));
    let posts = (0..10).take_while(|_| polling.post(&body).status == 200).count();
    assert!((2..=4).contains(&posts), "{posts} were taken");
    polling.is_gone();
}

#[test]
fn a_websocket_that_is_not_read_is_dropped() {
    let engine = Engine::with(&[("SEND_QUEUE_BYTES", "64KiB")]);
    let mut socket = engine.socket();
    socket.read_open();
    let long = format!("4{}", "x".repeat(500_000));
    let refused = (0..1_000).find(|_| socket.0.send(Message::text(long.as_str())).is_err());
    assert!(refused.is_some(), "the server reads on for a client that does not");
    engine.is_well();
}

#[test]
fn an_address_has_a_thousand_sessions_and_those_that_end_make_room() {
    let engine = Engine::start();
    let sessions: Vec<_> = (0..1_000).map(|_| engine.open()).collect();
    let answer = engine.send("GET", "EIO=4&transport=polling", None, &[]);
    assert_eq!((answer.status, answer.json()), (403, refusal(4, "Forbidden")));
    assert_eq!(engine.socket_at("EIO=4&transport=websocket").err(), Some(403));
    sessions.iter().take(2).for_each(|polling| polling.post_ok("1"));
    engine.is_well();
}

#[test]
fn sessions_that_nobody_comes_back_for_make_room_by_themselves() {
    let engine = Engine::impatient();
    let handshake = || engine.send("GET", "EIO=4&transport=polling", None, &[]).status;
    // So many that the first of them have to end meanwhile.
    let deadline = Instant::now() + PATIENCE;
    let mut opened = 0;
    while opened < 2_500 {
        assert!(Instant::now() < deadline, "after {opened} there is no room for others");
        opened += usize::from(handshake() == 200);
    }
}

#[test]
fn a_stop_does_not_wait_for_clients_that_poll() {
    let mut engine = Engine::start();
    (0..5).for_each(|_| drop(engine.open()));
    let began = Instant::now();
    assert_eq!(engine.server.terminate(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_stop_cuts_sessions_without_a_close_packet() {
    let mut engine = Engine::start();
    let mut socket = engine.socket();
    socket.read_open();
    let waiting = {
        let polling = engine.open();
        let waiting = polling.get_later();
        have_answered(&polling, &waiting);
        polling.get_later()
    };
    assert_eq!(engine.server.terminate(), Some(0));
    assert_eq!(socket.close_code(), 1001);
    let (status, body) = awaited(&waiting);
    assert!(status != 200 && !body.starts_with('1'), "{status} {body}");
}

// --- input that has broken other servers ---

#[test]
fn a_hundred_thousand_tiny_packets_are_dealt_with() {
    let engine = Engine::start();
    for packet in ["3", "4", "6", "b"] {
        let polling = engine.open();
        let body = vec![packet; 100_000].join("\u{1e}");
        let began = Instant::now();
        let answer = polling.post(&body);
        assert!([200, 400].contains(&answer.status), "{}", answer.status);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    engine.is_well();
}

/// A masked frame with this first byte, a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|&length| length < 126).expect("a test sends short frames");
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[test]
fn frames_that_break_the_websocket_protocol_end_it_with_its_code() {
    let engine = Engine::start();
    let mut tebibyte = vec![0x82, 0xff];
    tebibyte.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    tebibyte.extend_from_slice(&[0; 4]);
    let mut over = vec![0x81, 0xff];
    over.extend_from_slice(&(PAYLOAD_BYTES_MAX as u64 + 1).to_be_bytes());
    over.extend_from_slice(&[0; 4]);
    let empty_fragments = [frame(0x01, b"4"), frame(0x00, b"").repeat(30_000)].concat();
    for (bytes, code) in [
        (frame(0xc1, b"4x"), 1002),
        (frame(0xf1, b"4x"), 1002),
        (frame(0x83, b"4x"), 1002),
        (frame(0x81, b"4\xff"), 1007),
        (tebibyte, 1009),
        (over, 1009),
        (empty_fragments, 1009),
    ] {
        let mut socket = engine.socket();
        socket.read_open();
        socket.send_bytes(&bytes);
        assert_eq!(socket.close_code(), code);
        let polling = engine.open();
        let mut socket = polling.try_socket();
        socket.send_bytes(&bytes);
        assert_eq!(socket.close_code(), code, "during an upgrade");
        polling.post_ok("4alive");
        assert_eq!(polling.get_ok(), "4alive");
    }
}

#[test]
fn a_ping_of_the_websocket_protocol_is_answered() {
    let engine = Engine::start();
    let mut socket = engine.socket();
    socket.read_open();
    socket.0.send(Message::Ping(vec![1, 2, 3].into())).expect("the connection is open");
    assert_eq!(socket.next(), Message::Pong(vec![1, 2, 3].into()));
}

#[test]
fn a_frame_that_declares_a_tebibyte_costs_no_memory() {
    let engine = Engine::start();
    (0..4).for_each(|_| engine.is_well());
    let mut socket = engine.socket();
    socket.read_open();
    let before = engine.server.resident_bytes();
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    socket.send_bytes(&header);
    let mebibyte = vec![0x5a; 1 << 20];
    (0..64).for_each(|_| socket.send_bytes(&mebibyte));
    let mut other = engine.socket();
    other.read_open();
    let grown = engine.server.resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 20, "the server grew by {grown} bytes");
}

#[test]
fn a_reset_right_after_an_upgrade_request_costs_nothing() {
    let engine = Engine::start();
    let polling = engine.open();
    for query in ["EIO=4&transport=websocket".to_owned(), polling.query().replace("polling", "websocket")] {
        for _ in 0..50 {
            let mut stream = engine.connect();
            let request = format!(
                "GET /engine.io/?{query} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).expect("the server reads");
            socket2::Socket::from(stream).set_linger(Some(Duration::ZERO)).expect("a socket takes its options");
        }
    }
    polling.post_ok("4alive");
    assert_eq!(polling.get_ok(), "4alive");
    engine.is_well();
}

#[test]
fn heads_of_requests_that_are_none_are_refused() {
    let engine = Engine::start();
    let upgrade =
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let head = |query: &str, headers: &str| format!("GET /engine.io/?{query} HTTP/1.1\r\nhost: x\r\n{upgrade}{headers}\r\n");
    let query = "EIO=4&transport=websocket";
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let long_sid = format!("{query}&sid={}", "a".repeat(20_000));
    for request in [
        head(query, &many),
        head(query, "cookie: a\u{1}b\r\n"),
        head(query, "x-nul: a\0b\r\n"),
        head(query, "origin: http://x\u{7f}\r\n"),
        head(&long_sid, ""),
        head(&format!("{query}&sid=%00%01%ff"), ""),
        head(query, "").replace("13", "12"),
        head(query, "").replace("sec-websocket-key", "x-key"),
    ] {
        let (status, _) = parted(&engine.raw(request.as_bytes()));
        assert!((400..500).contains(&status), "{status} for {:.300}", request);
    }
    engine.is_well();
}
