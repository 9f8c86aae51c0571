//! A connection as its thread knows it: shared by the connection's actor and the hub, which live on one thread.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use crate::actors::outbox::Outbox;
use crate::actors::parts::{Frames, encode_one};
use crate::actors::speech::{Entry, Reply};
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::frame;
use crate::protocol::ids::RoomId;
use crate::protocol::limits::CONNECT_TIMEOUT;
use crate::protocol::session::ErrorFrame;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::{ConnectionKey, Topic};

/// A connection's number, never given twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The connection as a room's rules know it.
    pub fn key(self) -> ConnectionKey {
        ConnectionKey(self.0)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A room as the hubs know it: a number that is never given twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomNo(pub u64);

/// The session that a connection lives on; an empty id until it is known.
#[derive(Clone, Debug, Default)]
pub struct LineSession {
    pub id: String,
    pub expires_at: Timestamp,
}

/// A raw WebSocket.
pub struct Socket {
    pub outbox: Rc<Outbox>,
    /// When the peer was last heard of.
    pub heard_at: Cell<Instant>,
    pub pinged_at: Cell<Option<Instant>>,
    /// It was dropped because it answered no ping.
    pub silent: Cell<bool>,
}

impl Socket {
    pub fn new(outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self { outbox, heard_at: Cell::new(Instant::now()), pinged_at: Cell::new(None), silent: Cell::new(false) })
    }
}

/// What a connection hears of one thing that a room says.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    /// A change that is not for this one moves its cursor all the same.
    pub frames: Option<&'a Frames>,
    /// Of the change, if the frames are numbered.
    pub seq: Option<i64>,
}

/// A connection that gives what rooms say a form of its own: an Engine.IO session.
pub trait Speaker {
    fn is_open(&self) -> bool;

    /// More waits for the client than it takes at once.
    fn is_behind(&self) -> bool;

    /// The connection is in a room from now on; with `hold`, what is said waits for [`Speaker::release`].
    fn enter(&self, no: RoomNo, entry: &Entry, hold: bool);

    /// What the connection missed of a room; then what was held.
    fn release(&self, no: RoomNo, entry: &Entry);

    /// What a room says, one thing after the other. True when the client was dropped by this.
    fn say(&self, no: RoomNo, heard: &[Heard<'_>]) -> bool;

    fn answer(&self, reply: &Reply);

    /// The room's history has a new name.
    fn epoch(&self, no: RoomNo, epoch: i64);

    /// The connection is not in the room, or not any more.
    fn leave(&self, no: RoomNo, room: &RoomId, close: Close);

    /// The user has become a member of a room.
    fn welcome(&self, room: &RoomId);

    fn close(&self, close: Close);
}

/// How a connection is spoken to.
pub enum Voice {
    Socket(Rc<Socket>),
    Session(Rc<dyn Speaker>),
}

pub struct Line {
    pub id: ConnectionId,
    pub voice: Voice,
    pub session: RefCell<LineSession>,
    /// The rooms that it hears.
    pub rooms: RefCell<Vec<RoomNo>>,
    /// Until then a client of a raw WebSocket has to be let in; `None` once it is.
    pub connect_deadline: Cell<Option<Instant>>,
    latest: RefCell<Vec<Latest>>,
}

/// A frame that waits for a slow reader, and that a newer one of the same name replaces.
struct Latest {
    name: Arc<str>,
    room: RoomNo,
    topic: Option<Topic>,
    frames: Frames,
}

impl Line {
    pub fn new(id: ConnectionId, voice: Voice) -> Rc<Self> {
        let connect_deadline = match voice {
            Voice::Socket(_) => Some(Instant::now() + CONNECT_TIMEOUT),
            Voice::Session(_) => None,
        };
        Rc::new(Self {
            id,
            voice,
            session: RefCell::default(),
            rooms: RefCell::default(),
            connect_deadline: Cell::new(connect_deadline),
            latest: RefCell::default(),
        })
    }

    pub fn is_open(&self) -> bool {
        match &self.voice {
            Voice::Socket(socket) => socket.outbox.is_open(),
            Voice::Session(session) => session.is_open(),
        }
    }

    pub fn close(&self, close: Close) {
        match &self.voice {
            Voice::Socket(socket) => socket.outbox.close(close),
            Voice::Session(session) => session.close(close),
        }
    }

    fn is_behind(&self) -> bool {
        match &self.voice {
            Voice::Socket(socket) => socket.outbox.is_behind(),
            Voice::Session(session) => session.is_behind(),
        }
    }

    /// Something waits for the client: of what only the newest counts it is not told all.
    pub fn is_slow(&self) -> bool {
        self.is_behind() || !self.latest.borrow().is_empty()
    }

    /// Frames of which only the newest of a name counts: a slow reader gets them when it has caught up, and of each name the newest.
    pub fn say_latest(&self, room: RoomNo, topic: Option<Topic>, name: &Arc<str>, frames: &Frames) -> bool {
        let mut latest = self.latest.borrow_mut();
        if latest.is_empty() && !self.is_behind() {
            drop(latest);
            return self.say(room, frames, None);
        }
        latest.retain(|one| one.name != *name || one.room != room);
        if latest.len() == LATEST_MAX {
            latest.remove(0);
        }
        latest.push(Latest { name: name.clone(), room, topic, frames: frames.clone() });
        false
    }

    /// What waits of a room, or of a topic of it, is not said any more: the connection has left that.
    pub fn forget_latest(&self, room: RoomNo, topic: Option<Topic>) {
        self.latest.borrow_mut().retain(|one| one.room != room || topic.is_some() && one.topic != topic);
    }

    /// Says what waited for the reader to catch up, if it has.
    pub fn catch_up(&self) {
        while !self.latest.borrow().is_empty() && self.is_open() && !self.is_behind() {
            let Latest { room, frames, .. } = self.latest.borrow_mut().remove(0);
            self.say(room, &frames, None);
        }
    }

    pub fn say(&self, room: RoomNo, frames: &Frames, seq: Option<i64>) -> bool {
        match &self.voice {
            Voice::Socket(socket) => socket.outbox.send(frames.wire(), frames.len()),
            Voice::Session(session) => session.say(room, &[Heard { frames: Some(frames), seq }]),
        }
    }

    /// Sends an answer; the connection lives.
    pub fn answer(&self, reply: &Reply) {
        match &self.voice {
            Voice::Socket(socket) => {
                if let Some(frame) = answer_frame(reply) {
                    socket.outbox.answer(&frame);
                }
            }
            Voice::Session(session) => session.answer(reply),
        }
    }

    /// The connection is not in the room, or not any more: a raw WebSocket ends with that. A client that was not let in is told by an error frame first.
    pub fn leave(&self, no: RoomNo, room: &RoomId, close: Close) {
        self.rooms.borrow_mut().retain(|known| *known != no);
        self.forget_latest(no, None);
        match &self.voice {
            Voice::Socket(socket) => refuse(&socket.outbox, close),
            Voice::Session(session) => session.leave(no, room, close),
        }
    }
}

/// Frames of which only the newest counts that may wait for one client; beyond, the oldest is dropped.
const LATEST_MAX: usize = 1_024;

/// The answer as a frame of a raw WebSocket: an ack for whoever gave an `id`, an error in any case.
pub fn answer_frame(Reply { id, outcome, .. }: &Reply) -> Option<Bytes> {
    match outcome {
        Ok(done) => id.as_ref().map(|id| {
            let id = serde_json::to_string(id).expect("a text is JSON");
            frame::text(format!("{{\"type\":\"ack\",\"id\":{id},\"seq\":{}{}}}", done.seq, done.trailing_fields()).as_bytes())
        }),
        Err(rejection) => Some(encode_one(&ErrorFrame::new(id.clone(), rejection.clone()), None)),
    }
}

/// Ends a raw WebSocket; a client that was not let in is told by an error frame first.
pub fn refuse(outbox: &Rc<Outbox>, close: Close) {
    if let Some(code) = refusal(close) {
        outbox.feed(&encode_one(&ErrorFrame::new(None, Rejection::new(code, close.reason())), None), 1);
    }
    outbox.close(close);
}

/// The error code that goes before the Close frame of a refused handshake.
fn refusal(close: Close) -> Option<ErrorCode> {
    match close {
        Close::ForbiddenOrigin | Close::NotAMember => Some(ErrorCode::Forbidden),
        Close::Unauthorized => Some(ErrorCode::Unauthorized),
        Close::MissingRoom => Some(ErrorCode::BadMessage),
        Close::TryAgainLater => Some(ErrorCode::StorageUnavailable),
        _ => None,
    }
}
