//! A circle: people who share where they are.
//!
//! [`Circle`] judges a command against its state (`decide`), changes the state by the event that comes of it and says who is told what
//! (`apply`). What the modules hold:
//!
//! | module | its question |
//! |---|---|
//! | `decide`, `joining` | may this person ask for that, in this state? |
//! | `apply` | which state, rows and frames follow from an event |
//! | `gate` | what may the others see of a position? |
//! | `company` | who is here, and whose sharing ends by itself |
//! | `roster` | the people |
//!
//! The history is in the database alone: the room knows of each member the point that was measured last. Nothing that a circle says is numbered: of
//! positions, presence and sharing the newest counts, and a frame that waits for a slow reader is replaced by a newer one of its name.
//!
//! Rules that the tests cite, besides I1–I10 of the kernel:
//!
//! - **C1** While somebody does not share, or is out, no frame and no answer to others holds a position of his. When he shares again he is nowhere before
//!   his next point; the history that was shared before may be read again, and what was measured meanwhile is never taken.
//! - **C2** Who is seen approximately is never seen exactly.
//! - **C3** A position goes to connections of other members that asked for positions, and to nobody else.
//! - **C4** "Now" is the point that was measured last; what was measured earlier is history and is said to nobody.
//! - **C5** The rows of an event, applied to what the circle was loaded from, load the circle as it is.

mod apply;
pub mod company;
mod decide;
pub mod event;
pub mod gate;
mod joining;
mod roster;
pub mod rows;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use crate::protocol::circle::command::{Point, Role};
use crate::protocol::circle::{Answer, Command, Query, ServerMessage};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::company::Here;
use crate::rooms::circle::event::Event;
use crate::rooms::circle::roster::Roster;
use crate::rooms::circle::rows::{Invite, Row, StoredCircle, StoredPoint};
use crate::rooms::kernel::{Asked, Decision, Effects, Member, MemberNo, Moment, RoomLogic, Topic};

/// Positions: a connection does not hear them before it asks.
pub const POSITIONS: Topic = Topic(0);

/// The whole state of one circle.
#[derive(Debug)]
pub struct Circle {
    id: CircleId,
    name: String,
    roster: Roster,
    invites: HashMap<String, Invite>,
    /// Codes that were used stay known until the room is unloaded, so that they can be told from unknown ones.
    used: HashSet<String>,
    last: HashMap<MemberNo, Last>,
    news: News,
}

/// The point of somebody that was measured last.
#[derive(Clone, Debug, PartialEq)]
struct Last {
    measured_at: Timestamp,
    is_sealed: bool,
    /// `None` once it is forgotten: he stopped sharing since. The time stays, so that nothing older becomes "now" in its place.
    point: Option<Point>,
}

/// Whose sharing changed last; the company says it, and looks at the count to know whether there is any news.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    count: u64,
    of: Option<MemberNo>,
}

impl Circle {
    pub fn from_stored(stored: StoredCircle) -> Self {
        let StoredCircle { id, name, members, invites, latest } = stored;
        let roster = Roster::from_stored(members);
        let last = |last: StoredPoint| {
            let member = roster.person(&last.user)?;
            let is_current = gate::is_current(member, &last);
            Some((member.no, Last { point: is_current.then(|| last.point.clone()), ..Last::of(&last) }))
        };
        let last = latest.into_iter().filter_map(last).collect();
        let invites = invites.into_iter().map(|invite| (invite.code.clone(), invite)).collect();
        Self { id, name, roster, invites, used: HashSet::new(), last, news: News::default() }
    }

    pub fn id(&self) -> &CircleId {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Last {
    fn of(point: &StoredPoint) -> Self {
        let is_sealed = matches!(point.point, Point::Sealed(_));
        Self { measured_at: point.measured_at, is_sealed, point: Some(point.point.clone()) }
    }
}

impl RoomLogic for Circle {
    type Command = Command;
    type Event = Event;
    type Message = ServerMessage;
    type Answer = Answer;
    type Row = Row;
    type Query = Query;
    type Signal = Infallible;
    type Lookup = Infallible;
    type Found = Infallible;
    type Company = Here;

    fn decide(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Result<Decision<Event, Answer>, Rejection> {
        self.judge_command(at, by, command)
    }

    fn apply(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Effects<ServerMessage, Row> {
        self.carry_out(at, by, event)
    }

    fn ask(&self, now: Timestamp, _: &Here, by: &Member, query: &Query) -> Result<Asked<Self>, Rejection> {
        let (hears, frames) = match query {
            Query::Subscribe => (true, self.last_known(by.no, now)),
            Query::Unsubscribe => (false, Vec::new()),
        };
        Ok(Asked::Known { answer: Answer { hears: Some(hears), ..Answer::default() }, frames })
    }

    fn tell(&self, _: &Member, _: &Query, found: Infallible) -> Result<Answer, Rejection> {
        match found {}
    }

    fn unheard() -> Vec<Topic> {
        vec![POSITIONS]
    }

    fn hears(answer: &Answer) -> Option<(Topic, bool)> {
        answer.hears.map(|hears| (POSITIONS, hears))
    }

    fn topic(&self, message: &ServerMessage) -> Option<Topic> {
        matches!(message, ServerMessage::LocationBroadcast(_)).then_some(POSITIONS)
    }

    /// That somebody stopped sharing takes the place of the position that a slow reader was going to be told. That he shares does not.
    fn latest(message: &ServerMessage) -> Option<String> {
        match message {
            ServerMessage::Ready {} => None,
            ServerMessage::LocationBroadcast(broadcast) => Some(format!("location:{}", broadcast.user_id)),
            ServerMessage::SharingChanged { user_id, enabled: false, .. } => Some(format!("location:{user_id}")),
            ServerMessage::SharingChanged { user_id, enabled: true, .. } => Some(format!("sharing:{user_id}")),
            ServerMessage::UserOnline { user_id } | ServerMessage::UserOffline { user_id } => Some(format!("online:{user_id}")),
        }
    }

    fn member(&self, user: &UserId) -> Option<Member> {
        self.roster.member(user)
    }

    fn role(&self, member: &Member) -> &'static str {
        match self.roster.numbered(member.no).map(|person| person.role) {
            Some(Role::Owner) => "owner",
            Some(Role::Member) | None => "member",
        }
    }

    fn joined_seq(&self, member: MemberNo) -> i64 {
        self.roster.numbered(member).map_or(i64::MAX, |person| person.joined_seq)
    }

    fn members_len(&self) -> usize {
        self.roster.members().len()
    }

    fn view(&self, _: &Member, _: &Here) -> Vec<ServerMessage> {
        vec![ServerMessage::Ready {}]
    }

    fn presence_rows(&self, _: Moment<'_>, _: &Member, _: bool) -> Vec<Row> {
        Vec::new()
    }

    /// Nothing that a circle says is numbered, so nothing is missed.
    fn resumable(missed: Vec<String>) -> Option<Vec<String>> {
        Some(missed)
    }
}
