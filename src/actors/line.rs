//! A connection as its thread knows it: shared by the connection's actor and the hub, which live on one thread.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::actors::outbox::Outbox;
use crate::actors::parts::encode_one;
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::CommandId;
use crate::protocol::limits::CONNECT_TIMEOUT;
use crate::protocol::session::ErrorFrame;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::ConnectionKey;

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

pub struct Line {
    pub id: ConnectionId,
    pub outbox: Rc<Outbox>,
    pub session: RefCell<LineSession>,
    /// The room that it hears.
    pub room: Cell<Option<RoomNo>>,
    /// When the peer was last heard of.
    pub heard_at: Cell<Instant>,
    pub pinged_at: Cell<Option<Instant>>,
    /// Until then the client has to be let in; `None` once it is.
    pub connect_deadline: Cell<Option<Instant>>,
    /// It was dropped because it answered no ping.
    pub silent: Cell<bool>,
}

impl Line {
    pub fn new(id: ConnectionId, outbox: Rc<Outbox>) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            id,
            outbox,
            session: RefCell::default(),
            room: Cell::new(None),
            heard_at: Cell::new(now),
            pinged_at: Cell::new(None),
            connect_deadline: Cell::new(Some(now + CONNECT_TIMEOUT)),
            silent: Cell::new(false),
        })
    }

    /// Sends an error reply; the connection lives.
    pub fn reject(&self, id: Option<CommandId>, rejection: Rejection) {
        self.outbox.answer(&encode_one(&ErrorFrame::new(id, rejection), None));
    }

    /// Ends the connection; a client that was not let in is told by an error frame first.
    pub fn refuse(&self, close: Close) {
        if let Some(code) = refusal(close) {
            self.outbox.feed(&encode_one(&ErrorFrame::new(None, Rejection::new(code, close.reason())), None), 1);
        }
        self.outbox.close(close);
    }
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
