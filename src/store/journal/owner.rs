//! Who owns a room.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::protocol::ids::RoomId;
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;
use crate::store::schema::{room_command, room_event, room_owner};

/// What [`acquire`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// The room is ours: under `epoch`, which nobody ever had for it, from `head` on.
    Acquired { epoch: i64, head: i64 },
    /// The node with this id has it, and its lease has not lapsed.
    HeldBy(String),
}

#[derive(QueryableByName)]
struct Owned {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    head_seq: i64,
}

/// Takes a room that is free, or ours, or whose node's lease has lapsed. A commit of its old owner that is under way is waited for, and none
/// can follow it: what is read afterwards is all that there is.
///
/// The epoch is the database's time in milliseconds, or one more than the last: after a restore or a failover that lost rows, counting alone
/// would give two owners one number.
pub fn acquire(db: &mut Db, room: &RoomId, node: &str) -> QueryResult<Acquire> {
    loop {
        if let Some(Owned { epoch, head_seq }) = try_acquire(db, room, node)? {
            return Ok(Acquire::Acquired { epoch, head: head_seq });
        }
        let holder: Option<Option<String>> =
            on!(db, c => room_owner::table.find(room.as_str()).select(room_owner::node_id).first(c).optional())?;
        // Whoever held it may have let go of it in between.
        if let Some(Some(holder)) = holder {
            return Ok(Acquire::HeldBy(holder));
        }
    }
}

fn try_acquire(db: &mut Db, room: &RoomId, node: &str) -> QueryResult<Option<Owned>> {
    let rows: Vec<Owned> = on!(db,
        pg c => sql_query(
            "INSERT INTO room_owner AS o (room_id, node_id, epoch) \
             VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) \
             ON CONFLICT (room_id) DO UPDATE SET node_id = excluded.node_id, epoch = greatest(o.epoch + 1, excluded.epoch) \
             WHERE o.node_id IS NULL OR o.node_id = excluded.node_id OR NOT EXISTS ( \
                 SELECT 1 FROM cluster_node n WHERE n.node_id = o.node_id AND n.lease_until > clock_timestamp() AT TIME ZONE 'utc') \
             RETURNING epoch, head_seq",
        )
        .bind::<Text, _>(room.as_str())
        .bind::<Text, _>(node)
        .prepared()
        .load(c)?,
        sqlite c => sql_query(
            "INSERT INTO room_owner AS o (room_id, node_id, epoch) VALUES ($1, $2, CAST(unixepoch('subsec') * 1000 AS INTEGER)) \
             ON CONFLICT (room_id) DO UPDATE SET node_id = excluded.node_id, epoch = max(o.epoch + 1, excluded.epoch) \
             WHERE o.node_id IS NULL OR o.node_id = excluded.node_id OR NOT EXISTS ( \
                 SELECT 1 FROM cluster_node n WHERE n.node_id = o.node_id AND n.lease_until > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
             RETURNING epoch, head_seq",
        )
        .bind::<Text, _>(room.as_str())
        .bind::<Text, _>(node)
        .prepared()
        .load(c)?,
    );
    Ok(rows.into_iter().next())
}

/// Gives a room up, if it is still ours under this epoch: false when it was not.
pub fn release(db: &mut Db, room: &RoomId, node: &str, epoch: i64) -> QueryResult<bool> {
    let ours = room_owner::table.find(room.as_str()).filter(room_owner::node_id.eq(node).and(room_owner::epoch.eq(epoch)));
    let changed = on!(db, c => diesel::update(ours).set(room_owner::node_id.eq(None::<&str>)).prepared().execute(c))?;
    Ok(changed == 1)
}

/// All that the journal has of a room, for a room that is no more.
pub(crate) fn forget(db: &mut Db, room: &RoomId) -> QueryResult<()> {
    let room = room.as_str();
    on!(db, c => {
        diesel::delete(room_event::table.filter(room_event::room_id.eq(room))).execute(c)?;
        diesel::delete(room_command::table.filter(room_command::room_id.eq(room))).execute(c)?;
        diesel::delete(room_owner::table.find(room)).execute(c)?;
    });
    Ok(())
}
