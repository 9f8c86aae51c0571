//! A client that speaks Engine.IO and Socket.IO by hand, over a WebSocket or long polling. It never sleeps: it waits until an overall deadline.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use tungstenite::{Bytes, Error, Message, WebSocket};

use super::http::{Answer, Client};
use super::server::Server;
use super::ws::FRAME_TIMEOUT;

pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// What came next.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    /// A Close frame's code; `None` when the connection ended without one.
    Closed(Option<u16>),
}

/// A WebSocket to an Engine.IO session.
pub struct Socket {
    pub socket: WebSocket<TcpStream>,
    answers_pings: bool,
    history: VecDeque<String>,
    closed: Option<u16>,
}

impl Socket {
    /// The status of a refusal, when the upgrade is refused.
    pub fn try_connect(server: &Server, path: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts");
        Self::try_connect_over(stream, server, path)
    }

    /// The same over a stream that is connected already.
    pub fn try_connect_over(stream: TcpStream, server: &Server, path: &str) -> Result<Self, u16> {
        stream.set_nodelay(true).expect("a socket takes its options");
        stream.set_read_timeout(Some(FRAME_TIMEOUT)).expect("a socket takes its options");
        let url = format!("ws://127.0.0.1:{}{path}", server.port());
        match tungstenite::client(url, stream) {
            Ok((socket, _)) => Ok(Self { socket, answers_pings: true, history: VecDeque::new(), closed: None }),
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("awaited an answer to the upgrade of {path}: {error}"),
        }
    }

    /// A session of its own, whose open packet is read.
    pub fn open(server: &Server) -> Self {
        Self::opened(Self::try_connect(server, WEBSOCKET))
    }

    /// The same over a stream that is connected already.
    pub fn open_over(stream: TcpStream, server: &Server) -> Self {
        Self::opened(Self::try_connect_over(stream, server, WEBSOCKET))
    }

    fn opened(connected: Result<Self, u16>) -> Self {
        let mut socket = connected.unwrap_or_else(|status| panic!("awaited an upgrade; {status} came"));
        let open = socket.text();
        assert!(open.starts_with('0'), "awaited the open packet; {open} came");
        socket
    }

    /// A session that is in the main namespace.
    pub fn enter(server: &Server) -> Self {
        let mut socket = Self::open(server);
        socket.connect("40");
        socket
    }

    /// Connects to a namespace, and reads the answer and `auth`.
    pub fn connect(&mut self, packet: &str) {
        self.send(packet);
        let (answer, auth) = (self.text(), self.text());
        assert!(answer.starts_with("40") && auth.contains(r#"["auth","#), "awaited to be connected by {packet}; {answer} and {auth} came");
    }

    /// From here on pings are for the test to see and to answer.
    pub fn leave_pings(mut self) -> Self {
        self.answers_pings = false;
        self
    }

    /// That the server closed meanwhile is found out by reading.
    pub fn send(&mut self, text: &str) {
        self.send_message(Message::text(text));
    }

    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.send_message(Message::binary(Bytes::copy_from_slice(bytes)));
    }

    fn send_message(&mut self, message: Message) {
        match self.socket.send(message) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_)) => {}
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// Sends, and says whether the connection still took it.
    pub fn try_send_binary(&mut self, bytes: &[u8]) -> bool {
        self.socket.send(Message::binary(Bytes::copy_from_slice(bytes))).is_ok()
    }

    pub fn came(&mut self) -> Came {
        let came = self.came_within(FRAME_TIMEOUT);
        came.unwrap_or_else(|| panic!("nothing came within {FRAME_TIMEOUT:?}. The last messages:\n{:#?}", self.history))
    }

    fn came_within(&mut self, timeout: Duration) -> Option<Came> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a socket takes its options");
            match self.socket.read() {
                Ok(Message::Text(text)) if text.as_str() == "2" && self.answers_pings => self.send("3"),
                Ok(Message::Text(text)) => {
                    self.remember(&text);
                    return Some(Came::Text(text.to_string()));
                }
                Ok(Message::Binary(bytes)) => {
                    self.remember("binary");
                    return Some(Came::Binary(bytes.to_vec()));
                }
                Ok(Message::Close(close)) => self.closed = Some(close.map_or(1005, |close| close.code.into())),
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Some(Came::Closed(self.closed.take())),
            }
        }
    }

    fn remember(&mut self, text: &str) {
        self.history.truncate(11);
        self.history.push_front(text.chars().take(200).collect());
    }

    pub fn text(&mut self) -> String {
        match self.came() {
            Came::Text(text) => text,
            other => panic!("awaited a text; {other:?} came after {:#?}", self.history),
        }
    }

    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        assert_eq!(self.text(), text);
    }

    #[track_caller]
    pub fn expect_binary(&mut self, bytes: &[u8]) {
        assert_eq!(self.came(), Came::Binary(bytes.to_vec()));
    }

    /// The connection must end, and nothing be said before but perhaps goodbye.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        self.expect_closed_within(FRAME_TIMEOUT);
    }

    #[track_caller]
    pub fn expect_closed_within(&mut self, timeout: Duration) {
        loop {
            match self.came_within(timeout) {
                Some(Came::Closed(_)) => return,
                Some(Came::Text(text)) if text == "1" || text == "41" => {}
                other => panic!("awaited the end of the connection; {other:?} came"),
            }
        }
    }

    /// Answers pings for this time, in which nothing else may come.
    #[track_caller]
    pub fn stays_for(&mut self, time: Duration) {
        assert_eq!(self.came_within(time), None);
    }

    /// The connection lives, and nothing was said up to here.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        self.send(r#"42["message","are you there"]"#);
        self.expect(r#"42["message-back","are you there"]"#);
    }
}

/// A session over long polling.
pub struct Poll {
    http: Client,
    path: String,
    pub open: Value,
}

impl Poll {
    pub fn open(server: &Server) -> Self {
        let http = Client::new(server);
        let answer = http.send("GET", POLLING, None, &[]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        let open: Value = answer.text.strip_prefix('0').and_then(|open| serde_json::from_str(open).ok()).expect("the open packet is JSON");
        let sid = open["sid"].as_str().expect("the open packet has a sid");
        Self { http, path: format!("{POLLING}&sid={sid}"), open }
    }

    pub fn sid(&self) -> &str {
        self.open["sid"].as_str().expect("the open packet has a sid")
    }

    pub fn get(&self) -> Answer {
        self.http.send("GET", &self.path, None, &[])
    }

    pub fn post(&self, body: &str) -> Answer {
        self.http.send("POST", &self.path, Some(body.as_bytes()), &[("content-type", "text/plain;charset=UTF-8")])
    }

    /// Posts what must be taken.
    #[track_caller]
    pub fn say(&self, body: &str) {
        let answer = self.post(body);
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"));
    }

    /// Polls until so many packets have come that are no pings; pings are answered.
    #[track_caller]
    pub fn read(&self, count: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while packets.len() < count {
            let answer = self.get();
            assert_eq!(answer.status, 200, "{} after {packets:?}", answer.text);
            for packet in answer.text.split('\u{1e}') {
                match packet {
                    "2" => self.say("3"),
                    other => packets.push(other.to_owned()),
                }
            }
        }
        packets
    }

    /// Polls until the session is gone: what came meanwhile.
    #[track_caller]
    pub fn read_to_end(&self) -> Vec<String> {
        let deadline = Instant::now() + FRAME_TIMEOUT;
        let mut packets = Vec::new();
        while Instant::now() < deadline {
            let answer = self.get();
            if answer.status == 400 {
                return packets;
            }
            packets.extend(answer.text.split('\u{1e}').map(str::to_owned));
        }
        panic!("the session did not end; {packets:?} came")
    }
}
