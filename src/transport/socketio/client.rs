//! What is on the other end of an Engine.IO session: packets, and who it is that wants to connect.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::actors::engineio::upper::{Gone, Message, Upper};
use crate::actors::engineio::wire::{Ending, Wire};
use crate::actors::hub;
use crate::auth::credentials::Credentials;
use crate::protocol::close::Close;
use crate::protocol::limits::BYTES_BEFORE_CONNECTED_MAX;
use crate::protocol::socketio::{
    ATTACHMENTS_TIMEOUT, CONNECT_TIMEOUT, Event, Malformed, Packet, Reader, Recovery, connect_error, split_recovery,
};
use crate::transport::socketio::Shared;
use crate::transport::socketio::connection::{Connection, Identity, Returning};

/// Bytes of one packet with its attachments.
const PACKET_BYTES_MAX: usize = 1_000_000;

pub struct Client {
    shared: Arc<Shared>,
    /// Of the request that opened the session.
    credentials: Credentials,
    state: RefCell<State>,
    me: Weak<Client>,
}

struct State {
    reader: Reader,
    link: Link,
    /// Counts what a timer has to know: connecting, leaving, the beginning and the end of a packet in pieces.
    changes: u64,
}

enum Link {
    /// In no namespace.
    Outside,
    /// It asked to connect; what it sends meanwhile waits.
    Entering { early: Vec<Event>, bytes: usize },
    In(Rc<Connection>),
    Over,
}

impl Client {
    pub fn new(shared: Arc<Shared>, credentials: Credentials) -> Rc<Self> {
        let state = State { reader: Reader::new(PACKET_BYTES_MAX), link: Link::Outside, changes: 0 };
        Rc::new_cyclic(|me| Self { shared, credentials, state: RefCell::new(state), me: me.clone() })
    }

    fn me(&self) -> Rc<Self> {
        self.me.upgrade().expect("is held by whoever calls it")
    }

    fn take(&self, wire: &Rc<Wire>, packet: Result<Option<Packet>, Malformed>) {
        match packet {
            Ok(Some(packet)) => self.packet(wire, packet),
            Ok(None) => self.watch_attachments(wire),
            Err(_) => self.violated(wire),
        }
    }

    fn packet(&self, wire: &Rc<Wire>, packet: Packet) {
        if !packet.nsp().is_main() {
            return match packet {
                Packet::Connect { nsp, .. } => say(wire, &connect_error(&nsp, "Invalid namespace")),
                _ => self.violated(wire),
            };
        }
        let mut state = self.state.borrow_mut();
        match (packet, &mut state.link) {
            (_, Link::Over) => {}
            (Packet::Connect { auth, .. }, Link::Outside) => {
                state.link = Link::Entering { early: Vec::new(), bytes: 0 };
                state.changes += 1;
                drop(state);
                let (client, wire) = (self.me(), wire.clone());
                actix::spawn(async move { client.enter(wire, auth).await });
            }
            (Packet::Event(event), Link::Entering { early, bytes }) => {
                *bytes += cost(&event);
                early.push(event);
                if *bytes > BYTES_BEFORE_CONNECTED_MAX {
                    drop(state);
                    self.violated(wire);
                }
            }
            (Packet::Event(event), Link::In(connection)) => {
                let connection = connection.clone();
                drop(state);
                connection.event(event);
            }
            (Packet::Ack(_), Link::In(_) | Link::Entering { .. }) => {}
            (Packet::Disconnect { .. }, Link::In(_) | Link::Entering { .. }) => {
                drop(state);
                self.leave(wire);
            }
            (Packet::Connect { .. }, _) | (_, Link::Outside) => {
                drop(state);
                self.violated(wire);
            }
        }
    }

    /// The client left the namespace, or was sent away from it.
    pub fn leave(&self, wire: &Rc<Wire>) {
        let link = {
            let mut state = self.state.borrow_mut();
            state.changes += 1;
            std::mem::replace(&mut state.link, Link::Outside)
        };
        if let Link::In(connection) = link {
            connection.end(None);
        }
        self.watch_connecting(wire);
    }

    fn violated(&self, wire: &Wire) {
        wire.close(Ending::Goodbye(Close::ProtocolError));
    }

    /// A client that is in no namespace for long has no business here.
    fn watch_connecting(&self, wire: &Rc<Wire>) {
        self.watch(wire, CONNECT_TIMEOUT, |state| matches!(state.link, Link::Outside));
    }

    /// The pieces of a packet have to come soon after each other.
    fn watch_attachments(&self, wire: &Rc<Wire>) {
        self.state.borrow_mut().changes += 1;
        self.watch(wire, ATTACHMENTS_TIMEOUT, |state| state.reader.is_waiting());
    }

    fn watch(&self, wire: &Rc<Wire>, span: std::time::Duration, still: fn(&State) -> bool) {
        let (client, wire, changes) = (self.me.clone(), Rc::downgrade(wire), self.state.borrow().changes);
        actix::spawn(async move {
            tokio::time::sleep(span).await;
            let (Some(client), Some(wire)) = (client.upgrade(), wire.upgrade()) else { return };
            let is_over = {
                let state = client.state.borrow();
                state.changes == changes && still(&state)
            };
            if is_over {
                client.violated(&wire);
            }
        });
    }

    /// Finds out who it is, and brings it in.
    async fn enter(self: Rc<Self>, wire: Rc<Wire>, auth: Option<Box<RawValue>>) {
        let (recovery, auth) = auth.map_or((None, None), |auth| {
            let (recovery, auth) = split_recovery(&auth);
            (recovery, Some(auth))
        });
        match self.identify(auth.as_deref()).await {
            Ok(identity) => self.connect(wire, identity, recovery).await,
            Err(Refusal::Told(message)) => {
                self.leave(&wire);
                let main = Default::default();
                say(&wire, &connect_error(&main, message));
            }
            // Its client comes back by itself.
            Err(Refusal::Cut(close)) => wire.close(Ending::Cut(close)),
        }
    }

    async fn identify(&self, auth: Option<&RawValue>) -> Result<Identity, Refusal> {
        let credentials = match auth.map(|auth| serde_json::from_str::<Token>(auth.get())) {
            Some(Ok(Token { token: Some(token) })) => match token {
                serde_json::Value::String(token) => Credentials::Token(token),
                _ => Credentials::Unsound,
            },
            _ => self.credentials.clone(),
        };
        if matches!(credentials, Credentials::Absent) {
            return Err(Refusal::Told("Authentication required"));
        }
        let session = match self.shared.authenticator.authenticate(&credentials).await {
            Ok(Some(session)) => session,
            Ok(None) => return Err(Refusal::Told("Invalid session")),
            Err(error) => {
                log::warn!("a connection could not be authenticated: {error}");
                return Err(Refusal::Cut(Close::TryAgainLater));
            }
        };
        if self.shared.connections.room_context.draining.load(Ordering::Relaxed) {
            return Err(Refusal::Cut(Close::Restarting));
        }
        if hub::has_just_ended(&session.id) {
            return Err(Refusal::Told("Invalid session"));
        }
        Ok(Identity { user: session.user, session: session.id, expires_at: session.expires_at })
    }

    async fn connect(self: Rc<Self>, wire: Rc<Wire>, identity: Identity, recovery: Option<Recovery>) {
        let returning = match (&self.shared.recoveries, recovery) {
            (Some(recoveries), Some(Recovery { pid, offset })) => {
                let kept = recoveries.take(&pid, &identity.user, &self.shared.database, self.shared.silence_max).await;
                kept.and_then(|kept| Returning::new(kept, pid, offset.as_deref()))
            }
            _ => None,
        };
        let connection = {
            let mut state = self.state.borrow_mut();
            let Link::Entering { early, .. } = &mut state.link else { return };
            let early = std::mem::take(early);
            if !wire.is_open() {
                return;
            }
            let connection = Connection::open(self.shared.clone(), self.me.clone(), wire, identity);
            early.into_iter().for_each(|event| connection.put_off(event));
            state.link = Link::In(connection.clone());
            connection
        };
        connection.begin(returning).await;
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<serde_json::Value>,
}

enum Refusal {
    Told(&'static str),
    Cut(Close),
}

/// What an event costs that waits.
pub fn cost(event: &Event) -> usize {
    size_of::<Event>() + event.name.len() + event.args.iter().map(|arg| size_of::<Box<RawValue>>() + arg.get().len()).sum::<usize>()
        + event.attachments.iter().map(Bytes::len).sum::<usize>()
}

pub fn say(wire: &Wire, packet: &str) {
    wire.send(&[Message::Text(&[packet])]);
}

impl Upper for Client {
    fn opened(&self, wire: &Rc<Wire>) {
        self.watch_connecting(wire);
    }

    fn text(&self, wire: &Rc<Wire>, text: ByteString) {
        let packet = self.state.borrow_mut().reader.text(&text);
        self.take(wire, packet);
    }

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes) {
        let packet = self.state.borrow_mut().reader.binary(bytes);
        self.take(wire, packet);
    }

    fn closed(&self, _: &Rc<Wire>, gone: Gone) {
        let link = std::mem::replace(&mut self.state.borrow_mut().link, Link::Over);
        if let Link::In(connection) = link {
            connection.end(Some(gone));
        }
    }
}
