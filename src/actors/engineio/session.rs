//! Session: one actor a session, on the worker thread of its handshake.
//!
//! GET, POST and WebSockets of a session come from whatever threads their connections live on; here they are dealt with one after the other, together
//! with the timers. Who sends waits for the answer, so a mailbox never holds more than a message for each of the session's connections.

use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, MessageResult, SpawnHandle};
use bytestring::ByteString;
use tokio::sync::oneshot;

use crate::actors::engineio::heartbeat::{Beat, Heartbeat};
use crate::actors::engineio::polling::Polled;
use crate::actors::engineio::sessions::{Engine, Found, Seat, fresh_sid};
use crate::actors::engineio::upper::{Gone, Upper};
use crate::actors::engineio::wire::{Ending, Role, Wire};
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::engineio::{Open, PAYLOAD_BYTES_MAX, PING, PROBE, Packet, Refusal, SEPARATOR, packet, packets};
use crate::protocol::frame::{Inbound, Violation};

/// What clients that poll may go on to.
const UPGRADES: &[&str] = &["websocket"];

/// At the end of a turn: see [`Wire::settle`].
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle;

/// A GET that waits for packets. It is refused by being dropped when the session has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Poll(pub oneshot::Sender<Polled>);

/// A POST begins: its body is not read yet.
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct BeginPost;

/// The packets of the POST that has begun.
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct Post(pub ByteString);

/// A POST with a body that no packets can be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RejectPost;

/// Whether a GET waits.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct IsPolled;

/// The POST that has begun is over, answered or broken off.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EndPost;

/// A WebSocket that a client who polls tries.
#[derive(Message)]
#[rtype(result = "Reading")]
pub struct Attach {
    pub socket: ConnectionId,
    pub stream: TcpStream,
}

/// What came on a WebSocket, in order.
#[derive(Message)]
#[rtype(result = "Reading")]
pub struct Heard {
    pub socket: ConnectionId,
    pub said: Vec<Inbound>,
    /// After which the stream cannot be read on.
    pub violation: Option<Violation>,
}

/// Nothing more comes on a WebSocket.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketEnded(pub ConnectionId);

/// The session ends without a word.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Cut;

/// What is to become of what else comes on a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    On,
    Discard,
}

pub struct Session {
    wire: Rc<Wire>,
    upper: Rc<dyn Upper>,
    heartbeat: Heartbeat,
    engine: Arc<Engine>,
    timer: Option<(Instant, SpawnHandle)>,
    registered: bool,
    /// Said once the actor runs: what it begins on can be written to then.
    open: Option<String>,
    _seat: Seat,
}

/// Starts a session that polls, on this thread. Gives the open packet.
pub fn open_polling(engine: &Arc<Engine>, seat: Seat, upper: Rc<dyn Upper>) -> String {
    let sid = fresh_sid();
    let open = open_packet(engine, &sid, UPGRADES);
    let queue_bytes_max = engine.settings.queue_bytes_max;
    Session::create(|ctx| {
        let wire = Wire::polling(sid, queue_bytes_max, Found::new(ctx.address(), upper.inbound_bytes_max()));
        Session::new(wire, upper, engine.clone(), seat, None)
    });
    open
}

/// Starts a session on a WebSocket, on this thread.
pub fn open_on_socket(engine: &Arc<Engine>, seat: Seat, upper: Rc<dyn Upper>, socket: ConnectionId, stream: TcpStream) -> Found {
    let sid = fresh_sid();
    let open = open_packet(engine, &sid, &[]);
    let queue_bytes_max = engine.settings.queue_bytes_max;
    let mut session = None;
    Session::create(|ctx| {
        let found = Found::new(ctx.address(), upper.inbound_bytes_max());
        session = Some(found.clone());
        let wire = Wire::socket(sid, queue_bytes_max, found, socket, stream);
        Session::new(wire, upper, engine.clone(), seat, Some(open))
    });
    session.expect("an actor is made before `create` returns")
}

fn open_packet(engine: &Engine, sid: &str, upgrades: &[&str]) -> String {
    let ms = |duration: std::time::Duration| duration.as_millis().try_into().unwrap_or(u64::MAX);
    let (ping_interval, ping_timeout) = (ms(engine.settings.ping_interval), ms(engine.settings.ping_timeout));
    Open { sid, upgrades, ping_interval, ping_timeout, max_payload: PAYLOAD_BYTES_MAX }.packet()
}

impl Session {
    fn new(wire: Wire, upper: Rc<dyn Upper>, engine: Arc<Engine>, seat: Seat, open: Option<String>) -> Self {
        let heartbeat = Heartbeat::new(engine.settings.ping_interval, engine.settings.ping_timeout, Instant::now());
        engine.sessions.add(wire.sid(), wire.found().clone());
        Self { wire: Rc::new(wire), upper, heartbeat, engine, timer: None, registered: true, open, _seat: seat }
    }

    /// What the time has come for. Every message asks, since a timer may be late.
    fn keep_time(&mut self) {
        if !self.wire.is_open() {
            return;
        }
        match self.heartbeat.check(Instant::now()) {
            Beat::Nothing => {}
            Beat::Ping => self.wire.control(PING),
            Beat::Dead => self.wire.lost(),
        }
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        let gone = self.wire.settle(Instant::now());
        if self.wire.has_ended() {
            self.unregister();
        }
        if let Some(gone) = gone {
            self.upper.closed(&self.wire, gone);
        }
        match self.wire.is_over() {
            true => ctx.stop(),
            false => self.arm(ctx),
        }
    }

    fn unregister(&mut self) {
        if std::mem::take(&mut self.registered) {
            self.engine.sessions.remove(self.wire.sid());
        }
    }

    /// A timer that goes off too early is cheaper than one that is set anew for each pong.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let beat = self.wire.is_open().then(|| self.heartbeat.next());
        let Some(next) = beat.into_iter().chain(self.wire.deadline()).min() else { return };
        match self.timer {
            Some((at, _)) if at <= next => return,
            Some((_, handle)) => drop(ctx.cancel_future(handle)),
            None => {}
        }
        let handle = ctx.run_later(next.saturating_duration_since(Instant::now()), |session, ctx| {
            session.timer = None;
            session.keep_time();
            session.settle(ctx);
        });
        self.timer = Some((next, handle));
    }

    /// A packet that the session lives on. False when it ends the session as a violation.
    fn hear(&mut self, packet: Packet) -> bool {
        let now = Instant::now();
        match packet {
            Packet::Pong => {
                self.heartbeat.pong(now);
                return true;
            }
            // Only servers ping.
            Packet::Ping(_) => {
                self.wire.violated(Close::ProtocolError);
                return false;
            }
            _ => self.heartbeat.heard(now),
        }
        match packet {
            Packet::Text(text) => self.upper.text(&self.wire, text),
            Packet::Binary(bytes) => self.upper.binary(&self.wire, bytes),
            Packet::Close => self.wire.left(),
            Packet::Upgrade | Packet::Meaningless | Packet::Ping(_) | Packet::Pong => {}
        }
        true
    }

    fn post(&mut self, payload: &ByteString) -> Result<(), Refusal> {
        self.wire.check_post()?;
        if payload.is_empty() || payload.chars().eq([SEPARATOR]) {
            self.wire.violated(Close::ProtocolError);
            return Ok(());
        }
        for packet in packets(payload) {
            if !self.wire.is_open() {
                break;
            }
            let is_right = match packet {
                Ok(packet) => self.hear(packet),
                Err(_) => {
                    self.wire.violated(Close::ProtocolError);
                    false
                }
            };
            if !is_right {
                return Err(Refusal::BadRequest);
            }
        }
        Ok(())
    }

    fn hear_on(&mut self, socket: ConnectionId, said: Inbound) -> Reading {
        let role = self.wire.role_of(socket);
        match said {
            _ if role == Role::Leaving => return Reading::Discard,
            Inbound::Ping(payload) => self.wire.pong(socket, &payload),
            Inbound::Pong(_) => {}
            Inbound::Close(said) => self.wire.echo_close(socket, said.map(|(code, _)| code)),
            Inbound::Text(text) if role == Role::Upgrade => self.hear_probe(&text),
            Inbound::Binary(_) if role == Role::Upgrade => self.wire.fail_upgrade(Close::ProtocolError),
            Inbound::Text(text) => match packet(&text) {
                Ok(packet) => drop(self.hear(packet)),
                Err(_) => self.wire.violated(Close::ProtocolError),
            },
            Inbound::Binary(bytes) => drop(self.hear(Packet::Binary(bytes))),
        }
        Reading::On
    }

    /// What comes on a WebSocket before the client has gone on to it.
    fn hear_probe(&mut self, text: &ByteString) {
        match packet(text) {
            Ok(Packet::Ping(data)) if data == PROBE => self.wire.probed(Instant::now()),
            Ok(Packet::Upgrade) if self.wire.upgrade() => self.heartbeat.heard(Instant::now()),
            _ => self.wire.fail_upgrade(Close::ProtocolError),
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(open) = self.open.take() {
            self.wire.send_open(open);
        }
        self.upper.opened(&self.wire);
        self.settle(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.unregister();
        // The thread is going down. After a panic of the upper's own, what it holds is told by being dropped.
        if self.wire.is_open() && !std::thread::panicking() {
            self.wire.close(Ending::Cut(Close::Restarting));
            self.upper.closed(&self.wire, Gone::Closed(Close::Restarting));
        }
    }
}

impl Handler<Settle> for Session {
    type Result = ();

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) {
        self.settle(ctx);
    }
}

impl Handler<Poll> for Session {
    type Result = ();

    fn handle(&mut self, Poll(answer): Poll, ctx: &mut Self::Context) {
        self.keep_time();
        self.wire.poll(answer, Instant::now());
        if self.wire.is_polled() {
            self.upper.polled();
        }
        self.settle(ctx);
    }
}

impl Handler<BeginPost> for Session {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, _: BeginPost, ctx: &mut Self::Context) -> Self::Result {
        self.keep_time();
        let begun = self.wire.begin_post();
        self.settle(ctx);
        begun
    }
}

impl Handler<Post> for Session {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, Post(payload): Post, ctx: &mut Self::Context) -> Self::Result {
        self.keep_time();
        let handled = self.post(&payload);
        self.settle(ctx);
        handled
    }
}

impl Handler<RejectPost> for Session {
    type Result = ();

    fn handle(&mut self, _: RejectPost, ctx: &mut Self::Context) {
        self.wire.violated(Close::ProtocolError);
        self.settle(ctx);
    }
}

impl Handler<IsPolled> for Session {
    type Result = bool;

    fn handle(&mut self, _: IsPolled, _: &mut Self::Context) -> bool {
        self.wire.is_polled()
    }
}

impl Handler<EndPost> for Session {
    type Result = ();

    fn handle(&mut self, _: EndPost, _: &mut Self::Context) {
        self.wire.end_post();
    }
}

impl Handler<Attach> for Session {
    type Result = MessageResult<Attach>;

    fn handle(&mut self, Attach { socket, stream }: Attach, ctx: &mut Self::Context) -> Self::Result {
        self.keep_time();
        let wanted = self.wire.attach(socket, stream, Instant::now());
        self.settle(ctx);
        MessageResult(if wanted { Reading::On } else { Reading::Discard })
    }
}

impl Handler<Heard> for Session {
    type Result = MessageResult<Heard>;

    fn handle(&mut self, Heard { socket, said, violation }: Heard, ctx: &mut Self::Context) -> Self::Result {
        self.keep_time();
        let mut reading = Reading::On;
        for said in said {
            reading = self.hear_on(socket, said);
            if reading == Reading::Discard {
                break;
            }
        }
        if let Some(violation) = violation {
            match self.wire.role_of(socket) {
                Role::Carrier => self.wire.violated(violation.into()),
                Role::Upgrade => self.wire.fail_upgrade(violation.into()),
                Role::Leaving => {}
            }
        }
        if self.wire.role_of(socket) == Role::Leaving {
            reading = Reading::Discard;
        }
        self.settle(ctx);
        MessageResult(reading)
    }
}

impl Handler<SocketEnded> for Session {
    type Result = ();

    fn handle(&mut self, SocketEnded(socket): SocketEnded, ctx: &mut Self::Context) {
        self.wire.socket_ended(socket);
        self.settle(ctx);
    }
}

impl Handler<Cut> for Session {
    type Result = ();

    fn handle(&mut self, _: Cut, ctx: &mut Self::Context) {
        self.wire.close(Ending::Cut(Close::Restarting));
        self.settle(ctx);
    }
}

#[cfg(test)]
mod tests;
