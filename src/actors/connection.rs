//! Connection: one actor per WebSocket.
//!
//! It decodes, limits and forwards; it owns who the user is. It knows no rule of any room, and it writes nothing through its own context: everything that
//! a connection says goes through its outbox, so that no frame lands inside a partly written one.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::dev::SendError;
use actix::{Actor, ActorContext, Addr, AsyncContext, Handler, Message, StreamHandler};
use actix_web::error::PayloadError;
use actix_web_actors::HttpContext;
use bytes::Bytes;
use bytestring::ByteString;

use crate::actors::bucket::{Bucket, Strikes};
use crate::actors::counts::Counts;
use crate::actors::hub::{self, HubRef};
use crate::actors::inlet::{Inlet, Said};
use crate::actors::line::{ConnectionId, Line, LineSession, Socket, Voice, refuse};
use crate::actors::lobby::{AnyRoom, Rooms};
use crate::actors::pace::Pace;
use crate::actors::parts::encode_one;
use crate::actors::registry::Registry;
use crate::actors::room::{Cursor, Join, Order, Room, RoomContext, StoredRoom};
use crate::actors::speech::Reply;
use crate::protocol::close::Close;
use crate::protocol::decode::{self, Body, Decoded, Refused};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::frame::Limits;
use crate::protocol::ids::{CommandId, RoomId, UserId};
use crate::protocol::limits::{BYTES_BEFORE_CONNECTED_MAX, COMMANDS_BURST, COMMANDS_PER_SECOND, FRAGMENTS_MAX, RATE_LIMIT_STRIKES_MAX};
use crate::protocol::session::Pong;
use crate::protocol::{campaign, chat, circle};
use crate::rooms::circle::Circle;
use crate::rooms::kernel::{Request, RoomLogic};

/// What all connections of the process share.
pub struct ConnectionContext {
    pub rooms: Rooms,
    pub room_context: Arc<RoomContext>,
    pub registry: Arc<Registry>,
    pub counts: Arc<Counts>,
    /// Limits on what a connection may send; off for load tests.
    pub rate_limits: bool,
    pub message_bytes_max: usize,
    pub outbox_bytes_max: usize,
    pub pace: Pace,
}

impl ConnectionContext {
    /// Counts a message of a user in.
    pub fn admit_message(&self, user: &UserId) -> Result<(), Rejection> {
        if self.rate_limits { self.pace.admit(user, Instant::now()) } else { Ok(()) }
    }
}

/// Who wants in, and where.
#[derive(Clone, Debug)]
pub struct Admission {
    pub user: UserId,
    pub session: LineSession,
    pub room: RoomId,
    pub since: Option<Cursor>,
}

/// The connection is let in, or it is told why not.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Admit(pub Result<Admission, Close>);

/// A place in a room. Whatever becomes of the connection, the room is told when it is given up.
struct Place {
    room: AnyRoom,
    connection: ConnectionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.leave(self.connection);
    }
}

/// The room has been told of the connection.
#[derive(Message)]
#[rtype(result = "()")]
struct Joined(Result<Place, Rejection>);

enum Stage {
    /// Not let in yet. What came meanwhile is handled afterwards.
    Waiting {
        early: Vec<ByteString>,
        bytes: usize,
    },
    Open(Place),
}

impl ConnectionContext {
    /// Counts a position of a user in.
    pub fn admit_location(&self, user: &UserId) -> Result<(), Rejection> {
        if self.rate_limits { self.pace.admit_location(user, Instant::now()) } else { Ok(()) }
    }
}

/// What a client can say to a kind of room.
type BodyFor<L> = Body<<L as RoomLogic>::Command, <L as RoomLogic>::Query, <L as RoomLogic>::Signal>;

pub struct Connection {
    line: Rc<Line>,
    socket: Rc<Socket>,
    hub: HubRef,
    inlet: Inlet,
    stage: Stage,
    admission: Option<Admission>,
    bucket: Bucket,
    strikes: Strikes,
    context: Arc<ConnectionContext>,
}

impl Connection {
    pub fn new(socket: Rc<Socket>, hub: HubRef, context: Arc<ConnectionContext>) -> Self {
        let limits = Limits { message_bytes_max: context.message_bytes_max, fragments_max: FRAGMENTS_MAX as u32 };
        Self {
            line: Line::new(ConnectionId::next(), Voice::Socket(socket.clone())),
            socket,
            hub,
            inlet: Inlet::new(limits),
            stage: Stage::Waiting { early: Vec::new(), bytes: 0 },
            admission: None,
            bucket: Bucket::new(COMMANDS_PER_SECOND, COMMANDS_BURST, Instant::now()),
            strikes: Strikes::default(),
            context,
        }
    }

    fn hear(&mut self, said: Said) {
        let text = match said {
            Said::Text(text) => text,
            Said::Binary(_) => return self.socket.outbox.close(Close::TextOnly),
        };
        match &mut self.stage {
            Stage::Open(place) => {
                let room = place.room.clone();
                self.handle_frame(&text, &room);
            }
            Stage::Waiting { early, bytes } => {
                // Also an empty one takes room.
                *bytes += text.len() + size_of::<ByteString>();
                if *bytes > BYTES_BEFORE_CONNECTED_MAX {
                    return self.socket.outbox.close(Close::MessageTooBig);
                }
                early.push(text);
            }
        }
    }

    fn handle_frame(&mut self, text: &str, room: &AnyRoom) {
        if self.context.rate_limits
            && let Err(wait) = self.bucket.take(Instant::now())
        {
            return self.strike(text, wait);
        }
        match room {
            AnyRoom::Campaign(room) => self.take(room, campaign::decode(text)),
            AnyRoom::Workspace(room) => self.take(room, self.decode_chat(text)),
            AnyRoom::Circle(room) => self.take(room, self.decode_circle(text)),
        }
    }

    /// A user may send so many messages, over all connections.
    fn decode_chat(&self, text: &str) -> Result<Decoded<chat::Body>, Refused> {
        let Decoded { id, body } = chat::decode(text)?;
        let admitted = match body {
            Body::Command(chat::Command::Send { .. }) => self.admit(ConnectionContext::admit_message),
            _ => Ok(()),
        };
        admitted.map_err(|rejection| Refused { id: id.clone(), rejection })?;
        Ok(Decoded { id, body })
    }

    /// A user may send so many positions, over all connections. What names a circle must name this one.
    fn decode_circle(&self, text: &str) -> Result<Decoded<BodyFor<Circle>>, Refused> {
        let Decoded { id, body } = circle::decode(text)?;
        let refused = |rejection| Refused { id: id.clone(), rejection };
        let body = match body {
            circle::Body::Ping => Body::Ping,
            circle::Body::Query(query) => Body::Query(query),
            circle::Body::Command(_, Some(circle)) if !self.is_in(&RoomId::circle(&circle)) => {
                return Err(refused(Rejection::not_found("No such circle")));
            }
            circle::Body::Command(command, _) => {
                if matches!(command, circle::Command::Locate { .. }) {
                    self.admit(ConnectionContext::admit_location).map_err(refused)?;
                }
                Body::Command(command)
            }
        };
        Ok(Decoded { id, body })
    }

    fn is_in(&self, room: &RoomId) -> bool {
        self.admission.as_ref().is_some_and(|admission| admission.room == *room)
    }

    fn admit(&self, admit: fn(&ConnectionContext, &UserId) -> Result<(), Rejection>) -> Result<(), Rejection> {
        self.admission.as_ref().map_or(Ok(()), |admission| admit(&self.context, &admission.user))
    }

    fn take<L: StoredRoom>(&self, room: &Addr<Room<L>>, decoded: Result<Decoded<BodyFor<L>>, Refused>) {
        match decoded {
            Ok(Decoded { id, body: Body::Ping }) => self.pong(id),
            Ok(Decoded { id, body: Body::Command(command) }) => self.order(room, id, Request::Command(command)),
            Ok(Decoded { id, body: Body::Query(query) }) => self.order(room, id, Request::Query(query)),
            Ok(Decoded { id, body: Body::Signal(signal) }) => self.order(room, id, Request::Signal(signal)),
            Err(refused) => self.refuse(refused.id, refused.rejection),
        }
    }

    fn pong(&self, id: Option<CommandId>) {
        self.socket.outbox.answer(&encode_one(&Pong { id }, None));
    }

    fn order<L: StoredRoom>(&self, room: &Addr<Room<L>>, id: Option<CommandId>, request: Request<L>) {
        match room.try_send(Order { connection: self.line.id, tag: None, id: id.clone(), request }) {
            Ok(()) => {}
            Err(SendError::Full(_)) => self.refuse(id, Rejection::busy()),
            Err(SendError::Closed(_)) => self.socket.outbox.close(Close::Restarting),
        }
    }

    fn refuse(&self, id: Option<CommandId>, rejection: Rejection) {
        self.context.counts.command_outcome(Some(rejection.code));
        self.line.answer(&Reply::refusal(None, id, rejection));
    }

    /// A frame over the limit is not carried out; who goes on all the same is closed.
    fn strike(&mut self, text: &str, wait: f32) {
        self.context.counts.rate_limited();
        if self.strikes.add(Instant::now()) > RATE_LIMIT_STRIKES_MAX {
            return self.socket.outbox.close(Close::TooManyMessages);
        }
        let id = decode::id_of(text);
        let seconds = Duration::from_secs_f32(wait).as_secs() as u32 + 1;
        self.line.answer(&Reply::refusal(None, id, Rejection::new(ErrorCode::RateLimited, "Too many messages").retry_in(seconds)));
    }
}

impl Actor for Connection {
    type Context = HttpContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        hub::register(self.line.clone());
        self.context.counts.connected();
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        hub::unregister(self.line.id);
        let reason = self.socket.outbox.close_reason();
        self.socket.outbox.forget();
        self.context.counts.disconnected(reason);
        if let Some(Admission { user, room, .. }) = &self.admission {
            self.context.registry.remove(user, self.line.id);
            let why = if self.socket.silent.get() { " silent" } else { "" };
            log::info!("disconnect connection={} user={user} room={room} code={}{why}", self.line.id, reason.map_or(1006, Close::code));
        } else {
            log::info!("disconnect connection={} code={}", self.line.id, reason.map_or(1006, Close::code));
        }
        self.stage = Stage::Waiting { early: Vec::new(), bytes: 0 };
    }
}

impl StreamHandler<Result<Bytes, PayloadError>> for Connection {
    fn handle(&mut self, chunk: Result<Bytes, PayloadError>, ctx: &mut Self::Context) {
        let Ok(chunk) = chunk else { return ctx.stop() };
        self.inlet.feed(&self.socket, chunk);
        while let Some(said) = self.inlet.next(&self.socket) {
            self.hear(said);
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Admit> for Connection {
    type Result = ();

    fn handle(&mut self, Admit(admission): Admit, ctx: &mut Self::Context) {
        if !self.socket.outbox.is_open() {
            return;
        }
        if self.context.room_context.draining.load(Ordering::Relaxed) {
            return self.socket.outbox.close(Close::Restarting);
        }
        let admission = match admission {
            Ok(admission) => admission,
            Err(close) => return refuse(&self.socket.outbox, close),
        };
        if hub::has_just_ended(&admission.session.id) {
            return self.socket.outbox.close(Close::SessionEnded);
        }
        log::info!("connect connection={} user={} room={}", self.line.id, admission.user, admission.room);
        self.line.session.replace(admission.session.clone());
        self.context.registry.add(&admission.user, self.line.id, self.hub.clone());
        let (rooms, hub, connection, address) = (self.context.rooms.clone(), self.hub.clone(), self.line.id, ctx.address());
        self.admission = Some(admission.clone());
        actix::spawn(async move {
            let Admission { user, room, since, .. } = admission;
            let join = || Join { connection, hub: hub.clone(), user: user.clone(), since };
            let joined = rooms.join(&room, join).await.map(|room| Place { room, connection });
            // The one message of its kind. A connection that is gone gives its place up with it.
            address.do_send(Joined(joined));
        });
    }
}

impl Handler<Joined> for Connection {
    type Result = ();

    fn handle(&mut self, Joined(joined): Joined, _: &mut Self::Context) {
        let Ok(place) = joined else { return refuse(&self.socket.outbox, Close::TryAgainLater) };
        let room = place.room.clone();
        let Stage::Waiting { early, .. } = std::mem::replace(&mut self.stage, Stage::Open(place)) else { return };
        for text in early {
            if self.socket.outbox.is_open() {
                self.handle_frame(&text, &room);
            }
        }
    }
}
