//! `moothall migrate`.

use super::arguments::Migration;
use super::connect;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::settings::data_dir::Lock;
use crate::store::migrate::{self, MigrateError};
use crate::store::pool::{self, DatabaseUrl};

/// Returns what there is to tell. What changes an SQLite database needs it for itself; PostgreSQL has a lock of its own for this.
pub fn migrate(settings: &Settings, migration: Migration) -> Result<String, Exit> {
    match migration {
        Migration::Status => {
            let steps = migrate::status(&mut connect(settings)?)?;
            let line =
                |step: &migrate::StepStatus| format!("{} {} {}\n", if step.applied { "[x]" } else { "[ ]" }, step.version, step.name);
            Ok(steps.iter().map(line).collect())
        }
        Migration::Up => {
            let _lock = hold(settings)?;
            // A new SQLite database is made here, too.
            let mut db = pool::open_writer(&settings.database_url).map_err(|error| Exit::unreachable(&settings.database_url, &error))?;
            match migrate::up(&mut db)? {
                0 => Ok("the tables are up to date\n".to_owned()),
                1 => Ok("1 migration was run\n".to_owned()),
                steps => Ok(format!("{steps} migrations were run\n")),
            }
        }
        Migration::Down => {
            let _lock = hold(settings)?;
            let name = migrate::down(&mut connect(settings)?).map_err(|error| match error {
                MigrateError::NothingApplied => Exit::Failed(error.to_string()),
                other => other.into(),
            })?;
            Ok(format!("took back: {name}\n"))
        }
    }
}

fn hold(settings: &Settings) -> Result<Option<Lock>, Exit> {
    matches!(settings.database_url, DatabaseUrl::Sqlite(_)).then(|| Lock::take(settings)).transpose()
}
