//! What every kind of room is, whatever it is for: a value that turns commands into events and events into effects.
//!
//! The shell around it (`actors::room`) owns the mailbox, the journal and the sockets; a room only computes.
//! Time, identifiers and the people are arguments, so a test needs neither a clock nor a database.
//!
//! Numbered invariants that the rooms, their tests and the actors cite:
//!
//! - **I1 Commit, then speak.** Nothing with a `seq` is shown or acknowledged before its transaction committed.
//! - **I2 One history.** The rows of one room's `room_event` are written once, `seq` 1..head without holes, `epoch` never falls.
//! - **I3 Once.** An acknowledged command has exactly one effect, at the acknowledged `seq`, however often it was sent.
//! - **I4 One gate.** The only way from a room to a socket is [`Audience`]; first match wins, no match means no delivery.
//! - **I5 View equals fold.** What a client gets by connecting at `seq` S equals folding every frame it was sent up to S.
//! - **I6 Order.** Frames of a room reach every client in `seq` order; a client's commands are carried out in the order sent.
//! - **I7 Bounded.** Every queue has a bound, a name and a consequence (`protocol::limits`).
//! - **I8 One owner.** A room commits only under the epoch that the database gave its node.
//! - **I9** A room's crash costs that room only, and its next user finds it as of the last acknowledged command.
//! - **I10 Presence tells the truth**: after quiet, it equals the open sockets.

use std::sync::Arc;

use serde::Serialize;

use crate::protocol::error::Rejection;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
pub use crate::rooms::members::MemberNo;
use crate::rooms::members::MemberSet;

/// To whom a frame goes.
///
/// A frame list with audiences is matched first to last: a connection gets the frames of the first audience that holds it, and of that
/// one alone. One that nothing matches gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every member.
    All,
    /// The members who lead: the dungeon masters of a campaign.
    Dm,
    /// Just these.
    Members(MemberSet),
}

impl Audience {
    pub fn holds(&self, member: MemberNo, leads: bool) -> bool {
        match self {
            Audience::All => true,
            Audience::Dm => leads,
            Audience::Members(set) => set.contains(member),
        }
    }
}

/// Frames for one audience, in the order in which they are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<M> {
    pub to: Audience,
    pub frames: Vec<M>,
}

/// Who sends a command or looks at a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub no: MemberNo,
    pub user: UserId,
    pub name: Arc<str>,
    pub leads: bool,
}

/// What the shell knows and the core must not find out by itself.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub now: Timestamp,
    /// A fresh identifier, never used before. Whatever one command creates takes this one.
    pub fresh: &'a str,
    /// The `seq` that an event of this command will have.
    pub seq: i64,
}

/// What [`RoomLogic::decide`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<E, A> {
    /// `None` when the command changes nothing: it is acknowledged with the current `seq`, and nobody gets a frame.
    pub event: Option<E>,
    /// What the acknowledgement holds besides `id` and `seq`.
    pub answer: A,
}

/// What an event causes outside the room's own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects<M, R> {
    /// What is said, and to whom; said only when the commit is durable.
    pub parts: Vec<Part<M>>,
    /// What changes in the domain tables and the log, written in the commit of the event.
    pub rows: Vec<R>,
    /// Whose connections end, because they are no members any more.
    pub removed: Vec<UserId>,
    /// The room itself is gone: all connections end and it is never loaded again.
    pub closed: bool,
}

impl<M, R> Default for Effects<M, R> {
    fn default() -> Self {
        Self { parts: Vec::new(), rows: Vec::new(), removed: Vec::new(), closed: false }
    }
}

/// A room's rules. Total: no method panics or waits, whatever a client sends.
pub trait RoomLogic: Sized + Send + Unpin + 'static {
    /// What somebody wants. Its serialization is what two commands with one id are compared by.
    type Command: Serialize + Send + Sync + 'static;
    /// What happened: everything that [`RoomLogic::apply`] needs, decided once.
    type Event: Send + 'static;
    /// What a client is sent: serialized as a JSON object.
    type Message: Serialize + Send + 'static;
    /// What an acknowledgement holds besides `id` and `seq`: serialized as a JSON object.
    type Answer: Serialize + Default + Clone + Send + 'static;
    /// A change of the domain tables.
    type Row: Send + 'static;

    /// Judges a command against the state as it stands. `by` is `None` for commands of the server itself.
    fn decide(
        &self,
        at: Moment<'_>,
        by: Option<&Member>,
        command: &Self::Command,
    ) -> Result<Decision<Self::Event, Self::Answer>, Rejection>;

    /// Changes the state and says what follows from it. `at` and `by` are those of [`RoomLogic::decide`].
    fn apply(&mut self, at: Moment<'_>, by: Option<&Member>, event: Self::Event) -> Effects<Self::Message, Self::Row>;

    /// The member with this user id, if there is one.
    fn member(&self, user: &UserId) -> Option<Member>;

    /// `dm` or `player` in a campaign: the `role` of `connected`.
    fn role(&self, member: &Member) -> &'static str;

    /// The `seq` at which a member joined: a cursor before it cannot be resumed.
    fn joined_seq(&self, member: MemberNo) -> i64;

    /// All members, for presence: in order of joining.
    fn members(&self) -> Vec<Member>;

    /// How many members there are.
    fn members_len(&self) -> usize;

    /// What a newcomer is sent after `connected`. `online` says who is connected.
    fn view(&self, viewer: &Member, online: &dyn Fn(MemberNo) -> bool) -> Vec<Self::Message>;

    /// Rows of the log for a member's first connection (`joined`) or last disconnection, if they are to be logged.
    fn presence_rows(&self, at: Moment<'_>, member: &Member, joined: bool) -> Vec<Self::Row>;

    /// True when a list of missed frames (JSON texts, oldest first) shows its reader something that he or she may not see any more: then the
    /// cursor is not resumed.
    fn shows_what_was_hidden_since(missed: &[&str]) -> bool;
}
