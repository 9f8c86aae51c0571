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

/// A part of a room that a single connection may stop hearing, and hear again: a channel of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub u32);

/// A connection in a room, as the room's rules know it: a number that means nothing to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub u64);

/// How a connection is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was sent the whole state.
    Fresh,
    /// It was sent what it missed, and knows what others were told of who is here.
    Resumed,
}

/// What a coming or a going means for the room.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<M> {
    /// It was the member's first connection, or the last one.
    pub presence_changed: bool,
    /// To be said at once.
    pub parts: Vec<Part<M>>,
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
    /// The event changes rows, and of what is said only the newest counts: it takes no `seq`, is not resumed, and is said when the rows are durable.
    pub unnumbered: bool,
}

impl<M, R> Default for Effects<M, R> {
    fn default() -> Self {
        Self { parts: Vec::new(), rows: Vec::new(), removed: Vec::new(), closed: false, unnumbered: false }
    }
}

/// What a client may ask of a room. Each kind is handled in the order in which it was sent.
#[derive(Debug)]
pub enum Request<L: RoomLogic> {
    /// Changes what lasts: decided, committed, acknowledged.
    Command(L::Command),
    /// Changes nothing, and is answered when all that was decided before is durable.
    Query(L::Query),
    /// Changes only who is here and what they are about; it is not kept.
    Signal(L::Signal),
}

/// What [`RoomLogic::ask`] found.
#[derive(Debug)]
pub enum Asked<L: RoomLogic> {
    /// The answer, and frames for the asking connection that go before it.
    Known { answer: L::Answer, frames: Vec<L::Message> },
    /// The answer is in the database: [`RoomLogic::tell`] makes it of what is found there.
    LookUp(L::Lookup),
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
    /// What somebody asks.
    type Query: Send + 'static;
    /// What somebody signals.
    type Signal: Send + 'static;
    /// What has to be read from the database.
    type Lookup: Send + 'static;
    /// What was read.
    type Found: Send + 'static;
    /// Who is here.
    type Company: Company<Self>;

    /// What has to be read before this command can be judged; `None` when everything is at hand. A room keeps at hand whatever a commit that may
    /// not be durable yet has touched, so that what is read is never older than what was decided.
    fn wants(&self, _command: &Self::Command) -> Option<Self::Lookup> {
        None
    }

    /// Takes what [`RoomLogic::wants`] asked for; [`RoomLogic::decide`] follows.
    fn learn(&mut self, _found: Self::Found) {}

    /// Judges a command against the state as it stands. `by` is `None` for commands of the server itself.
    fn decide(
        &self,
        at: Moment<'_>,
        by: Option<&Member>,
        command: &Self::Command,
    ) -> Result<Decision<Self::Event, Self::Answer>, Rejection>;

    /// Changes the state and says what follows from it. `at` and `by` are those of [`RoomLogic::decide`].
    fn apply(&mut self, at: Moment<'_>, by: Option<&Member>, event: Self::Event) -> Effects<Self::Message, Self::Row>;

    /// Judges a question.
    fn ask(&self, now: Timestamp, company: &Self::Company, by: &Member, query: &Self::Query) -> Result<Asked<Self>, Rejection>;

    /// The answer to a question from what was found; judged again, since the asker may have lost his right to it meanwhile.
    fn tell(&self, by: &Member, query: &Self::Query, found: Self::Found) -> Result<Self::Answer, Rejection>;

    /// Topics that a connection does not hear before it asks for them.
    fn unheard() -> Vec<Topic> {
        Vec::new()
    }

    /// With this answer the connection that gets it begins (true) or ceases (false) to hear a topic.
    fn hears(_answer: &Self::Answer) -> Option<(Topic, bool)> {
        None
    }

    /// The topic of a frame, if it has one.
    fn topic(&self, _message: &Self::Message) -> Option<Topic> {
        None
    }

    /// A name under which a frame of the company replaces an older one that a slow reader has not been sent; without one it is never dropped.
    fn latest(_message: &Self::Message) -> Option<String> {
        None
    }

    /// The member with this user id, if there is one.
    fn member(&self, user: &UserId) -> Option<Member>;

    /// The `role` of `connected`: `dm` or `player` in a campaign, `owner`, `admin` or `member` elsewhere.
    fn role(&self, member: &Member) -> &'static str;

    /// The `seq` at which a member joined: a cursor before it cannot be resumed.
    fn joined_seq(&self, member: MemberNo) -> i64;

    /// How many members there are.
    fn members_len(&self) -> usize;

    /// What a newcomer is sent after `connected`.
    fn view(&self, viewer: &Member, company: &Self::Company) -> Vec<Self::Message>;

    /// Rows of the log for a member's first connection (`joined`) or last disconnection, if they are to be logged.
    fn presence_rows(&self, at: Moment<'_>, member: &Member, joined: bool) -> Vec<Self::Row>;

    /// Missed frames (JSON texts, oldest first) as their reader may be sent them now. `None` when they show what he or she may not see any more:
    /// then the cursor is not resumed.
    fn resumable(missed: Vec<String>) -> Option<Vec<String>>;
}

/// Who is here, and what they are about: state that is not kept. It has no clock: every call is told the time, and [`Company::deadline`] says when
/// [`Company::due`] has something to say.
pub trait Company<L: RoomLogic>: Default + Send + 'static {
    /// A connection of `member` is in the room.
    fn connect(&mut self, room: &L, member: &Member, connection: ConnectionKey, arrival: Arrival, now: Timestamp) -> Change<L::Message>;

    /// A connection is gone, of somebody who may be no member any more. One that was never counted changes nothing.
    fn disconnect(&mut self, room: &L, member: MemberNo, connection: ConnectionKey, now: Timestamp) -> Change<L::Message>;

    /// What somebody signals through a connection, and what is said of it at once.
    fn signal(
        &mut self,
        room: &L,
        by: &Member,
        connection: ConnectionKey,
        signal: L::Signal,
        now: Timestamp,
    ) -> Result<Vec<Part<L::Message>>, Rejection>;

    /// The room's state has changed by an event.
    fn room_changed(&mut self, room: &L, now: Timestamp) -> Vec<Part<L::Message>>;

    /// When [`Company::due`] is to be asked; `None` when nothing is owed.
    fn deadline(&self) -> Option<Timestamp>;

    /// What is to be said at `now`: nothing before the deadline.
    fn due(&mut self, room: &L, now: Timestamp) -> Vec<Part<L::Message>>;
}
