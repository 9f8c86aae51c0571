//! The program as a script sees it: arguments, settings, exit codes, what is on which stream.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in an empty environment and a directory of its own.
fn moothall(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moothall"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).current_dir(directory).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("the program ends by itself")
}

/// The reason of a failure, which is one line that begins with the program's name.
fn reason(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("is UTF-8");
    let line = text.strip_suffix('\n').expect("ends in a line break");
    assert!(!line.contains('\n'), "one line: {text}");
    line.strip_prefix("moothall: ").expect("begins with the program's name").to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("is UTF-8")
}

#[test]
fn wrong_arguments_exit_with_64() {
    let dir = tempfile::tempdir().unwrap();
    let output = moothall(dir.path(), &[], &["frobnicate"]);
    assert_eq!((code(&output), reason(&output).as_str()), (64, "there is no command `frobnicate`; `moothall help` lists the commands"));
}

#[test]
fn wrong_settings_exit_with_78_whatever_the_command() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["serve", "config", "migrate", "backup", "demo"] {
        let arguments: &[&str] = if command == "backup" { &["backup", "copy.db"] } else { &[command] };
        let output = moothall(dir.path(), &[("PORT", "many")], arguments);
        assert_eq!((code(&output), reason(&output).as_str()), (78, "PORT: `many` is not a whole number from 0 to 65535"), "{command}");
    }
}

#[test]
fn a_database_that_cannot_be_reached_exits_with_69_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("DATABASE_URL", "postgres://me:sesame@127.0.0.1:1/none")];
    for arguments in [&["migrate", "status"], &["user", "list"]] {
        let output = moothall(dir.path(), &variables, arguments);
        assert_eq!(code(&output), 69, "{arguments:?}");
        assert!(reason(&output).contains("postgres://me:***@127.0.0.1:1/none") && !reason(&output).contains("sesame"), "{output:?}");
    }
    assert_eq!(code(&moothall(dir.path(), &[], &["user", "list"])), 69, "no SQLite file is made by looking");
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing was written");
}

#[test]
fn the_environment_stands_above_the_env_file_and_config_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".env"), "PORT=4001\nHOST=::1\nBETTER_AUTH_SECRET=sesame-sesame-sesame-sesame-sesame\n").unwrap();
    let output = moothall(dir.path(), &[("PORT", "4002")], &["config"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    assert!(text.contains("PORT=4002\n") && text.contains("HOST=::1\n") && text.contains("BETTER_AUTH_SECRET=(set)\n"), "{text}");
    assert!(!text.contains("sesame") && output.stderr.is_empty());
    assert!(!dir.path().join("data").exists(), "looking makes nothing");
}

#[test]
fn migrate_makes_the_tables_of_sqlite_and_tells_how_they_stand() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| moothall(dir.path(), &[], arguments);
    assert!(stdout(&run(&["migrate"])).ends_with("migrations were run\n"));
    assert_eq!(stdout(&run(&["migrate", "up"])), "the tables are up to date\n");
    let status = stdout(&run(&["migrate", "status"]));
    assert!(status.lines().count() >= 3 && status.lines().all(|line| line.starts_with("[x] ")), "{status}");
    assert_eq!(code(&run(&["migrate", "down"])), 0);
    assert!(stdout(&run(&["migrate", "status"])).lines().last().unwrap().starts_with("[ ] "));
}

#[test]
fn what_changes_the_schema_is_refused_while_somebody_holds_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| moothall(dir.path(), &[], arguments);
    run(&["migrate"]);
    let lock = fs::File::options().write(true).open(dir.path().join("data/lock")).unwrap();
    lock.lock().unwrap();
    for arguments in [&["serve"][..], &["migrate", "down"], &["demo"]] {
        let output = run(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(reason(&output).contains("is using `./data`"), "{output:?}");
    }
    for arguments in [&["migrate", "status"][..], &["user", "list"], &["config"], &["backup", "copy.db"]] {
        assert_eq!(code(&run(arguments)), 0, "{arguments:?} works beside a server");
    }
    assert!(dir.path().join("copy.db").exists());
}

#[test]
fn without_a_server_the_health_check_exits_with_1() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(&moothall(dir.path(), &[("PORT", "1")], &["healthcheck"])), 1);
    assert_eq!(code(&moothall(dir.path(), &[("PORT", "many")], &["healthcheck"])), 1);
}
