//! This process among the others of its database: a row in `cluster_node` with a lease.
//!
//! A lease says *when* another node may take this one's rooms over. Whether anything may be written is decided by the room's epoch at each
//! commit, so nothing here has to be exact: only the database's clock is compared, with itself.
//!
//! SQLite has one process, which holds a lock on its directory. Nobody else is there to see its lease, so that never lapses.

use std::fmt;
use std::time::Duration;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_query;
use diesel::sql_types::{Double, Text};
use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;
use crate::store::schema::cluster_node::dsl as d;
use crate::store::types::At;

/// How long a lease is good after it was renewed.
pub const LEASE: Duration = Duration::from_secs(6);
/// How often it is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);

/// Nodes that start at once look at each other's secrets in turn.
const ADVISORY_LOCK: i64 = 0x6d6f_6f74_6e6f_6465;

/// 9999-12-31: the lease of SQLite's one process.
const FOREVER: Timestamp = Timestamp::from_ms(253_402_300_799_000);

#[derive(Debug)]
pub enum RegisterError {
    /// The live node at this address has another secret: its sessions are not ours, and ours not its.
    OtherSecret {
        addr: String,
    },
    Database(Error),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterError::OtherSecret { addr } => write!(f, "BETTER_AUTH_SECRET: the node at {addr} uses this database with another one"),
            RegisterError::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RegisterError {}

impl From<Error> for RegisterError {
    fn from(error: Error) -> Self {
        RegisterError::Database(error)
    }
}

/// Whether a node could go on with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    Renewed,
    /// It had lapsed, or the row is gone: others may have taken its rooms, and it registers anew under another id.
    Lapsed,
}

/// Enters this process as a new node and returns its id, a new one at every start. `addr` is `hostname:port`: whoever was there before is dead,
/// or the port would not be free, so its lease ends.
pub fn register(db: &mut Db, addr: &str, secret_hash: &str) -> Result<String, RegisterError> {
    let id = Uuid::new_v4().to_string();
    db.write(|db| {
        match db {
            Db::Sqlite(c) => {
                diesel::delete(d::cluster_node).execute(c)?;
                let row = (
                    d::node_id.eq(&id),
                    d::addr.eq(addr),
                    d::secret_hash.eq(secret_hash),
                    d::state.eq("up"),
                    d::lease_until.eq(At(FOREVER)),
                );
                diesel::insert_into(d::cluster_node).values(row).execute(c)?;
            }
            Db::Pg(c) => register_in_postgres(c, &id, addr, secret_hash)?,
        }
        Ok(id)
    })
}

fn register_in_postgres(c: &mut PgConnection, id: &str, addr: &str, secret_hash: &str) -> Result<(), RegisterError> {
    sql_query("SELECT pg_advisory_xact_lock($1)").bind::<diesel::sql_types::BigInt, _>(ADVISORY_LOCK).execute(c)?;
    // A dead node's row means the same as none; the lapsed ones of others go too, so that the table stays small.
    sql_query("DELETE FROM cluster_node WHERE addr = $1 OR lease_until <= clock_timestamp() AT TIME ZONE 'utc'")
        .bind::<Text, _>(addr)
        .execute(c)?;
    let stranger: Option<String> = d::cluster_node.filter(d::secret_hash.ne(secret_hash)).select(d::addr).first(c).optional()?;
    if let Some(addr) = stranger {
        return Err(RegisterError::OtherSecret { addr });
    }
    sql_query(
        "INSERT INTO cluster_node (node_id, addr, secret_hash, state, lease_until) \
         VALUES ($1, $2, $3, 'up', clock_timestamp() AT TIME ZONE 'utc' + make_interval(secs => $4))",
    )
    .bind::<Text, _>(id)
    .bind::<Text, _>(addr)
    .bind::<Text, _>(secret_hash)
    .bind::<Double, _>(LEASE.as_secs_f64())
    .execute(c)?;
    Ok(())
}

/// Makes the lease good for another [`LEASE`], unless it has lapsed.
pub fn renew(db: &mut Db, id: &str) -> QueryResult<Lease> {
    let rows = on!(db,
        pg c => sql_query(
            "UPDATE cluster_node SET lease_until = clock_timestamp() AT TIME ZONE 'utc' + make_interval(secs => $1) \
             WHERE node_id = $2 AND lease_until > clock_timestamp() AT TIME ZONE 'utc'",
        )
        .bind::<Double, _>(LEASE.as_secs_f64())
        .bind::<Text, _>(id)
        .prepared()
        .execute(c)?,
        sqlite c => d::cluster_node.find(id).count().get_result::<i64>(c)? as usize,
    );
    Ok(if rows == 1 { Lease::Renewed } else { Lease::Lapsed })
}

/// Gives a node whose lease has lapsed a new one under its own id. What another node took meanwhile stays taken: every commit is judged by the room's
/// epoch, not by the lease.
pub fn take_up_again(db: &mut Db, id: &str, addr: &str, secret_hash: &str) -> QueryResult<()> {
    let insert = "INSERT INTO cluster_node (node_id, addr, secret_hash, state, lease_until) VALUES ($1, $2, $3, 'up', ";
    let update = ") ON CONFLICT (node_id) DO UPDATE SET lease_until = excluded.lease_until";
    on!(db,
        pg c => sql_query(format!("{insert}clock_timestamp() AT TIME ZONE 'utc' + make_interval(secs => $4){update}"))
            .bind::<Text, _>(id)
            .bind::<Text, _>(addr)
            .bind::<Text, _>(secret_hash)
            .bind::<Double, _>(LEASE.as_secs_f64())
            .execute(c)?,
        sqlite c => sql_query(format!("{insert}$4{update}"))
            .bind::<Text, _>(id)
            .bind::<Text, _>(addr)
            .bind::<Text, _>(secret_hash)
            .bind::<crate::store::types::Instant, _>(At(FOREVER))
            .execute(c)?,
    );
    Ok(())
}

/// Ends the lease: this node's rooms are free at once.
pub fn end(db: &mut Db, id: &str) -> QueryResult<()> {
    on!(db, c => diesel::delete(d::cluster_node.find(id)).execute(c))?;
    Ok(())
}
