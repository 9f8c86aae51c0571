//! Lobby: room id → actor. Starts a room when somebody needs it, forgets it when it is idle.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, ArbiterHandle, AsyncContext, Context, Handler, Message, MessageResult};
use tokio::sync::oneshot;

use crate::actors::line::RoomNo;
use crate::actors::room::{Answered, Ask, Join, Retire, Room, RoomContext};
use crate::actors::vital::vital;
use crate::protocol::campaign::command::{Answer, Command};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{RoomId, UserId};
use crate::rooms::campaign::Campaign;

/// How often a caller that found a room on its way out asks again. Once is enough but for another retirement in between.
const ATTEMPTS: usize = 5;

pub type CampaignRoom = Addr<Room<Campaign>>;

pub struct Lobby {
    rooms: HashMap<RoomId, (RoomNo, CampaignRoom)>,
    last: u64,
    threads: Vec<Arbiter>,
    context: Arc<RoomContext>,
}

/// The actor of a room, started if need be. Whether such a room exists only its loading tells.
#[derive(Message)]
#[rtype(result = "CampaignRoom")]
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

    fn find_or_start(&mut self, id: RoomId, ctx: &mut Context<Self>) -> CampaignRoom {
        if let Some((_, room)) = self.rooms.get(&id).filter(|(_, room)| room.connected()) {
            return room.clone();
        }
        self.last += 1;
        let no = RoomNo(self.last);
        let (context, lobby, room_id) = (self.context.clone(), ctx.address().recipient(), id.clone());
        let room = Room::start_in_arbiter(&self.thread_of(&id), move |_| Room::new(room_id, no, context, lobby));
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
}

impl Rooms {
    pub fn new(lobby: Addr<Lobby>) -> Self {
        Self { lobby }
    }

    async fn find(&self, room: &RoomId) -> Result<CampaignRoom, Rejection> {
        self.lobby.send(Find(room.clone())).await.map_err(|_| Rejection::busy())
    }

    /// Brings a connection in. `join` is asked for anew when the room that was found is on its way out.
    pub async fn join(&self, room: &RoomId, join: impl Fn() -> Join) -> Result<CampaignRoom, Rejection> {
        for _ in 0..ATTEMPTS {
            let found = self.find(room).await?;
            if let Ok(Ok(())) = found.send(join()).await {
                return Ok(found);
            }
        }
        Err(Rejection::busy())
    }

    /// Has a command carried out by its room. It is durable when the answer is there.
    pub async fn command(&self, room: &RoomId, by: Option<UserId>, command: Command) -> Result<Answered<Answer>, Rejection> {
        let (answer, answered) = oneshot::channel();
        let mut ask = Ask { by, command, answer };
        for _ in 0..ATTEMPTS {
            match self.find(room).await?.send(ask).await {
                Ok(Ok(())) => return answered.await.unwrap_or(Err(Rejection::storage_unavailable())),
                Ok(Err(back)) => ask = *back,
                Err(_) => return Err(Rejection::busy()),
            }
        }
        Err(Rejection::busy())
    }
}
