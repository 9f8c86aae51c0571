//! `/engine.io/`, for conformance tests: what comes goes back as it came. Mounted with `PROTOCOL_TEST=1` only.

use std::rc::Rc;

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;

use crate::actors::engineio::upper::{Entrance, Forbidden, Gone, Message, Upper};
use crate::actors::engineio::wire::Wire;

/// Lets everybody in.
pub struct EchoEntrance;

struct Echo;

impl Entrance for EchoEntrance {
    fn admit(&self, _: &HttpRequest) -> Result<Rc<dyn Upper>, Forbidden> {
        Ok(Rc::new(Echo))
    }

    fn allows(&self, _: &HttpRequest) -> bool {
        true
    }
}

impl Upper for Echo {
    fn opened(&self, _: &Rc<Wire>) {}

    fn text(&self, wire: &Rc<Wire>, text: ByteString) {
        wire.send(&[Message::Text(&[&text])]);
    }

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes) {
        wire.send(&[Message::Binary(&bytes)]);
    }

    fn closed(&self, _: &Rc<Wire>, _: Gone) {}
}
