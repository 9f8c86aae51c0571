//! The command line: what was asked for. It knows nothing of how it is done.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::exit::Exit;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Serve,
    Migrate(Migration),
    Config,
    Healthcheck,
    UserList,
    UserPassword {
        email: String,
        generate: bool,
    },
    Backup(PathBuf),
    Demo(Option<PathBuf>),
    /// The load generator reads its own arguments.
    Load(Vec<String>),
    Help,
    Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    Up,
    Down,
    Status,
}

/// `moothall help`. The load generator is a tool of the developers and has a help of its own.
pub const HELP: &str = "\
moothall: a self-hosted real-time session server

usage: moothall [COMMAND]

  serve                      run the server (also without a command)
  migrate [up|down|status]   bring the tables up to date, take the last step back, or tell how they stand
  config                     print the effective settings, without secrets
  healthcheck                ask the running server whether it is ready: exits 0 or 1
  user list                  list the accounts
  user password EMAIL        set a password, read from standard input; with --generate a random one is made and printed
  backup FILE                write a copy of the SQLite database while the server runs
  demo [MAP_FILE]            make a campaign to look at, from a map file or a small built-in map
  help, --version

Settings come from the environment and from a file .env in the working directory; `moothall config` lists them.
";

pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Exit> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let Some((first, rest)) = arguments.split_first() else { return Ok(Command::Serve) };
    let command = text(first)?;
    if command != "load" && rest.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Command::Help);
    }
    match command {
        "serve" => nothing_more(rest, Command::Serve),
        "config" => nothing_more(rest, Command::Config),
        "healthcheck" => nothing_more(rest, Command::Healthcheck),
        "help" | "--help" | "-h" => Ok(Command::Help),
        "--version" | "-V" | "version" => nothing_more(rest, Command::Version),
        "migrate" => migrate(rest),
        "user" => user(rest),
        "backup" => match rest {
            [file] => Ok(Command::Backup(PathBuf::from(file))),
            _ => Err(usage("backup takes one FILE")),
        },
        "demo" => match rest {
            [] => Ok(Command::Demo(None)),
            [file] if !file.to_string_lossy().starts_with("--") => Ok(Command::Demo(Some(PathBuf::from(file)))),
            _ => Err(usage("demo takes at most one MAP_FILE")),
        },
        "load" => Ok(Command::Load(rest.iter().map(|word| text(word).map(str::to_owned)).collect::<Result<_, _>>()?)),
        other => Err(usage(format!("there is no command `{}`", other.escape_debug()))),
    }
}

fn migrate(rest: &[OsString]) -> Result<Command, Exit> {
    let Some((first, rest)) = rest.split_first() else { return Ok(Command::Migrate(Migration::Up)) };
    let migration = match text(first)? {
        "up" => Migration::Up,
        "down" => Migration::Down,
        "status" => Migration::Status,
        _ => return Err(usage("migrate takes up, down or status")),
    };
    nothing_more(rest, Command::Migrate(migration))
}

fn user(rest: &[OsString]) -> Result<Command, Exit> {
    let words = rest.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    match words.as_slice() {
        ["list"] => Ok(Command::UserList),
        ["password", more @ ..] => {
            let (options, emails): (Vec<&str>, Vec<&str>) = more.iter().copied().partition(|word| word.starts_with('-'));
            match (options.as_slice(), emails.as_slice()) {
                ([], [email]) => Ok(Command::UserPassword { email: (*email).to_owned(), generate: false }),
                (["--generate"], [email]) => Ok(Command::UserPassword { email: (*email).to_owned(), generate: true }),
                _ => Err(usage("user password takes one EMAIL and may take --generate; the password itself comes from standard input")),
            }
        }
        _ => Err(usage("user takes `list` or `password EMAIL`")),
    }
}

fn nothing_more(rest: &[OsString], command: Command) -> Result<Command, Exit> {
    match rest.first() {
        None => Ok(command),
        Some(word) => Err(usage(format!("`{}` is one argument too many", word.to_string_lossy().escape_debug()))),
    }
}

fn text(word: &OsString) -> Result<&str, Exit> {
    word.to_str().ok_or_else(|| usage("an argument is not UTF-8 text"))
}

fn usage(problem: impl Into<String>) -> Exit {
    Exit::Usage(format!("{}; `moothall help` lists the commands", problem.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, Exit> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn without_a_command_the_server_runs() {
        assert_eq!(read(""), Ok(Command::Serve));
        assert_eq!(read("serve"), Ok(Command::Serve));
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        assert_eq!(read("migrate"), Ok(Command::Migrate(Migration::Up)));
        assert_eq!(read("migrate down"), Ok(Command::Migrate(Migration::Down)));
        assert_eq!(read("migrate status"), Ok(Command::Migrate(Migration::Status)));
        assert_eq!(read("config"), Ok(Command::Config));
        assert_eq!(read("healthcheck"), Ok(Command::Healthcheck));
        assert_eq!(read("user list"), Ok(Command::UserList));
        let password = |generate| Ok(Command::UserPassword { email: "a@b".to_owned(), generate });
        assert_eq!((read("user password a@b"), read("user password --generate a@b")), (password(false), password(true)));
        assert_eq!(read("backup /tmp/x"), Ok(Command::Backup("/tmp/x".into())));
        assert_eq!((read("demo"), read("demo m.json")), (Ok(Command::Demo(None)), Ok(Command::Demo(Some("m.json".into())))));
        assert_eq!(read("load --clients 10"), Ok(Command::Load(vec!["--clients".to_owned(), "10".to_owned()])));
        assert_eq!((read("--version"), read("help"), read("serve --help")), (Ok(Command::Version), Ok(Command::Help), Ok(Command::Help)));
    }

    #[test]
    fn wrong_arguments_are_refused_with_64_and_a_hint() {
        for line in [
            "start",
            "serve now",
            "migrate sideways",
            "migrate up 1",
            "user",
            "user password",
            "user password a@b secret",
            "backup",
            "backup a b",
            "demo --fast",
        ] {
            let refusal = read(line).expect_err(line);
            assert_eq!(refusal.code(), 64, "{line}");
            assert!(refusal.reason().contains("moothall help"), "{line}: {refusal}");
        }
    }

    #[test]
    fn the_load_generator_is_not_in_the_short_help() {
        assert!(!HELP.contains("  load"));
    }
}
