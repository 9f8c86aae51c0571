//! What is on the other end of an Engine.IO session: packets, and who it is that wants to connect.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::actors::bucket::Bucket;
use crate::actors::engineio::upper::{Gone, Message, Upper};
use crate::actors::engineio::wire::{Ending, Wire};
use crate::actors::hub;
use crate::auth::credentials::Credentials;
use crate::protocol::close::Close;
use crate::protocol::engineio::PAYLOAD_BYTES_MAX;
use crate::protocol::limits::BYTES_BEFORE_CONNECTED_MAX;
use crate::protocol::socketio::{Event, Malformed, Namespace, Packet, Reader, Recovery, connect_error, split_recovery};
use crate::transport::deadlines::Deadlines;
use crate::transport::socketio::Shared;
use crate::transport::socketio::connection::{Connection, Identity, Returning};

/// A client connects once, and perhaps again on the same session; each time costs several looks into the database.
const CONNECTS_PER_SECOND: u32 = 1;
const CONNECTS_BURST: u32 = 10;
const INVALID_SESSION: &str = "Invalid session";
/// Bytes of one packet with its attachments.
const PACKET_BYTES_MAX: usize = PAYLOAD_BYTES_MAX;

pub struct Client {
    shared: Arc<Shared>,
    /// Of the request that opened the session.
    credentials: Credentials,
    state: RefCell<State>,
    deadlines: Deadlines,
    me: Weak<Client>,
}

struct State {
    reader: Reader,
    link: Link,
    connects: Bucket,
}

enum Link {
    /// In no namespace.
    Outside,
    /// It asked to connect; what it sends meanwhile waits.
    Entering {
        early: Vec<Event>,
        bytes: usize,
    },
    /// It left before it was known whether it may come in, which is still being found out.
    Withdrawn,
    In(Rc<Connection>),
    Over,
}

impl Client {
    pub fn new(shared: Arc<Shared>, credentials: Credentials) -> Rc<Self> {
        let connects = Bucket::new(CONNECTS_PER_SECOND, CONNECTS_BURST, Instant::now());
        let state = State { reader: Reader::new(PACKET_BYTES_MAX), link: Link::Outside, connects };
        let deadlines = Deadlines::default();
        Rc::new_cyclic(|me| Self { shared, credentials, state: RefCell::new(state), deadlines, me: me.clone() })
    }

    fn me(&self) -> Rc<Self> {
        self.me.upgrade().expect("is held by whoever calls it")
    }

    fn take(&self, wire: &Rc<Wire>, packet: Result<Option<Packet>, Malformed>) {
        match packet {
            Ok(Some(packet)) => self.packet(wire, packet),
            Ok(None) => self.await_attachments(wire),
            Err(malformed) => wire.close(Ending::Goodbye(malformed.into())),
        }
        self.set_deadlines();
    }

    /// Who is not in the namespace has nothing to say there: its attachments need not come.
    fn await_attachments(&self, wire: &Wire) {
        let is_expected = {
            let state = self.state.borrow();
            matches!(state.link, Link::In(_) | Link::Entering { .. }) && state.reader.waits_in().is_none_or(Namespace::is_main)
        };
        if !is_expected {
            self.violated(wire);
        }
    }

    fn set_deadlines(&self) {
        let state = self.state.borrow();
        self.deadlines.set(matches!(state.link, Link::Outside), state.reader.is_waiting());
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
                let is_too_often = self.shared.connections.rate_limits && state.connects.take(Instant::now()).is_err();
                if is_too_often {
                    drop(state);
                    return self.violated(wire);
                }
                state.link = Link::Entering { early: Vec::new(), bytes: 0 };
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
            (Packet::Disconnect { .. }, Link::In(_)) => {
                drop(state);
                self.leave();
            }
            (Packet::Disconnect { .. }, Link::Entering { .. }) => state.link = Link::Withdrawn,
            (Packet::Connect { .. }, _) | (_, Link::Outside | Link::Withdrawn) => {
                drop(state);
                self.violated(wire);
            }
        }
    }

    /// The client left the namespace, or was sent away from it.
    pub fn leave(&self) {
        let link = {
            let mut state = self.state.borrow_mut();
            if matches!(state.link, Link::Over) {
                return;
            }
            std::mem::replace(&mut state.link, Link::Outside)
        };
        if let Link::In(connection) = link {
            connection.end(None);
        }
        self.set_deadlines();
    }

    fn violated(&self, wire: &Wire) {
        wire.close(Ending::Goodbye(Close::ProtocolError));
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
                let is_awaited = matches!(self.state.borrow().link, Link::Entering { .. });
                self.leave();
                if is_awaited {
                    say(&wire, &connect_error(&Namespace::MAIN, message));
                }
            }
            // Its client comes back by itself.
            Err(Refusal::Cut(close)) => wire.close(Ending::Cut(close)),
        }
    }

    async fn identify(&self, auth: Option<&RawValue>) -> Result<Identity, Refusal> {
        let credentials = match auth.map(|auth| serde_json::from_str::<Token>(auth.get())) {
            None | Some(Ok(Token { token: None })) => self.credentials.clone(),
            Some(Ok(Token { token: Some(serde_json::Value::String(token)) })) => Credentials::Token(token),
            // What is there counts, and that alone.
            Some(_) => Credentials::Unsound,
        };
        if matches!(credentials, Credentials::Absent) {
            return Err(Refusal::Told("Authentication required"));
        }
        let session = match self.shared.authenticator.authenticate(&credentials).await {
            Ok(Some(session)) => session,
            Ok(None) => return Err(Refusal::Told(INVALID_SESSION)),
            Err(error) => {
                log::warn!("a connection could not be authenticated: {error}");
                return Err(Refusal::Cut(Close::TryAgainLater));
            }
        };
        if self.shared.connections.room_context.draining.load(Ordering::Relaxed) {
            return Err(Refusal::Cut(Close::Restarting));
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
            let early = match &mut state.link {
                Link::Entering { early, .. } if wire.is_open() => std::mem::take(early),
                Link::Withdrawn => {
                    drop(state);
                    return self.leave();
                }
                Link::Entering { .. } | Link::Outside | Link::In(_) | Link::Over => {
                    if let (Some(recoveries), Some(Returning { pid, kept, .. }), false) =
                        (&self.shared.recoveries, returning, wire.is_open())
                    {
                        // It was lost, and may come back again.
                        recoveries.keep(&pid, kept);
                    }
                    return;
                }
            };
            // Meanwhile nobody could tell this connection of it.
            if hub::has_just_ended(&identity.session) {
                drop(state);
                self.leave();
                return say(&wire, &connect_error(&Namespace::MAIN, INVALID_SESSION));
            }
            let connection = Connection::open(self.shared.clone(), self.me.clone(), wire, identity);
            connection.wire.limit_inbound(PAYLOAD_BYTES_MAX);
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
    size_of::<Event>()
        + event.name.len()
        + event.args.iter().map(|arg| size_of::<Box<RawValue>>() + arg.get().len()).sum::<usize>()
        + event.attachments.iter().map(Bytes::len).sum::<usize>()
}

pub fn say(wire: &Wire, packet: &str) {
    wire.send(&[Message::Text(&[packet])]);
}

impl Upper for Client {
    fn opened(&self, wire: &Rc<Wire>) {
        self.deadlines.start(wire);
    }

    /// Until it has been let in.
    fn inbound_bytes_max(&self) -> usize {
        BYTES_BEFORE_CONNECTED_MAX
    }

    fn text(&self, wire: &Rc<Wire>, text: ByteString) {
        let packet = self.state.borrow_mut().reader.text(&text);
        self.take(wire, packet);
    }

    fn binary(&self, wire: &Rc<Wire>, bytes: Bytes) {
        let packet = self.state.borrow_mut().reader.binary(bytes);
        self.take(wire, packet);
    }

    fn polled(&self) {
        let id = match &self.state.borrow().link {
            Link::In(connection) => connection.id,
            _ => return,
        };
        hub::catch_up(id);
    }

    fn closed(&self, _: &Rc<Wire>, gone: Gone) {
        self.end(gone);
    }
}

impl Client {
    fn end(&self, gone: Gone) {
        self.deadlines.stop();
        let link = std::mem::replace(&mut self.state.borrow_mut().link, Link::Over);
        if let Link::In(connection) = link {
            connection.end(Some(gone));
        }
    }
}

/// Whatever became of the session, its connection is not left behind in the rooms.
impl Drop for Client {
    fn drop(&mut self) {
        self.end(Gone::Lost);
    }
}
