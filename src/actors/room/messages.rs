//! What a room is sent.

use actix::Message;
use tokio::sync::oneshot;

use crate::actors::hub::HubRef;
use crate::actors::line::{ConnectionId, RoomNo};
use crate::actors::room::{Cursor, StoredRoom};
use crate::actors::speech::Tag;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CommandId, RoomId, UserId};
use crate::rooms::kernel::Request;

/// A connection comes in. What follows it hears through its hub: the state of the room, or that it may not.
#[derive(Message)]
#[rtype(result = "Result<(), Retiring>")]
pub struct Join {
    pub connection: ConnectionId,
    pub hub: HubRef,
    pub user: UserId,
    /// What the client knows already.
    pub since: Option<Cursor>,
}

/// The room is being unloaded: ask the Lobby again.
#[derive(Debug)]
pub struct Retiring;

/// A connection is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub connection: ConnectionId,
}

/// What a connection that has joined asks. It is answered through the hub.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Order<L: StoredRoom> {
    pub connection: ConnectionId,
    pub tag: Option<Tag>,
    pub id: Option<CommandId>,
    pub request: Request<L>,
}

/// A command through REST. `by` must be a member; without it the command says by itself who is meant. A room that is being unloaded gives it back.
#[derive(Message)]
#[rtype(result = "Result<(), Box<Ask<L>>>")]
pub struct Ask<L: StoredRoom> {
    pub by: Option<UserId>,
    pub command: L::Command,
    pub answer: oneshot::Sender<Result<Answered<L::Answer>, Rejection>>,
}

/// A command was done, and it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<A> {
    pub seq: i64,
    pub epoch: i64,
    pub answer: A,
}

/// What a room that is unloaded tells the Lobby: it is to be forgotten.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Retire {
    pub id: RoomId,
    pub no: RoomNo,
}
