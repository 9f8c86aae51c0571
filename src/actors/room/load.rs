//! Loading a room: take ownership first, then read; there is no other way to a live room.
//!
//! Taking ownership raises the epoch under the same row lock that commits take. So it waits for a commit that is on its way, and none of an older epoch
//! can land after it: what is read then is settled, whatever became of the connection that wrote last (I2, I8).

use std::sync::Arc;

use diesel::QueryResult;

use crate::actors::clock;
use crate::actors::executor::StoreError;
use crate::actors::memory::{CommandMemory, Remembered};
use crate::actors::parts::{EncodedParts, decode_stored};
use crate::actors::room::RoomContext;
use crate::protocol::ids::RoomId;
use crate::protocol::limits::{COMMAND_MEMORY, COMMANDS_REMEMBERED_MAX};
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::RoomLogic;
use crate::store::db::Db;
use crate::store::journal::{self, Acquire, DomainRows, Missed};

/// Bytes of changes that a reloaded room replays to the connections that it kept.
const REPLAY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the shell needs of a kind of room besides its rules: its rows.
pub trait StoredRoom: RoomLogic {
    /// False for a room that does not exist, which is then not owned either.
    fn exists(db: &mut Db, room: &RoomId) -> QueryResult<bool>;

    /// The room as its tables have it, read in the transaction of the caller.
    fn read(db: &mut Db, room: &RoomId) -> QueryResult<Option<Self>>;

    /// What a room asks of its tables.
    fn look_up(db: &mut Db, room: &RoomId, lookup: Self::Lookup) -> QueryResult<Self::Found>;

    /// The rows of an event as the journal writes them.
    fn domain_rows(room: &RoomId, rows: Vec<Self::Row>) -> DomainRows;
}

pub struct Loaded<L> {
    pub logic: L,
    pub epoch: i64,
    pub head: i64,
    pub memory: CommandMemory,
    /// What was committed after the last change that connections have heard of; `None` when that is too much to be replayed.
    pub missed: Option<Vec<Arc<EncodedParts>>>,
}

pub enum LoadFailure {
    NotThere,
    /// Another node, which lives, owns it.
    Elsewhere(String),
    Unavailable(String),
}

impl From<StoreError> for LoadFailure {
    fn from(error: StoreError) -> Self {
        LoadFailure::Unavailable(error.to_string())
    }
}

pub async fn load<L: StoredRoom>(context: Arc<RoomContext>, room: RoomId, spoken: Option<i64>) -> Result<Loaded<L>, LoadFailure> {
    let id = room.clone();
    // Asked first, and of a reader: names that somebody made up must not keep the writer busy, nor leave rows.
    if !context.database.read(move |db| L::exists(db, &id)).await? {
        return Err(LoadFailure::NotThere);
    }
    let (node, id) = (context.node.clone(), room.clone());
    let (epoch, head) = match context.database.write(move |db| journal::acquire(db, &id, &node)).await? {
        Acquire::HeldBy(node) => return Err(LoadFailure::Elsewhere(node)),
        Acquire::Acquired { epoch, head } => (epoch, head),
    };
    let now = clock::now();
    let read = context.database.read(move |db| db.read(|db| read_all::<L>(db, &room, spoken, now)));
    let (logic, memory, missed) = read.await?.ok_or(LoadFailure::NotThere)?;
    Ok(Loaded { logic, epoch, head, memory, missed })
}

type ReadAll<L> = Option<(L, CommandMemory, Option<Vec<Arc<EncodedParts>>>)>;

fn read_all<L: StoredRoom>(db: &mut Db, room: &RoomId, spoken: Option<i64>, now: Timestamp) -> QueryResult<ReadAll<L>> {
    let Some(logic) = L::read(db, room)? else { return Ok(None) };
    let commands = journal::commands_of(db, room, now.minus(COMMAND_MEMORY))?;
    let complete = commands.len() < COMMANDS_REMEMBERED_MAX;
    let rows = commands.into_iter().map(|row| {
        let remembered = Remembered { hash: row.hash, seq: row.seq, answer: row.answer.into(), at: row.at };
        (row.user, row.id, remembered)
    });
    let memory = CommandMemory::from_rows(rows, complete, now);
    let missed = match spoken {
        Some(spoken) => match journal::events_after(db, room, spoken, REPLAY_BYTES_MAX)? {
            Missed::Events(rows) => rows.iter().map(|row| decode_stored(&row.parts, row.seq).map(Arc::new).ok()).collect(),
            Missed::TooMuch => None,
        },
        None => Some(Vec::new()),
    };
    Ok(Some((logic, memory, missed)))
}

/// Gives the ownership back, so that another node need not wait. It does not matter if it fails.
pub async fn release(context: Arc<RoomContext>, room: RoomId, epoch: i64) {
    let node = context.node.clone();
    if let Err(error) = context.database.write(move |db| journal::release(db, &room, &node, epoch)).await {
        log::debug!("a room was not released: {error}");
    }
}
