//! Channels and conversations that a connection has left, which it does not hear although its user is in them.
//!
//! Whoever is recovered goes on as he was: the room knows the new connection, and nothing of what the lost one had left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::protocol::chat::Target;

/// Places that are remembered; one that is left beyond them is heard again after a recovery.
const LEFT_MAX: usize = 100;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Left(BTreeSet<String>);

/// What an event is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    channel_id: Option<String>,
    conversation_id: Option<String>,
    target_id: Option<String>,
    room_id: Option<String>,
}

fn id(target: &Target) -> &str {
    match target {
        Target::Channel(id) => id.as_str(),
        Target::Dm(id) => id.as_str(),
    }
}

impl Left {
    pub fn leave(&mut self, target: &Target) {
        if self.0.len() < LEFT_MAX {
            self.0.insert(id(target).to_owned());
        }
    }

    pub fn hear_again(&mut self, target: &Target) {
        self.0.remove(id(target));
    }

    /// Whether the connection is told an event, `["name",{…}`. Whose user comes into a place hears it.
    pub fn lets_hear(&mut self, event: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some((name, fields)) = event.strip_prefix("[\"").and_then(|rest| rest.split_once("\",")) else { return true };
        let is_of_place = name.starts_with("message:") || ["reaction:update", "typing:update", "channel:archived"].contains(&name);
        if !is_of_place && name != "room:joined" {
            return true;
        }
        let Ok(About { channel_id, conversation_id, target_id, room_id }) = serde_json::from_str(fields) else { return true };
        if let Some(room) = room_id {
            self.0.remove(&room);
        }
        let place = channel_id.or(conversation_id).or(target_id);
        !place.is_some_and(|place| self.0.contains(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_a_place_that_was_left_is_not_heard_and_all_else_is() {
        let mut left = Left::default();
        left.leave(&Target::Channel("a".into()));
        left.leave(&Target::Dm("d".into()));
        let unheard = [
            r#"["message:new",{"id":"m","content":"b","channelId":"a","conversationId":null,"seq":3}"#,
            r#"["message:deleted",{"messageId":"m","channelId":null,"conversationId":"d"}"#,
            r#"["typing:update",{"userId":"u","targetId":"d","isTyping":true}"#,
        ];
        let heard = [
            r#"["message:new",{"id":"a","content":"a","channelId":"b","conversationId":null}"#,
            r#"["unread:update",{"channelId":"a","unreadCount":0}"#,
            r#"["presence:update",{"userId":"a","status":"away"}"#,
            r#"["room:left",{"roomId":"a","roomType":"channel"}"#,
        ];
        assert!(unheard.iter().all(|event| !left.lets_hear(event)));
        assert!(heard.iter().all(|event| left.lets_hear(event)));
        left.hear_again(&Target::Dm("d".into()));
        assert!(left.lets_hear(unheard[1]));
        assert!(left.lets_hear(r#"["room:joined",{"roomId":"a","roomType":"channel"}"#));
        assert!(left.lets_hear(unheard[0]), "whose user comes into a place hears it");
    }
}
