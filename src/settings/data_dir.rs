//! The data directory: made when it is missing, and held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Settings;
use crate::exit::Exit;
use crate::store::pool::DatabaseUrl;

/// Makes the directory for its owner alone: it holds the secret and the database. One that is there stays as it is.
pub fn create(data_dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)
}

/// Holds the data directory, and a SQLite file that lies elsewhere, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _files: Vec<File>,
}

impl Lock {
    pub fn take(settings: &Settings) -> Result<Self, Exit> {
        let data_dir = &settings.data_dir;
        create(data_dir).map_err(|error| Exit::Failed(format!("cannot make the data directory `{}`: {error}", data_dir.display())))?;
        let mut files = vec![hold(&data_dir.join("lock"), data_dir)?];
        if let Some(path) = file_elsewhere(settings) {
            let mut lock_path = path.clone().into_os_string();
            lock_path.push(".lock");
            files.push(hold(Path::new(&lock_path), &path)?);
        }
        Ok(Self { _files: files })
    }
}

/// The SQLite file, if the lock of the data directory does not guard it already.
fn file_elsewhere(settings: &Settings) -> Option<PathBuf> {
    let DatabaseUrl::Sqlite(path) = &settings.database_url else { return None };
    let directory = match path.parent()? {
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let same = match (fs::canonicalize(directory), fs::canonicalize(&settings.data_dir)) {
        (Ok(directory), Ok(data_dir)) => directory == data_dir,
        // A directory that is not there is reported when the database is opened.
        _ => true,
    };
    (!same).then(|| path.clone())
}

fn hold(lock_path: &Path, what: &Path) -> Result<File, Exit> {
    let failed = |error: io::Error| Exit::Failed(format!("cannot lock `{}`: {error}", lock_path.display()));
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            write_pid(&mut file).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            Err(Exit::Failed(format!("another process{} is using `{}`: stop it first", holder(&mut file), what.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Only for the message of who comes second.
fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut pid = String::new();
    match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => format!(" ({pid})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::source::Source;

    fn settings(data_dir: &Path, database: Option<&Path>) -> Settings {
        let url = database.map_or_else(String::new, |path| format!("sqlite://{}", path.display()));
        Settings::from_source(&Source::of(&[("DATA_DIR", data_dir.to_str().unwrap()), ("DATABASE_URL", &url)])).unwrap()
    }

    #[test]
    fn a_second_holder_of_a_data_directory_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir.path().join("data"), None);
        let first = Lock::take(&settings).unwrap();
        let refusal = Lock::take(&settings).unwrap_err();
        assert_eq!(refusal.code(), 1);
        assert!(refusal.reason().starts_with(&format!("another process ({}) is using", std::process::id())), "{refusal}");
        drop(first);
        Lock::take(&settings).unwrap();
    }

    #[test]
    fn two_data_directories_cannot_share_one_sqlite_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shared.db");
        let _first = Lock::take(&settings(&dir.path().join("a"), Some(&file))).unwrap();
        let refusal = Lock::take(&settings(&dir.path().join("b"), Some(&file))).unwrap_err();
        assert!(refusal.reason().contains("shared.db"), "{refusal}");
    }
}
