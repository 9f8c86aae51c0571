//! Missed frames as their reader may be sent them now.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a frame names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    /// Of a message.
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    message_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    deleted_at: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    channel_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    conversation_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    room_id: Option<Cow<'a, str>>,
}

/// `None` when the reader was taken out of a place that an earlier frame names, or when a text cannot be read. What a message said that was deleted
/// later is not said again.
pub fn as_it_may_be_shown(missed: Vec<String>) -> Option<Vec<String>> {
    let frames: Vec<Named<'_>> = missed.iter().map(|text| serde_json::from_str(text).ok()).collect::<Option<_>>()?;
    if shows_a_place_that_was_left(&frames) {
        return None;
    }
    let deleted: HashMap<&str, &str> = frames
        .iter()
        .filter(|frame| frame.kind == "message:deleted")
        .filter_map(|frame| Some((frame.message_id.as_deref()?, frame.deleted_at.as_deref()?)))
        .collect();
    let shown = missed.iter().zip(&frames).map(|(text, frame)| {
        let deleted_at = frame.id.as_deref().and_then(|id| deleted.get(id));
        deleted_at.zip(frame.content).map_or_else(|| text.clone(), |(deleted_at, content)| without_content(text, content, deleted_at))
    });
    Some(shown.collect())
}

fn shows_a_place_that_was_left(frames: &[Named<'_>]) -> bool {
    let mut named = HashSet::new();
    frames.iter().any(|frame| {
        let place = frame.channel_id.as_ref().or(frame.conversation_id.as_ref()).or(frame.room_id.as_ref());
        place.is_some_and(|place| !named.insert(place) && frame.kind == "room:left")
    })
}

/// A quotation mark inside of a JSON string has a backslash before it, so that what is replaced are the fields and nothing that looks like them.
fn without_content(text: &str, content: &RawValue, deleted_at: &str) -> String {
    text.replacen(&format!("\"content\":{content}"), "\"content\":\"\"", 1).replacen(
        "\"deletedAt\":null",
        &format!("\"deletedAt\":\"{deleted_at}\""),
        1,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn message(kind: &str, id: &str, content: &str) -> String {
        format!(
            r#"{{"type":"{kind}","id":"{id}","content":{},"channelId":"c","conversationId":null,"deletedAt":null,"seq":5}}"#,
            json!(content)
        )
    }

    fn deleted(id: &str) -> String {
        format!(r#"{{"type":"message:deleted","messageId":"{id}","deletedAt":"2026-01-28T01:02:03.456Z","channelId":"c","seq":7}}"#)
    }

    fn left(id: &str) -> String {
        format!(r#"{{"type":"room:left","roomId":"{id}","roomType":"channel","seq":8}}"#)
    }

    #[test]
    fn what_a_message_said_that_was_deleted_since_is_not_said_again() {
        let tricky = r#"","deletedAt":null,"content":"x"#;
        let missed = vec![
            message("message:new", "a", tricky),
            message("message:new", "b", "stays"),
            message("message:edited", "a", "\\ secret"),
            deleted("a"),
        ];
        let shown = as_it_may_be_shown(missed.clone()).expect("nothing was left");
        for at in [0, 2] {
            let mut frame: Value = serde_json::from_str(&missed[at]).expect("JSON");
            frame["content"] = json!("");
            frame["deletedAt"] = json!("2026-01-28T01:02:03.456Z");
            assert_eq!(serde_json::from_str::<Value>(&shown[at]).expect("JSON"), frame);
        }
        assert_eq!((&shown[1], &shown[3]), (&missed[1], &missed[3]));
    }

    #[test]
    fn whoever_left_a_place_is_not_sent_what_he_missed_of_it() {
        assert_eq!(as_it_may_be_shown(vec![message("message:new", "a", "secret"), left("c")]), None);
        assert!(as_it_may_be_shown(vec![message("message:new", "a", "secret"), left("d")]).is_some());
        assert!(as_it_may_be_shown(vec![left("c"), message("message:new", "a", "after a return")]).is_some());
        assert_eq!(as_it_may_be_shown(vec!["no JSON".into()]), None);
    }
}
