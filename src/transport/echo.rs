//! `/echo`, for conformance tests: what comes goes back as it came. Mounted with `PROTOCOL_TEST=1` only.

use std::rc::Rc;

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_web::error::PayloadError;
use actix_web::{HttpRequest, HttpResponse, Result, web};
use actix_web_actors::HttpContext;
use bytes::Bytes;

use crate::actors::hub::{self, Hubs};
use crate::actors::inlet::{Inlet, Said};
use crate::actors::line::{ConnectionId, Line};
use crate::actors::outbox::Outbox;
use crate::protocol::frame::{self, Limits};
use crate::transport::socket::upgrade;

/// Bytes of one message, whole or in fragments.
const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// The tests cut megabytes into fragments of 64 bytes.
const FRAGMENTS_MAX: u32 = 1_000_000;

struct Echo {
    line: Rc<Line>,
    inlet: Inlet,
}

pub async fn connect(req: HttpRequest, payload: web::Payload, hubs: web::Data<Hubs>) -> Result<HttpResponse> {
    let (mut answer, socket) = upgrade(&req)?;
    hubs.here();
    let line = Line::new(ConnectionId::next(), Outbox::new(socket, usize::MAX));
    line.connect_deadline.set(None);
    let stream = HttpContext::with_factory(|ctx: &mut HttpContext<Echo>| {
        ctx.add_stream(payload);
        Echo { line, inlet: Inlet::new(Limits { message_bytes_max: MESSAGE_BYTES_MAX, fragments_max: FRAGMENTS_MAX }) }
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
        self.line.outbox.forget();
    }
}

impl StreamHandler<Result<Bytes, PayloadError>> for Echo {
    fn handle(&mut self, chunk: Result<Bytes, PayloadError>, ctx: &mut Self::Context) {
        let Ok(chunk) = chunk else { return ctx.stop() };
        let line = self.line.clone();
        self.inlet.feed(&line, chunk);
        while let Some(said) = self.inlet.next(&line) {
            let frame = match said {
                Said::Text(text) => frame::text(text.as_bytes()),
                Said::Binary(bytes) => frame::binary(&bytes),
            };
            line.outbox.feed(&frame, 1);
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
