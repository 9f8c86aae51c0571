//! Forgetting: what nobody can ask for any more leaves the journal, in steps that do not keep the writer long.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::protocol::limits::{COMMAND_MEMORY, EVENTS_KEPT_MIN};
use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;
use crate::store::schema::room_event::dsl as e;
use crate::store::types::{At, Instant};

/// Rows of each table, of events for each room, that one step deletes at most.
const ROWS_PER_STEP: i64 = 1_000;
/// Rooms whose events one step looks at.
const ROOMS_PER_STEP: i64 = 16;

/// What one step of [`prune`] deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub events: usize,
    pub commands: usize,
    /// There may be more: another step is due.
    pub more: bool,
}

#[derive(QueryableByName)]
struct Room {
    #[diesel(sql_type = Text)]
    room_id: String,
    /// The newest event that may go.
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// One step: events older than `retention`, but never the newest `EVENTS_KEPT_MIN` of a room, and command ids older than `COMMAND_MEMORY`. A
/// room's events go oldest first, so that what is left has no hole.
pub fn prune(db: &mut Db, now: Timestamp, retention: Duration) -> QueryResult<Pruned> {
    let rooms = rooms_with_old_events(db, now.minus(retention))?;
    let mut events = 0;
    for room in &rooms {
        events += prune_events(db, room, now.minus(retention))?;
    }
    let commands = prune_commands(db, now.minus(COMMAND_MEMORY))?;
    Ok(Pruned { events, commands, more: events > 0 || commands as i64 == ROWS_PER_STEP })
}

/// Only the oldest event of each room is looked at.
fn rooms_with_old_events(db: &mut Db, cutoff: Timestamp) -> QueryResult<Vec<Room>> {
    on!(db, c => sql_query(
            "SELECT room_id, head_seq - $1 AS last FROM room_owner o WHERE head_seq > $2 AND \
             (SELECT created_at FROM room_event e WHERE e.room_id = o.room_id AND e.seq <= o.head_seq - $3 ORDER BY e.seq LIMIT 1) < $4 LIMIT $5",
        )
        .bind::<BigInt, _>(EVENTS_KEPT_MIN)
        .bind::<BigInt, _>(EVENTS_KEPT_MIN)
        .bind::<BigInt, _>(EVENTS_KEPT_MIN)
        .bind::<Instant, _>(At(cutoff))
        .bind::<BigInt, _>(ROOMS_PER_STEP)
        .prepared()
        .load(c))
}

fn prune_events(db: &mut Db, room: &Room, cutoff: Timestamp) -> QueryResult<usize> {
    let oldest: Vec<(i64, At)> = on!(db, c => e::room_event
        .filter(e::room_id.eq(&room.room_id).and(e::seq.le(room.last)))
        .order(e::seq)
        .limit(ROWS_PER_STEP)
        .select((e::seq, e::created_at))
        .load(c))?;
    let Some((last, _)) = oldest.into_iter().take_while(|(_, at)| at.0 < cutoff).last() else { return Ok(0) };
    on!(db, c => diesel::delete(e::room_event.filter(e::room_id.eq(&room.room_id).and(e::seq.le(last)))).execute(c))
}

fn prune_commands(db: &mut Db, cutoff: Timestamp) -> QueryResult<usize> {
    on!(db, c => sql_query(
            "DELETE FROM room_command WHERE (room_id, user_id, command_id) IN \
             (SELECT room_id, user_id, command_id FROM room_command WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        )
        .bind::<Instant, _>(At(cutoff))
        .bind::<BigInt, _>(ROWS_PER_STEP)
        .prepared()
        .execute(c))
}
