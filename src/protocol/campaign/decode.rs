//! From a text frame to a command, in three steps that each have their own refusal: JSON, the head (`type`, `id`), the fields.
//!
//! The text is read twice: once to know that it is JSON, that no string holds U+0000 and no object a key twice, and what its head
//! is; once more for the fields of its type. Both passes are linear; the depth is bounded by serde_json (128).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::protocol::campaign::command::Command;
use crate::protocol::campaign::commands::read;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::CommandId;

/// A frame that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub id: Option<CommandId>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Answered by the connection itself.
    Ping,
    Command(Command),
}

/// A frame that is none, with its `id` if that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub id: Option<CommandId>,
    pub rejection: Rejection,
}

/// Characters of an error's text: it may quote what the client sent.
const MESSAGE_CHARS_MAX: usize = 200;

fn refused(id: Option<CommandId>, code: ErrorCode, message: impl fmt::Display) -> Refused {
    let message: String = message.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
    Refused { id, rejection: Rejection::new(code, message) }
}

/// Reads a client's text frame.
pub fn decode(text: &str) -> Result<Decoded, Refused> {
    let head = scan(text).map_err(|error| refused(None, ErrorCode::BadJson, format_args!("not JSON: {error}")))?;
    let bad = |id: Option<CommandId>, message: &dyn fmt::Display| refused(id, ErrorCode::BadMessage, message);
    if !head.is_object {
        return Err(bad(None, &"a frame is a JSON object"));
    }
    let id = match head.id {
        Given::Absent => None,
        Given::Text(text) => {
            Some(CommandId::parse(&text).ok_or_else(|| bad(None, &"id: is not a string of 1–64 characters without U+0000"))?)
        }
        Given::Other => return Err(bad(None, &"id: is not a string of 1–64 characters")),
    };
    let kind = match head.kind {
        Given::Text(kind) => kind,
        Given::Absent => return Err(bad(id, &"missing field `type`")),
        Given::Other => return Err(bad(id, &"type: is not a string")),
    };
    let Some(found) = read(&kind, text) else {
        return Err(bad(id, &format_args!("type: unknown command `{kind}`")));
    };
    if let Some(problem) = head.problem {
        return Err(bad(id, &problem));
    }
    match found {
        Ok(None) => Ok(Decoded { id, body: Body::Ping }),
        Ok(Some(command)) => Ok(Decoded { id, body: Body::Command(command) }),
        Err(reason) => Err(bad(id, &reason)),
    }
}

#[derive(Default)]
enum Given {
    #[default]
    Absent,
    Text(String),
    Other,
}

#[derive(Default)]
struct Head {
    is_object: bool,
    kind: Given,
    id: Given,
    /// The first key that stands twice or string that holds U+0000.
    problem: Option<String>,
}

fn scan(text: &str) -> Result<Head, serde_json::Error> {
    let mut head = Head::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Scan { head: &mut head, place: Place::Top }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(head)
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Top,
    /// Somewhere in this field of the frame.
    In(&'a str),
}

/// Walks a JSON value and keeps nothing of it but what [`Head`] wants. Its value is the text, when it is a string that stands in the frame
/// itself.
struct Scan<'a> {
    head: &'a mut Head,
    place: Place<'a>,
}

impl Scan<'_> {
    fn problem(&mut self, problem: impl FnOnce() -> String) {
        self.head.problem.get_or_insert_with(problem);
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = Given;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Given, E> {
        if text.contains('\0') {
            let place = match self.place {
                Place::Top => "frame",
                Place::In(field) => field,
            };
            self.problem(|| format!("{place}: holds U+0000"));
        }
        let wanted = matches!(self.place, Place::In("type" | "id"));
        Ok(if wanted { Given::Text(text.to_owned()) } else { Given::Other })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Given, A::Error> {
        let place = match self.place {
            Place::Top => Place::In("frame"),
            within => within,
        };
        while list.next_element_seed(Scan { head: &mut *self.head, place })?.is_some() {}
        Ok(Given::Other)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Given, A::Error> {
        let top = matches!(self.place, Place::Top);
        self.head.is_object |= top;
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let place = if top { Place::In(&key) } else { self.place };
            let found = map.next_value_seed(Scan { head: &mut *self.head, place })?;
            match (top, &*key) {
                (true, "type") => self.head.kind = found,
                (true, "id") => self.head.id = found,
                _ => {}
            }
            if key.contains('\0') {
                self.problem(|| "a field's name holds U+0000".into());
            }
            if keys.contains(&key) {
                self.problem(|| format!("duplicate field `{key}`"));
            } else {
                keys.insert(key);
            }
        }
        Ok(Given::Other)
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        text: String,
        id: Option<String>,
        command: Option<Value>,
        code: Option<String>,
        message: Option<String>,
    }

    #[test]
    fn every_golden_frame_is_read_or_refused_as_written() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/campaign-commands.json")).expect("golden file");
        for Case { text, id, command, code, message } in cases {
            let (got_id, got) = match decode(&text) {
                Ok(Decoded { id, body: Body::Ping }) => (id, (Some(json!("ping")), None, None)),
                Ok(Decoded { id, body: Body::Command(command) }) => (id, (Some(json!(command)), None, None)),
                Err(Refused { id, rejection }) => (id, (None, Some(rejection.code.as_str().to_owned()), Some(rejection.message))),
            };
            let got = (got.0, got.1, got.2.filter(|_| message.is_some()));
            assert_eq!(got, (command, code, message), "{text}");
            assert_eq!(got_id.map(|id| id.as_str().to_owned()), id, "{text}");
        }
    }

    fn reveal(keys: usize) -> String {
        let keys: Vec<String> = (0..keys).map(|n| format!("{},{}", n % 5_000, n / 5_000)).collect();
        json!({"type": "hex:reveal", "hexKeys": keys, "targets": "all"}).to_string()
    }

    fn token(label: &str, icon: &str) -> String {
        json!({"type": "token:create", "hexKey": "0,0", "label": label, "icon": icon, "color": "#000000", "tokenType": "pc"}).to_string()
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,80}") {
            let _ = decode(&text);
        }

        #[test]
        fn a_golden_frame_with_a_wound_is_read_or_refused_without_a_panic(case in 0..60usize, at in 0..120usize, with in any::<char>()) {
            let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/campaign-commands.json")).expect("golden file");
            let mut chars: Vec<char> = cases[case % cases.len()].text.chars().collect();
            if let Some(place) = chars.get_mut(at) {
                *place = with;
            }
            let _ = decode(&chars.into_iter().collect::<String>());
        }
    }

    #[test]
    fn lists_and_texts_have_their_bounds_in_entries_and_characters() {
        assert!(decode(&reveal(2_000)).is_ok());
        assert_eq!(decode(&reveal(2_001)).map_err(|refused| refused.rejection.message), Err("hexKeys: must have 1–2000 entries".into()));
        assert!(decode(&token(&"é".repeat(64), &"🐉".repeat(16))).is_ok());
        assert!(decode(&token(&"é".repeat(65), "i")).is_err());
        assert!(decode(&token("l", &"🐉".repeat(17))).is_err());
        let id = |n: usize| json!({"type": "ping", "id": "é".repeat(n)}).to_string();
        assert!(decode(&id(64)).is_ok());
        assert!(decode(&id(65)).is_err());
    }

    #[test]
    fn a_hostile_frame_costs_no_more_than_its_length() {
        let deep = format!("{{\"type\":\"ping\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(decode(&deep).map_err(|refused| refused.rejection.code), Err(ErrorCode::BadJson));
        let keys: Vec<String> = (0..20_000).map(|n| format!("\"k{n}\":0")).collect();
        let wide = format!("{{\"type\":\"ping\",{}}}", keys.join(","));
        let long = format!("{{\"type\":\"{}\"}}", "x".repeat(200_000));
        assert!(decode(&wide).is_err());
        let refused = decode(&long).expect_err("no command");
        assert!(refused.rejection.message.chars().count() <= MESSAGE_CHARS_MAX);
    }

    #[test]
    fn every_command_has_a_schema_under_its_name() {
        let schemas = crate::protocol::campaign::command_schemas(&mut schemars::SchemaGenerator::default());
        assert_eq!(schemas.len(), 15);
        assert!(schemas.iter().all(|(name, _)| read(name, "{}").is_some()));
    }
}
