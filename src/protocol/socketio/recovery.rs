//! How a client that comes back says where it was: two fields among those of its `auth`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Bytes of a `pid` or an `offset`; a longer one is none of ours.
const BYTES_MAX: usize = 128;

/// Where a client says that it was.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// A secret: who has it is taken for the client.
    pub pid: String,
    /// That of the last event that came; `None` when nothing has come yet.
    pub offset: Option<String>,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Takes `pid` and `offset` out of an `auth`; the rest is as it was, in its order. Where one of them is not a text of a fitting length, or stands
/// twice, the client starts anew.
pub fn split_recovery(auth: &RawValue) -> (Option<Recovery>, Box<RawValue>) {
    let Ok(Split { pid, offset, rest }) = serde_json::from_str(auth.get()) else { return (None, empty()) };
    let offset = match offset {
        Given::Absent => Some(None),
        Given::Text(offset) => Some(Some(offset)),
        Given::Junk => None,
    };
    let recovery = match (pid, offset) {
        (Given::Text(pid), Some(offset)) => Some(Recovery { pid, offset }),
        _ => None,
    };
    (recovery, RawValue::from_string(rest).unwrap_or_else(|_| empty()))
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("this is JSON")
}

#[derive(Default)]
enum Given {
    #[default]
    Absent,
    Text(String),
    Junk,
}

impl Given {
    fn take(&mut self, value: &RawValue) {
        let text = serde_json::from_str(value.get()).ok().filter(|text: &String| !text.is_empty() && text.len() <= BYTES_MAX);
        *self = match (&self, text) {
            (Given::Absent, Some(text)) => Given::Text(text),
            _ => Given::Junk,
        };
    }
}

#[derive(Default)]
struct Split {
    pid: Given,
    offset: Given,
    rest: String,
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Split;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Split, A::Error> {
        let mut split = Split { rest: "{".to_owned(), ..Split::default() };
        while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &RawValue>()? {
            match &*name {
                "pid" => split.pid.take(value),
                "offset" => split.offset.take(value),
                other => {
                    let comma = if split.rest.len() > 1 { "," } else { "" };
                    let name = serde_json::to_string(other).expect("a text is JSON");
                    split.rest.extend([comma, &name, ":", value.get()]);
                }
            }
        }
        split.rest.push('}');
        Ok(split)
    }
}
