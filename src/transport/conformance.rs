//! Handlers for conformance tests of Socket.IO, under `/socket.io/` with `PROTOCOL_TEST=1` only: anybody may come, and hears what he said.
//!
//! Namespaces are `/` and `/custom`. Who connects to one is sent `auth` with what he connected with. On `/`, `message` comes back as
//! `message-back` with the same arguments and `message-with-ack` is acknowledged with them. Nobody is recovered.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpRequest;
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use crate::actors::engineio::upper::{Entrance, Forbidden, Gone, Message, Upper};
use crate::actors::engineio::wire::{Ending, Wire};
use crate::auth::random;
use crate::protocol::close::Close;
use crate::protocol::engineio::PAYLOAD_BYTES_MAX;
use crate::protocol::socketio::{Encoded, Event, Malformed, Namespace, Packet, Reader, ack, connect_error, connected, event};
use crate::transport::deadlines::Deadlines;

/// Namespaces that there are.
const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// Bytes of a packet with its attachments.
const PACKET_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX;

/// How long the event that follows a reply waits.
const APART: Duration = Duration::from_millis(10);

/// Lets everybody in.
pub struct Open;

impl Entrance for Open {
    fn admit(&self, _: &HttpRequest) -> Result<Rc<dyn Upper>, Forbidden> {
        Ok(Rc::new(Conformance::new()))
    }

    fn allows(&self, _: &HttpRequest) -> bool {
        true
    }
}

struct Conformance {
    reader: RefCell<Reader>,
    /// Where the client is: at most all of [`NAMESPACES`].
    connected: RefCell<Vec<Namespace>>,
    deadlines: Deadlines,
    /// Events that follow the reply to a CONNECT.
    owed: Rc<RefCell<Vec<Encoded>>>,
}

impl Upper for Conformance {
    fn opened(&self, wire: &Rc<Wire>) {
        self.deadlines.start(wire);
    }

    fn text(&self, wire: &Rc<Wire>, text: ByteString) {
        let packet = self.reader.borrow_mut().text(&text);
        self.take(wire, packet);
    }

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes) {
        let packet = self.reader.borrow_mut().binary(bytes);
        self.take(wire, packet);
    }

    fn closed(&self, _: &Rc<Wire>, _: Gone) {
        self.deadlines.stop();
    }
}

impl Conformance {
    fn new() -> Self {
        Self {
            reader: RefCell::new(Reader::new(PACKET_BYTES_MAX)),
            connected: RefCell::new(Vec::new()),
            deadlines: Deadlines::default(),
            owed: Rc::default(),
        }
    }

    fn take(&self, wire: &Rc<Wire>, packet: Result<Option<Packet>, Malformed>) {
        if !wire.is_open() {
            return;
        }
        pay(wire, &self.owed);
        let outcome = packet.map_err(Close::from).and_then(|packet| match packet {
            Some(packet) => self.handle(wire, packet),
            None => self.await_attachments(),
        });
        match outcome {
            Ok(()) => self.set_deadlines(),
            Err(close) => wire.close(Ending::Goodbye(close)),
        }
    }

    /// Who is not in the namespace has nothing to say there: its attachments need not come.
    fn await_attachments(&self) -> Result<(), Close> {
        let reader = self.reader.borrow();
        match reader.waits_in() {
            Some(nsp) if !self.is_in(nsp) => Err(Close::ProtocolError),
            _ => Ok(()),
        }
    }

    fn is_in(&self, nsp: &Namespace) -> bool {
        self.connected.borrow().contains(nsp)
    }

    fn handle(&self, wire: &Rc<Wire>, packet: Packet) -> Result<(), Close> {
        match packet {
            Packet::Connect { nsp, auth } if !self.is_in(&nsp) => self.connect(wire, nsp, auth),
            packet if !self.is_in(packet.nsp()) => return Err(Close::ProtocolError),
            Packet::Connect { .. } => return Err(Close::ProtocolError),
            Packet::Disconnect { nsp } => self.connected.borrow_mut().retain(|other| *other != nsp),
            Packet::Event(event) if event.nsp.is_main() => echo(wire, event),
            // Nothing was sent that awaits an acknowledgement, and nobody listens on the other namespace.
            Packet::Event(_) | Packet::Ack(_) => {}
        }
        Ok(())
    }

    fn connect(&self, wire: &Rc<Wire>, nsp: Namespace, auth: Option<Box<RawValue>>) {
        if !NAMESPACES.contains(&nsp.as_str()) {
            return send(wire, &connect_error(&nsp, "Invalid namespace"));
        }
        let auth = auth.unwrap_or_else(|| RawValue::from_string("{}".to_owned()).expect("this is JSON"));
        send(wire, &connected(&nsp, &random::token(), None));
        self.owe(wire, event(&nsp, None, "auth", &[auth], Vec::new()));
        self.connected.borrow_mut().push(nsp);
    }

    /// In a segment of its own: a test that listens for one message after the other misses what comes together with the one before.
    fn owe(&self, wire: &Rc<Wire>, event: Encoded) {
        self.owed.borrow_mut().push(event);
        let (owed, wire) = (self.owed.clone(), wire.clone());
        actix::spawn(async move {
            tokio::time::sleep(APART).await;
            pay(&wire, &owed);
        });
    }

    fn set_deadlines(&self) {
        self.deadlines.set(self.connected.borrow().is_empty(), self.reader.borrow().is_waiting());
    }
}

fn pay(wire: &Wire, owed: &RefCell<Vec<Encoded>>) {
    owed.take().iter().for_each(|event| send_unit(wire, event));
}

fn echo(wire: &Wire, said: Event) {
    match (said.name.as_str(), said.ack) {
        ("message", _) => send_unit(wire, &event(&said.nsp, None, "message-back", &said.args, said.attachments)),
        ("message-with-ack", Some(id)) => send_unit(wire, &ack(&said.nsp, id, &said.args, said.attachments)),
        _ => {}
    }
}

fn send(wire: &Wire, text: &str) {
    wire.send(&[Message::Text(&[text])]);
}

fn send_unit(wire: &Wire, encoded: &Encoded) {
    let text = [&*encoded.text];
    let attachments = encoded.attachments.iter().map(Message::Binary);
    let unit: Vec<_> = std::iter::once(Message::Text(&text)).chain(attachments).collect();
    wire.send(&unit);
}
