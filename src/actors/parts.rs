//! One change as it travels: every frame serialized once, framed once for each kind of transport, shared by all who may see it.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::protocol::frame;
use crate::rooms::kernel::{Audience, MemberNo, Part, RoomLogic, Topic};
use crate::rooms::members::MemberSet;

/// The frames of one change, by audience, matched first to last.
#[derive(Clone, Debug, Default)]
pub struct EncodedParts {
    /// Of the change; `None` for what is not numbered.
    pub seq: Option<i64>,
    parts: Vec<EncodedPart>,
}

#[derive(Clone, Debug)]
pub struct EncodedPart {
    to: Audience,
    /// Who has left this topic does not get it.
    pub topic: Option<Topic>,
    /// It takes the place of an older one of this name that a slow reader has not been sent.
    pub latest: Option<Arc<str>>,
    pub frames: Frames,
}

/// Frames in the order in which they are to be read: JSON texts, framed.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    /// WebSocket frames, one after the other, ready for a socket.
    wire: Bytes,
    /// How many frames `wire` holds.
    count: u32,
    events: OnceLock<Arc<[ByteString]>>,
}

impl Frames {
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut wire, mut count) = (BytesMut::new(), 0);
        for text in texts {
            frame::encode_into(&mut wire, frame::Opcode::Text, text.as_bytes());
            count += 1;
        }
        Self { wire: wire.freeze(), count, events: OnceLock::new() }
    }

    /// Messages of a room; with `seq` each gets that number as its last field.
    pub fn of<M: Serialize>(messages: &[M], seq: Option<i64>) -> Self {
        let texts: Vec<String> = messages.iter().map(|message| json(message, seq)).collect();
        Self::new(texts.iter().map(String::as_str))
    }

    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    pub fn len(&self) -> u32 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The frames as events of Socket.IO, each the beginning of an array that is still open: `["hex:revealed",{"hexKeys":[…],"seq":7}`. Made at the first
    /// use, and then shared.
    pub fn events(&self) -> &Arc<[ByteString]> {
        self.events.get_or_init(|| frame::payloads(&self.wire).map(event).collect())
    }
}

/// From `{"type":"x","a":1}` to `["x",{"a":1}`.
fn event(text: &[u8]) -> ByteString {
    let text = std::str::from_utf8(text).expect("frames are framed texts");
    let rest = text.strip_prefix("{\"type\":").expect("a frame begins with its type");
    // Names of events hold no quotes.
    let name_len = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
    let (name, fields) = rest.split_at(name_len);
    let fields = fields.strip_prefix(',').unwrap_or(fields);
    match fields.strip_prefix("\"userId\":").and_then(|rest| rest.strip_suffix('}')) {
        // Of these the argument is the user id alone.
        Some(user) if matches!(name, "\"user:online\"" | "\"user:offline\"") => ["[", name, ",", user].concat().into(),
        _ => ["[", name, ",{", fields].concat().into(),
    }
}

impl EncodedParts {
    /// What the member gets: the first part that holds him or her.
    pub fn matching(&self, member: MemberNo, leads: bool) -> Option<usize> {
        self.parts.iter().position(|part| part.to.holds(member, leads))
    }

    /// A part that [`EncodedParts::matching`] found.
    pub fn part(&self, index: usize) -> &EncodedPart {
        &self.parts[index]
    }

    /// The bytes of the largest part.
    pub fn largest(&self) -> usize {
        self.parts.iter().map(|part| part.frames.wire.len()).max().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// True when any of it may be dropped for a newer one.
    pub fn has_latest(&self) -> bool {
        self.parts.iter().any(|part| part.latest.is_some())
    }
}

/// A room's messages, serialized: for the sockets and for the journal.
pub struct Encoding {
    pub parts: EncodedParts,
    /// The form of `room_event.parts`: `[{"to": audience, "frames": [{…}, …]}]`.
    pub stored: Vec<u8>,
}

/// Serializes the frames of one change; with `seq` each gets that number as its last field.
pub fn encode<M: Serialize>(parts: &[Part<M>], seq: Option<i64>) -> Encoding {
    let stored: Vec<StoredPart> = parts
        .iter()
        .map(|part| StoredPart {
            to: StoredAudience(part.to.clone()),
            frames: part.frames.iter().map(|message| raw(json(message, seq))).collect(),
        })
        .collect();
    let bytes = serde_json::to_vec(&stored).expect("raw values are valid JSON");
    Encoding { parts: framed(&stored, seq), stored: bytes }
}

/// The same, with what the room knows of its frames besides.
pub fn encode_of<L: RoomLogic>(room: &L, parts: &[Part<L::Message>], seq: i64) -> Encoding {
    let mut encoding = encode(parts, Some(seq));
    for (encoded, part) in encoding.parts.parts.iter_mut().zip(parts) {
        encoded.topic = topic_of(room, part);
    }
    encoding
}

/// What is not numbered, and so not for the journal.
pub fn encode_unnumbered<L: RoomLogic>(room: &L, parts: &[Part<L::Message>]) -> EncodedParts {
    let encoded = |part: &Part<L::Message>| EncodedPart {
        to: part.to.clone(),
        topic: topic_of(room, part),
        latest: part.frames.first().and_then(L::latest).map(Into::into),
        frames: Frames::of(&part.frames, None),
    };
    EncodedParts { seq: None, parts: parts.iter().map(encoded).collect() }
}

/// Frames of several topics that come together are heard by whoever has left one of them, too.
fn topic_of<L: RoomLogic>(room: &L, part: &Part<L::Message>) -> Option<Topic> {
    let mut topics = part.frames.iter().map(|message| room.topic(message));
    let first = topics.next().flatten();
    first.filter(|_| topics.all(|topic| topic == first))
}

/// One frame on its own, for one connection.
pub fn encode_one<M: Serialize>(message: &M, seq: Option<i64>) -> Bytes {
    frame::text(json(message, seq).as_bytes())
}

/// Reads the form of the journal again.
pub fn decode_stored(stored: &[u8], seq: i64) -> serde_json::Result<EncodedParts> {
    let parts: Vec<StoredPart> = serde_json::from_slice(stored)?;
    Ok(framed(&parts, Some(seq)))
}

/// The JSON texts that a member gets of a change in the form of the journal.
pub fn texts_for(stored: &[u8], member: MemberNo, leads: bool) -> serde_json::Result<Vec<String>> {
    let parts: Vec<StoredPart> = serde_json::from_slice(stored)?;
    let part = parts.into_iter().find(|part| part.to.0.holds(member, leads));
    Ok(part.map_or_else(Vec::new, |part| part.frames.iter().map(|frame| frame.get().to_owned()).collect()))
}

fn framed(stored: &[StoredPart], seq: Option<i64>) -> EncodedParts {
    let framed = |part: &StoredPart| {
        let frames = Frames::new(part.frames.iter().map(|text| text.get()));
        EncodedPart { to: part.to.0.clone(), topic: None, latest: None, frames }
    };
    EncodedParts { seq, parts: stored.iter().map(framed).collect() }
}

/// A message as a JSON object, with its number as the last field.
fn json<M: Serialize>(message: &M, seq: Option<i64>) -> String {
    let mut text = serde_json::to_string(message).expect("messages have string keys and no failing parts");
    if let Some(seq) = seq {
        let closed = text.pop();
        debug_assert_eq!(closed, Some('}'), "a message is an object");
        let comma = if text.ends_with('{') { "" } else { "," };
        text.push_str(&format!("{comma}\"seq\":{seq}}}"));
    }
    text
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("serde_json writes valid JSON")
}

#[derive(Serialize, Deserialize)]
struct StoredPart {
    to: StoredAudience,
    frames: Vec<Box<RawValue>>,
}

/// `"all"`, `"dm"`, or a set of members as hexadecimal bits.
struct StoredAudience(Audience);

impl Serialize for StoredAudience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Audience::All => serializer.serialize_str("all"),
            Audience::Dm => serializer.serialize_str("dm"),
            Audience::Members(set) => {
                let hex: String = set.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                serializer.serialize_str(&format!("members:{hex}"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for StoredAudience {
    /// An audience that this version does not know holds nobody.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let audience = match text.as_str() {
            "all" => Audience::All,
            "dm" => Audience::Dm,
            other => match other.strip_prefix("members:") {
                Some(hex) => Audience::Members(bits(hex).ok_or_else(|| D::Error::custom("not hexadecimal bits"))?),
                None => Audience::Members(MemberSet::new()),
            },
        };
        Ok(Self(audience))
    }
}

fn bits(hex: &str) -> Option<MemberSet> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.map(|bytes| MemberSet::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(tag = "type")]
    enum Say {
        #[serde(rename = "hello")]
        Hello { to: &'static str },
    }

    fn parts() -> Vec<Part<Say>> {
        let only = |n| Audience::Members(MemberSet::one(MemberNo(n)));
        vec![
            Part { to: Audience::Dm, frames: vec![Say::Hello { to: "dm" }, Say::Hello { to: "again" }] },
            Part { to: only(70), frames: vec![] },
            Part { to: only(2), frames: vec![Say::Hello { to: "two" }] },
        ]
    }

    #[test]
    fn the_first_part_that_holds_a_member_is_the_members_and_no_other() {
        let stored = encode(&parts(), Some(7)).stored;
        let texts = |member, leads| texts_for(&stored, MemberNo(member), leads).expect("was just encoded");
        assert_eq!(texts(2, true), [r#"{"type":"hello","to":"dm","seq":7}"#, r#"{"type":"hello","to":"again","seq":7}"#]);
        assert_eq!(texts(2, false), [r#"{"type":"hello","to":"two","seq":7}"#]);
        assert!(texts(70, false).is_empty() && texts(3, false).is_empty());
    }

    #[test]
    fn what_is_read_from_the_journal_is_what_was_sent() {
        let encoding = encode(&parts(), Some(7));
        let read = decode_stored(&encoding.stored, 7).expect("was just encoded");
        for (member, leads) in [(1, true), (2, false), (70, false)] {
            let index = encoding.parts.matching(MemberNo(member), leads).expect("is held");
            assert_eq!(read.matching(MemberNo(member), leads), Some(index));
            assert_eq!(read.part(index).frames.wire(), encoding.parts.part(index).frames.wire());
        }
        assert_eq!(read.matching(MemberNo(9), false), None);
    }

    #[test]
    fn a_frame_as_an_event_has_its_type_as_the_name_and_the_rest_as_the_argument() {
        let events =
            Frames::new([r#"{"type":"ready"}"#, r#"{"type":"hello","to":"dm","seq":7}"#, r#"{"type":"user:online","userId":"u"}"#]);
        let events: Vec<&str> = events.events().iter().map(|event| &**event).collect();
        assert_eq!(events, [r#"["ready",{}"#, r#"["hello",{"to":"dm","seq":7}"#, r#"["user:online","u""#]);
    }

    #[test]
    fn an_audience_of_another_version_holds_nobody() {
        let read = decode_stored(br#"[{"to":"observers","frames":[{"type":"x"}]}]"#, 1).expect("is well formed");
        assert_eq!(read.matching(MemberNo(0), true), None);
    }
}
