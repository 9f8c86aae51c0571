//! What happened in a room, read again: for clients that resume and for nodes that missed something.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use crate::protocol::ids::RoomId;
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;

/// Rows that are read again at once, however small they are; more counts as too much.
const EVENTS_MAX: i64 = 50_000;

/// A row of `room_event`.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct StoredEvent {
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
    #[diesel(sql_type = Binary)]
    pub parts: Vec<u8>,
}

/// What [`events_after`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// All of it, in order and without holes.
    Events(Vec<StoredEvent>),
    /// More bytes than were asked for, or part of it has been pruned.
    TooMuch,
}

#[derive(QueryableByName)]
struct Extent {
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// The events of a room after `seq`, if their parts are no more than `bytes_max` together.
pub fn events_after(db: &mut Db, room: &RoomId, seq: i64, bytes_max: usize) -> QueryResult<Missed> {
    // Rows are never changed, so the first `rows` of them are those that were measured, whatever is appended in between.
    let Extent { rows, bytes } = on!(db, c => sql_query(
            "SELECT count(*) AS rows, CAST(coalesce(sum(size), 0) AS bigint) AS bytes FROM \
             (SELECT length(parts) AS size FROM room_event WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) measured",
        )
        .bind::<Text, _>(room.as_str())
        .bind::<BigInt, _>(seq)
        .bind::<BigInt, _>(EVENTS_MAX + 1)
        .prepared()
        .get_result(c))?;
    if rows > EVENTS_MAX || usize::try_from(bytes).is_ok_and(|bytes| bytes > bytes_max) {
        return Ok(Missed::TooMuch);
    }
    let events: Vec<StoredEvent> = on!(db, c => sql_query("SELECT seq, epoch, parts FROM room_event WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
            .bind::<Text, _>(room.as_str())
            .bind::<BigInt, _>(seq)
            .bind::<BigInt, _>(rows)
            .prepared()
            .load(c))?;
    let whole = events.len() as i64 == rows && events.iter().zip(seq + 1..).all(|(event, expected)| event.seq == expected);
    Ok(if whole { Missed::Events(events) } else { Missed::TooMuch })
}

#[derive(QueryableByName)]
struct Around {
    #[diesel(sql_type = BigInt)]
    head: i64,
    #[diesel(sql_type = BigInt)]
    owner: i64,
    /// The epoch of the row at the cursor.
    #[diesel(sql_type = Nullable<BigInt>)]
    at: Option<i64>,
    /// That of the row after it.
    #[diesel(sql_type = Nullable<BigInt>)]
    next: Option<i64>,
}

/// Whether what a client had seen at `since`, under an owner with `epoch`, is a beginning of the room's history as it stands, and the journal still has
/// all that came after.
///
/// Owners follow each other with rising epochs, so the owner of the time must fit between that of the row at `since` and whoever wrote the
/// next row (at the head: the owner of today). A history that was rewritten after a restore has later owners, and fails. Where the row at
/// `since` is gone, nothing tells which history it was of, unless the owner of the time wrote the next row himself. Before the first row all
/// histories are alike.
pub fn cursor_holds(db: &mut Db, room: &RoomId, since: i64, epoch: i64) -> QueryResult<bool> {
    let around: Option<Around> = on!(db, c => sql_query(
            "SELECT o.head_seq AS head, o.epoch AS owner, e.epoch AS at, n.epoch AS next FROM room_owner o \
             LEFT JOIN room_event e ON e.room_id = o.room_id AND e.seq = $1 \
             LEFT JOIN room_event n ON n.room_id = o.room_id AND n.seq = $2 \
             WHERE o.room_id = $3",
        )
        .bind::<BigInt, _>(since)
        .bind::<BigInt, _>(since.saturating_add(1))
        .bind::<Text, _>(room.as_str())
        .prepared()
        .get_result(c)
        .optional())?;
    let Some(Around { head, owner, at, next }) = around else { return Ok(false) };
    if !(0..=head).contains(&since) {
        return Ok(false);
    }
    let next = if since == head { Some(owner) } else { next };
    Ok(match (at, next) {
        (Some(at), Some(next)) => at <= epoch && epoch <= next,
        (None, Some(next)) if since == 0 => epoch <= next,
        (None, Some(next)) => epoch == next,
        (_, None) => false,
    })
}
