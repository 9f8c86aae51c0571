//! What a room remembers of the commands that it acknowledged, so that one sent again is answered and not done (I3).
//!
//! The newest answers are kept whole. Of older ones only a fingerprint is kept, for as long as the id counts: an id whose fingerprint is unknown
//! is certainly new, and one that is known but not at hand is looked up in the database. So a busy room asks the database only for real repeats.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::protocol::ids::{CommandId, UserId};
use crate::protocol::limits::{COMMAND_MEMORY, COMMANDS_REMEMBERED_MAX};
use crate::protocol::time::Timestamp;

/// Fingerprints of one generation; beyond, every unknown id is looked up. 8 MB at the most.
const FINGERPRINTS_MAX: usize = 500_000;

/// An acknowledged command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Of the command as it was parsed.
    pub hash: [u8; 16],
    pub seq: i64,
    /// The answer's fields besides `id` and `seq`, as a JSON object.
    pub answer: Arc<[u8]>,
    pub at: Timestamp,
}

/// What the memory says of an id.
#[derive(Debug, PartialEq, Eq)]
pub enum Recall {
    New,
    Known(Remembered),
    /// It may have been acknowledged: the database knows.
    AskDatabase,
}

type Key = (UserId, CommandId);

#[derive(Default)]
pub struct CommandMemory {
    answers: HashMap<Key, Remembered>,
    oldest_first: VecDeque<Key>,
    /// Fingerprints of what left `answers`: the generation being filled and the one before it.
    young: HashSet<u64>,
    old: HashSet<u64>,
    young_since: Timestamp,
    /// Until then an id that is not known may still be one of those that are not in memory.
    incomplete_until: Timestamp,
}

impl CommandMemory {
    /// From the newest rows of the database, oldest first. `complete` is false when there were more rows than were read.
    pub fn from_rows(rows: impl IntoIterator<Item = (UserId, CommandId, Remembered)>, complete: bool, now: Timestamp) -> Self {
        let incomplete_until = if complete { Timestamp::default() } else { now.plus(COMMAND_MEMORY) };
        let mut memory = Self { young_since: now, incomplete_until, ..Self::default() };
        rows.into_iter().for_each(|(user, id, remembered)| memory.remember(user, id, remembered));
        memory
    }

    pub fn recall(&mut self, user: &UserId, id: &CommandId, now: Timestamp) -> Recall {
        self.turn_generations(now);
        let key = (user.clone(), id.clone());
        if let Some(remembered) = self.answers.get(&key) {
            let counts = now.since(remembered.at) < COMMAND_MEMORY;
            return if counts { Recall::Known(remembered.clone()) } else { Recall::New };
        }
        let print = fingerprint(&key);
        let may_exist = now < self.incomplete_until || self.young.contains(&print) || self.old.contains(&print);
        if may_exist { Recall::AskDatabase } else { Recall::New }
    }

    pub fn remember(&mut self, user: UserId, id: CommandId, remembered: Remembered) {
        self.turn_generations(remembered.at);
        let key = (user, id);
        if self.answers.insert(key.clone(), remembered).is_none() {
            self.oldest_first.push_back(key);
        }
        while self.oldest_first.len() > COMMANDS_REMEMBERED_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(key) = self.oldest_first.pop_front() else { return };
        let Some(remembered) = self.answers.remove(&key) else { return };
        if self.young.len() < FINGERPRINTS_MAX {
            self.young.insert(fingerprint(&key));
        } else {
            self.incomplete_until = self.incomplete_until.max(remembered.at.plus(COMMAND_MEMORY));
        }
    }

    /// A fingerprint lives for one to two times the span of memory.
    fn turn_generations(&mut self, now: Timestamp) {
        if now.since(self.young_since) >= COMMAND_MEMORY {
            self.old = std::mem::take(&mut self.young);
            self.young_since = now;
        }
    }
}

fn fingerprint(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> (UserId, CommandId) {
        (UserId::new("u"), CommandId::parse(&format!("c{n}")).expect("is short"))
    }

    fn remembered(seq: i64, at: i64) -> Remembered {
        Remembered { hash: [0; 16], seq, answer: Arc::from(*b"{}"), at: Timestamp::from_ms(at) }
    }

    fn filled(count: usize) -> CommandMemory {
        CommandMemory::from_rows((0..count).map(|n| (key(n).0, key(n).1, remembered(n as i64, 0))), true, Timestamp::from_ms(0))
    }

    fn recall(memory: &mut CommandMemory, n: usize, now: i64) -> Recall {
        memory.recall(&key(n).0, &key(n).1, Timestamp::from_ms(now))
    }

    #[test]
    fn the_newest_answers_are_at_hand_and_an_unknown_id_is_new() {
        let mut memory = filled(10);
        assert_eq!(recall(&mut memory, 3, 1), Recall::Known(remembered(3, 0)));
        assert_eq!(recall(&mut memory, 11, 1), Recall::New);
    }

    #[test]
    fn an_answer_that_left_memory_is_looked_up_and_an_id_never_seen_is_not() {
        let mut memory = filled(COMMANDS_REMEMBERED_MAX + 5);
        assert_eq!(recall(&mut memory, 4, 1), Recall::AskDatabase);
        assert_eq!(recall(&mut memory, 5, 1), Recall::Known(remembered(5, 0)));
        assert_eq!(recall(&mut memory, COMMANDS_REMEMBERED_MAX + 5, 1), Recall::New);
    }

    #[test]
    fn an_id_is_forgotten_after_ten_minutes() {
        let mut memory = filled(COMMANDS_REMEMBERED_MAX + 5);
        let span = COMMAND_MEMORY.as_millis() as i64;
        assert_eq!(recall(&mut memory, 5, span), Recall::New);
        assert_eq!(recall(&mut memory, 4, span + 1), Recall::AskDatabase);
        assert_eq!(recall(&mut memory, 4, 2 * span + 1), Recall::New);
    }

    #[test]
    fn a_memory_that_was_not_filled_completely_asks_for_ten_minutes() {
        let mut memory = CommandMemory::from_rows([], false, Timestamp::from_ms(0));
        assert_eq!(recall(&mut memory, 1, 1), Recall::AskDatabase);
        assert_eq!(recall(&mut memory, 1, COMMAND_MEMORY.as_millis() as i64), Recall::New);
    }
}
