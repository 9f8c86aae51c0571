//! One value for a connection to either database, and transactions over it.
//!
//! [`on!`] compiles one query text for both native connections, so everything that diesel offers for both is at hand. Where SQL truly differs it
//! takes two arms.

use std::num::NonZeroU32;

use diesel::connection::{AnsiTransactionManager as Ansi, TransactionManager};
use diesel::result::Error;
use diesel::{PgConnection, QueryResult, SqliteConnection};

pub enum Db {
    Pg(PgConnection),
    Sqlite(SqliteConnection),
}

/// Runs a query on whichever connection there is: `on!(db, c => users.load(c))`, or `on!(db, pg c => …, sqlite c => …)` where SQL differs.
#[macro_export]
macro_rules! on {
    ($db:expr, $c:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Pg($c) => $body,
            $crate::store::db::Db::Sqlite($c) => $body,
        }
    };
    ($db:expr, pg $p:ident => $pg:expr, sqlite $s:ident => $sqlite:expr $(,)?) => {
        match $db {
            $crate::store::db::Db::Pg($p) => $pg,
            $crate::store::db::Db::Sqlite($s) => $sqlite,
        }
    };
}
pub use crate::on;

impl Db {
    /// Runs `work` in a transaction: `BEGIN IMMEDIATE` in SQLite, a savepoint when nested. An error rolls back.
    pub fn write<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Db) -> Result<T, E>) -> Result<T, E> {
        self.begin_write()?;
        self.finish(work)
    }

    /// Runs `work` in a transaction that sees one state of the database from its first read to its last. Within another transaction it sees
    /// what that one sees.
    pub fn read<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Db) -> Result<T, E>) -> Result<T, E> {
        if self.transaction_depth()?.is_some() {
            return work(self);
        }
        match self {
            Db::Pg(c) => Ansi::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?,
            Db::Sqlite(c) => Ansi::begin_transaction_sql(c, "BEGIN DEFERRED")?,
        }
        self.finish(work)
    }

    fn transaction_depth(&mut self) -> QueryResult<Option<NonZeroU32>> {
        on!(self, c => Ansi::transaction_manager_status_mut(c).transaction_depth())
    }

    fn is_outside_transaction(&mut self) -> bool {
        matches!(self.transaction_depth(), Ok(None))
    }

    fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Db::Pg(c) => Ansi::begin_transaction(c),
            Db::Sqlite(c) => match Ansi::transaction_manager_status_mut(c).transaction_depth()? {
                None => Ansi::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
                Some(_) => Ansi::begin_transaction(c),
            },
        }
    }

    fn finish<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Db) -> Result<T, E>) -> Result<T, E> {
        match work(self) {
            Ok(value) => {
                on!(self, c => Ansi::commit_transaction(c))?;
                Ok(value)
            }
            Err(error) => match on!(self, c => Ansi::rollback_transaction(c)) {
                Ok(()) | Err(Error::BrokenTransactionManager) => Err(error),
                // SQLite itself ends a transaction on some errors, a full disk among them, and then has none to roll back.
                Err(_) if self.is_outside_transaction() => Err(error),
                Err(rollback) => Err(rollback.into()),
            },
        }
    }
}
