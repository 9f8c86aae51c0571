//! A room that is loaded: its state, and the queue of what it is going to say.
//!
//! What it does with commands, with connections that come and go, and with the queue stands in a file each.

mod commands;
mod joining;
mod speaking;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::actors::clock;
use crate::actors::line::ConnectionId;
use crate::actors::memory::CommandMemory;
use crate::actors::parts::{EncodedParts, Frames};
use crate::actors::room::load::StoredRoom;
use crate::actors::room::messages::Answered;
use crate::actors::speech::{Entry, Reply, Tag};
use crate::protocol::close::Close;
use crate::protocol::error::Rejection;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::{MemberNo, Topic};

/// Things that a room may have to say while commits are pending; beyond, commands are answered `BUSY`.
pub const SAYINGS_MAX: usize = 4_096;

/// Where a client is in a room's history: the last `seq` that it heard, and the epoch it heard it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub seq: i64,
    pub epoch: i64,
}

/// Where the answer to a command goes.
pub enum Back<A> {
    Socket(ConnectionId, Option<Tag>),
    Rest(oneshot::Sender<Result<Answered<A>, Rejection>>),
}

impl<A> Back<A> {
    /// The connection that waits for it, if one does.
    pub fn asker(&self) -> Option<(ConnectionId, Option<Tag>)> {
        match self {
            Back::Socket(connection, tag) => Some((*connection, *tag)),
            Back::Rest(_) => None,
        }
    }
}

/// One thing that a room is going to say.
pub enum Saying<A> {
    Parts {
        seq: i64,
        parts: Arc<EncodedParts>,
    },
    /// Unnumbered frames.
    Presence(Arc<EncodedParts>),
    /// An ack or an error for one connection.
    Answer {
        connection: ConnectionId,
        reply: Reply,
    },
    /// Frames for one connection.
    Frames {
        connection: ConnectionId,
        latest: Option<(Arc<str>, Option<Topic>)>,
        frames: Frames,
    },
    Reply {
        answer: oneshot::Sender<Result<Answered<A>, Rejection>>,
        value: Result<Answered<A>, Rejection>,
    },
    /// Everything decided before is durable.
    Signal(oneshot::Sender<()>),
    Attach {
        connection: ConnectionId,
        member: MemberNo,
        leads: bool,
        entry: Box<Entry>,
        hold: bool,
    },
    Detach {
        connection: ConnectionId,
        close: Close,
    },
}

struct Waiting<A> {
    /// The commit that must be durable first.
    after: u64,
    saying: Saying<A>,
}

pub struct Live<L: StoredRoom> {
    logic: L,
    epoch: i64,
    /// The `seq` of the last event that was decided.
    head: i64,
    /// Commits handed to the Journal, counted.
    ticket: u64,
    /// The last of them that is durable.
    durable: u64,
    queue: VecDeque<Waiting<L::Answer>>,
    memory: CommandMemory,
    company: L::Company,
    member_by_connection: HashMap<ConnectionId, MemberNo>,
    company_timer: bool,
    /// The room is being deleted: there is nothing to come into and nothing to change any more.
    closed: bool,
    touched_at: Timestamp,
}

impl<L: StoredRoom> Live<L> {
    pub fn new(logic: L, epoch: i64, head: i64, memory: CommandMemory) -> Self {
        Self {
            logic,
            epoch,
            head,
            ticket: 0,
            durable: 0,
            queue: VecDeque::new(),
            memory,
            company: L::Company::default(),
            member_by_connection: HashMap::new(),
            company_timer: false,
            closed: false,
            touched_at: clock::now(),
        }
    }

    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Nothing is pending, and nothing was asked for `span`.
    pub fn is_quiet(&self, now: Timestamp, span: Duration) -> bool {
        self.queue.is_empty() && self.ticket == self.durable && now.since(self.touched_at) >= span
    }

    pub fn into_unsaid(self) -> impl Iterator<Item = Saying<L::Answer>> {
        self.queue.into_iter().map(|waiting| waiting.saying)
    }

    fn say(&mut self, saying: Saying<L::Answer>) {
        self.queue.push_back(Waiting { after: self.ticket, saying });
    }
}
