//! Who is here: connections counted per member, and what the others are owed of it.
//!
//! In rooms of up to [`FULL_PRESENCE_MEMBERS_MAX`] members a coming or going is told at once, and the whole list at most once a second. In
//! larger ones comings and goings are collected for a second; who came and went again in between is not mentioned, and only who has just
//! connected gets a list, of those online. There is no clock here: every call is told the time, and [`Presence::deadline`] says when
//! [`Presence::due`] has something to say.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use crate::protocol::campaign::{JoinedPlayer, Player, ServerMessage};
use crate::protocol::error::Rejection;
use crate::protocol::ids::UserId;
use crate::protocol::limits::FULL_PRESENCE_MEMBERS_MAX;
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::Campaign;
use crate::rooms::kernel::{self, Arrival, Audience, Company, ConnectionKey, Member, MemberNo, Part, RoomLogic};
use crate::rooms::members::MemberSet;

/// How often lists and collected changes are told, at most.
pub const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Presence {
    online: HashMap<MemberNo, Here>,
    owed: Owed,
    told_at: Option<Timestamp>,
    /// How many members the room had when it was looked at last.
    members_len: Option<usize>,
    /// When what is owed is to be told.
    deadline: Option<Timestamp>,
}

#[derive(Debug)]
struct Here {
    connections: u32,
    user: UserId,
}

/// What has to be told at the deadline.
#[derive(Debug, Default)]
struct Owed {
    /// Everybody the list: small rooms.
    list: bool,
    /// These the list: large rooms.
    newcomers: MemberSet,
    joined: BTreeMap<MemberNo, JoinedPlayer>,
    left: BTreeMap<MemberNo, UserId>,
}

type Change = kernel::Change<ServerMessage>;

fn is_large(members_len: usize) -> bool {
    members_len > FULL_PRESENCE_MEMBERS_MAX
}

/// For everybody but this member: the first part catches him and holds nothing.
fn to_others(member: MemberNo, frame: ServerMessage) -> Vec<Part<ServerMessage>> {
    let him = Part { to: Audience::Members(MemberSet::one(member)), frames: Vec::new() };
    vec![him, Part { to: Audience::All, frames: vec![frame] }]
}

impl Presence {
    pub fn is_online(&self, member: MemberNo) -> bool {
        self.online.contains_key(&member)
    }

    /// Members with a connection.
    pub fn online_len(&self) -> usize {
        self.online.len()
    }

    /// A connection of `member` is in a room of `members_len` members.
    pub fn connect(&mut self, member: &Member, arrival: Arrival, members_len: usize, now: Timestamp) -> Change {
        let new = || Here { connections: 0, user: member.user.clone() };
        let here = self.online.entry(member.no).or_insert_with(new);
        here.connections += 1;
        let first = here.connections == 1;
        if is_large(members_len) {
            self.owed.newcomers.insert(member.no);
            self.owe(now);
        } else if first || arrival == Arrival::Resumed {
            self.owed.list = true;
            self.owe(now);
        }
        let joined = JoinedPlayer { user_id: member.user.clone(), name: member.name.clone() };
        let parts = match (first, is_large(members_len)) {
            (false, _) => Vec::new(),
            (true, false) => to_others(member.no, ServerMessage::PlayerJoined { user_id: joined.user_id, name: joined.name }),
            (true, true) => {
                if self.owed.left.remove(&member.no).is_none() {
                    self.owed.joined.insert(member.no, joined);
                }
                Vec::new()
            }
        };
        Change { presence_changed: first, parts }
    }

    /// A connection of `member` is gone. One that was never counted changes nothing.
    pub fn disconnect(&mut self, member: MemberNo, members_len: usize, now: Timestamp) -> Change {
        let unchanged = Change { presence_changed: false, parts: Vec::new() };
        let Some(here) = self.online.get_mut(&member) else { return unchanged };
        here.connections -= 1;
        if here.connections > 0 {
            return unchanged;
        }
        let Some(Here { user, .. }) = self.online.remove(&member) else { return unchanged };
        self.owed.newcomers.remove(member);
        self.owe(now);
        let parts = match is_large(members_len) {
            false => {
                self.owed.list = true;
                to_others(member, ServerMessage::PlayerLeft { user_id: user })
            }
            true => {
                if self.owed.joined.remove(&member).is_none() {
                    self.owed.left.insert(member, user);
                }
                Vec::new()
            }
        };
        Change { presence_changed: true, parts }
    }

    /// Somebody became a member or ceased to be one: the list is another.
    pub fn members_changed(&mut self, members_len: usize, now: Timestamp) {
        if !is_large(members_len) {
            self.owed.list = true;
            self.owe(now);
        }
    }

    fn owe(&mut self, now: Timestamp) {
        let earliest = self.told_at.map_or(now, |told_at| told_at.plus(INTERVAL).max(now));
        self.deadline.get_or_insert(earliest);
    }

    /// When [`Presence::due`] is to be asked; `None` when nothing is owed.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// What is to be said at `now`: nothing before the deadline. `members` are all members, in order of joining.
    pub fn due(&mut self, members: &[Member], now: Timestamp) -> Vec<Part<ServerMessage>> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        self.deadline = None;
        self.told_at = Some(now);
        let owed = std::mem::take(&mut self.owed);
        match is_large(members.len()) {
            // comings and goings from the time when the room was large are in the list
            false => vec![Part { to: Audience::All, frames: vec![self.list(members, true)] }],
            true => self.large_room(members, owed),
        }
    }

    fn large_room(&self, members: &[Member], owed: Owed) -> Vec<Part<ServerMessage>> {
        let Owed { newcomers, joined, left, .. } = owed;
        let changed = !(joined.is_empty() && left.is_empty());
        let changes = ServerMessage::PlayerChanges { joined: joined.into_values().collect(), left: left.into_values().collect() };
        let changes = changed.then_some(changes);
        let mut parts = Vec::new();
        if !newcomers.is_empty() {
            let frames = [self.list(members, false)].into_iter().chain(changes.clone()).collect();
            parts.push(Part { to: Audience::Members(newcomers), frames });
        }
        parts.extend(changes.map(|changes| Part { to: Audience::All, frames: vec![changes] }));
        parts
    }

    fn list(&self, members: &[Member], with_offline: bool) -> ServerMessage {
        let player = |member: &Member| {
            let online = self.is_online(member.no);
            (online || with_offline).then(|| Player { user_id: member.user.clone(), name: member.name.clone(), online })
        };
        ServerMessage::PlayerPresence { players: members.iter().filter_map(player).collect() }
    }
}

impl Company<Campaign> for Presence {
    fn connect(&mut self, room: &Campaign, member: &Member, _: ConnectionKey, arrival: Arrival, now: Timestamp) -> Change {
        self.members_len.get_or_insert(room.members_len());
        Presence::connect(self, member, arrival, room.members_len(), now)
    }

    fn disconnect(&mut self, room: &Campaign, member: MemberNo, _: ConnectionKey, now: Timestamp) -> Change {
        Presence::disconnect(self, member, room.members_len(), now)
    }

    fn signal(
        &mut self,
        _: &Campaign,
        _: &Member,
        _: ConnectionKey,
        signal: Infallible,
        _: Timestamp,
    ) -> Result<Vec<Part<ServerMessage>>, Rejection> {
        match signal {}
    }

    fn room_changed(&mut self, room: &Campaign, now: Timestamp) -> Vec<Part<ServerMessage>> {
        let members_len = room.members_len();
        if self.members_len.replace(members_len).is_some_and(|before| before != members_len) {
            self.members_changed(members_len, now);
        }
        Vec::new()
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    fn due(&mut self, room: &Campaign, now: Timestamp) -> Vec<Part<ServerMessage>> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        Presence::due(self, &room.members(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(n: u32) -> Vec<Member> {
        (0..n)
            .map(|no| Member { no: MemberNo(no), user: UserId::new(format!("u{no}")), name: format!("N{no}").into(), leads: no == 0 })
            .collect()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    /// What this member is told of a frame list.
    fn told(parts: &[Part<ServerMessage>], member: u32) -> Vec<ServerMessage> {
        let mine = parts.iter().find(|part| part.to.holds(MemberNo(member), member == 0));
        mine.map(|part| part.frames.clone()).unwrap_or_default()
    }

    #[test]
    fn only_the_first_connection_and_the_last_disconnection_are_told() {
        let (people, mut presence) = (members(3), Presence::default());
        let first = presence.connect(&people[1], Arrival::Fresh, 3, at(0));
        assert!(first.presence_changed);
        assert_eq!(told(&first.parts, 1), []);
        assert_eq!(told(&first.parts, 2), [ServerMessage::PlayerJoined { user_id: "u1".into(), name: "N1".into() }]);
        let second = presence.connect(&people[1], Arrival::Fresh, 3, at(0));
        assert_eq!(second, Change { presence_changed: false, parts: vec![] });
        assert!(!presence.disconnect(MemberNo(1), 3, at(0)).presence_changed);
        assert!(presence.is_online(MemberNo(1)));
        let last = presence.disconnect(MemberNo(1), 3, at(0));
        assert!(last.presence_changed);
        assert_eq!(told(&last.parts, 0), [ServerMessage::PlayerLeft { user_id: "u1".into() }]);
        assert!(!presence.disconnect(MemberNo(1), 3, at(0)).presence_changed);
    }

    #[test]
    fn the_list_is_told_at_once_and_then_at_most_once_a_second() {
        let (people, mut presence) = (members(3), Presence::default());
        presence.connect(&people[1], Arrival::Fresh, 3, at(5_000));
        assert_eq!(presence.deadline(), Some(at(5_000)));
        let list = told(&presence.due(&people, at(5_000)), 2);
        let online = |list: &[ServerMessage]| match list {
            [ServerMessage::PlayerPresence { players }] => players.iter().map(|player| player.online).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(online(&list), [false, true, false]);
        presence.connect(&people[2], Arrival::Fresh, 3, at(5_300));
        presence.connect(&people[2], Arrival::Resumed, 3, at(5_400));
        assert_eq!(presence.deadline(), Some(at(6_000)));
        assert_eq!(presence.due(&people, at(5_999)), []);
        assert_eq!(online(&told(&presence.due(&people, at(6_000)), 0)), [false, true, true]);
        assert_eq!(presence.deadline(), None);
    }

    #[test]
    fn a_resumed_connection_is_followed_by_the_list_even_if_nobody_came() {
        let (people, mut presence) = (members(2), Presence::default());
        presence.connect(&people[1], Arrival::Fresh, 2, at(0));
        presence.due(&people, at(0));
        presence.connect(&people[1], Arrival::Fresh, 2, at(2_000));
        assert_eq!(presence.deadline(), None);
        presence.connect(&people[1], Arrival::Resumed, 2, at(2_000));
        assert_eq!(presence.deadline(), Some(at(2_000)));
    }

    #[test]
    fn a_large_room_is_told_the_sum_of_comings_and_goings_once_a_second() {
        let (people, mut presence) = (members(300), Presence::default());
        let connect = |presence: &mut Presence, no: usize, ms| presence.connect(&people[no], Arrival::Fresh, 300, at(ms));
        assert_eq!(connect(&mut presence, 1, 0).parts, []);
        presence.due(&people, at(0));
        connect(&mut presence, 2, 100);
        connect(&mut presence, 3, 200);
        presence.disconnect(MemberNo(3), 300, at(300));
        presence.disconnect(MemberNo(1), 300, at(400));
        connect(&mut presence, 4, 400);
        presence.disconnect(MemberNo(1), 300, at(500));
        let parts = presence.due(&people, at(1_000));
        let changes = ServerMessage::PlayerChanges {
            joined: [2, 4].map(|no| JoinedPlayer { user_id: UserId::new(format!("u{no}")), name: format!("N{no}").into() }).into(),
            left: vec!["u1".into()],
        };
        assert_eq!(told(&parts, 0), std::slice::from_ref(&changes));
        let [ServerMessage::PlayerPresence { players }, last] = &told(&parts, 2)[..] else { panic!("{parts:?}") };
        assert_eq!(players.iter().map(|player| player.user_id.as_str()).collect::<Vec<_>>(), ["u2", "u4"]);
        assert_eq!(last, &changes);
    }

    #[test]
    fn who_came_and_went_between_two_tellings_is_not_mentioned() {
        let (people, mut presence) = (members(300), Presence::default());
        presence.connect(&people[5], Arrival::Fresh, 300, at(0));
        presence.disconnect(MemberNo(5), 300, at(1));
        assert_eq!(presence.due(&people, at(2_000)), []);
    }
}
