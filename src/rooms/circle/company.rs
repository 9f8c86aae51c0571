//! Who is here, over all connections of a user, and whose sharing ends by itself.
//!
//! What is said of somebody's sharing is said here, since it is not numbered. There is no clock: every call is told the time, and
//! [`Company::deadline`] says when [`Company::due`] has something to say.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use crate::protocol::circle::ServerMessage;
use crate::protocol::error::Rejection;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::Circle;
use crate::rooms::kernel::{self, Arrival, Audience, Company, ConnectionKey, Member, MemberNo, Part};
use crate::rooms::members::MemberSet;

/// An end of sharing that passed this long before anybody was here may have passed while the room was being loaded: it is said.
const SLEPT_MAX: Duration = Duration::from_secs(60);

type Parts = Vec<Part<ServerMessage>>;
type Change = kernel::Change<ServerMessage>;

#[derive(Debug, Default)]
pub struct Here {
    people: HashMap<MemberNo, Person>,
    /// When whose sharing ends, as far as it was not told.
    ends: BTreeSet<(Timestamp, MemberNo)>,
    /// The room's count of news when it was looked at last.
    news: u64,
}

/// Somebody with a connection.
#[derive(Debug)]
struct Person {
    user: UserId,
    connections: BTreeSet<ConnectionKey>,
}

/// One part, since everybody gets the first that is for him.
fn part(to: MemberSet, frames: impl IntoIterator<Item = ServerMessage>) -> Parts {
    let frames: Vec<ServerMessage> = frames.into_iter().collect();
    if frames.is_empty() || to.is_empty() { Vec::new() } else { vec![Part { to: Audience::Members(to), frames }] }
}

impl Here {
    pub fn is_online(&self, member: MemberNo) -> bool {
        self.people.contains_key(&member)
    }

    /// Takes the ends from `since` on, and forgets those that are none any more.
    fn look_at_ends(&mut self, room: &Circle, since: Timestamp) {
        let owed = std::mem::take(&mut self.ends);
        let sharing = room.roster.each().filter(|person| person.sharing.enabled);
        let ends = sharing.filter_map(|person| Some((person.sharing.until?, person.no)));
        self.ends = ends.filter(|end| end.0 > since || owed.contains(end)).collect();
    }
}

impl Company<Circle> for Here {
    fn connect(&mut self, room: &Circle, member: &Member, connection: ConnectionKey, _: Arrival, now: Timestamp) -> Change {
        if self.people.is_empty() {
            self.look_at_ends(room, now.minus(SLEPT_MAX));
        }
        let person = self.people.entry(member.no);
        let person = person.or_insert_with(|| Person { user: member.user.clone(), connections: BTreeSet::new() });
        let first = person.connections.is_empty();
        person.connections.insert(connection);
        let frame = first.then(|| ServerMessage::UserOnline { user_id: member.user.clone() });
        Change { presence_changed: first, parts: part(room.roster.others(member.no), frame) }
    }

    fn disconnect(&mut self, room: &Circle, member: MemberNo, connection: ConnectionKey, _: Timestamp) -> Change {
        let nothing = Change { presence_changed: false, parts: Vec::new() };
        let Some(person) = self.people.get_mut(&member) else { return nothing };
        if !person.connections.remove(&connection) || !person.connections.is_empty() {
            return nothing;
        }
        let frame = ServerMessage::UserOffline { user_id: person.user.clone() };
        self.people.remove(&member);
        Change { presence_changed: true, parts: part(room.roster.others(member), [frame]) }
    }

    fn signal(&mut self, _: &Circle, _: &Member, _: ConnectionKey, signal: Infallible, _: Timestamp) -> Result<Parts, Rejection> {
        match signal {}
    }

    fn room_changed(&mut self, room: &Circle, now: Timestamp) -> Parts {
        if std::mem::replace(&mut self.news, room.news.count) == room.news.count {
            return Vec::new();
        }
        let Some(no) = room.news.of else { return Vec::new() };
        // Whoever shares anew just when his time is over: that it was over is owed, since what the others know of him is forgotten here.
        let is_over = self.ends.iter().any(|&(at, who)| who == no && at <= now);
        self.look_at_ends(room, now);
        let over = room.roster.numbered(no).filter(|_| is_over);
        let over = over.map(|person| ServerMessage::SharingChanged { user_id: person.user.clone(), enabled: false, until: None });
        let members = room.roster.members();
        // Whoever is no member any more is not here either. That he shares nothing comes first: by it a position that waits is replaced.
        let gone = if members.contains(no) { None } else { self.people.remove(&no) };
        let offline = gone.map(|person| ServerMessage::UserOffline { user_id: person.user });
        let sharing = room.sharing_changed(no, now).filter(|sharing| over.as_ref() != Some(sharing));
        part(members.clone(), over.into_iter().chain(sharing).chain(offline))
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// One end a time: of the frames that go to the same people each has to be of a name of its own.
    fn due(&mut self, room: &Circle, now: Timestamp) -> Parts {
        match self.ends.first() {
            Some(&(at, no)) if at <= now => {
                self.ends.pop_first();
                part(room.roster.members().clone(), room.sharing_changed(no, now))
            }
            _ => Vec::new(),
        }
    }
}
