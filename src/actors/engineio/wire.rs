//! A session as its thread knows it: what the hub of that thread and the upper write to.

use std::cell::Cell;

use crate::actors::engineio::upper::Message;
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;

/// How the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was sent before still arrives, then the goodbye: a close packet, or a Close frame with this code.
    Goodbye(Close),
    /// Without a word, so that the client comes back by itself: what a draining server does. A WebSocket is closed with this code.
    Cut(Close),
}

pub struct Wire {
    id: ConnectionId,
    sid: String,
    open: Cell<bool>,
}

impl Wire {
    /// The session's number in this process, for logs and maps. The sid is a secret, this is none.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The bearer secret of the session: never shown to others, never logged.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// False from the moment when the session ends, which may be before [`Upper::closed`](super::upper::Upper::closed) is called.
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Sends messages as one unit: nothing comes between them. Who owes too much is dropped as too slow.
    pub fn send(&self, _unit: &[Message<'_>]) {}

    /// The same for what does not count against the bound of what may wait: state, and what was missed.
    pub fn feed(&self, _unit: &[Message<'_>]) {}

    /// Ends the session. [`Upper::closed`](super::upper::Upper::closed) is called in a turn of its own.
    pub fn close(&self, _ending: Ending) {
        self.open.set(false);
    }
}
