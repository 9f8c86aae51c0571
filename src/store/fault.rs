//! What a database error means for whoever has to go on after it.

use diesel::result::{DatabaseErrorKind, Error};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is gone; whether its last statement was carried out is unknown.
    Lost,
    /// Somebody else holds a lock, or the database asks to try again. Nothing was done.
    Busy,
    /// The disk is full. Nothing was done.
    Full,
    /// A row with this key is there already.
    Unique,
    /// The statement itself is at fault.
    Other,
}

impl Fault {
    /// Diesel hands on neither SQLite's result codes nor all of PostgreSQL's SQLSTATEs, so some are told by their (English) messages. A server
    /// with `lc_messages` of another language gives `Other` for those, which costs only the better wording of an error.
    pub fn of(error: &Error) -> Self {
        use DatabaseErrorKind as Kind;
        match error {
            Error::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, _) | Error::BrokenTransactionManager => Fault::Lost,
            Error::DatabaseError(Kind::UniqueViolation, _) => Fault::Unique,
            Error::DatabaseError(Kind::SerializationFailure, _) => Fault::Busy,
            Error::DatabaseError(_, about) => Self::of_message(about.message()),
            Error::RollbackErrorOnCommit { .. } => Fault::Lost,
            _ => Fault::Other,
        }
    }

    fn of_message(message: &str) -> Self {
        // SQLITE_BUSY and SQLITE_LOCKED; PostgreSQL's 55P03 and 40P01
        const BUSY: [&str; 4] =
            ["database is locked", "database table is locked", "canceling statement due to lock timeout", "deadlock detected"];
        // SQLITE_FULL; 53100
        const FULL: [&str; 2] = ["database or disk is full", "No space left on device"];
        if BUSY.iter().any(|start| message.starts_with(start)) {
            Fault::Busy
        } else if FULL.iter().any(|part| message.contains(part)) {
            Fault::Full
        } else {
            Fault::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: DatabaseErrorKind, message: &str) -> Error {
        Error::DatabaseError(kind, Box::new(message.to_owned()))
    }

    #[test]
    fn a_fault_is_told_by_its_kind_and_else_by_its_message() {
        use DatabaseErrorKind as Kind;
        let cases = [
            (error(Kind::ClosedConnection, "server closed the connection unexpectedly"), Fault::Lost),
            (error(Kind::UnableToSendCommand, "no connection to the server"), Fault::Lost),
            (Error::BrokenTransactionManager, Fault::Lost),
            (error(Kind::Unknown, "database is locked"), Fault::Busy),
            (error(Kind::Unknown, "canceling statement due to lock timeout"), Fault::Busy),
            (error(Kind::SerializationFailure, "could not serialize access"), Fault::Busy),
            (error(Kind::Unknown, "database or disk is full"), Fault::Full),
            (error(Kind::Unknown, "could not extend file \"base/1/2\": No space left on device"), Fault::Full),
            (error(Kind::UniqueViolation, "UNIQUE constraint failed: user.email"), Fault::Unique),
            (error(Kind::ForeignKeyViolation, "FOREIGN KEY constraint failed"), Fault::Other),
            (Error::NotFound, Fault::Other),
        ];
        for (error, fault) in cases {
            assert_eq!(Fault::of(&error), fault, "{error:?}");
        }
    }
}
