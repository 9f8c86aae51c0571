//! Connections: how one is opened, and the pool of them.
//!
//! SQLite has one writer, made by [`open_writer`], and a pool of readers that refuse to write: writers that queue on its lock starve each other.
//! PostgreSQL's pooled connections may write.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::result::{ConnectionError, Error};
use diesel::{Connection, PgConnection, QueryResult, SqliteConnection};

use crate::store::db::{Db, on};
use crate::store::fault::Fault;

/// How long whoever needs a connection waits for one.
pub const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection of SQLite waits for the lock of another one.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Parameters of libpq that make a dead server known within seconds. What the URL says itself wins.
const LIBPQ_DEFAULTS: [(&str, &str); 5] = [
    ("connect_timeout", "2"),
    ("tcp_user_timeout", "5000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
];

/// A transaction that hangs would keep the room's row locked and so keep other nodes from taking the room over. A notice, such as that of a word too
/// long for the search, is something that a client can provoke, and libpq would write it to standard error.
const PG_SETTINGS: &str =
    "SET TIME ZONE 'UTC'; SET idle_in_transaction_session_timeout = '2s'; SET lock_timeout = '1s'; SET client_min_messages = warning";

/// Where the data is: `DATABASE_URL`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://path`
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`, as libpq reads it.
    Postgres(String),
}

/// Why a text is no [`DatabaseUrl`]. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUrl(&'static str);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidUrl {}

impl DatabaseUrl {
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite://") {
            Some("") => Err(InvalidUrl("sqlite:// names no file")),
            // Every connection would have a database of its own.
            Some(path) if path.contains(":memory:") => Err(InvalidUrl("a database in memory cannot be shared by connections")),
            Some(path) => Ok(Self::Sqlite(path.into())),
            None => Err(InvalidUrl("is neither sqlite://path nor postgres://…")),
        }
    }
}

/// Shows nothing of a PostgreSQL URL: a password may stand in several of its places.
impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

pub type Pool = r2d2::Pool<Manager>;
pub type PooledDb = r2d2::PooledConnection<Manager>;

/// A pool of up to `size` connections, opened when they are needed; of SQLite they only read. A database that is down makes
/// [`Pool::get`] fail after [`CHECKOUT_TIMEOUT`], never this.
pub fn pool(url: &DatabaseUrl, size: u32) -> Pool {
    r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .max_lifetime(None)
        .test_on_check_out(false)
        .connection_timeout(CHECKOUT_TIMEOUT)
        .error_handler(Box::new(Quiet))
        .build_unchecked(Manager { url: url.clone() })
}

/// A connection that may write. Of SQLite there is to be one in the process.
pub fn open_writer(url: &DatabaseUrl) -> Result<Db, ConnectionError> {
    match url {
        DatabaseUrl::Sqlite(path) => open_sqlite(path, "").map(Db::Sqlite),
        DatabaseUrl::Postgres(url) => open_postgres(url).map(Db::Pg),
    }
}

/// A connection as the pool makes it.
pub fn open_reader(url: &DatabaseUrl) -> Result<Db, ConnectionError> {
    match url {
        DatabaseUrl::Sqlite(path) => open_sqlite(path, "PRAGMA query_only = ON;").map(Db::Sqlite),
        DatabaseUrl::Postgres(url) => open_postgres(url).map(Db::Pg),
    }
}

impl Db {
    /// True when the connection is lost or a transaction is open on it: it cannot be used for anything new.
    pub fn is_broken(&mut self) -> bool {
        on!(self, c => c.is_broken())
    }

    /// Asks the database for a sign of life.
    pub fn ping(&mut self) -> QueryResult<()> {
        on!(self, c => c.ping())
    }
}

fn open_sqlite(path: &std::path::Path, more: &str) -> Result<SqliteConnection, ConnectionError> {
    let path = path.to_str().ok_or_else(|| ConnectionError::BadConnection("the path of the database is not UTF-8".to_owned()))?;
    let mut connection = SqliteConnection::establish(path)?;
    let timeout_ms = SQLITE_BUSY_TIMEOUT.as_millis();
    set_up(&mut connection, &format!("PRAGMA busy_timeout = {timeout_ms}"))?;
    enter_wal(&mut connection)?;
    let pragmas = format!("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; {more}");
    set_up(&mut connection, &pragmas)?;
    Ok(connection)
}

/// The change to WAL needs the file for itself, and SQLite does not wait for that when two connections try at once, whatever `busy_timeout` says.
fn enter_wal(connection: &mut SqliteConnection) -> Result<(), ConnectionError> {
    let deadline = Instant::now() + SQLITE_BUSY_TIMEOUT;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(error) if Fault::of(&error) == Fault::Busy && Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            result => return result.map_err(ConnectionError::CouldntSetupConfiguration),
        }
    }
}

fn open_postgres(url: &str) -> Result<PgConnection, ConnectionError> {
    let mut connection = PgConnection::establish(&with_defaults(url))?;
    set_up(&mut connection, PG_SETTINGS)?;
    Ok(connection)
}

fn set_up(connection: &mut impl SimpleConnection, sql: &str) -> Result<(), ConnectionError> {
    connection.batch_execute(sql).map_err(ConnectionError::CouldntSetupConfiguration)
}

fn with_defaults(url: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let named = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let mut separator = if url.contains('?') { '&' } else { '?' };
    let mut url = url.to_owned();
    for (name, value) in LIBPQ_DEFAULTS.into_iter().filter(|(name, _)| !named(name)) {
        url.extend([separator.to_string().as_str(), name, "=", value]);
        separator = '&';
    }
    url
}

pub struct Manager {
    url: DatabaseUrl,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Db;
    type Error = PoolError;

    fn connect(&self) -> Result<Db, PoolError> {
        open_reader(&self.url).map_err(PoolError::Connect)
    }

    fn is_valid(&self, db: &mut Db) -> Result<(), PoolError> {
        db.ping().map_err(PoolError::Ping)
    }

    fn has_broken(&self, db: &mut Db) -> bool {
        std::thread::panicking() || db.is_broken()
    }
}

#[derive(Debug)]
pub enum PoolError {
    Connect(ConnectionError),
    Ping(Error),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Connect(error) => error.fmt(f),
            PoolError::Ping(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PoolError {}

/// The pool tries again for as long as the database is down: whoever waits for a connection reports that, once.
#[derive(Debug)]
struct Quiet;

impl r2d2::HandleError<PoolError> for Quiet {
    fn handle_error(&self, error: PoolError) {
        log::debug!("database connection: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_sqlite_or_postgres_and_nothing_else() {
        assert_eq!(DatabaseUrl::parse("sqlite://data/moothall.db"), Ok(DatabaseUrl::Sqlite("data/moothall.db".into())));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/lib/m.db"), Ok(DatabaseUrl::Sqlite("/var/lib/m.db".into())));
        assert!(matches!(DatabaseUrl::parse("postgresql://localhost/m"), Ok(DatabaseUrl::Postgres(_))));
        for bad in ["", "moothall.db", "sqlite://", "sqlite://:memory:", "sqlite:m.db", "mysql://localhost/m"] {
            assert!(DatabaseUrl::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_database_url_is_shown_without_its_password() {
        let url = DatabaseUrl::parse("postgres://me:secret@host/name?password=secret").expect("is a URL");
        assert!(!format!("{url:?}").contains("secret"));
    }

    #[test]
    fn what_the_url_says_wins_over_the_defaults() {
        let url = with_defaults("postgres://host/name?connect_timeout=9");
        assert!(url.starts_with("postgres://host/name?connect_timeout=9&tcp_user_timeout=5000&"), "{url}");
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert!(with_defaults("postgres://host/name").starts_with("postgres://host/name?connect_timeout=2&"));
    }
}
