//! Column types that PostgreSQL and SQLite spell differently, each with one Rust value.
//!
//! | SQL type here | PostgreSQL | SQLite | Rust |
//! |---|---|---|---|
//! | [`Instant`] | `timestamp` in UTC | text `YYYY-MM-DDTHH:MM:SS.mmmZ`, which sorts by time | [`Timestamp`] |
//! | [`Document`] | `jsonb` | text | [`Json`] |
//! | [`SessionStatusType`], [`SessionEventType`] | enum types | text with a CHECK | the enums of the campaign |
//!
//! An enum's oid is 0: the server infers the parameter's type, so there is no look-up in its catalogue, whatever the search path.

use std::io::Write;

use chrono::{DateTime, NaiveDateTime};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel::sqlite::{Sqlite, SqliteValue};

use crate::protocol::time::Timestamp;
use crate::rooms::campaign::rows::{LogType, SessionStatus};

#[derive(SqlType, QueryId)]
#[diesel(postgres_type(oid = 1114, array_oid = 1115), sqlite_type(name = "Text"))]
pub struct Instant;

/// A [`Timestamp`] as a column has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Instant)]
pub struct At(pub Timestamp);

impl ToSql<Instant, Pg> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let at = DateTime::from_timestamp_millis(self.0.ms()).ok_or("a time beyond the calendar")?.naive_utc();
        ToSql::<diesel::sql_types::Timestamp, Pg>::to_sql(&at, &mut out.reborrow())
    }
}

impl FromSql<Instant, Pg> for At {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let at = <NaiveDateTime as FromSql<diesel::sql_types::Timestamp, Pg>>::from_sql(value)?;
        Ok(Self(Timestamp::from_ms(at.and_utc().timestamp_millis())))
    }
}

impl ToSql<Instant, Sqlite> for At {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.to_string());
        Ok(IsNull::No)
    }
}

impl FromSql<Instant, Sqlite> for At {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(Timestamp::parse(value.read_text()).ok_or("not a time")?))
    }
}

#[derive(SqlType, QueryId)]
#[diesel(postgres_type(oid = 3802, array_oid = 3807), sqlite_type(name = "Text"))]
pub struct Document;

/// JSON text. PostgreSQL normalizes it (order of keys, spaces): never compare two as text.
#[derive(Clone, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Document)]
pub struct Json(pub String);

/// The first byte of jsonb's binary form.
const JSONB_VERSION: u8 = 1;

impl ToSql<Document, Pg> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[JSONB_VERSION])?;
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<Document, Pg> for Json {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [JSONB_VERSION, text @ ..] => Ok(Self(std::str::from_utf8(text)?.to_owned())),
            _ => Err("unknown jsonb version".into()),
        }
    }
}

impl ToSql<Document, Sqlite> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_str());
        Ok(IsNull::No)
    }
}

impl FromSql<Document, Sqlite> for Json {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(value.read_text().to_owned()))
    }
}

/// An enum with a label per value: an enum type in PostgreSQL, text in SQLite.
macro_rules! label_type {
    ($(#[$doc:meta])* $sql:ident, $column:ident, $rust:ty, $label:expr, $all:expr) => {
        $(#[$doc])*
        #[derive(SqlType, QueryId)]
        #[diesel(postgres_type(oid = 0, array_oid = 0), sqlite_type(name = "Text"))]
        pub struct $sql;

        #[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
        #[diesel(sql_type = $sql)]
        pub struct $column(pub $rust);

        impl $column {
            fn of(label: &str) -> deserialize::Result<Self> {
                let known = $all.iter().copied().find(|&value| $label(value) == label);
                known.map(Self).ok_or_else(|| format!("unknown label {label:?}").into())
            }
        }

        impl ToSql<$sql, Pg> for $column {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                out.write_all($label(self.0).as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl FromSql<$sql, Pg> for $column {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Self::of(std::str::from_utf8(value.as_bytes())?)
            }
        }

        impl ToSql<$sql, Sqlite> for $column {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
                out.set_value($label(self.0));
                Ok(IsNull::No)
            }
        }

        impl FromSql<$sql, Sqlite> for $column {
            fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
                Self::of(value.read_text())
            }
        }
    };
}

/// The label of a session's status, in the database and (`status` of REST) on the wire.
pub fn status_label(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Active => "active",
        SessionStatus::Paused => "paused",
        SessionStatus::Ended => "ended",
    }
}

label_type!(
    /// `session_status`.
    SessionStatusType, StatusColumn, SessionStatus, status_label, [SessionStatus::Active, SessionStatus::Paused, SessionStatus::Ended]
);
label_type!(
    /// `session_event_type`.
    SessionEventType, LogTypeColumn, LogType, LogType::label, LogType::ALL
);
