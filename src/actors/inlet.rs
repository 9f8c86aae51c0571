//! What a socket says, down to whole messages. Pings, goodbyes and broken streams are dealt with here; what is left is what a connection is for.

use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;

use crate::actors::line::Socket;
use crate::protocol::frame::{self, Decoder, Inbound, Limits};

/// Bytes that are read and thrown away after the server's Close frame; more makes it a reset.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;

pub enum Said {
    Text(ByteString),
    Binary(Bytes),
}

pub struct Inlet {
    decoder: Decoder,
    discarded: usize,
}

impl Inlet {
    pub fn new(limits: Limits) -> Self {
        Self { decoder: Decoder::new(limits), discarded: 0 }
    }

    /// Takes a chunk of the stream; [`Inlet::next`] has what it completes.
    pub fn feed(&mut self, socket: &Socket, chunk: Bytes) {
        socket.heard_at.set(Instant::now());
        if !socket.outbox.is_open() {
            self.discarded += chunk.len();
            if self.discarded > DISCARDED_BYTES_MAX {
                socket.outbox.kill();
            }
            return;
        }
        self.decoder.feed(chunk);
    }

    /// The next message, as long as the connection is open. It is to be dealt with before the next one is asked for: what was said before a goodbye
    /// counts.
    pub fn next(&mut self, socket: &Socket) -> Option<Said> {
        while socket.outbox.is_open() {
            match self.decoder.next() {
                Ok(Some(Inbound::Text(text))) => return Some(Said::Text(text)),
                Ok(Some(Inbound::Binary(bytes))) => return Some(Said::Binary(bytes)),
                Ok(Some(Inbound::Ping(payload))) => {
                    socket.outbox.answer(&frame::pong(&payload));
                }
                Ok(Some(Inbound::Pong(_))) => {}
                Ok(Some(Inbound::Close(said))) => socket.outbox.echo_close(frame::close_echo(said.map(|(code, _)| code))),
                Ok(None) => break,
                Err(violation) => socket.outbox.close(violation.into()),
            }
        }
        None
    }
}
