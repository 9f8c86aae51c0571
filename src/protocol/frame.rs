//! WebSocket frames (RFC 6455): an incremental decoder of what a peer sends, an encoder of what the server sends.
//!
//! The decoder takes chunks of a byte stream as they come and yields whole messages and control frames. Its invariants:
//!
//! 1. How a stream is cut into chunks changes nothing about what is yielded.
//! 2. Memory follows the bytes that came, never a length that was only declared; it stays within the limit of a message, 125 bytes
//!    of a control frame and a header. A decoder between two messages owns no heap memory.
//! 3. What can be refused is refused at the first byte that proves it: a length over the limit from the header alone, a text at the
//!    byte that no continuation can make valid.
//! 4. After a violation it yields only that violation; after a close frame it yields nothing.
//!
//! It answers nothing: pongs, close replies and deadlines are the connection's. Extensions are never negotiated, so reserved bits
//! are errors.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::close::Close;

/// Payload bytes that a control frame may have (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Bytes that a header may have.
pub const HEADER_BYTES_MAX: usize = 14;

/// What one message may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes of a message, those of all its fragments together.
    pub message_bytes_max: usize,
    /// Frames of a message; empty ones count too.
    pub fragments_max: u32,
}

/// What a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    Text(ByteString),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    /// The code and the reason, when the peer gave any.
    Close(Option<(u16, ByteString)>),
}

/// Why a stream of bytes cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    Protocol,
    InvalidUtf8,
    TooBig,
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Close {
        match violation {
            Violation::Protocol => Close::ProtocolError,
            Violation::InvalidUtf8 => Close::InvalidUtf8,
            Violation::TooBig => Close::MessageTooBig,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Its frames must be masked.
    Client,
    /// Its frames must not be masked.
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Open,
    Closed,
    Failed(Violation),
}

/// Reads one direction of a connection. Call [`feed`](Self::feed) with what came, then [`next`](Self::next) until it yields `None`.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    peer: Peer,
    stream: Stream,
    /// Bytes that came and are not looked at yet. Empty whenever `next` has yielded `None`.
    input: BytesMut,
    /// The start of a header that is not whole yet. Kept apart so that three bytes do not hold on to a chunk of 64 KiB.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    frame: Option<Frame>,
    partial: Option<Box<Partial>>,
}

/// A frame whose header has been read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Turned so that its first byte belongs to the next payload byte. All zeros when the frame is not masked.
    mask: [u8; 4],
    /// Payload bytes still to come.
    remaining: usize,
}

/// Payload that came but does not make a whole yet: control frames may lie between the fragments of a message.
#[derive(Debug, Default)]
struct Partial {
    message: Option<Message>,
    control: Vec<u8>,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    /// Of a text: how many of the bytes are whole characters.
    valid_up_to: usize,
    fragments: u32,
}

impl Decoder {
    /// Reads what a client sends.
    pub fn new(limits: Limits) -> Self {
        Self::of(Peer::Client, limits)
    }

    /// Reads what a server sends: for use in a client.
    pub fn for_client(limits: Limits) -> Self {
        Self::of(Peer::Server, limits)
    }

    fn of(peer: Peer, limits: Limits) -> Self {
        Self {
            limits,
            peer,
            stream: Stream::Open,
            input: BytesMut::new(),
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            partial: None,
        }
    }

    /// Takes a chunk of the stream. It is not copied when it is the only handle to its memory.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.stream != Stream::Open {
            return;
        }
        if self.input.is_empty() {
            self.input = chunk.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        } else {
            self.input.extend_from_slice(&chunk);
        }
    }

    /// The next message or control frame of what was fed; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Inbound>, Violation> {
        match self.stream {
            Stream::Open => {}
            Stream::Closed => return Ok(None),
            Stream::Failed(violation) => return Err(violation),
        }
        let result = self.advance();
        match &result {
            Ok(Some(Inbound::Close(_))) => self.end(Stream::Closed),
            Err(violation) => self.end(Stream::Failed(*violation)),
            Ok(_) => {}
        }
        result
    }

    fn end(&mut self, stream: Stream) {
        self.stream = stream;
        self.input = BytesMut::new();
        self.frame = None;
        self.partial = None;
    }

    fn advance(&mut self) -> Result<Option<Inbound>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_header()? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let piece = self.read_payload(&mut frame);
            if piece.is_empty() && frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            let inbound = match frame.opcode.is_control() {
                true => self.control(&frame, piece)?,
                false => self.data(&frame, piece)?,
            };
            if inbound.is_some() {
                return Ok(inbound);
            }
            if frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
        }
    }

    fn read_header(&mut self) -> Result<Option<Frame>, Violation> {
        loop {
            let have = usize::from(self.header_len);
            let needed = header_bytes(&self.header[..have]);
            if have >= 2 && have == needed {
                break;
            }
            let taken = (needed - have).min(self.input.len());
            let start = self.take_input(taken);
            self.header[have..have + taken].copy_from_slice(&start);
            self.header_len += taken as u8;
            if taken < needed - have {
                return Ok(None);
            }
            if self.header_len == 2 {
                self.check_first_bytes()?;
            }
        }
        self.header_len = 0;
        self.frame_of_header().map(Some)
    }

    fn take_input(&mut self, bytes: usize) -> BytesMut {
        // Splitting would keep the memory shared with an empty rest.
        if bytes == self.input.len() { mem::take(&mut self.input) } else { self.input.split_to(bytes) }
    }

    /// Everything that the first two bytes of a header can have wrong.
    fn check_first_bytes(&mut self) -> Result<(), Violation> {
        let [first, second, ..] = self.header;
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(Violation::Protocol)?;
        let is_masked = second & 0x80 != 0;
        if first & 0x70 != 0 || is_masked != (self.peer == Peer::Client) {
            return Err(Violation::Protocol);
        }
        if opcode.is_control() {
            let is_whole = first & 0x80 != 0;
            let is_short = usize::from(second & 0x7F) <= CONTROL_BYTES_MAX;
            return if is_whole && is_short { Ok(()) } else { Err(Violation::Protocol) };
        }
        let message = self.partial.as_mut().and_then(|partial| partial.message.as_mut());
        match (opcode, message) {
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::Protocol),
            (_, Some(message)) => {
                message.fragments += 1;
                if message.fragments > self.limits.fragments_max { Err(Violation::TooBig) } else { Ok(()) }
            }
            (_, None) => Ok(()),
        }
    }

    fn frame_of_header(&self) -> Result<Frame, Violation> {
        let [first, second, ..] = self.header;
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(Violation::Protocol)?;
        let (len, mask_at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([self.header[2], self.header[3]])), 4),
            127 => {
                let [_, _, a, b, c, d, e, f, g, h, ..] = self.header;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 10)
            }
            short => (u64::from(short), 2),
        };
        // The shortest of the three forms must be used, and the longest has 63 bits (RFC 6455, section 5.2).
        let is_canonical = match second & 0x7F {
            126 => len >= 126,
            127 => len > u64::from(u16::MAX) && len >> 63 == 0,
            _ => true,
        };
        if !is_canonical {
            return Err(Violation::Protocol);
        }
        let before = self.partial.as_ref().and_then(|partial| partial.message.as_ref()).map_or(0, |message| message.bytes.len());
        let room = if opcode.is_control() { CONTROL_BYTES_MAX } else { self.limits.message_bytes_max.saturating_sub(before) };
        let remaining = usize::try_from(len).ok().filter(|&len| len <= room).ok_or(Violation::TooBig)?;
        let mask = match self.peer {
            Peer::Client => [self.header[mask_at], self.header[mask_at + 1], self.header[mask_at + 2], self.header[mask_at + 3]],
            Peer::Server => [0; 4],
        };
        Ok(Frame { opcode, fin: first & 0x80 != 0, mask, remaining })
    }

    /// Takes what has come of the frame's payload, unmasked.
    fn read_payload(&mut self, frame: &mut Frame) -> BytesMut {
        let taken = frame.remaining.min(self.input.len());
        let mut piece = self.take_input(taken);
        if self.peer == Peer::Client {
            apply_mask(&mut piece, frame.mask);
            frame.mask.rotate_left(taken % 4);
        }
        frame.remaining -= taken;
        piece
    }

    fn control(&mut self, frame: &Frame, piece: BytesMut) -> Result<Option<Inbound>, Violation> {
        let kept = self.partial.as_ref().is_some_and(|partial| !partial.control.is_empty());
        let payload = if frame.remaining == 0 && !kept {
            piece.freeze()
        } else {
            let partial = self.partial.get_or_insert_default();
            partial.control.extend_from_slice(&piece);
            if frame.remaining > 0 {
                return Ok(None);
            }
            let payload = mem::take(&mut partial.control);
            if partial.message.is_none() {
                self.partial = None;
            }
            payload.into()
        };
        match frame.opcode {
            Opcode::Ping => Ok(Some(Inbound::Ping(payload))),
            Opcode::Pong => Ok(Some(Inbound::Pong(payload))),
            _ => close_payload(payload).map(|close| Some(Inbound::Close(close))),
        }
    }

    fn data(&mut self, frame: &Frame, piece: BytesMut) -> Result<Option<Inbound>, Violation> {
        let kept = self.partial.as_ref().is_some_and(|partial| partial.message.is_some());
        let is_last = frame.fin && frame.remaining == 0;
        if is_last && !kept {
            return whole(frame.opcode == Opcode::Text, piece.freeze()).map(Some);
        }
        let partial = self.partial.get_or_insert_default();
        let message = partial.message.get_or_insert_with(|| Message::new(frame.opcode == Opcode::Text));
        message.append(&piece, frame, self.limits.message_bytes_max)?;
        if !is_last {
            return Ok(None);
        }
        let partial = self.partial.take().and_then(|mut partial| partial.message.take());
        let message = partial.expect("the message was appended to above");
        whole(message.is_text, message.bytes.into()).map(Some)
    }
}

impl Message {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: Vec::new(), valid_up_to: 0, fragments: 1 }
    }

    fn append(&mut self, piece: &[u8], frame: &Frame, bytes_max: usize) -> Result<(), Violation> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            // Doubling keeps the copying linear; what is known of the end keeps the last step from overshooting.
            let ceiling = if frame.fin { needed + frame.remaining } else { bytes_max };
            let capacity = needed.max(ceiling.min(2 * self.bytes.capacity()));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        if self.is_text { self.validate() } else { Ok(()) }
    }

    /// Looks at the bytes that came last and at up to three before, which may be the start of a character.
    fn validate(&mut self) -> Result<(), Violation> {
        match std::str::from_utf8(&self.bytes[self.valid_up_to..]) {
            Ok(_) => self.valid_up_to = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid_up_to += error.valid_up_to(),
            Err(_) => return Err(Violation::InvalidUtf8),
        }
        Ok(())
    }
}

/// How long a header is, judged by its first bytes.
fn header_bytes(start: &[u8]) -> usize {
    let Some(second) = start.get(1) else { return 2 };
    let length_bytes = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length_bytes + if second & 0x80 != 0 { 4 } else { 0 }
}

fn whole(is_text: bool, bytes: Bytes) -> Result<Inbound, Violation> {
    if !is_text {
        return Ok(Inbound::Binary(bytes));
    }
    ByteString::try_from(bytes).map(Inbound::Text).map_err(|_| Violation::InvalidUtf8)
}

fn close_payload(payload: Bytes) -> Result<Option<(u16, ByteString)>, Violation> {
    match *payload {
        [] => Ok(None),
        [_] => Err(Violation::Protocol),
        [high, low, ..] => {
            let code = u16::from_be_bytes([high, low]);
            if !may_be_sent(code) {
                return Err(Violation::Protocol);
            }
            let reason = ByteString::try_from(payload.slice(2..)).map_err(|_| Violation::InvalidUtf8)?;
            Ok(Some((code, reason)))
        }
    }
}

/// Whether a close frame may carry the code: the registered ones that are no mere local reports, and the ranges of
/// libraries and applications (RFC 6455, section 7.4, and the IANA registry).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// The bytes before a payload. Whoever writes a shared payload to many connections writes the header apart from it.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    len: u8,
}

impl Header {
    /// Of a whole message or control frame, not masked.
    pub fn new(opcode: Opcode, payload_len: usize) -> Self {
        let mut header = Self { bytes: [0; HEADER_BYTES_MAX], len: 0 };
        header.push(&[0x80 | opcode.bits()]);
        match (u8::try_from(payload_len), u16::try_from(payload_len)) {
            (Ok(len @ 0..126), _) => header.push(&[len]),
            (_, Ok(len)) => {
                header.push(&[126]);
                header.push(&len.to_be_bytes());
            }
            _ => {
                header.push(&[127]);
                header.push(&(payload_len as u64).to_be_bytes());
            }
        }
        header
    }

    fn masked(mut self, mask: [u8; 4]) -> Self {
        self.bytes[1] |= 0x80;
        self.push(&mask);
        self
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl AsRef<[u8]> for Header {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Appends one frame of a server: a whole message, or a control frame of at most [`CONTROL_BYTES_MAX`] bytes.
pub fn encode_into(out: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_BYTES_MAX);
    let header = Header::new(opcode, payload.len());
    out.reserve(header.as_ref().len() + payload.len());
    out.put_slice(header.as_ref());
    out.put_slice(payload);
}

fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
    encode_into(&mut out, opcode, payload);
    out.freeze()
}

/// The payloads of frames that [`encode_into`] wrote one after the other.
pub fn payloads(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (head, payload_len) = match (frames.get(1)?, frames) {
            (126, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, [_, _, len @ ..]) => (10, u64::from_be_bytes(*len.first_chunk()?) as usize),
            (short, _) => (2, usize::from(*short)),
        };
        let payload = frames.get(head..head + payload_len)?;
        frames = &frames[head + payload_len..];
        Some(payload)
    })
}

pub fn text(payload: &[u8]) -> Bytes {
    encode(Opcode::Text, payload)
}

pub fn binary(payload: &[u8]) -> Bytes {
    encode(Opcode::Binary, payload)
}

/// A ping without payload.
pub fn ping() -> Bytes {
    Bytes::from_static(&[0x89, 0])
}

/// The answer to a ping: its own payload.
pub fn pong(payload: &[u8]) -> Bytes {
    encode(Opcode::Pong, payload)
}

pub fn close(close: Close) -> Bytes {
    close_code(close.code(), close.reason())
}

/// A close frame; of a reason that is too long, the start.
pub fn close_code(code: u16, reason: &str) -> Bytes {
    let end = (0..=reason.len().min(CONTROL_BYTES_MAX - 2)).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    let reason = &reason[..end];
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    encode(Opcode::Close, &payload)
}

/// The answer to a peer's close frame: its own code, or none when it gave none.
pub fn close_echo(received: Option<u16>) -> Bytes {
    match received {
        Some(code) => close_code(code, ""),
        None => Bytes::from_static(&[0x88, 0]),
    }
}

/// One frame of a client.
pub fn client_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Bytes {
    let header = Header::new(opcode, payload.len()).masked(mask);
    let mut out = BytesMut::with_capacity(header.as_ref().len() + payload.len());
    out.put_slice(header.as_ref());
    out.put_slice(payload);
    apply_mask(&mut out[header.as_ref().len()..], mask);
    out.freeze()
}

pub fn client_text(payload: &[u8], mask: [u8; 4]) -> Bytes {
    client_frame(Opcode::Text, payload, mask)
}

#[cfg(test)]
mod tests;
