//! The commands of the program: each reads the settings, does one thing and tells how it went.
//!
//! Standard output holds what was asked for, standard error the log and the reason of a failure.

pub mod arguments;
pub mod healthcheck;
pub mod new_password;
mod schema;
mod users;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use arguments::{Command, HELP};

use crate::exit::Exit;
use crate::settings::Settings;
use crate::store::backup;
use crate::store::db::Db;
use crate::store::pool::{self, DatabaseUrl};
use crate::{demo, load, logging, server};

/// Runs what `arguments` (without the program's name) ask for. The reason of a failure is one plain line on standard error.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match arguments::parse(arguments).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            eprintln!("moothall: {exit}");
            exit.into()
        }
    }
}

fn run(command: Command) -> Result<(), Exit> {
    match command {
        Command::Help => print(HELP),
        Command::Version => print(&format!("moothall {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Config => print(&Settings::from_env()?.effective()),
        Command::Healthcheck => return healthcheck(),
        Command::Serve => return server::serve(settings_and_log()?),
        Command::Migrate(migration) => print(&schema::migrate(&settings_and_log()?, migration)?),
        Command::UserList => print(&users::list(&settings_and_log()?)?),
        Command::UserPassword { email, generate } => print(&users::password(&settings_and_log()?, &email, generate)?),
        Command::Backup(file) => print(&back_up(&settings_and_log()?, &file)?),
        Command::Demo(map) => print(&demo::fill(&settings_and_log()?, map.as_deref())?),
        Command::Load(arguments) => return Ok(load::main(arguments)?),
    }
    Ok(())
}

fn settings_and_log() -> Result<Settings, Exit> {
    let settings = Settings::from_env()?;
    logging::start(settings.log_format, &settings.log_filter);
    Ok(settings)
}

/// Exits with 0 or 1 alone, which is all that a container's health check may.
fn healthcheck() -> Result<(), Exit> {
    let settings = Settings::from_env().map_err(|error| Exit::Failed(error.to_string()))?;
    healthcheck::check(&settings.host, settings.port)
}

fn back_up(settings: &Settings, file: &Path) -> Result<String, Exit> {
    must_exist(&settings.database_url)?;
    backup::backup(&settings.database_url, file).map_err(|error| Exit::Failed(format!("no backup was made: {error}")))?;
    Ok(format!("wrote {}\n", file.display()))
}

/// A connection that may write, to a database that is there already.
fn connect(settings: &Settings) -> Result<Db, Exit> {
    must_exist(&settings.database_url)?;
    pool::open_writer(&settings.database_url).map_err(|error| Exit::unreachable(&settings.database_url, &error))
}

/// SQLite would make an empty database of a path that is not right.
fn must_exist(url: &DatabaseUrl) -> Result<(), Exit> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            Err(Exit::Unavailable(format!("there is no database `{}`: the server makes it at its first start", path.display())))
        }
        _ => Ok(()),
    }
}

/// Who closes standard output early (`moothall help | head -1`) has read enough.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
