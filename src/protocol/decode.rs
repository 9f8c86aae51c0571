//! From what a client sent to what it means, in three steps that each have their own refusal: JSON, the head (`type`, `id`), the fields.
//!
//! The text is read twice: once to know that it is JSON, that no string holds U+0000 and no object a key twice, and what its head
//! is; once more for the fields of its type. Both passes are linear; the depth is bounded by serde_json (128).

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::CommandId;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<B> {
    pub id: Option<CommandId>,
    pub body: B,
}

/// What it means, in a vocabulary of commands, questions and signals. A vocabulary may have none of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<C, Q = Infallible, S = Infallible> {
    /// Answered by the connection itself.
    Ping,
    Command(C),
    Query(Q),
    Signal(S),
}

/// What means nothing, with its `id` if that could be read.
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

fn bad(id: Option<CommandId>, message: impl fmt::Display) -> Refused {
    refused(id, ErrorCode::BadMessage, message)
}

/// Reads a text frame, whose `type` says what it is. `read` reads the fields of a type that it knows.
pub(super) fn frame<B>(text: &str, read: fn(&str, &str) -> Option<Result<B, String>>) -> Result<Decoded<B>, Refused> {
    let (id, head) = id_and_head(text, "a frame is a JSON object")?;
    let kind = match head.kind {
        Given::Text(kind) => kind,
        Given::Absent => return Err(bad(id, "missing field `type`")),
        Given::Other => return Err(bad(id, "type: is not a string")),
    };
    let found = read(&kind, text);
    decoded(id, found, &kind, head.problem)
}

/// Reads an event, whose name says what it is: its fields hold no `type`.
pub(super) fn event<B>(name: &str, fields: &str, read: fn(&str, &str) -> Option<Result<B, String>>) -> Result<Decoded<B>, Refused> {
    let (id, head) = id_and_head(fields, "the argument of an event is a JSON object")?;
    let problem = match head.kind {
        Given::Absent => head.problem,
        Given::Text(_) | Given::Other => Some("unknown field `type`".into()),
    };
    decoded(id, read(name, fields), name, problem)
}

fn decoded<B>(id: Option<CommandId>, found: Option<Result<B, String>>, kind: &str, problem: Option<String>) -> Result<Decoded<B>, Refused> {
    match (found, problem) {
        (None, _) => Err(bad(id, format_args!("type: unknown command `{kind}`"))),
        (Some(_), Some(problem)) | (Some(Err(problem)), None) => Err(bad(id, problem)),
        (Some(Ok(body)), None) => Ok(Decoded { id, body }),
    }
}

fn id_and_head(text: &str, is_object: &str) -> Result<(Option<CommandId>, Head), Refused> {
    let mut head = scan(text).map_err(|error| refused(None, ErrorCode::BadJson, format_args!("not JSON: {error}")))?;
    if !head.is_object {
        return Err(bad(None, is_object));
    }
    let id = match std::mem::take(&mut head.id) {
        Given::Absent => None,
        Given::Text(text) => {
            Some(CommandId::parse(&text).ok_or_else(|| bad(None, "id: is not a string of 1–64 characters without U+0000"))?)
        }
        Given::Other => return Err(bad(None, "id: is not a string of 1–64 characters")),
    };
    Ok((id, head))
}

/// The `id` of a text frame that is not going to be read.
pub fn id_of(text: &str) -> Option<CommandId> {
    id_and_head(text, "").ok()?.0
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
