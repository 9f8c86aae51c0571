//! `/echo`, for conformance tests: what comes goes back as it came. Mounted with `PROTOCOL_TEST=1` only.

use std::rc::Rc;

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::error::PayloadError;
use actix_web::{HttpRequest, HttpResponse, Result, web};
use actix_web_actors::HttpContext;
use bytes::Bytes;

use crate::actors::hub::{self, Hubs};
use crate::actors::inlet::{Inlet, Said};
use crate::actors::line::{ConnectionId, Line, Socket, Voice};
use crate::actors::outbox::Outbox;
use crate::protocol::frame::{self, Limits};
use crate::transport::socket::upgrade;

/// Bytes of one message, whole or in fragments.
const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// The tests cut megabytes into fragments of 64 bytes.
const FRAGMENTS_MAX: u32 = 1_000_000;

struct Echo {
    line: Rc<Line>,
    socket: Rc<Socket>,
    inlet: Inlet,
}

pub async fn connect(req: HttpRequest, payload: web::Payload, hubs: web::Data<Hubs>) -> Result<HttpResponse> {
    let (mut answer, socket) = upgrade(&req)?;
    hubs.here();
    let socket = Socket::new(Outbox::new(socket, usize::MAX));
    let line = Line::new(ConnectionId::next(), Voice::Socket(socket.clone()));
    line.connect_deadline.set(None);
    let stream = HttpContext::with_factory(|ctx: &mut HttpContext<Echo>| {
        ctx.add_stream(payload);
        Echo { line, socket, inlet: Inlet::new(Limits { message_bytes_max: MESSAGE_BYTES_MAX, fragments_max: FRAGMENTS_MAX }) }
    });
    Ok(answer.streaming(stream))
}

impl Actor for Echo {
    type Context = HttpContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        hub::register(self.line.clone());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        hub::unregister(self.line.id);
        self.socket.outbox.forget();
    }
}

impl StreamHandler<Result<Bytes, PayloadError>> for Echo {
    fn handle(&mut self, chunk: Result<Bytes, PayloadError>, ctx: &mut Self::Context) {
        let Ok(chunk) = chunk else { return ctx.stop() };
        let socket = self.socket.clone();
        self.inlet.feed(&socket, chunk);
        while let Some(said) = self.inlet.next(&socket) {
            let frame = match said {
                Said::Text(text) => frame::text(text.as_bytes()),
                Said::Binary(bytes) => frame::binary(&bytes),
            };
            socket.outbox.feed(&frame, 1);
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
