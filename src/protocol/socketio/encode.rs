//! What a server says.

use std::fmt::Write;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Namespace;

/// A text and the binary messages that must follow it, with nothing in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub text: ByteString,
    pub attachments: Vec<Bytes>,
}

/// `0{"sid":…}`: the client is in the namespace. With `pid` it may come back to where it was.
pub fn connected(nsp: &Namespace, sid: &str, pid: Option<&str>) -> ByteString {
    #[derive(Serialize)]
    struct Connected<'a> {
        sid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pid: Option<&'a str>,
    }
    (head('0', 0, nsp, None) + &json(&Connected { sid, pid })).into()
}

/// `4{"message":…}`: the client may not enter the namespace. It does not try again by itself.
pub fn connect_error(nsp: &Namespace, message: &str) -> ByteString {
    #[derive(Serialize)]
    struct Refusal<'a> {
        message: &'a str,
    }
    (head('4', 0, nsp, None) + &json(&Refusal { message })).into()
}

/// `1`: the client is not in the namespace any more. It does not come back by itself.
pub fn disconnect(nsp: &Namespace) -> ByteString {
    head('1', 0, nsp, None).into()
}

/// `2["name",…]`. The placeholders in the arguments are those of the attachments.
pub fn event(nsp: &Namespace, ack: Option<u64>, name: &str, args: &[Box<RawValue>], attachments: Vec<Bytes>) -> Encoded {
    let kind = if attachments.is_empty() { '2' } else { '5' };
    let mut text = head(kind, attachments.len(), nsp, ack);
    text.push('[');
    text.push_str(&json(name));
    args.iter().for_each(|argument| text.extend([",", argument.get()]));
    text.push(']');
    Encoded { text: text.into(), attachments }
}

/// `3n[…]`. The placeholders in the arguments are those of the attachments.
pub fn ack(nsp: &Namespace, id: u64, args: &[Box<RawValue>], attachments: Vec<Bytes>) -> Encoded {
    let kind = if attachments.is_empty() { '3' } else { '6' };
    let mut text = head(kind, attachments.len(), nsp, Some(id));
    text.push('[');
    for (n, argument) in args.iter().enumerate() {
        text.extend([if n == 0 { "" } else { "," }, argument.get()]);
    }
    text.push(']');
    Encoded { text: text.into(), attachments }
}

/// An event of the main namespace with one argument, encoded once for all who get it: `2["type",{…}` is theirs together, and what closes it is
/// each connection's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedEvent {
    body: ByteString,
}

impl SharedEvent {
    /// `argument` is JSON.
    pub fn new(name: &str, argument: &str) -> Self {
        Self { body: format!("2[{},{argument}", json(name)).into() }
    }

    /// The event of a frame `{"type":"name",…}`: its other fields are the argument. `None` for a text that does not begin so.
    pub fn of_frame(frame: &str) -> Option<Self> {
        let rest = frame.strip_prefix(r#"{"type":"#)?;
        // The names of our frames need no escapes.
        let len = rest.strip_prefix('"')?.find('"')? + 2;
        let (name, fields) = rest.split_at(len);
        let fields = fields.strip_prefix(',').unwrap_or(fields);
        let is_whole = fields.ends_with('}') && !name.contains('\\');
        is_whole.then(|| Self { body: format!("2[{name},{{{fields}").into() })
    }

    /// All but the end.
    pub fn body(&self) -> &ByteString {
        &self.body
    }

    /// The end, with the connection's offset as the last argument if it has one.
    pub fn tail(offset: Option<&str>) -> ByteString {
        match offset {
            Some(offset) => format!(",{}]", json(offset)).into(),
            None => ByteString::from_static("]"),
        }
    }

    /// The whole text.
    pub fn text(&self, offset: Option<&str>) -> ByteString {
        [&*self.body, &*Self::tail(offset)].concat().into()
    }
}

fn head(kind: char, attachments: usize, nsp: &Namespace, ack: Option<u64>) -> String {
    let mut text = String::from(kind);
    // Writing to a text cannot fail.
    if attachments > 0 {
        let _ = write!(text, "{attachments}-");
    }
    if !nsp.is_main() {
        text.extend([nsp.as_str(), ","]);
    }
    if let Some(ack) = ack {
        let _ = write!(text, "{ack}");
    }
    text
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and objects of texts are JSON")
}
