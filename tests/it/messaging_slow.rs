//! Clients of a team that do not read: typing and presence cost them nothing but what is old, messages cost them the connection, and the others
//! notice neither.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::events::{Events, Heard};
use crate::support::fold::advance;
use crate::support::http::{Client, Person};
use crate::support::server::Server;
use crate::support::socketio;
use crate::support::team::{Channel, Team};
use crate::support::ws::{Cursor, FRAME_TIMEOUT, Socket};

/// Bytes of a message.
const CONTENT_BYTES: usize = 9_000;
/// Messages that no kernel takes for a client that does not read: it has 4 MB for it.
const FLOOD: usize = 900;
/// Changes of who is typing and who is here: more than the frames that may wait for a client.
const CHANGES: usize = 2_400;
/// Commands that are sent before their answers are read.
const PIPELINED: usize = 60;

/// A member whose kernel holds little for him, so that he falls behind soon. A raw WebSocket is read by hand.
enum Narrow {
    Raw { stream: TcpStream, cursor: Cursor },
    SocketIo(Box<Events>),
}

#[derive(Clone, Copy, Debug)]
enum Transport {
    Raw,
    SocketIo,
}

#[derive(Debug)]
enum Came {
    Frame(Value),
    Close(Option<(u16, String)>),
}

/// A connection whose kernel holds little for the client, so that he falls behind soon.
pub fn narrow_stream(server: &Server) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be made");
    socket.set_recv_buffer_size(4_096).expect("a socket takes its options");
    let address: SocketAddr = ([127, 0, 0, 1], server.port()).into();
    socket.connect(&address.into()).expect("the server accepts");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(FRAME_TIMEOUT)).expect("a socket takes its options");
    stream
}

impl Narrow {
    fn connect(server: &Server, team: &Team, person: &Person, transport: Transport) -> Self {
        match transport {
            Transport::Raw => Self::connect_raw(server, team, person),
            Transport::SocketIo => {
                let socket = socketio::Socket::open_over(narrow_stream(server), server);
                Self::SocketIo(Box::new(Events::enter_over(socket, person)))
            }
        }
    }

    fn connect_raw(server: &Server, team: &Team, person: &Person) -> Self {
        let mut stream = narrow_stream(server);
        let request = format!(
            "GET /ws?workspaceId={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n",
            team.id,
            server.port(),
            person.token
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(take::<1>(&mut stream));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        let mut narrow = Self::Raw { stream, cursor: Cursor { seq: 0, epoch: String::new() } };
        for kind in ["connected", "ready"] {
            let Came::Frame(frame) = narrow.read() else { panic!("awaited {kind}") };
            assert_eq!(frame["type"], kind);
        }
        narrow
    }

    /// The next frame or event.
    fn read(&mut self) -> Came {
        let (stream, cursor) = match self {
            Self::Raw { stream, cursor } => (stream, cursor),
            Self::SocketIo(events) => {
                return match events.hear() {
                    Heard::Event(event) => Came::Frame(event),
                    Heard::Gone => Came::Close(None),
                    Heard::Answer(..) => panic!("nothing was asked"),
                };
            }
        };
        let (opcode, payload) = loop {
            let (opcode, payload) = read_frame(stream);
            if opcode != 9 {
                break (opcode, payload);
            }
        };
        if opcode == 8 {
            let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
            return Came::Close(Some((u16::from_be_bytes([payload[0], payload[1]]), reason)));
        }
        let frame: Value = serde_json::from_slice(&payload).expect("a text frame holds JSON");
        advance(cursor, &frame);
        Came::Frame(frame)
    }
}

fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let [first, second] = take(stream);
    let length = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(take(stream))),
        127 => u64::from_be_bytes(take(stream)),
        short => u64::from(short),
    };
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).expect("the connection lives");
    (first & 0x0f, payload)
}

fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("the connection lives");
    bytes
}

fn long(channel: &Channel, n: usize) -> Value {
    channel.say(&format!("{n:09}").repeat(CONTENT_BYTES / 9))
}

fn numbered(n: usize, mut command: Value) -> Value {
    command["id"] = json!(format!("n{n}"));
    command
}

/// Sends some, and expects all to be done; gives how long it took.
fn all_done(socket: &mut Socket, commands: &[Value]) -> Duration {
    let began = Instant::now();
    commands.iter().for_each(|command| socket.send(command));
    for command in commands {
        let answer = socket.answer_to(&command["id"]);
        assert_eq!(answer["type"], "ack", "{answer}");
    }
    began.elapsed()
}

fn evictions(server: &Server) -> u64 {
    let page = Client::new(server).send("GET", "/metrics", None, &[]).text;
    let line = page.lines().find_map(|line| line.strip_prefix("moothall_evictions_total ")).expect("is measured");
    line.trim().parse().expect("is a number")
}

#[test]
fn who_does_not_read_is_not_dropped_for_typing_and_presence_and_gets_the_latest() {
    [Transport::Raw, Transport::SocketIo].into_iter().for_each(churn);
}

fn churn(transport: Transport) {
    eprintln!("{transport:?}");
    // So much may wait that messages alone drop nobody here.
    let server = Server::start(&[("RATE_LIMITS", "off"), ("SEND_QUEUE_BYTES", "64MiB")]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo", "Cy"]);
    let channel = team.channel("talk");
    let (mut ann, mut bo) = (team.socket(&server, team.person(0)), team.socket(&server, team.person(1)));
    let mut slow = Narrow::connect(&server, &team, team.person(2), transport);
    let mut messages = Vec::new();
    let mut changes = 0;
    let mut hear = |slow: &mut Narrow| match slow.read() {
        Came::Frame(frame) if frame["type"] == "message:new" => {
            messages.push(frame["sequence"].as_u64());
            None
        }
        Came::Frame(frame) if frame["seq"].is_null() => {
            changes += 1;
            Some(frame)
        }
        Came::Frame(_) => None,
        close => panic!("awaited that nobody is dropped; {close:?} came"),
    };
    let mut sent = 0;
    while sent < FLOOD {
        let commands: Vec<_> = (sent..sent + PIPELINED).map(|n| numbered(n, long(&channel, n))).collect();
        all_done(&mut ann, &commands);
        ann.until_pong();
        bo.until_pong();
        sent += PIPELINED;
        // Slow, but never still for long.
        hear(&mut slow);
    }
    let (mut churned, mut slowest) = (0, Duration::ZERO);
    while churned < CHANGES {
        let commands: Vec<_> = (churned..churned + PIPELINED)
            .map(|n| {
                let kinds = [channel.typing("typing:start"), json!({"type": "presence:setAway"})];
                let undone = [channel.typing("typing:stop"), json!({"type": "presence:setActive"})];
                numbered(FLOOD + n, if n % 4 < 2 { kinds[n % 2].clone() } else { undone[n % 2].clone() })
            })
            .collect();
        all_done(&mut ann, &commands);
        churned += PIPELINED;
        let began = Instant::now();
        let said = format!("between {churned}");
        ann.done(channel.say(&said));
        sent += 1;
        bo.drain_until(|frame| frame["content"] == said.as_str());
        slowest = slowest.max(began.elapsed());
        ann.until_pong();
        hear(&mut slow);
    }
    ann.done(numbered(FLOOD + CHANGES, channel.typing("typing:start")));
    // It reads on: all messages come, and of the rest what is true now.
    let latest = loop {
        let frame = hear(&mut slow);
        if let Some(frame) = frame.filter(|frame| frame["type"] == "typing:update" && frame["isTyping"] == true) {
            break frame;
        }
    };
    assert_eq!((&latest["userId"], &latest["targetId"]), (&json!(team.person(0).id), &json!(channel.id)));
    assert!(messages.iter().copied().eq((1..=sent as u64).map(Some)), "every message comes, in order, once");
    assert!(changes < 20, "of what is old by now {changes} came");
    assert_eq!(evictions(&server), 0);
    assert!(slowest < Duration::from_secs(5), "a message took {slowest:?} to another member");
    eprintln!("slowest {slowest:?}, {changes} of {CHANGES} changes came late");
}

#[test]
fn who_is_flooded_with_messages_and_does_not_read_is_dropped_and_resumes_where_he_was() {
    [Transport::Raw, Transport::SocketIo].into_iter().for_each(flood);
}

fn flood(transport: Transport) {
    eprintln!("{transport:?}");
    let server = Server::start(&[("RATE_LIMITS", "off"), ("SEND_QUEUE_BYTES", "128KiB")]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo", "Cy"]);
    let channel = team.channel("talk");
    let (mut ann, mut bo) = (team.socket(&server, team.person(0)), team.socket(&server, team.person(1)));
    let mut slow = Narrow::connect(&server, &team, team.person(2), transport);
    let mut heard = Vec::new();
    let mut hear = |slow: &mut Narrow| match slow.read() {
        Came::Frame(frame) => {
            heard.extend(frame["sequence"].as_u64());
            None
        }
        Came::Close(close) => Some(close),
    };
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    while evictions(&server) == 0 {
        assert!(sent < 3 * FLOOD, "{sent} messages wait for a client that does not read");
        let commands: Vec<_> = (sent..sent + 10).map(|n| numbered(n, long(&channel, n))).collect();
        slowest = slowest.max(all_done(&mut ann, &commands));
        sent += 10;
        ann.until_pong();
        bo.until_pong();
        hear(&mut slow);
    }
    let end = loop {
        if let Some(end) = hear(&mut slow) {
            break end;
        }
    };
    assert!(heard.iter().copied().eq(1..=heard.len() as u64), "up to there every message came");
    assert!(slowest < Duration::from_secs(5), "an answer took {slowest:?}");
    eprintln!("dropped after {sent}, of which {} came", heard.len());

    let missed = match slow {
        Narrow::Raw { cursor, .. } => {
            assert_eq!(end, Some((4008, "Too slow".to_owned())));
            let (mut again, entry) = team.connect(&server, team.person(2)).since(&cursor).enter();
            assert!(entry.resumed());
            again.drain_until(|frame| frame["sequence"] == sent)
        }
        Narrow::SocketIo(events) => {
            let (mut again, recovered) = Events::again(&server, team.person(2), &events.ticket);
            assert!(recovered);
            let mut missed = vec![again.next()];
            while missed.last().is_none_or(|event| event["sequence"] != sent) {
                missed.push(again.next());
            }
            missed
        }
    };
    heard.extend(missed.iter().filter(|frame| frame["type"] == "message:new").map(|frame| frame["sequence"].as_u64().expect("a number")));
    assert!(heard.iter().copied().eq(1..=sent as u64), "what was missed follows, each once");
}
