//! How a process ends when it does not end well: a code for scripts and one plain line for people.

use std::fmt;
use std::process::ExitCode;

use crate::settings::SettingsError;

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
    fn a_reason_of_several_lines_is_told_on_one() {
        assert_eq!(Exit::Failed("connection refused\n\n\tIs it running?\n".to_owned()).to_string(), "connection refused; Is it running?");
        assert_eq!(Exit::Failed(String::new()).to_string(), "failed");
    }
}
