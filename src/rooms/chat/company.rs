//! Who is here: presence over all connections of a user, and who is typing where.
//!
//! A user is active when any of his connections is, away when all of them are, and offline 5 s after the last one is gone: a return before that
//! tells nobody anything. Typing is of a connection, and told of a user: it ends 10 s after the last `typing:start`. There is no clock here:
//! every call is told the time, and [`Company::deadline`] says when [`Company::due`] has something to say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::protocol::chat::messages::Status;
use crate::protocol::chat::{ServerMessage, Signal, Target};
use crate::protocol::error::Rejection;
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::telling::{Tellings, parts};
use crate::rooms::kernel::{self, Arrival, Company, ConnectionKey, Member, MemberNo, Part};

/// How long somebody is typing after he said so.
pub const TYPING: Duration = Duration::from_secs(10);
/// How long somebody may be without a connection before he is offline.
pub const GRACE: Duration = Duration::from_secs(5);

type Parts = Vec<Part<ServerMessage>>;
type Change = kernel::Change<ServerMessage>;

#[derive(Debug, Default)]
pub struct Here {
    people: HashMap<MemberNo, Person>,
    /// By place and member: the connections that type there, and until when.
    typing: BTreeMap<(u32, MemberNo), BTreeMap<ConnectionKey, Timestamp>>,
    timers: BTreeSet<(Timestamp, Timer)>,
    /// The room's count of moves when it was looked at last.
    moves: u64,
}

/// Somebody of whom the others know that he is here.
#[derive(Debug)]
struct Person {
    user: UserId,
    /// Whether each of the connections is away.
    connections: BTreeMap<ConnectionKey, bool>,
    /// What the others were told last.
    told: Status,
    /// When he is offline, if he has no connection.
    offline_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Typing(u32, MemberNo, ConnectionKey),
    Offline(MemberNo),
}

impl Person {
    /// What he is by his connections; while he has none, what he was.
    fn status(&self) -> Status {
        match (self.connections.is_empty(), self.connections.values().all(|away| *away)) {
            (true, _) => self.told,
            (false, true) => Status::Away,
            (false, false) => Status::Active,
        }
    }

    /// What is to be said if his status is another than what was told last.
    fn update(&mut self) -> Option<ServerMessage> {
        let status = self.status();
        (std::mem::replace(&mut self.told, status) != status).then(|| presence(&self.user, status))
    }
}

fn presence(user: &UserId, status: Status) -> ServerMessage {
    ServerMessage::PresenceUpdate { user_id: user.clone(), status }
}

fn to_all(room: &Workspace, frame: Option<ServerMessage>) -> Tellings {
    frame.into_iter().map(|frame| (room.roster.members().clone(), frame)).collect()
}

impl Here {
    pub fn status(&self, member: MemberNo) -> Status {
        self.people.get(&member).map_or(Status::Offline, |person| person.told)
    }

    fn set_away(&mut self, room: &Workspace, member: MemberNo, connection: ConnectionKey, is_away: bool) -> Tellings {
        let Some(person) = self.people.get_mut(&member) else { return Vec::new() };
        let Some(away) = person.connections.get_mut(&connection) else { return Vec::new() };
        *away = is_away;
        to_all(room, person.update())
    }

    fn start_typing(&mut self, room: &Workspace, place: u32, member: MemberNo, connection: ConnectionKey, now: Timestamp) -> Tellings {
        let until = now.plus(TYPING);
        let connections = self.typing.entry((place, member)).or_default();
        let first = connections.is_empty();
        if let Some(old) = connections.insert(connection, until) {
            self.timers.remove(&(old, Timer::Typing(place, member, connection)));
        }
        self.timers.insert((until, Timer::Typing(place, member, connection)));
        if first { typing_update(room, place, member, true) } else { Vec::new() }
    }

    fn stop_typing(&mut self, room: &Workspace, place: u32, member: MemberNo, connection: ConnectionKey) -> Tellings {
        let Some(connections) = self.typing.get_mut(&(place, member)) else { return Vec::new() };
        let Some(until) = connections.remove(&connection) else { return Vec::new() };
        self.timers.remove(&(until, Timer::Typing(place, member, connection)));
        if !connections.is_empty() {
            return Vec::new();
        }
        self.typing.remove(&(place, member));
        typing_update(room, place, member, false)
    }

    /// The places where `member` types through one of the connections that `of` picks end to be typed in.
    fn stop_all_typing(&mut self, room: &Workspace, of: impl Fn(u32, MemberNo, ConnectionKey) -> bool) -> Tellings {
        let all = self.typing.iter().flat_map(|(&(place, member), connections)| connections.keys().map(move |&key| (place, member, key)));
        let over: Vec<_> = all.filter(|&(place, member, key)| of(place, member, key)).collect();
        over.into_iter().flat_map(|(place, member, key)| self.stop_typing(room, place, member, key)).collect()
    }

    /// Forgets somebody who is no member any more.
    fn forget(&mut self, room: &Workspace, member: MemberNo) -> Tellings {
        let Some(person) = self.people.remove(&member) else { return Vec::new() };
        if let Some(at) = person.offline_at {
            self.timers.remove(&(at, Timer::Offline(member)));
        }
        to_all(room, Some(presence(&person.user, Status::Offline)))
    }
}

/// To all who are in the place but the one who types.
fn typing_update(room: &Workspace, place: u32, member: MemberNo, is_typing: bool) -> Tellings {
    let (Some(place), Some(person)) = (room.places.numbered(place), room.roster.person(member)) else { return Vec::new() };
    let mut others = room.audience(place);
    others.remove(member);
    let target_id = match &place.target {
        Target::Channel(id) => id.to_string(),
        Target::Dm(id) => id.to_string(),
    };
    let frame = ServerMessage::TypingUpdate { user_id: person.user.clone(), user_name: person.name.clone(), target_id, is_typing };
    vec![(others, frame)]
}

impl Company<Workspace> for Here {
    fn connect(&mut self, room: &Workspace, member: &Member, connection: ConnectionKey, _: Arrival, _: Timestamp) -> Change {
        let new = || Person { user: member.user.clone(), connections: BTreeMap::new(), told: Status::Offline, offline_at: None };
        let person = self.people.entry(member.no).or_insert_with(new);
        let first = person.connections.is_empty();
        person.connections.insert(connection, false);
        if let Some(at) = person.offline_at.take() {
            self.timers.remove(&(at, Timer::Offline(member.no)));
        }
        Change { presence_changed: first, parts: parts(to_all(room, person.update())) }
    }

    fn disconnect(&mut self, room: &Workspace, member: MemberNo, connection: ConnectionKey, now: Timestamp) -> Change {
        let known = self.people.get_mut(&member).and_then(|person| person.connections.remove(&connection).map(|_| person));
        let Some(person) = known else { return Change { presence_changed: false, parts: Vec::new() } };
        let last = person.connections.is_empty();
        let mut told = to_all(room, person.update());
        if last {
            let at = now.plus(GRACE);
            person.offline_at = Some(at);
            self.timers.insert((at, Timer::Offline(member)));
        }
        told.extend(self.stop_all_typing(room, |_, who, key| who == member && key == connection));
        Change { presence_changed: last, parts: parts(told) }
    }

    fn signal(
        &mut self,
        room: &Workspace,
        by: &Member,
        connection: ConnectionKey,
        signal: Signal,
        now: Timestamp,
    ) -> Result<Parts, Rejection> {
        let told = match signal {
            Signal::Typing { target, is_typing: true } => {
                let place = room.place_in_use(by, &target)?.no;
                self.start_typing(room, place, by.no, connection, now)
            }
            Signal::Typing { target, is_typing: false } => {
                let place = room.place_for(by, &target)?.no;
                self.stop_typing(room, place, by.no, connection)
            }
            Signal::Away => self.set_away(room, by.no, connection, true),
            Signal::Active => self.set_away(room, by.no, connection, false),
        };
        Ok(parts(told))
    }

    fn room_changed(&mut self, room: &Workspace, _: Timestamp) -> Parts {
        if std::mem::replace(&mut self.moves, room.moves) == room.moves {
            return Vec::new();
        }
        let here =
            |place: u32, member| room.places.numbered(place).is_some_and(|place| !place.is_archived() && place.members.contains(member));
        let members = room.roster.members();
        let mut told = self.stop_all_typing(room, |place, member, _| !(members.contains(member) && here(place, member)));
        let gone: Vec<MemberNo> = self.people.keys().copied().filter(|no| !members.contains(*no)).collect();
        told.extend(gone.into_iter().flat_map(|no| self.forget(room, no)));
        parts(told)
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn due(&mut self, room: &Workspace, now: Timestamp) -> Parts {
        let mut told = Tellings::new();
        while let Some(&(at, timer)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            told.extend(match timer {
                Timer::Typing(place, member, connection) => self.stop_typing(room, place, member, connection),
                Timer::Offline(member) => {
                    let person = self.people.remove(&member);
                    to_all(room, person.map(|person| presence(&person.user, Status::Offline)))
                }
            });
        }
        parts(told)
    }
}
