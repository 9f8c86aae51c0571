//! The JSON of a packet: checked whole, taken apart only as far as needed.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{ARGUMENTS_MAX, DEPTH_MAX, Malformed};

/// The `auth` of a connecting client. There need not be one.
pub fn connect_payload(text: &str) -> Result<Option<Box<RawValue>>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err(Malformed::Payload);
    }
    let value: &RawValue = serde_json::from_str(text).map_err(|_| Malformed::Payload)?;
    check(value.get(), 0)?;
    Ok(Some(value.to_owned()))
}

/// The elements of an array, whose placeholders name one of so many attachments.
pub fn arguments(text: &str, attachments: usize) -> Result<Vec<&RawValue>, Malformed> {
    // JSON allows spaces before it, the framing does not: there the stock parser reads them as an id.
    if !text.starts_with('[') {
        return Err(Malformed::Payload);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let elements = json.deserialize_seq(Elements).map_err(|_| Malformed::Payload)?;
    json.end().map_err(|_| Malformed::Payload)?;
    check(text, attachments)?;
    Ok(elements)
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() == ARGUMENTS_MAX {
                return Err(A::Error::custom("too many arguments"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// How deep a JSON text goes and, if there are attachments, whether each placeholder in it names one of them. The text must be JSON.
///
/// Each byte is looked at once and no value is made: a recursive reader could be led as deep as the text is long, and one that decodes
/// strings refuses halves of surrogate pairs, which clients send when they cut a text.
fn check(json: &str, attachments: usize) -> Result<(), Malformed> {
    let bytes = json.as_bytes();
    // `None` is an array.
    let mut open: Vec<Option<Object>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'"' => string_end(bytes, at),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => word_end(bytes, at),
            _ => at + 1,
        };
        match byte {
            b'{' | b'[' => {
                if open.len() == DEPTH_MAX {
                    return Err(Malformed::TooDeep);
                }
                if let Some(Some(object)) = open.last_mut() {
                    object.value("", attachments);
                }
                open.push((byte == b'{').then(Object::default));
            }
            b'}' | b']' => {
                let closed = open.pop().flatten();
                if attachments > 0 && closed.is_some_and(|object| object.is_bad_placeholder()) {
                    return Err(Malformed::Placeholder);
                }
            }
            // Between the tokens.
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => {
                if let Some(Some(object)) = open.last_mut() {
                    object.token(&json[at..end], attachments);
                }
            }
        }
        at = end;
    }
    Ok(())
}

/// Where the string ends that begins here, behind its quotation mark.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    bytes.len()
}

/// Where the number, or `true`, `false` or `null`, ends that begins here.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')).count();
    start + len
}

/// What has been seen of an object that is not closed yet.
#[derive(Default)]
struct Object {
    /// The field whose value comes next.
    field: Option<Field>,
    says_placeholder: bool,
    has_num: bool,
    has_bad_num: bool,
}

#[derive(Clone, Copy)]
enum Field {
    Placeholder,
    Num,
    Other,
}

impl Object {
    /// A string, a number or a word in it: a name where one is due, else a value.
    fn token(&mut self, token: &str, attachments: usize) {
        match self.field {
            None => self.field = Some(Field::of(token)),
            Some(_) => self.value(token, attachments),
        }
    }

    /// Of a field that stands twice, parsers take the first or the last: each must be good.
    fn value(&mut self, token: &str, attachments: usize) {
        match self.field.take() {
            Some(Field::Placeholder) => self.says_placeholder |= token == "true",
            Some(Field::Num) => {
                self.has_num = true;
                self.has_bad_num |= !names_an_attachment(token, attachments);
            }
            Some(Field::Other) | None => {}
        }
    }

    fn is_bad_placeholder(&self) -> bool {
        self.says_placeholder && (!self.has_num || self.has_bad_num)
    }
}

impl Field {
    /// Of its name, in quotation marks and perhaps with escapes.
    fn of(token: &str) -> Self {
        /// Every character of the longer name as `\uXXXX`, and the marks.
        const ESCAPED_BYTES_MAX: usize = 6 * "_placeholder".len() + 2;
        let decoded =
            (token.contains('\\') && token.len() <= ESCAPED_BYTES_MAX).then(|| serde_json::from_str::<String>(token).ok()).flatten();
        match decoded.as_deref().unwrap_or_else(|| token.trim_matches('"')) {
            "_placeholder" => Field::Placeholder,
            "num" => Field::Num,
            _ => Field::Other,
        }
    }
}

fn names_an_attachment(token: &str, attachments: usize) -> bool {
    match token.as_bytes() {
        [digit @ b'0'..=b'9'] => usize::from(digit - b'0') < attachments,
        _ => false,
    }
}
