//! The secret that signs session cookies, and texts that must not be shown.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::source::Source;
use super::{SettingsError, data_dir};

/// Characters that a secret should have: fewer can be guessed from one cookie.
pub const CHARS_ADVISED: usize = 32;
/// Random bytes of a secret made here.
const RANDOM_BYTES: usize = 36;
const FILE: &str = "secret";

/// A text that no output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<str>);

impl SecretText {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

/// Where the secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// `BETTER_AUTH_SECRET`, its `_FILE`, or `AUTH_SECRET`: as the web app that shares the sessions has it.
    Given(SecretText),
    /// The file `secret` of the data directory, made at the first start.
    Made,
}

impl Secret {
    pub(super) fn given(source: &Source) -> Result<Self, SettingsError> {
        let given = match source.secret("BETTER_AUTH_SECRET")? {
            Some(text) => Some(text),
            None => source.secret("AUTH_SECRET")?,
        };
        Ok(given.map_or(Secret::Made, |text| Secret::Given(SecretText::new(text))))
    }

    pub(super) fn is_short(&self) -> bool {
        matches!(self, Secret::Given(text) if text.expose().chars().count() < CHARS_ADVISED)
    }

    pub(super) fn text(&self, data_dir: &Path) -> Result<String, SettingsError> {
        match self {
            Secret::Given(text) => Ok(text.expose().to_owned()),
            Secret::Made => kept_in(data_dir)
                .map_err(|error| SettingsError::new("DATA_DIR", format!("cannot keep a secret in `{}`: {error}", data_dir.display()))),
        }
    }
}

/// Reads the secret of `data_dir`; makes both when they are missing. Of two processes that make one at once, both get the same.
fn kept_in(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(FILE);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            data_dir::create(data_dir)?;
            make(data_dir, &path)?;
            read(&path)
        }
        other => other,
    }
}

fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    match text.trim_end() {
        "" => Err(io::Error::new(ErrorKind::InvalidData, "the file `secret` is empty: delete it to have a new one made")),
        text => Ok(text.to_owned()),
    }
}

/// Writes the whole file under another name and links it: the name `secret` never shows half of one, and the first of two wins.
fn make(data_dir: &Path, path: &Path) -> io::Result<()> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let draft = data_dir.join(format!("{FILE}.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(URL_SAFE_NO_PAD.encode(random).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    let placed = match linked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // a file system without hard links
        Err(_) => fs::rename(&draft, path),
    };
    let _ = fs::remove_file(&draft);
    placed?;
    fs::File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("not/yet");
        let first = Secret::Made.text(&data_dir).unwrap();
        assert_eq!(first, Secret::Made.text(&data_dir).unwrap());
        assert!(first.len() >= CHARS_ADVISED && first.is_ascii());
        assert_eq!(fs::metadata(data_dir.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn the_first_of_two_makers_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        make(dir.path(), &path).unwrap();
        let first = read(&path).unwrap();
        make(dir.path(), &path).unwrap();
        assert_eq!(read(&path).unwrap(), first);
    }

    #[test]
    fn the_name_of_better_auth_stands_before_the_short_one() {
        let given = |variables| Secret::given(&Source::of(variables)).unwrap();
        assert_eq!(given(&[("AUTH_SECRET", "b")]), Secret::Given(SecretText::new("b")));
        assert_eq!(given(&[("AUTH_SECRET", "b"), ("BETTER_AUTH_SECRET", "a")]), Secret::Given(SecretText::new("a")));
        assert_eq!(given(&[]), Secret::Made);
    }
}
