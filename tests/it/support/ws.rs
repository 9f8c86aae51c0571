//! A blocking WebSocket client. It never sleeps: it waits for a frame until an overall deadline, and says what it awaited and what came.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message, WebSocket};

use super::http::Person;
use super::server::Server;

/// How long a frame may take on a busy machine before the test gives up.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Frames that a failure shows.
const HISTORY_MAX: usize = 12;

/// A connection about to be made.
#[derive(Clone)]
pub struct Connect {
    port: u16,
    query: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Connect {
    /// To `/ws` without a room, as nobody.
    pub fn to(server: &Server) -> Self {
        Self { port: server.port(), query: Vec::new(), headers: Vec::new() }
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push(format!("{name}={value}"));
        self
    }

    pub fn campaign(self, id: &str) -> Self {
        self.query("campaignId", id)
    }

    pub fn workspace(self, id: &str) -> Self {
        self.query("workspaceId", id)
    }

    pub fn circle(self, id: &str) -> Self {
        self.query("circleId", id)
    }

    /// Asks for what was missed after this cursor.
    pub fn since(self, cursor: &Cursor) -> Self {
        self.query("since", &cursor.seq.to_string()).query("epoch", &cursor.epoch)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn person(self, person: &Person) -> Self {
        self.bearer(&person.token)
    }

    /// Connects. The server accepts every upgrade, so a refusal comes as a close.
    pub fn open(self) -> Socket {
        self.open_at("/ws")
    }

    pub fn open_at(self, path: &str) -> Socket {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap_or_else(|error| panic!("connecting to {path}: {error}"));
        self.open_over(stream, path)
    }

    /// The same over a stream that is connected already.
    pub fn open_over(self, stream: TcpStream, path: &str) -> Socket {
        let url = format!("ws://127.0.0.1:{}{path}?{}", self.port, self.query.join("&"));
        let mut request = url.as_str().into_client_request().expect("the URL of a test is one");
        for (name, value) in &self.headers {
            let name = tungstenite::http::HeaderName::from_bytes(name.as_bytes()).expect("a header of a test is one");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a header of a test is one"));
        }
        stream.set_nodelay(true).expect("a socket takes its options");
        stream.set_read_timeout(Some(FRAME_TIMEOUT)).expect("a socket takes its options");
        let (socket, response) = tungstenite::client(request, stream)
            .unwrap_or_else(|error| panic!("awaited that {path} accepts the upgrade; it did not: {error}"));
        let protocol = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Socket { socket, protocol, waiting: VecDeque::new(), history: VecDeque::new(), closed: None }
    }

    /// Connects and reads the first frames.
    pub fn enter(self) -> (Socket, Entry) {
        let mut socket = self.open();
        let entry = socket.entry();
        (socket, entry)
    }

    /// Connects where the server refuses: the one `error` frame, the close code and the reason.
    pub fn refused(self) -> (Value, u16, String) {
        let mut socket = self.open();
        let error = socket.expect("error");
        let (code, reason) = socket.closed();
        (error, code, reason)
    }
}

/// Up to where a client has seen a room's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    pub seq: u64,
    pub epoch: String,
}

/// The first frames of a connection.
#[derive(Clone, Debug)]
pub struct Entry {
    pub connected: Value,
    /// `session:state`, `staged:changes` for a DM, `token:state`; `ready` in a workspace; empty when the connection resumed.
    pub state: Vec<Value>,
}

impl Entry {
    pub fn resumed(&self) -> bool {
        self.connected["resumed"] == true
    }

    pub fn cursor(&self) -> Cursor {
        let seq = self.connected["seq"].as_u64().expect("`connected` has a seq");
        Cursor { seq, epoch: self.connected["epoch"].as_str().expect("`connected` has an epoch").to_owned() }
    }

    pub fn frame(&self, kind: &str) -> &Value {
        self.state
            .iter()
            .find(|frame| frame["type"] == kind)
            .unwrap_or_else(|| panic!("awaited {kind} among the first frames; they were {self:?}"))
    }

    pub fn session(&self) -> &Value {
        self.frame("session:state")
    }
}

/// What came next on a socket.
#[derive(Debug)]
pub enum Came {
    Frame(Value),
    Closed(u16, String),
    /// The connection ended without a close frame.
    Reset,
}

pub struct Socket {
    pub socket: WebSocket<TcpStream>,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
    /// Frames that were read while an answer was awaited.
    waiting: VecDeque<Value>,
    history: VecDeque<String>,
    closed: Option<(u16, String)>,
}

impl Socket {
    /// Reads `connected` and, unless the connection resumed, the state that follows it.
    pub fn entry(&mut self) -> Entry {
        let connected = self.expect("connected");
        let mut state = Vec::new();
        if connected["resumed"] == false {
            let kinds: &[&str] = match connected["role"].as_str() {
                Some("dm") => &["session:state", "staged:changes", "token:state"],
                Some("player") => &["session:state", "token:state"],
                _ => &["ready"],
            };
            state.extend(kinds.iter().map(|kind| self.expect(kind)));
        }
        Entry { connected, state }
    }

    pub fn send(&mut self, frame: &Value) {
        self.send_raw(Message::text(frame.to_string()));
    }

    /// Any message at all. That the server closed meanwhile is found out by reading.
    pub fn send_raw(&mut self, message: Message) {
        match self.socket.send(message) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_)) => {}
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// Bytes as they are, framed or not. That the server closed meanwhile is found out by reading.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.socket.get_mut().write_all(bytes);
    }

    /// Sends a command under a fresh id, or under its own `id`, and gives the answer: `ack` or `error`. Other frames stay for [`Socket::next`].
    pub fn command(&mut self, mut command: Value) -> Value {
        if command.get("id").is_none() {
            // Also the user's other connections must not use it: neither those of now nor, as a port would be used again, those of before.
            static LAST: AtomicU64 = AtomicU64::new(0);
            command["id"] = json!(format!("fresh-{}", LAST.fetch_add(1, Ordering::Relaxed)));
        }
        self.send(&command);
        self.answer_to(&command["id"])
    }

    /// Waits for the `ack` or `error` with this id.
    pub fn answer_to(&mut self, id: &Value) -> Value {
        let is_answer = |frame: &Value| (frame["type"] == "ack" || frame["type"] == "error") && frame["id"] == *id;
        if let Some(at) = self.waiting.iter().position(is_answer) {
            return self.waiting.remove(at).expect("the position was found");
        }
        loop {
            match self.read(Instant::now() + FRAME_TIMEOUT) {
                Came::Frame(frame) if is_answer(&frame) => return frame,
                Came::Frame(frame) => self.waiting.push_back(frame),
                other => self.fail(&format!("the answer to {id}"), &format!("{other:?}")),
            }
        }
    }

    /// A command that must be acknowledged; gives the `ack`.
    pub fn done(&mut self, command: Value) -> Value {
        let answer = self.command(command.clone());
        assert_eq!(answer["type"], "ack", "awaited the ack of {command}; {answer} came");
        answer
    }

    /// A command that must be refused with this code; gives the `error`.
    pub fn refused(&mut self, command: Value, code: &str) -> Value {
        let answer = self.command(command.clone());
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "awaited {code} for {command}; {answer} came");
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "an error has a text for people: {answer}");
        answer
    }

    /// The next frame, whatever it is.
    pub fn next(&mut self) -> Value {
        match self.came() {
            Came::Frame(frame) => frame,
            other => self.fail("a frame", &format!("{other:?}")),
        }
    }

    /// The next frame that is not about presence: those come when they like.
    pub fn next_of_room(&mut self) -> Value {
        loop {
            let frame = self.next();
            if !is_presence(&frame) {
                return frame;
            }
        }
    }

    /// The next frame must be of this type. Presence is passed over unless it is awaited.
    pub fn expect(&mut self, kind: &str) -> Value {
        let frame = if is_about_presence(kind) { self.next_of(kind) } else { self.next_of_room() };
        if frame["type"] != kind {
            self.fail(kind, &frame.to_string());
        }
        frame
    }

    /// The next presence frame of this type; others about presence are passed over.
    fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next();
            if frame["type"] == kind || !is_presence(&frame) {
                return frame;
            }
        }
    }

    /// All frames up to and with the first for which `last` holds.
    pub fn drain_until(&mut self, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next();
            let found = last(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// The frames of the room that came before the answer to a ping. What the room said before this connection's last answer is among them.
    pub fn until_pong(&mut self) -> Vec<Value> {
        let mut frames = self.until_pong_with_presence();
        frames.retain(|frame| !is_presence(frame));
        frames
    }

    /// The same with the frames about presence among them.
    pub fn until_pong_with_presence(&mut self) -> Vec<Value> {
        self.send(&json!({"type": "ping"}));
        let mut frames = self.drain_until(|frame| frame["type"] == "pong");
        frames.pop();
        frames
    }

    /// Nothing of the room came before the answer to a ping. For another member, have something visible to all happen and `expect` that.
    pub fn expect_silence(&mut self) {
        let frames = self.until_pong();
        assert!(frames.is_empty(), "awaited nothing before the pong; {frames:?} came");
    }

    /// Reads to the close: its code and reason. Frames before it are passed over.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.came() {
                Came::Frame(_) => {}
                Came::Closed(code, reason) => return (code, reason),
                Came::Reset => self.fail("a close frame", "the connection ended without one"),
            }
        }
    }

    pub fn close_code(&mut self) -> u16 {
        self.closed().0
    }

    /// Says goodbye and waits until the server has answered it.
    pub fn leave(mut self) {
        // That the server closed first is as good.
        let _ = self.socket.close(None);
        loop {
            if !matches!(self.came(), Came::Frame(_)) {
                return;
            }
        }
    }

    /// What comes next, within the frame timeout.
    pub fn came(&mut self) -> Came {
        match self.waiting.pop_front() {
            Some(frame) => Came::Frame(frame),
            None => self.read(Instant::now() + FRAME_TIMEOUT),
        }
    }

    fn read(&mut self, deadline: Instant) -> Came {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.fail("something", &format!("nothing came within {FRAME_TIMEOUT:?}"));
            }
            self.socket.get_ref().set_read_timeout(Some(left)).expect("a socket takes its options");
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    self.remember(&text);
                    let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("awaited JSON: {error} in {text}"));
                    return Came::Frame(frame);
                }
                Ok(Message::Close(close)) => {
                    let (code, reason) = close.map_or((1005, String::new()), |close| (close.code.into(), close.reason.to_string()));
                    self.closed = Some((code, reason));
                }
                Ok(_) => {}
                Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return self.closed.take().map_or(Came::Reset, |(code, reason)| Came::Closed(code, reason)),
            }
        }
    }

    fn remember(&mut self, text: &str) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(text.chars().take(300).collect());
    }

    #[track_caller]
    fn fail(&self, awaited: &str, came: &str) -> ! {
        let history: Vec<_> = self.history.iter().map(String::as_str).collect();
        panic!("awaited {awaited}; {came} came.\nThe last frames on this connection:\n{}", history.join("\n"));
    }
}

fn is_presence(frame: &Value) -> bool {
    frame["type"].as_str().is_some_and(is_about_presence)
}

fn is_about_presence(kind: &str) -> bool {
    ["player:", "presence:", "user:"].iter().any(|family| kind.starts_with(family))
}
