//! What a client of Socket.IO has been sent, so that its last offset tells where it was in every room.
//!
//! An offset is a number: how many events the client was sent. A client that comes back names the last one that it got. What lies between that and the
//! present is known per room, by the room's own cursor; so nothing of what was sent has to be kept. What the client has certainly got is folded
//! together, so that the memory of a connection is bounded.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::actors::room::Cursor;
use crate::protocol::ids::{RoomId, RoomKind};

/// Changes that are remembered one by one. A client that has more than these on its way is too slow anyway.
const ENTRIES_MAX: usize = 2_048;

/// Where a client is in one room, as of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub cursor: Cursor,
    /// Events of the change after the cursor that it has got already.
    pub got: u32,
}

/// The events of one change of one room.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The offset of the first of them.
    first: u64,
    count: u32,
    room: RoomId,
    /// Where the client is when it has them all.
    seq: i64,
    epoch: i64,
    at: Instant,
}

impl Entry {
    fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }
}

#[derive(Clone, Debug)]
pub struct Offsets {
    /// The offset of the last event that was sent.
    last: u64,
    /// Where the client was in each room at `folded`.
    base: HashMap<RoomId, Position>,
    folded: u64,
    /// What was sent after `folded`, in order.
    entries: VecDeque<Entry>,
    /// After this time on a connection that lives, what was sent has arrived.
    arrived_after: Duration,
}

impl Offsets {
    /// `arrived_after`: a client that is silent for so long is dropped, so what it was sent before has arrived.
    pub fn new(arrived_after: Duration) -> Self {
        Self { last: 0, base: HashMap::new(), folded: 0, entries: VecDeque::new(), arrived_after }
    }

    /// Changes that are remembered one by one.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The offset of the next event.
    pub fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The client is in a room, and knows it up to here: the last events were the state of the room, if `shown`. Who has not got that begins anew.
    pub fn enter(&mut self, room: RoomId, cursor: Cursor, shown: bool) {
        if shown {
            while !self.entries.is_empty() {
                self.fold();
            }
            self.folded = self.last;
        }
        self.leave(&room);
        self.base.insert(room, Position { cursor, got: 0 });
    }

    pub fn leave(&mut self, room: &RoomId) {
        self.base.remove(room);
        self.entries.retain(|entry| entry.room != *room);
    }

    /// The last `count` events were those of the change `seq` of a room. A change of which this client hears nothing has none.
    pub fn said(&mut self, room: &RoomId, seq: i64, epoch: i64, count: u32, now: Instant) {
        if count == 0 {
            let latest = self.entries.iter_mut().rev().find(|entry| entry.room == *room);
            match (latest, self.base.get_mut(room)) {
                (Some(entry), _) => (entry.seq, entry.epoch) = (seq, epoch),
                (None, Some(position)) => *position = Position { cursor: Cursor { seq, epoch }, got: 0 },
                (None, None) => {}
            }
            return;
        }
        let first = self.last + 1 - u64::from(count);
        self.entries.push_back(Entry { first, count, room: room.clone(), seq, epoch, at: now });
        while self.entries.front().is_some_and(|entry| now.duration_since(entry.at) > self.arrived_after)
            || self.entries.len() > ENTRIES_MAX
        {
            self.fold();
        }
    }

    fn fold(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.folded = entry.last();
        if let Some(position) = self.base.get_mut(&entry.room) {
            *position = Position { cursor: Cursor { seq: entry.seq, epoch: entry.epoch }, got: 0 };
        }
    }

    /// Where a client is that got events up to `offset`, by room. `None` for an offset that it cannot have, or that is too long ago.
    pub fn positions(&self, offset: u64) -> Option<Vec<(RoomId, Position)>> {
        if !(self.folded..=self.last).contains(&offset) {
            return None;
        }
        let mut positions: HashMap<&RoomId, Position> = self.base.iter().map(|(room, &position)| (room, position)).collect();
        for entry in self.entries.iter().take_while(|entry| entry.first <= offset) {
            let Some(position) = positions.get_mut(&entry.room) else { continue };
            if entry.last() <= offset {
                *position = Position { cursor: Cursor { seq: entry.seq, epoch: entry.epoch }, got: 0 };
            } else {
                // The rest of a change of which some had come before.
                position.got += (offset + 1 - entry.first) as u32;
            }
        }
        Some(positions.into_iter().map(|(room, position)| (room.clone(), position)).collect())
    }

    /// The client has got what it was sent up to `offset`, and nothing after it: what is sent from now on is counted from there.
    pub fn rewind(&mut self, offset: u64) -> Option<Vec<(RoomId, Position)>> {
        let positions = self.positions(offset)?;
        self.base = positions.iter().cloned().collect();
        self.entries.clear();
        (self.last, self.folded) = (offset, offset);
        Some(positions)
    }

    /// For the database, when the server goes down.
    pub fn to_stored(&self) -> StoredOffsets {
        let base = self.base.iter().map(|(room, Position { cursor, got })| (name(room), cursor.seq, cursor.epoch, *got)).collect();
        let entry = |entry: &Entry| (entry.first, entry.count, name(&entry.room), entry.seq, entry.epoch);
        StoredOffsets { last: self.last, folded: self.folded, base, entries: self.entries.iter().map(entry).collect() }
    }

    pub fn from_stored(stored: StoredOffsets, arrived_after: Duration, now: Instant) -> Option<Self> {
        let StoredOffsets { last, folded, base, entries } = stored;
        let position =
            |(room, seq, epoch, got): (String, i64, i64, u32)| Some((parse(&room)?, Position { cursor: Cursor { seq, epoch }, got }));
        let base: Option<HashMap<RoomId, Position>> = base.into_iter().map(position).collect();
        let entry = |(first, count, room, seq, epoch): (u64, u32, String, i64, i64)| {
            Some(Entry { first, count, room: parse(&room)?, seq, epoch, at: now })
        };
        let entries: Option<VecDeque<Entry>> = entries.into_iter().map(entry).collect();
        Some(Self { last, base: base?, folded, entries: entries?, arrived_after })
    }
}

fn name(room: &RoomId) -> String {
    room.as_str().to_owned()
}

fn parse(name: &str) -> Option<RoomId> {
    let kinds = [RoomKind::Campaign, RoomKind::Workspace, RoomKind::Circle];
    let (kind, local) = name.split_once(':')?;
    kinds.into_iter().find(|known| known.as_str() == kind).map(|kind| RoomId::of(kind, local))
}

#[derive(Debug, Serialize, Deserialize)]
pub struct StoredOffsets {
    last: u64,
    folded: u64,
    base: Vec<(String, i64, i64, u32)>,
    entries: Vec<(u64, u32, String, i64, i64)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn room(name: &str) -> RoomId {
        RoomId::of(RoomKind::Workspace, name)
    }

    fn at(seq: i64) -> Cursor {
        Cursor { seq, epoch: 1 }
    }

    fn say(offsets: &mut Offsets, name: &str, seq: i64, count: u32, now: Instant) {
        (0..count).for_each(|_| {
            offsets.next();
        });
        offsets.said(&room(name), seq, 1, count, now);
    }

    fn position(offsets: &Offsets, offset: u64, name: &str) -> Option<(i64, u32)> {
        let positions = offsets.positions(offset)?;
        positions.into_iter().find(|(known, _)| *known == room(name)).map(|(_, position)| (position.cursor.seq, position.got))
    }

    #[test]
    fn a_client_that_got_nothing_is_where_it_came_in() {
        let mut offsets = Offsets::new(LONG);
        offsets.enter(room("a"), at(7), false);
        assert_eq!(position(&offsets, 0, "a"), Some((7, 0)));
        assert_eq!(position(&offsets, 1, "a"), None);
    }

    #[test]
    fn an_offset_tells_every_rooms_cursor_and_how_much_of_a_change_came() {
        let (mut offsets, now) = (Offsets::new(LONG), Instant::now());
        offsets.enter(room("a"), at(0), false);
        offsets.enter(room("b"), at(4), false);
        say(&mut offsets, "a", 1, 3, now);
        say(&mut offsets, "b", 5, 1, now);
        offsets.next(); // typing
        say(&mut offsets, "a", 2, 0, now);
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|offset| position(&offsets, offset, "a")),
            [Some((0, 0)), Some((0, 1)), Some((0, 2)), Some((2, 0)), Some((2, 0)), Some((2, 0))]
        );
        assert_eq!([3, 4, 5].map(|offset| position(&offsets, offset, "b")), [Some((4, 0)), Some((5, 0)), Some((5, 0))]);
    }

    #[test]
    fn who_came_back_is_counted_on_from_what_he_had_got() {
        let (mut offsets, now) = (Offsets::new(LONG), Instant::now());
        offsets.enter(room("a"), at(0), false);
        offsets.enter(room("b"), at(0), false);
        say(&mut offsets, "a", 1, 3, now);
        say(&mut offsets, "b", 1, 1, now);
        offsets.rewind(1).expect("is known");
        assert_eq!(
            (position(&offsets, 1, "a"), position(&offsets, 1, "b"), position(&offsets, 2, "a")),
            (Some((0, 1)), Some((0, 0)), None)
        );
        // The two that he had not got of the change.
        say(&mut offsets, "a", 1, 2, now);
        assert_eq!([2, 3].map(|offset| position(&offsets, offset, "a")), [Some((0, 2)), Some((1, 0))]);
        assert_eq!(position(&offsets, 3, "b"), Some((0, 0)));
    }

    #[test]
    fn what_has_arrived_long_ago_is_folded_and_an_offset_before_it_is_refused() {
        let (mut offsets, began) = (Offsets::new(LONG), Instant::now());
        offsets.enter(room("a"), at(0), false);
        say(&mut offsets, "a", 1, 1, began);
        say(&mut offsets, "a", 2, 1, began + LONG * 2);
        assert_eq!([0, 1, 2].map(|offset| position(&offsets, offset, "a")), [None, Some((1, 0)), Some((2, 0))]);
        let mut many = Offsets::new(LONG);
        many.enter(room("a"), at(0), false);
        (1..=10_000).for_each(|seq| say(&mut many, "a", seq, 1, began));
        assert!(many.entries.len() <= ENTRIES_MAX);
        assert_eq!(position(&many, 9_999, "a"), Some((9_999, 0)));
    }

    #[test]
    fn who_has_not_got_the_state_of_a_room_begins_anew() {
        let mut offsets = Offsets::new(LONG);
        offsets.enter(room("a"), at(0), false);
        for _ in 0..2 {
            offsets.next();
        }
        offsets.enter(room("b"), at(5), true);
        assert_eq!([1, 2].map(|offset| position(&offsets, offset, "b")), [None, Some((5, 0))]);
        assert_eq!(position(&offsets, 2, "a"), Some((0, 0)));
    }

    #[test]
    fn a_room_that_was_left_is_not_come_back_to() {
        let (mut offsets, now) = (Offsets::new(LONG), Instant::now());
        offsets.enter(room("a"), at(0), false);
        offsets.enter(room("b"), at(0), false);
        say(&mut offsets, "a", 1, 1, now);
        offsets.leave(&room("a"));
        assert_eq!(offsets.positions(1).map(|positions| positions.len()), Some(1));
    }

    proptest! {
        #[test]
        fn stored_offsets_tell_the_same(said in prop::collection::vec((0..3usize, 0..4u32), 0..60), offset in 0..100u64) {
            let (mut offsets, now) = (Offsets::new(LONG), Instant::now());
            let names = ["a", "b", "c"];
            names.iter().for_each(|name| offsets.enter(room(name), at(0), false));
            for (seq, (name, count)) in said.into_iter().enumerate() {
                say(&mut offsets, names[name], seq as i64 + 1, count, now);
            }
            let text = serde_json::to_string(&offsets.to_stored()).expect("is JSON");
            let read = Offsets::from_stored(serde_json::from_str(&text).expect("was written"), LONG, now).expect("names rooms");
            for name in names {
                prop_assert_eq!(position(&offsets, offset, name), position(&read, offset, name));
            }
        }
    }
}
