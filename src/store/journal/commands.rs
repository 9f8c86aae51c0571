//! The commands that were acknowledged, for whoever sends one again (I3).

use diesel::prelude::*;
use diesel::result::Error;

use crate::protocol::ids::{CommandId, RoomId, UserId};
use crate::protocol::limits::COMMANDS_REMEMBERED_MAX;
use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::schema::room_command::dsl as d;
use crate::store::types::At;

/// An acknowledged command: a row of `room_command`. It counts only for `COMMAND_MEMORY`, though its row may stay longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedCommand {
    pub user: UserId,
    pub id: CommandId,
    pub hash: [u8; 16],
    pub seq: i64,
    pub answer: Vec<u8>,
    pub at: Timestamp,
}

type Columns = (String, String, Vec<u8>, i64, Vec<u8>, At);

fn remembered((user, id, hash, seq, answer, at): Columns) -> QueryResult<RememberedCommand> {
    let invalid = || Error::DeserializationError("room_command holds an invalid value".into());
    let id = CommandId::parse(&id).ok_or_else(invalid)?;
    let hash = hash.try_into().map_err(|_| invalid())?;
    Ok(RememberedCommand { user: UserId::new(user), id, hash, seq, answer, at: at.0 })
}

/// The newest `COMMANDS_REMEMBERED_MAX` commands of a room since then, oldest first.
pub fn commands_of(db: &mut Db, room: &RoomId, since: Timestamp) -> QueryResult<Vec<RememberedCommand>> {
    let rows: Vec<Columns> = on!(db, c => d::room_command
        .filter(d::room_id.eq(room.as_str()).and(d::created_at.ge(At(since))))
        .order((d::created_at.desc(), d::seq.desc()))
        .limit(COMMANDS_REMEMBERED_MAX as i64)
        .select((d::user_id, d::command_id, d::hash, d::seq, d::answer, d::created_at))
        .load(c))?;
    rows.into_iter().rev().map(remembered).collect()
}

/// One command, also one that the room's memory has dropped.
pub fn command(db: &mut Db, room: &RoomId, user: &UserId, id: &CommandId) -> QueryResult<Option<RememberedCommand>> {
    let row: Option<Columns> = on!(db, c => d::room_command
        .find((room.as_str(), user.as_str(), id.as_str()))
        .select((d::user_id, d::command_id, d::hash, d::seq, d::answer, d::created_at))
        .first(c)
        .optional())?;
    row.map(remembered).transpose()
}
