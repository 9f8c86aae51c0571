//! Reader: the side of a session's WebSocket that is read, on whatever thread the connection came in.
//!
//! It decodes and hands over, and reads on when the session has dealt with what it was given: who sends faster than that is slowed down by TCP. It
//! writes nothing: that is the session's, through the outbox.

use std::mem;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, MailboxError, StreamHandler, WrapFuture};
use actix_web::error::PayloadError;
use actix_web_actors::HttpContext;
use bytes::Bytes;

use crate::actors::engineio::session::{Attach, Heard, Reading, Session, SocketEnded, open_on_socket};
use crate::actors::engineio::sessions::{Engine, Seat};
use crate::actors::engineio::upper::Upper;
use crate::actors::line::ConnectionId;
use crate::protocol::engineio::PAYLOAD_BYTES_MAX;
use crate::protocol::frame::{Decoder, Limits};
use crate::protocol::limits::FRAGMENTS_MAX;

/// Messages that are handed over at once.
const BATCH_MAX: usize = 256;
/// Bytes that are read and thrown away after the session has done with the socket: unread input would turn its Close frame into a reset.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;

/// What a WebSocket is for.
pub enum Purpose {
    /// A session of its own.
    Open { engine: Arc<Engine>, seat: Seat, upper: Rc<dyn Upper> },
    /// To carry on a session that polls.
    Upgrade(Addr<Session>),
}

enum Stage {
    /// The head of the answer is not out yet.
    Waiting {
        purpose: Purpose,
        stream: TcpStream,
    },
    Reading(Addr<Session>),
    /// The session has done with it.
    Discarding {
        session: Addr<Session>,
        bytes: usize,
    },
    Ended,
}

pub struct Reader {
    id: ConnectionId,
    decoder: Decoder,
    stage: Stage,
}

impl Reader {
    pub fn new(purpose: Purpose, stream: TcpStream) -> Self {
        let limits = Limits { message_bytes_max: PAYLOAD_BYTES_MAX, fragments_max: FRAGMENTS_MAX as u32 };
        Self { id: ConnectionId::next(), decoder: Decoder::new(limits), stage: Stage::Waiting { purpose, stream } }
    }

    fn begin(&mut self, ctx: &mut HttpContext<Self>) {
        let Stage::Waiting { purpose, stream } = mem::replace(&mut self.stage, Stage::Ended) else { return };
        match purpose {
            Purpose::Open { engine, seat, upper } => {
                self.stage = Stage::Reading(open_on_socket(&engine, seat, upper, self.id, stream));
            }
            Purpose::Upgrade(session) => {
                self.stage = Stage::Reading(session.clone());
                let attached = session.send(Attach { socket: self.id, stream });
                ctx.wait(attached.into_actor(self).map(|outcome, reader, ctx| reader.go_on(outcome, ctx)));
            }
        }
    }

    fn go_on(&mut self, outcome: Result<Reading, MailboxError>, ctx: &mut HttpContext<Self>) {
        match outcome {
            Ok(Reading::On) => self.hand_over(ctx),
            Ok(Reading::Discard) => {
                if let Stage::Reading(session) = mem::replace(&mut self.stage, Stage::Ended) {
                    self.stage = Stage::Discarding { session, bytes: 0 };
                }
            }
            Err(_) => ctx.stop(),
        }
    }

    /// Gives the session what is decoded, some at a time.
    fn hand_over(&mut self, ctx: &mut HttpContext<Self>) {
        let Stage::Reading(session) = &self.stage else { return };
        let (mut said, mut violation) = (Vec::new(), None);
        while said.len() < BATCH_MAX {
            match self.decoder.next() {
                Ok(Some(inbound)) => said.push(inbound),
                Ok(None) => break,
                Err(found) => {
                    violation = Some(found);
                    break;
                }
            }
        }
        if !said.is_empty() || violation.is_some() {
            let heard = session.send(Heard { socket: self.id, said, violation });
            ctx.wait(heard.into_actor(self).map(|outcome, reader, ctx| reader.go_on(outcome, ctx)));
        }
    }
}

impl Actor for Reader {
    type Context = HttpContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // The dispatcher sends the head of the answer in the turn in which this actor is polled first. Nothing may be written before.
        let head_is_out = tokio::task::yield_now();
        ctx.wait(head_is_out.into_actor(self).map(|(), reader: &mut Self, ctx| reader.begin(ctx)));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Stage::Reading(session) | Stage::Discarding { session, .. } = mem::replace(&mut self.stage, Stage::Ended) {
            // One a socket.
            session.do_send(SocketEnded(self.id));
        }
    }
}

impl StreamHandler<Result<Bytes, PayloadError>> for Reader {
    fn handle(&mut self, chunk: Result<Bytes, PayloadError>, ctx: &mut Self::Context) {
        let Ok(chunk) = chunk else { return ctx.stop() };
        match &mut self.stage {
            Stage::Discarding { bytes, .. } => {
                *bytes += chunk.len();
                if *bytes > DISCARDED_BYTES_MAX {
                    ctx.stop();
                }
            }
            _ => {
                self.decoder.feed(chunk);
                self.hand_over(ctx);
            }
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
