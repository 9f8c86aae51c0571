//! A WebSocket of a session, as the session's thread knows it: the side that is written. Frames may be read on another thread.

use std::cell::Cell;
use std::io::IoSlice;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::actors::engineio::upper::Message;
use crate::actors::line::ConnectionId;
use crate::actors::outbox::Outbox;
use crate::protocol::close::Close;
use crate::protocol::engineio::{MESSAGE, Outgoing};
use crate::protocol::frame::{self, Header, Opcode};

/// How often a socket that owes something, or is being closed, is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Texts that are put together for one write, each a message.
#[derive(Default)]
pub struct Together {
    bytes: Vec<u8>,
    frames: u32,
}

/// What is kept for the next use.
const TOGETHER_BYTES_KEPT: usize = 128 * 1024;

impl Together {
    pub fn text(&mut self, pieces: &[&str]) {
        self.bytes.extend_from_slice(header(&Message::Text(pieces)).as_ref());
        self.bytes.extend_from_slice(MESSAGE.as_bytes());
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece.as_bytes()));
        self.frames += 1;
    }

    /// Begins anew, in the same memory.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(TOGETHER_BYTES_KEPT);
        self.frames = 0;
    }
}

pub struct Socket {
    pub id: ConnectionId,
    pub outbox: Rc<Outbox>,
    watched: Rc<Cell<bool>>,
}

impl Socket {
    pub fn new(id: ConnectionId, stream: TcpStream, bytes_max: usize) -> Self {
        Self { id, outbox: Outbox::new(stream, bytes_max), watched: Rc::default() }
    }

    /// True when the client was dropped as too slow by it.
    #[must_use]
    pub fn send(&self, unit: &[Message<'_>]) -> bool {
        let headers: Vec<Header> = unit.iter().map(header).collect();
        let mut pieces = Vec::with_capacity(4 * unit.len());
        for (message, header) in unit.iter().zip(&headers) {
            pieces.push(IoSlice::new(header.as_ref()));
            match message {
                Message::Text(texts) => {
                    pieces.push(IoSlice::new(MESSAGE.as_bytes()));
                    pieces.extend(texts.iter().map(|text| IoSlice::new(text.as_bytes())));
                }
                Message::Binary(bytes) => pieces.push(IoSlice::new(bytes)),
            }
        }
        let frames = u32::try_from(unit.len()).unwrap_or(u32::MAX);
        let too_slow = self.outbox.send_pieces(&pieces, frames);
        self.watch();
        too_slow
    }

    /// Sends what was put together, if anything was. True when the client was dropped as too slow by it.
    #[must_use]
    pub fn send_together(&self, together: &mut Together) -> bool {
        if together.frames == 0 {
            return false;
        }
        let too_slow = self.outbox.send_slice(&together.bytes, together.frames);
        together.clear();
        self.watch();
        too_slow
    }

    /// Sends what does not count against the bound.
    pub fn feed<'a>(&self, packets: impl IntoIterator<Item = &'a Outgoing>) {
        let mut frames = BytesMut::new();
        let mut count = 0;
        for packet in packets {
            match packet {
                Outgoing::Text(text) => frame::encode_into(&mut frames, Opcode::Text, text.as_bytes()),
                Outgoing::Binary(bytes) => frame::encode_into(&mut frames, Opcode::Binary, bytes),
            }
            count += 1;
        }
        if count > 0 {
            self.outbox.feed(&frames.freeze(), count);
            self.watch();
        }
    }

    /// Sends a packet that holds no message. True when the client was dropped as too slow by it.
    #[must_use]
    pub fn control(&self, packet: &str) -> bool {
        let too_slow = self.outbox.send(&frame::text(packet.as_bytes()), 1);
        self.watch();
        too_slow
    }

    /// True when the client was dropped as too slow by it.
    #[must_use]
    pub fn pong(&self, payload: &Bytes) -> bool {
        let too_slow = self.outbox.answer(&frame::pong(payload));
        self.watch();
        too_slow
    }

    pub fn close(&self, close: Close) {
        self.outbox.close(close);
        self.watch();
    }

    /// Answers the client's Close frame.
    pub fn echo_close(&self, code: Option<u16>) {
        self.outbox.echo_close(frame::close_echo(code));
        self.watch();
    }

    /// Sees to it that a socket which takes nothing, or does not finish its goodbye, is dropped. It takes no part of the session, which may be over
    /// before.
    fn watch(&self) {
        let at_rest = self.outbox.is_open() && !self.outbox.owes();
        if at_rest || self.outbox.is_dead() || self.watched.replace(true) {
            return;
        }
        let (outbox, watched) = (self.outbox.clone(), self.watched.clone());
        actix::spawn(async move {
            loop {
                tokio::time::sleep(WATCH_INTERVAL).await;
                if outbox.is_dead() || (outbox.is_open() && !outbox.owes()) {
                    break;
                }
                if outbox.is_overdue(Instant::now()) {
                    outbox.drop_stalled();
                    break;
                }
            }
            watched.set(false);
        });
    }
}

fn header(message: &Message<'_>) -> Header {
    match message {
        Message::Text(texts) => Header::new(Opcode::Text, MESSAGE.len() + texts.iter().map(|text| text.len()).sum::<usize>()),
        Message::Binary(bytes) => Header::new(Opcode::Binary, bytes.len()),
    }
}
