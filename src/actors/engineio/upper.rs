//! What runs on top of an Engine.IO session, and how the session gets it.

use std::rc::Rc;

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;

use crate::actors::engineio::wire::Wire;
use crate::protocol::close::Close;
use crate::protocol::engineio::PAYLOAD_BYTES_MAX;

/// Called on the session's own thread, one call after the other, and never from within a call to the [`Wire`].
pub trait Upper {
    /// Bytes that a message or a body may have at first, before anything is known of who sends it. [`Wire::limit_inbound`] changes it; beyond
    /// [`PAYLOAD_BYTES_MAX`] nothing is ever read.
    fn inbound_bytes_max(&self) -> usize {
        PAYLOAD_BYTES_MAX
    }

    /// The open packet was sent.
    fn opened(&self, wire: &Rc<Wire>);

    /// A message packet `4…`, without the 4.
    fn text(&self, wire: &Rc<Wire>, text: ByteString);

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes);

    /// A GET waits: what was kept back from a client that polls, because [`Wire::is_behind`], can be sent.
    fn polled(&self) {}

    /// The last call, and the only one of its kind. Nothing is sent any more. It is left out after a panic in one of the others: what must be given
    /// back in any case is for a `Drop`.
    fn closed(&self, wire: &Rc<Wire>, gone: Gone);
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The transport broke, or no pong came in time.
    Lost,
    /// The client sent a close packet.
    Left,
    /// The server ended it: the upper, a violation of the protocol, a client that reads too slowly, a drain.
    Closed(Close),
}

/// A message on its way out. What is given is copied or written before the call returns.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// In pieces that are sent as one text, so that nobody needs to put a body that many connections share together with what is this one's own.
    Text(&'a [&'a str]),
    Binary(&'a Bytes),
}

/// The request may not open a session: 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden;

/// Decides who gets in. Asked with the request at hand: its headers, cookies, query and peer.
pub trait Entrance: Send + Sync {
    /// At the handshake, on the thread where the session will live.
    fn admit(&self, req: &HttpRequest) -> Result<Rc<dyn Upper>, Forbidden>;

    /// Whether a later request of a session, or the upgrade to a WebSocket, may come from where it comes from.
    fn allows(&self, req: &HttpRequest) -> bool;
}
