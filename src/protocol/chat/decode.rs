//! What a client may send to a workspace.

use crate::protocol::chat::command::{Command, Query, Signal};
use crate::protocol::chat::commands::read;
use crate::protocol::decode::{self, Decoded, Refused};

/// What a client asks of a workspace.
pub type Body = decode::Body<Command, Query, Signal>;

/// Reads a client's text frame.
pub fn decode(text: &str) -> Result<Decoded<Body>, Refused> {
    decode::frame(text, read)
}

/// Reads an event by its name and the JSON text of its argument (`{}` when it has none).
pub fn decode_event(name: &str, fields: &str) -> Result<Decoded<Body>, Refused> {
    decode::event(name, fields, read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::chat::{command_schemas, knows};
    use crate::protocol::error::ErrorCode;

    const GOLDEN: &str = include_str!("../../../tests/golden/chat-commands.json");

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        text: String,
        id: Option<String>,
        /// A command as it is serialized; a question or a signal as it is written for debugging.
        means: Option<Value>,
        code: Option<String>,
        message: Option<String>,
    }

    fn cases() -> Vec<Case> {
        serde_json::from_str(GOLDEN).expect("golden file")
    }

    fn meaning(body: Body) -> Value {
        match body {
            Body::Ping => json!("ping"),
            Body::Command(command) => json!(command),
            Body::Query(query) => json!(format!("{query:?}")),
            Body::Signal(signal) => json!(format!("{signal:?}")),
        }
    }

    #[test]
    fn every_golden_frame_is_read_or_refused_as_written() {
        for Case { text, id, means, code, message } in cases() {
            let (got_id, got) = match decode(&text) {
                Ok(Decoded { id, body }) => (id, (Some(meaning(body)), None, None)),
                Err(Refused { id, rejection }) => (id, (None, Some(rejection.code.as_str().to_owned()), Some(rejection.message))),
            };
            let got = (got.0, got.1, got.2.filter(|_| message.is_some()));
            assert_eq!(got, (means, code, message), "{text}");
            assert_eq!(got_id.map(|id| id.as_str().to_owned()), id, "{text}");
        }
    }

    #[test]
    fn an_event_means_what_the_frame_with_its_name_means() {
        let good = cases().into_iter().filter(|case| case.code.is_none());
        for Case { text, .. } in good {
            let mut fields: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("an object");
            let Some(Value::String(name)) = fields.remove("type") else { panic!("{text}") };
            assert_eq!(decode_event(&name, &json!(fields).to_string()), decode(&text), "{text}");
            assert_eq!(decode_event(&name, &text).map_err(|refused| refused.rejection.code), Err(ErrorCode::BadMessage));
            assert!(knows(&name));
        }
        assert!(!knows("session:start"));
    }

    fn send(content: &str) -> Result<String, (ErrorCode, String)> {
        let text = json!({"type": "message:send", "targetId": "c", "targetType": "channel", "content": content}).to_string();
        match decode(&text) {
            Ok(Decoded { body: Body::Command(Command::Send { content, .. }), .. }) => Ok(content),
            Ok(other) => panic!("{other:?}"),
            Err(refused) => Err((refused.rejection.code, refused.rejection.message)),
        }
    }

    #[test]
    fn control_characters_and_turns_of_direction_are_replaced_and_joiners_stay() {
        assert_eq!(
            send("a\r\u{7}\u{85}\u{202e}b\u{2066}\u{2069}\n\tc"),
            Ok("a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}\u{fffd}\n\tc".into())
        );
        let family = "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} می\u{200c}خواهم \u{200f}";
        assert_eq!(send(family), Ok(family.into()));
        assert_eq!(send("a\0").map_err(|(code, _)| code), Err(ErrorCode::BadMessage));
    }

    #[test]
    fn contents_have_their_bounds_in_characters() {
        assert!(send(&"é".repeat(10_000)).is_ok());
        assert_eq!(send(&"é".repeat(10_001)), Err((ErrorCode::BadMessage, "content: must have 1–10000 characters".into())));
        assert_eq!(send(" \n\u{3000}"), Err((ErrorCode::BadMessage, "content: must be more than white space".into())));
        assert!(send("").is_err());
    }

    #[test]
    fn emoji_and_lists_have_their_bounds() {
        let toggle = |emoji: &str| decode(&json!({"type": "reaction:toggle", "messageId": "m", "emoji": emoji}).to_string()).is_ok();
        assert!(toggle("👍🏽") && toggle(&"x".repeat(32)));
        assert!(!toggle("") && !toggle(&"x".repeat(33)) && !toggle("a b") && !toggle("\u{202e}x") && !toggle("\u{1b}"));
        let fetch = |n: usize| decode(&json!({"type": "presence:fetch", "workspaceId": "w", "userIds": vec!["u"; n]}).to_string()).is_ok();
        assert!(fetch(0) && fetch(100) && !fetch(101));
        let unread = |n: usize| decode(&json!({"type": "unread:fetch", "channelIds": vec!["c"; n]}).to_string()).is_ok();
        assert!(unread(1_000) && !unread(1_001));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,80}", name in "[a-z:A-Z]{0,20}") {
            let _ = decode(&text);
            let _ = decode_event(&name, &text);
        }

        #[test]
        fn a_golden_frame_with_a_wound_is_read_or_refused_without_a_panic(case in 0..60usize, at in 0..120usize, with in any::<char>()) {
            let cases = cases();
            let mut chars: Vec<char> = cases[case % cases.len()].text.chars().collect();
            if let Some(place) = chars.get_mut(at) {
                *place = with;
            }
            let _ = decode(&chars.into_iter().collect::<String>());
        }

        #[test]
        fn a_content_that_is_taken_holds_nothing_harmful(content in "[\\x00-\\x1f a-c\u{202a}-\u{202e}\u{200d}\u{2066}-\u{2069}]{0,12}") {
            if let Ok(taken) = send(&content) {
                prop_assert_eq!(taken.chars().count(), content.chars().count());
                let harmful = |c: char| (c < ' ' && c != '\n' && c != '\t') || "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".contains(c);
                prop_assert!(!taken.contains(harmful));
                prop_assert_eq!(send(&taken), Ok(taken));
            }
        }
    }

    #[test]
    fn every_frame_has_a_schema_under_its_name() {
        let mut generator = schemars::SchemaGenerator::default();
        let schemas = command_schemas(&mut generator);
        assert_eq!(schemas.len(), 16);
        assert!(schemas.iter().all(|(name, _)| knows(name) && read(name, "{}").is_some()));
        assert!(schemas.iter().all(|(name, _)| generator.definitions().contains_key(*name)), "each has a name of its own");
    }
}
