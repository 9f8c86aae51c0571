//! The schema: migrations of both databases, embedded in the binary.
//!
//! All of it happens in one transaction under one lock, so that of several processes that start at once one migrates and the others find it done.
//! What is not ours is refused by its name before anything is changed: a table that our migrations did not make would
//! otherwise be taken for one of ours.
//!
//! Better Auth's four tables are the exception: where they exist they are adopted as they are, and `down` leaves them.

use std::fmt;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_query;
use diesel::sql_types::{Bool, Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::store::db::{Db, on};

const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// One step of the schema.
struct Step {
    /// The folder's name up to the first `_`, without hyphens: diesel's version.
    version: &'static str,
    name: &'static str,
    /// Tables and types that it makes, and that must not be there before.
    makes: &'static [&'static str],
}

/// Oldest first.
const STEPS: [Step; 5] = [
    Step { version: "20261121000001", name: "accounts", makes: &[] },
    Step { version: "20261121000002", name: "kernel", makes: &["room_owner", "room_event", "room_command", "cluster_node"] },
    Step {
        version: "20261121000003",
        name: "campaigns",
        makes: &[
            "campaign",
            "campaign_member",
            "invitation",
            "invite_link",
            "campaign_hex",
            "hex_visibility",
            "campaign_token",
            "staged_change",
            "game_session",
            "session_event",
            "session_status",
            "session_event_type",
        ],
    },
    Step {
        version: "20261121000004",
        name: "messaging",
        makes: &[
            "workspace",
            "workspace_member",
            "workspace_invitation",
            "workspace_invite_link",
            "channel",
            "channel_member",
            "conversation",
            "conversation_participant",
            "message",
            "reaction",
            "read_state",
            "socket_recovery",
            // SQLite's search, and the tables that it keeps its index in.
            "message_fts",
            "message_fts_data",
            "message_fts_idx",
            "message_fts_docsize",
            "message_fts_config",
        ],
    },
    Step { version: "20261121000005", name: "circles", makes: &["circle", "circle_member", "circle_invite", "location", "app_password"] },
];

/// Held by PostgreSQL for as long as somebody migrates: any number that nobody else uses.
const ADVISORY_LOCK: i64 = 0x6d6f_6f74_6861_6c6c;

/// A step and whether the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStatus {
    pub version: &'static str,
    pub name: &'static str,
    pub applied: bool,
}

#[derive(Debug)]
pub enum MigrateError {
    /// The database has this version, of which this binary knows nothing: a newer one made it.
    Newer(String),
    /// A table or type of ours exists that our migrations did not make.
    Foreign(&'static str),
    /// So many steps are still to be done.
    Pending(usize),
    /// There is no step to take back.
    NothingApplied,
    Database(Error),
    /// A migration's own statements failed.
    Step(String),
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MigrateError::Newer(version) => write!(f, "the database's schema {version} is newer than this program"),
            MigrateError::Foreign(name) => write!(f, "`{name}` exists and is not this program's"),
            MigrateError::Pending(steps) => {
                let migrations = if *steps == 1 { "1 migration is" } else { &format!("{steps} migrations are") };
                write!(f, "the database's schema is old: {migrations} to be run, with `moothall migrate`")
            }
            MigrateError::NothingApplied => f.write_str("no migration has been run"),
            MigrateError::Database(error) => error.fmt(f),
            MigrateError::Step(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for MigrateError {}

impl From<Error> for MigrateError {
    fn from(error: Error) -> Self {
        MigrateError::Database(error)
    }
}

/// All steps, oldest first. Changes nothing.
pub fn status(db: &mut Db) -> Result<Vec<StepStatus>, MigrateError> {
    let applied = applied(db)?;
    let status =
        |step: &Step| StepStatus { version: step.version, name: step.name, applied: applied.iter().any(|version| version == step.version) };
    Ok(STEPS.iter().map(status).collect())
}

/// Whether this binary can work with the schema as it stands. Changes nothing.
pub fn check(db: &mut Db) -> Result<(), MigrateError> {
    let applied = applied(db)?;
    refuse_what_is_not_ours(db, &applied)?;
    match STEPS.len() - applied.len() {
        0 => Ok(()),
        pending => Err(MigrateError::Pending(pending)),
    }
}

/// Does all steps that are still to be done, and says how many there were.
pub fn up(db: &mut Db) -> Result<usize, MigrateError> {
    alone(db, |db, applied| {
        refuse_what_is_not_ours(db, &applied)?;
        let run = on!(db,
            pg c => c.run_pending_migrations(POSTGRES).map(|run| run.len()),
            sqlite c => c.run_pending_migrations(SQLITE).map(|run| run.len()),
        );
        run.map_err(|error| MigrateError::Step(error.to_string()))
    })
}

/// Takes the newest step back, with what is in its tables, and says its name.
pub fn down(db: &mut Db) -> Result<&'static str, MigrateError> {
    alone(db, |db, applied| {
        refuse_what_is_not_ours(db, &applied)?;
        let newest = STEPS.iter().rev().find(|step| applied.iter().any(|version| version == step.version));
        let newest = newest.ok_or(MigrateError::NothingApplied)?;
        let reverted = on!(db,
            pg c => c.revert_last_migration(POSTGRES).map(drop),
            sqlite c => c.revert_last_migration(SQLITE).map(drop),
        );
        reverted.map_err(|error| MigrateError::Step(error.to_string()))?;
        Ok(newest.name)
    })
}

/// Runs `work` with the versions that are applied, in a transaction that no other process can be in at the same time.
fn alone<T>(db: &mut Db, work: impl FnOnce(&mut Db, Vec<String>) -> Result<T, MigrateError>) -> Result<T, MigrateError> {
    db.write(|db| {
        // SQLite's write transaction is the lock. PostgreSQL's is waited for as long as another process migrates.
        if let Db::Pg(c) = db {
            c.batch_execute(&format!(
                "SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
            ))?;
        }
        let applied = applied(db)?;
        work(db, applied)
    })
}

fn refuse_what_is_not_ours(db: &mut Db, applied: &[String]) -> Result<(), MigrateError> {
    if let Some(newer) = applied.iter().find(|version| STEPS.iter().all(|step| step.version != version.as_str())) {
        return Err(MigrateError::Newer(newer.clone()));
    }
    let pending = STEPS.iter().filter(|step| applied.iter().all(|version| version != step.version));
    for name in pending.flat_map(|step| step.makes) {
        if exists(db, name)? {
            return Err(MigrateError::Foreign(name));
        }
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    found: bool,
}

/// Whether a table, view or type has this name. PostgreSQL has types of its own, `circle` among them: those are nobody's.
fn exists(db: &mut Db, name: &str) -> QueryResult<bool> {
    let row: Exists = on!(db,
        pg c => sql_query(
            "SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
             WHERE t.typname = $1 AND n.nspname = ANY (current_schemas(false))) AS found",
        )
        .bind::<Text, _>(name)
        .get_result(c)?,
        sqlite c => sql_query("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = $1 COLLATE NOCASE) AS found").bind::<Text, _>(name).get_result(c)?,
    );
    Ok(row.found)
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

fn applied(db: &mut Db) -> QueryResult<Vec<String>> {
    if !exists(db, "__diesel_schema_migrations")? {
        return Ok(Vec::new());
    }
    let rows: Vec<Version> = on!(db, c => sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version").load(c))?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

#[cfg(test)]
mod tests {
    use diesel::migration::{Migration, MigrationSource};

    use super::*;

    fn names<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Vec<String>
    where
        EmbeddedMigrations: MigrationSource<DB>,
    {
        let migrations: Vec<Box<dyn Migration<DB>>> = source.migrations().expect("are embedded");
        migrations.iter().map(|migration| format!("{} {}", migration.name().version(), migration.name())).collect()
    }

    #[test]
    fn both_databases_have_the_steps_that_are_listed() {
        let with_hyphens = |v: &str| format!("{}-{}-{}-{}", &v[..4], &v[4..6], &v[6..8], &v[8..]);
        let listed: Vec<String> =
            STEPS.iter().map(|step| format!("{} {}_{}", step.version, with_hyphens(step.version), step.name)).collect();
        assert_eq!(names::<diesel::pg::Pg>(&POSTGRES), listed);
        assert_eq!(names::<diesel::sqlite::Sqlite>(&SQLITE), listed);
    }
}
