//! A copy of a SQLite database while it is in use. PostgreSQL has tools of its own.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::result::{ConnectionError, Error};
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::store::db::{Db, on};
use crate::store::pool::{DatabaseUrl, open_writer};

#[derive(Debug)]
pub enum BackupError {
    /// `pg_dump` does this for PostgreSQL.
    UsePgDump,
    /// There is a file of that name; it is left alone.
    Exists(PathBuf),
    Io(io::Error),
    Connect(ConnectionError),
    Database(Error),
    /// The copy does not pass SQLite's own check.
    Corrupt(String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::UsePgDump => f.write_str("this backs up SQLite only; use pg_dump for PostgreSQL"),
            BackupError::Exists(path) => write!(f, "{} exists already", path.display()),
            BackupError::Io(error) => error.fmt(f),
            BackupError::Connect(error) => error.fmt(f),
            BackupError::Database(error) => error.fmt(f),
            BackupError::Corrupt(found) => write!(f, "the copy is corrupt: {found}"),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        BackupError::Io(error)
    }
}

impl From<Error> for BackupError {
    fn from(error: Error) -> Self {
        BackupError::Database(error)
    }
}

/// Copies the database, as of one moment, into a new file, and returns when the copy is checked and durable. Readers and the writer go on
/// meanwhile.
pub fn backup(url: &DatabaseUrl, to: &Path) -> Result<(), BackupError> {
    let DatabaseUrl::Sqlite(from) = url else { return Err(BackupError::UsePgDump) };
    // SQLite would make an empty database of a wrong path.
    fs::metadata(from)?;
    // The name is taken first, and gets its content only when that is whole.
    let taken = OpenOptions::new().write(true).create_new(true).open(to);
    taken.map_err(|error| if error.kind() == io::ErrorKind::AlreadyExists { BackupError::Exists(to.to_owned()) } else { error.into() })?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = write(url, &partial).and_then(|()| Ok(fs::rename(&partial, to)?));
    if written.is_err() {
        // What failed is worth more than why it could not be cleaned up.
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(to);
    }
    written?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(parent)?.sync_all()?)
}

fn write(url: &DatabaseUrl, partial: &Path) -> Result<(), BackupError> {
    let not_utf8 = || io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8");
    let path = partial.to_str().ok_or_else(not_utf8)?;
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // This connection only reads the database; but one with `query_only` may not write the copy either.
    let mut db = open_writer(url).map_err(BackupError::Connect)?;
    on!(&mut db, c => sql_query("VACUUM INTO $1").bind::<Text, _>(path).execute(c))?;
    drop(db);
    check(partial)?;
    Ok(File::open(partial)?.sync_all()?)
}

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

fn check(copy: &Path) -> Result<(), BackupError> {
    let path = copy.to_str().expect("was UTF-8 when it was written");
    let mut copy = Db::Sqlite(SqliteConnection::establish(path).map_err(BackupError::Connect)?);
    let found: Finding = on!(&mut copy, c => sql_query("PRAGMA integrity_check(1)").get_result(c))?;
    if found.integrity_check == "ok" { Ok(()) } else { Err(BackupError::Corrupt(found.integrity_check)) }
}
