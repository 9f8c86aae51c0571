//! From messages to packets.

use bytes::Bytes;

use super::payload::{arguments, connect_payload};
use super::{ACK_ID_MAX, ATTACHMENTS_MAX, Ack, Event, Malformed, Namespace, Packet};

/// Names that have a meaning of their own in clients or in servers written with the stock library.
const RESERVED_NAMES: [&str; 6] = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Joins a text with the attachments that it announces. After [`Malformed`] the connection is to end; nothing is kept for it.
#[derive(Debug)]
pub struct Reader {
    /// Bytes that a packet may have, its text and its attachments together.
    packet_bytes_max: usize,
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    packet: Packet,
    attachments_due: usize,
    bytes: usize,
}

impl Reader {
    pub fn new(packet_bytes_max: usize) -> Self {
        Self { packet_bytes_max, waiting: None }
    }

    /// Takes a text; gives the packet unless it has attachments.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, Malformed> {
        if self.waiting.take().is_some() {
            return Err(Malformed::TextBetweenAttachments);
        }
        if text.len() > self.packet_bytes_max {
            return Err(Malformed::TooBig);
        }
        let (packet, attachments_due) = packet_of(text)?;
        if attachments_due == 0 {
            return Ok(Some(packet));
        }
        self.waiting = Some(Box::new(Waiting { packet, attachments_due, bytes: text.len() }));
        Ok(None)
    }

    /// Takes an attachment; gives the packet when it was the last.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, Malformed> {
        let mut waiting = self.waiting.take().ok_or(Malformed::AttachmentOfNothing)?;
        waiting.bytes += bytes.len();
        if waiting.bytes > self.packet_bytes_max {
            return Err(Malformed::TooBig);
        }
        if let Packet::Event(Event { attachments, .. }) | Packet::Ack(Ack { attachments, .. }) = &mut waiting.packet {
            attachments.push(bytes);
        }
        waiting.attachments_due -= 1;
        if waiting.attachments_due == 0 {
            return Ok(Some(waiting.packet));
        }
        self.waiting = Some(waiting);
        Ok(None)
    }

    /// The namespace of a packet whose attachments have not all come. Its sender may not be in it, and need not be waited for then; and who
    /// sends half a packet is not waited for without end.
    pub fn waits_in(&self) -> Option<&Namespace> {
        self.waiting.as_ref().map(|waiting| waiting.packet.nsp())
    }

    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

/// What a text says, and how many attachments are to follow it.
fn packet_of(text: &str) -> Result<(Packet, usize), Malformed> {
    // The first character is a digit of one byte where it is a type, so the rest begins with a whole character.
    let Some(kind @ b'0'..=b'6') = text.bytes().next() else { return Err(Malformed::UnknownType) };
    let rest = &text[1..];
    let (attachments, rest) = match kind {
        b'5' | b'6' => attachment_count(rest)?,
        _ => (0, rest),
    };
    let (nsp, rest) = namespace(rest)?;
    let packet = match kind {
        b'0' => Packet::Connect { nsp, auth: connect_payload(rest)? },
        b'1' if rest.is_empty() => Packet::Disconnect { nsp },
        b'1' => return Err(Malformed::Payload),
        b'4' => return Err(Malformed::FromAClient),
        b'2' | b'5' => Packet::Event(event(nsp, rest, attachments)?),
        _ => Packet::Ack(ack(nsp, rest, attachments)?),
    };
    Ok((packet, attachments))
}

fn attachment_count(text: &str) -> Result<(usize, &str), Malformed> {
    let bytes = text.as_bytes();
    let (count, len) = match *bytes {
        [units @ b'1'..=b'9', b'-', ..] => (usize::from(units - b'0'), 2),
        [b'1', b'0', b'-', ..] => (ATTACHMENTS_MAX, 3),
        _ => return Err(Malformed::AttachmentCount),
    };
    Ok((count, &text[len..]))
}

/// A name without a comma after it goes to the end.
fn namespace(text: &str) -> Result<(Namespace, &str), Malformed> {
    if !text.starts_with('/') {
        return Ok((Namespace::MAIN, text));
    }
    let (name, rest) = text.split_once(',').unwrap_or((text, ""));
    let nsp = Namespace::parse(name).ok_or(Malformed::Namespace)?;
    Ok((nsp, rest))
}

fn ack_id(text: &str) -> Result<(Option<u64>, &str), Malformed> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(len);
    if digits.is_empty() {
        return Ok((None, rest));
    }
    let id = digits.parse().ok().filter(|&id| id <= ACK_ID_MAX).ok_or(Malformed::AckId)?;
    Ok((Some(id), rest))
}

fn event(nsp: Namespace, text: &str, attachments: usize) -> Result<Event, Malformed> {
    let (ack, payload) = ack_id(text)?;
    let arguments = arguments(payload, attachments)?;
    let (name, args) = arguments.split_first().ok_or(Malformed::EventName)?;
    // What is no string, and what is one that no text can hold (half of a surrogate pair), is no name.
    let name: String = serde_json::from_str(name.get()).map_err(|_| Malformed::EventName)?;
    if RESERVED_NAMES.contains(&name.as_str()) {
        return Err(Malformed::EventName);
    }
    let args = args.iter().map(|&argument| argument.to_owned()).collect();
    Ok(Event { nsp, ack, name, args, attachments: Vec::new() })
}

fn ack(nsp: Namespace, text: &str, attachments: usize) -> Result<Ack, Malformed> {
    let (id, payload) = ack_id(text)?;
    let id = id.ok_or(Malformed::AckId)?;
    let args = arguments(payload, attachments)?.into_iter().map(|argument| argument.to_owned()).collect();
    Ok(Ack { nsp, id, args, attachments: Vec::new() })
}
