//! What is known of messages: of those that were touched last, so that a commit on its way to the database need not be asked for.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::protocol::ids::MessageId;
use crate::protocol::limits::MESSAGES_AT_HAND_MAX;
use crate::rooms::chat::rows::StoredMessage;

/// Ids of which the database said that there is no such message, so that a command that names one is not looked up twice.
const MISSES_MAX: usize = 256;

/// Facts about messages, the ones that were touched longest ago forgotten first.
#[derive(Debug, Default)]
pub struct Facts {
    by_id: HashMap<MessageId, Known>,
    /// By the time of the last touch, which is a count.
    order: BTreeMap<u64, MessageId>,
    touches: u64,
    misses: VecDeque<MessageId>,
}

#[derive(Debug)]
struct Known {
    message: StoredMessage,
    touch: u64,
}

impl Facts {
    pub fn get(&self, id: &MessageId) -> Option<&StoredMessage> {
        self.by_id.get(id).map(|known| &known.message)
    }

    /// Whether the database need not be asked: what it knows is known here.
    pub fn is_at_hand(&self, id: &MessageId) -> bool {
        self.by_id.contains_key(id) || self.misses.contains(id)
    }

    /// What the room decided: it stands for what was known.
    pub fn put(&mut self, message: StoredMessage) {
        let id = message.id.clone();
        self.touches += 1;
        self.order.insert(self.touches, id.clone());
        if let Some(old) = self.by_id.insert(id, Known { message, touch: self.touches }) {
            self.order.remove(&old.touch);
        }
        while self.by_id.len() > MESSAGES_AT_HAND_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// What the database said. What is known already may be newer.
    pub fn learn(&mut self, id: MessageId, found: Option<StoredMessage>) {
        match found {
            _ if self.is_at_hand(&id) => {}
            Some(message) => self.put(message),
            None => {
                if self.misses.len() == MISSES_MAX {
                    self.misses.pop_front();
                }
                self.misses.push_back(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chat::Target;
    use crate::protocol::time::Timestamp;

    fn message(n: usize) -> StoredMessage {
        StoredMessage {
            id: MessageId::new(format!("m{n}")),
            target: Target::Channel("c".into()),
            sequence: n as i64,
            author: "u".into(),
            parent: None,
            created_at: Timestamp::from_ms(0),
            deleted_at: None,
            reactions: Vec::new(),
        }
    }

    #[test]
    fn what_was_touched_longest_ago_is_forgotten_first() {
        let mut facts = Facts::default();
        (0..MESSAGES_AT_HAND_MAX).for_each(|n| facts.put(message(n)));
        facts.put(message(0));
        facts.put(message(MESSAGES_AT_HAND_MAX));
        assert!(facts.is_at_hand(&"m0".into()) && !facts.is_at_hand(&"m1".into()) && facts.is_at_hand(&"m2".into()));
        assert_eq!(facts.by_id.len(), facts.order.len());
    }

    #[test]
    fn what_is_known_is_not_replaced_by_what_was_read() {
        let mut facts = Facts::default();
        facts.put(StoredMessage { deleted_at: Some(Timestamp::from_ms(5)), ..message(1) });
        facts.learn("m1".into(), Some(message(1)));
        facts.learn("m1".into(), None);
        assert_eq!(facts.get(&"m1".into()).and_then(|message| message.deleted_at), Some(Timestamp::from_ms(5)));
    }

    #[test]
    fn a_miss_is_remembered_and_misses_crowd_out_no_facts() {
        let mut facts = Facts::default();
        facts.put(message(1));
        (0..2 * MISSES_MAX).for_each(|n| facts.learn(MessageId::new(format!("x{n}")), None));
        assert!(facts.is_at_hand(&MessageId::new(format!("x{}", 2 * MISSES_MAX - 1))));
        assert!(!facts.is_at_hand(&"x0".into()) && facts.is_at_hand(&"m1".into()));
        assert_eq!(facts.get(&"x511".into()), None);
    }
}
