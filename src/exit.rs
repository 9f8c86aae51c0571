//! How a process ends when it does not end well: a code for scripts and one plain line for people.

use std::fmt;
use std::process::ExitCode;

use crate::load::LoadError;
use crate::settings::SettingsError;
use crate::store::fault::Fault;
use crate::store::migrate::MigrateError;
use crate::store::pool::DatabaseUrl;

/// The codes are those of `sysexits.h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Wrong arguments: 64.
    Usage(String),
    /// The database cannot be reached: 69.
    Unavailable(String),
    /// Wrong settings: 78.
    Settings(String),
    /// Anything else: 1.
    Failed(String),
}

impl Exit {
    pub fn code(&self) -> u8 {
        match self {
            Exit::Usage(_) => 64,
            Exit::Unavailable(_) => 69,
            Exit::Settings(_) => 78,
            Exit::Failed(_) => 1,
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Exit::Usage(reason) | Exit::Unavailable(reason) | Exit::Settings(reason) | Exit::Failed(reason) => reason,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl Exit {
    /// libpq quotes the URL in some of its messages: it is replaced by one without the password.
    pub fn unreachable(url: &DatabaseUrl, error: &dyn fmt::Display) -> Self {
        let shown = crate::settings::show::database_url(url);
        let mut problem = error.to_string();
        if let DatabaseUrl::Postgres(url) = url {
            problem = problem.replace(url.as_str(), &shown);
        }
        Exit::Unavailable(format!("cannot reach the database {shown}: {problem}"))
    }
}

impl From<LoadError> for Exit {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Usage(reason) => Exit::Usage(reason),
            LoadError::Failed(reason) => Exit::Failed(reason),
        }
    }
}

/// A schema that does not fit is a matter of which database was named.
impl From<MigrateError> for Exit {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Newer(_) | MigrateError::Foreign(_) | MigrateError::Pending(_) => Exit::Settings(error.to_string()),
            MigrateError::Database(error) => error.into(),
            MigrateError::NothingApplied | MigrateError::Step(_) => Exit::Failed(error.to_string()),
        }
    }
}

impl From<diesel::result::Error> for Exit {
    fn from(error: diesel::result::Error) -> Self {
        match Fault::of(&error) {
            Fault::Lost => Exit::Unavailable(format!("the connection to the database was lost: {error}")),
            _ => Exit::Failed(format!("the database refused: {error}")),
        }
    }
}

impl From<SettingsError> for Exit {
    fn from(error: SettingsError) -> Self {
        Exit::Settings(error.to_string())
    }
}

impl fmt::Display for Exit {
    /// On one line, whatever a database wrote into its error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.reason().lines().map(str::trim).filter(|line| !line.is_empty());
        f.write_str(lines.next().unwrap_or("failed"))?;
        lines.try_for_each(|line| write!(f, "; {line}"))
    }
}

impl std::error::Error for Exit {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_cannot_be_reached_is_named_without_its_password() {
        let url = DatabaseUrl::Postgres("postgres://u:hunter2@h/db".to_owned());
        let exit = Exit::unreachable(&url, &"bad character in URI: \"postgres://u:hunter2@h/db?connect_timeout=2\"");
        assert_eq!(exit.code(), 69);
        assert!(exit.reason().contains("postgres://u:***@h/db") && !exit.reason().contains("hunter2"), "{exit}");
    }

    #[test]
    fn a_reason_of_several_lines_is_told_on_one() {
        assert_eq!(Exit::Failed("connection refused\n\n\tIs it running?\n".to_owned()).to_string(), "connection refused; Is it running?");
        assert_eq!(Exit::Failed(String::new()).to_string(), "failed");
    }
}
