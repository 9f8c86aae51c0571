//! What Socket.IO connections need to go on after a planned restart, kept in the database between two processes.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Binary, Text};
use diesel::upsert::excluded;

use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;
use crate::store::schema::socket_recovery as d;
use crate::store::types::{At, Instant};

/// Rows that one statement of PostgreSQL gets.
const ROWS_PER_STATEMENT: usize = 1_024;

/// A row of `socket_recovery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSocket {
    /// Of the connection's private id, which is a secret.
    pub pid_hash: String,
    pub state: Vec<u8>,
    pub expires_at: Timestamp,
}

/// All of them or none.
pub fn save(db: &mut Db, sockets: &[SavedSocket]) -> QueryResult<()> {
    db.write(|db| match db {
        Db::Pg(c) => sockets.chunks(ROWS_PER_STATEMENT).try_for_each(|rows| {
            sql_query(
                "INSERT INTO socket_recovery (pid_hash, state, expires_at) SELECT * FROM unnest($1, $2, $3) \
                 ON CONFLICT (pid_hash) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
            )
            .bind::<Array<Text>, _>(rows.iter().map(|row| row.pid_hash.as_str()).collect::<Vec<_>>())
            .bind::<Array<Binary>, _>(rows.iter().map(|row| row.state.as_slice()).collect::<Vec<_>>())
            .bind::<Array<Instant>, _>(rows.iter().map(|row| At(row.expires_at)).collect::<Vec<_>>())
            .execute(c)
            .map(drop)
        }),
        Db::Sqlite(c) => sockets.iter().try_for_each(|row| {
            diesel::insert_into(d::table)
                .values((d::pid_hash.eq(&row.pid_hash), d::state.eq(&row.state), d::expires_at.eq(At(row.expires_at))))
                .on_conflict(d::pid_hash)
                .do_update()
                .set((d::state.eq(excluded(d::state)), d::expires_at.eq(excluded(d::expires_at))))
                .prepared()
                .execute(c)
                .map(drop)
        }),
    })
}

/// The state that was saved, once: of several who ask at the same time one gets it. `None` also when it has expired.
pub fn take(db: &mut Db, pid_hash: &str, now: Timestamp) -> QueryResult<Option<Vec<u8>>> {
    let taken: Option<(Vec<u8>, At)> =
        on!(db, c => diesel::delete(d::table.find(pid_hash)).returning((d::state, d::expires_at)).get_result(c).optional())?;
    Ok(taken.filter(|(_, expires_at)| expires_at.0 > now).map(|(state, _)| state))
}

/// Deletes what has expired, and says how much it was.
pub fn prune(db: &mut Db, now: Timestamp) -> QueryResult<usize> {
    on!(db, c => diesel::delete(d::table.filter(d::expires_at.le(At(now)))).execute(c))
}
