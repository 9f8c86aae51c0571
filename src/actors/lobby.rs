//! Lobby: room id → actor. Starts a room when somebody needs it, forgets it when it is idle.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, MessageResult, Recipient};
use tokio::sync::oneshot;

use crate::actors::line::{ConnectionId, RoomNo};
use crate::actors::registry::Registry;
use crate::actors::room::{Answered, Ask, Join, Leave, Retire, Room, RoomContext, StoredRoom};
use crate::actors::vital::vital;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{RoomId, RoomKind, UserId};
use crate::rooms::campaign::Campaign;
use crate::rooms::chat::Workspace;
use crate::rooms::circle::Circle;

/// How often a caller that found a room on its way out asks again. Once is enough but for another retirement in between.
const ATTEMPTS: usize = 5;

/// The actor of a room, of whatever kind.
#[derive(Clone)]
pub enum AnyRoom {
    Campaign(Addr<Room<Campaign>>),
    Workspace(Addr<Room<Workspace>>),
    Circle(Addr<Room<Circle>>),
}

/// The same for whatever kind it is.
macro_rules! each_kind {
    ($any:expr, $room:ident => $body:expr) => {
        match $any {
            AnyRoom::Campaign($room) => $body,
            AnyRoom::Workspace($room) => $body,
            AnyRoom::Circle($room) => $body,
        }
    };
}

/// A kind of room that the Lobby knows.
pub trait Kind: StoredRoom {
    /// `None` for a room of another kind.
    fn of(room: &AnyRoom) -> Option<&Addr<Room<Self>>>;
}

impl Kind for Campaign {
    fn of(room: &AnyRoom) -> Option<&Addr<Room<Self>>> {
        if let AnyRoom::Campaign(room) = room { Some(room) } else { None }
    }
}

impl Kind for Workspace {
    fn of(room: &AnyRoom) -> Option<&Addr<Room<Self>>> {
        if let AnyRoom::Workspace(room) = room { Some(room) } else { None }
    }
}

impl Kind for Circle {
    fn of(room: &AnyRoom) -> Option<&Addr<Room<Self>>> {
        if let AnyRoom::Circle(room) = room { Some(room) } else { None }
    }
}

impl AnyRoom {
    fn start(thread: &ArbiterHandle, id: RoomId, no: RoomNo, context: Arc<RoomContext>, lobby: Recipient<Retire>) -> Self {
        match id.kind() {
            RoomKind::Campaign => AnyRoom::Campaign(Room::start_in_arbiter(thread, move |_| Room::new(id, no, context, lobby))),
            RoomKind::Workspace => AnyRoom::Workspace(Room::start_in_arbiter(thread, move |_| Room::new(id, no, context, lobby))),
            RoomKind::Circle => AnyRoom::Circle(Room::start_in_arbiter(thread, move |_| Room::new(id, no, context, lobby))),
        }
    }

    fn is_alive(&self) -> bool {
        each_kind!(self, room => room.connected())
    }

    async fn join(&self, join: Join) -> bool {
        let joined = each_kind!(self, room => room.send(join).await);
        matches!(joined, Ok(Ok(())))
    }

    /// A connection gives its place up. At most one for each [`Join`], which goes through the bounded way.
    pub fn leave(&self, connection: ConnectionId) {
        each_kind!(self, room => room.do_send(Leave { connection }));
    }
}

pub struct Lobby {
    rooms: HashMap<RoomId, (RoomNo, AnyRoom)>,
    last: u64,
    threads: Vec<Arbiter>,
    context: Arc<RoomContext>,
}

/// The actor of a room, started if need be. Whether such a room exists only its loading tells.
#[derive(Message)]
#[rtype(result = "AnyRoom")]
struct Find(RoomId);

impl Lobby {
    /// `threads`: how many threads the rooms are spread over.
    pub fn new(threads: usize, context: Arc<RoomContext>) -> Self {
        Self { rooms: HashMap::new(), last: 0, threads: (0..threads).map(|_| Arbiter::new()).collect(), context }
    }

    fn thread_of(&self, room: &RoomId) -> ArbiterHandle {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        self.threads[hasher.finish() as usize % self.threads.len()].handle()
    }

    fn find_or_start(&mut self, id: RoomId, ctx: &mut Context<Self>) -> AnyRoom {
        if let Some((_, room)) = self.rooms.get(&id).filter(|(_, room)| room.is_alive()) {
            return room.clone();
        }
        self.last += 1;
        let no = RoomNo(self.last);
        let (context, lobby, room_id) = (self.context.clone(), ctx.address().recipient(), id.clone());
        let room = AnyRoom::start(&self.thread_of(&id), room_id, no, context, lobby);
        self.rooms.insert(id, (no, room.clone()));
        room
    }
}

impl Actor for Lobby {
    type Context = Context<Self>;
}

impl Handler<Find> for Lobby {
    type Result = MessageResult<Find>;

    fn handle(&mut self, Find(id): Find, ctx: &mut Self::Context) -> Self::Result {
        MessageResult(vital("the lobby", || self.find_or_start(id, ctx)))
    }
}

impl Handler<Retire> for Lobby {
    type Result = ();

    fn handle(&mut self, Retire { id, no }: Retire, _: &mut Self::Context) {
        if self.rooms.get(&id).is_some_and(|(known, _)| *known == no) {
            self.rooms.remove(&id);
        }
    }
}

/// The rooms, for whoever has something to ask of one. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    lobby: Addr<Lobby>,
    registry: Arc<Registry>,
}

impl Rooms {
    pub fn new(lobby: Addr<Lobby>, registry: Arc<Registry>) -> Self {
        Self { lobby, registry }
    }

    /// A user has become a member of a room: connections that are in all of a user's rooms come in.
    pub fn welcome(&self, user: &UserId, room: &RoomId) {
        self.registry.welcome(user, room);
    }

    async fn find(&self, room: &RoomId) -> Result<AnyRoom, Rejection> {
        self.lobby.send(Find(room.clone())).await.map_err(|_| Rejection::busy())
    }

    /// Brings a connection in. `join` is asked for anew when the room that was found is on its way out.
    pub async fn join(&self, room: &RoomId, join: impl Fn() -> Join) -> Result<AnyRoom, Rejection> {
        for _ in 0..ATTEMPTS {
            let found = self.find(room).await?;
            if found.join(join()).await {
                return Ok(found);
            }
        }
        Err(Rejection::busy())
    }

    /// Has a command carried out by its room. It is durable when the answer is there.
    pub async fn command<L: Kind>(&self, room: &RoomId, by: Option<UserId>, command: L::Command) -> Result<Answered<L::Answer>, Rejection> {
        let (answer, answered) = oneshot::channel();
        let mut ask = Ask::<L> { by, command, answer };
        for _ in 0..ATTEMPTS {
            let found = self.find(room).await?;
            let Some(actor) = L::of(&found) else { return Err(Rejection::not_found("No such room")) };
            match actor.send(ask).await {
                Ok(Ok(())) => return answered.await.unwrap_or(Err(Rejection::storage_unavailable())),
                Ok(Err(back)) => ask = *back,
                Err(_) => return Err(Rejection::busy()),
            }
        }
        Err(Rejection::busy())
    }
}
