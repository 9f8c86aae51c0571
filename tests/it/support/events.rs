//! A client of Socket.IO, over a WebSocket: what is emitted is answered, and a connection that was lost is recovered by `pid` and offset.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::http::Person;
use super::server::Server;
use super::socketio::{Came, Socket};

/// What came next.
#[derive(Debug)]
pub enum Heard {
    /// An event, in the form of a frame of the raw WebSocket: its name is the `type`.
    Event(Value),
    /// The answer to what was emitted as this number.
    Answer(u64, Value),
    /// The client was sent away, or the connection has ended.
    Gone,
}

/// What it takes to recover a connection.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub sid: String,
    pub pid: String,
    pub offset: Option<String>,
}

pub struct Events {
    socket: Socket,
    pub ticket: Ticket,
    /// Events that were read while an answer was awaited.
    waiting: VecDeque<Value>,
    /// Answers that were read while another was awaited.
    answers: BTreeMap<u64, Value>,
    emitted: u64,
}

impl Events {
    /// A fresh connection up to `ready`.
    pub fn enter(server: &Server, person: &Person) -> Self {
        Self::enter_over(Socket::open(server), person)
    }

    /// The same over a socket that is open already.
    pub fn enter_over(socket: Socket, person: &Person) -> Self {
        let mut events = Self::connect(socket, json!({"token": person.token}));
        events.await_ready();
        events
    }

    /// A connection with the ticket of an earlier one: whether it was recovered. What was missed, and what came up to `ready`, is read next.
    pub fn again(server: &Server, person: &Person, ticket: &Ticket) -> (Self, bool) {
        let mut auth = json!({"token": person.token, "pid": ticket.pid});
        if let Some(offset) = &ticket.offset {
            auth["offset"] = json!(offset);
        }
        let mut events = Self::connect(Socket::open(server), auth);
        let recovered = events.ticket.sid == ticket.sid;
        assert_eq!(events.ticket.pid == ticket.pid, recovered, "a connection keeps both its names or none");
        assert!(recovered || events.waiting.is_empty(), "who begins anew has missed nothing; {:?} came", events.waiting);
        if recovered && events.ticket.offset.is_none() {
            events.ticket.offset.clone_from(&ticket.offset);
        }
        events.await_ready();
        (events, recovered)
    }

    fn connect(mut socket: Socket, auth: Value) -> Self {
        socket.send(&format!("40{auth}"));
        let (mut waiting, mut offset) = (VecDeque::new(), None);
        let reply = loop {
            let text = socket.text();
            if let Some(reply) = text.strip_prefix("40") {
                break serde_json::from_str::<Value>(reply).expect("the answer to CONNECT is JSON");
            }
            let (event, new) = event(text.strip_prefix("42").unwrap_or_else(|| panic!("awaited the answer to CONNECT; {text} came")));
            waiting.push_back(event);
            offset = new.or(offset);
        };
        let text = |name: &str| reply[name].as_str().unwrap_or_else(|| panic!("awaited {name}; {reply} came")).to_owned();
        let ticket = Ticket { sid: text("sid"), pid: text("pid"), offset };
        Self { socket, ticket, waiting, answers: BTreeMap::new(), emitted: 0 }
    }

    fn await_ready(&mut self) {
        let mut before = std::mem::take(&mut self.waiting);
        loop {
            match self.hear() {
                Heard::Event(event) if event["type"] == "ready" => break,
                Heard::Event(event) => before.push_back(event),
                other => panic!("awaited ready; {other:?} came"),
            }
        }
        self.waiting = before;
    }

    /// Emits a command in the form of a frame of the raw WebSocket; gives the number that its answer will have.
    pub fn emit(&mut self, command: &Value) -> u64 {
        let mut fields = command.clone();
        let name = fields.as_object_mut().and_then(|fields| fields.remove("type")).expect("a command has a type");
        self.emitted += 1;
        self.socket.send(&format!("42{}{}", self.emitted, json!([name, fields])));
        self.emitted
    }

    /// Emits a command and waits for the answer. Events stay for [`Events::hear`].
    pub fn call(&mut self, command: &Value) -> Value {
        let number = self.emit(command);
        self.answer_to(number)
    }

    pub fn answer_to(&mut self, number: u64) -> Value {
        let mut before = std::mem::take(&mut self.waiting);
        let answer = loop {
            if let Some(answer) = self.answers.remove(&number) {
                break answer;
            }
            match self.read() {
                Heard::Answer(came, answer) => drop(self.answers.insert(came, answer)),
                Heard::Event(event) => before.push_back(event),
                Heard::Gone => panic!("awaited an answer; the connection has ended"),
            }
        };
        self.waiting = before;
        answer
    }

    #[track_caller]
    pub fn done(&mut self, command: Value) -> Value {
        let answer = self.call(&command);
        assert_eq!(answer["success"], true, "awaited that {command} is done; {answer} came");
        answer
    }

    /// A command that must be refused; gives the error.
    #[track_caller]
    pub fn refused(&mut self, command: Value, code: &str) -> Value {
        let mut answer = self.call(&command);
        assert_eq!((&answer["success"], &answer["error"]["code"]), (&json!(false), &json!(code)), "for {command}; {answer} came");
        answer["error"].take()
    }

    pub fn hear(&mut self) -> Heard {
        match self.waiting.pop_front() {
            Some(event) => Heard::Event(event),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Heard {
        let text = match self.socket.came() {
            Came::Text(text) => text,
            Came::Closed(_) => return Heard::Gone,
            Came::Binary(_) => panic!("nothing binary is said"),
        };
        if let Some(packet) = text.strip_prefix("42") {
            let (event, offset) = event(packet);
            self.ticket.offset = offset.or(self.ticket.offset.take());
            return Heard::Event(event);
        }
        if let Some(packet) = text.strip_prefix("43") {
            let digits = packet.bytes().take_while(u8::is_ascii_digit).count();
            let (number, body) = packet.split_at(digits);
            let [answer]: [Value; 1] =
                serde_json::from_str(body).unwrap_or_else(|error| panic!("an answer is one value: {error} in {text}"));
            return Heard::Answer(number.parse().expect("an answer has a number"), answer);
        }
        match text.as_str() {
            "41" | "1" => Heard::Gone,
            _ => panic!("awaited an event or an answer; {text} came"),
        }
    }

    /// Events that came while an answer was awaited.
    pub fn unheard(&mut self) -> Vec<Value> {
        self.waiting.drain(..).collect()
    }

    /// The next event, whatever it is.
    #[track_caller]
    pub fn next(&mut self) -> Value {
        match self.hear() {
            Heard::Event(event) => event,
            other => panic!("awaited an event; {other:?} came"),
        }
    }

    /// The next event that is not about presence must be this.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
            assert_eq!(event["type"], "presence:update", "awaited {kind}; {event} came");
        }
    }
}

/// `["name",{fields},"offset"]`. Fields that are a text alone are found under `text`.
fn event(packet: &str) -> (Value, Option<String>) {
    let mut parts: Vec<Value> = serde_json::from_str(packet).unwrap_or_else(|error| panic!("an event is a list: {error} in {packet}"));
    let offset = if parts.len() == 3 { parts.pop().and_then(|offset| offset.as_str().map(str::to_owned)) } else { None };
    let [name, mut fields]: [Value; 2] = parts.try_into().unwrap_or_else(|parts| panic!("an event has a name and fields: {parts:?}"));
    if fields.is_string() {
        fields = json!({"text": fields});
    }
    fields["type"] = name;
    (fields, offset)
}
