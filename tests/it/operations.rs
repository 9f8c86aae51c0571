//! What an operator relies on: how the server starts, what it refuses, what it logs, what it shows to whom, how it ends.

mod logs;
mod proxies;
mod schemas;
mod stops;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::campaign::{Campaign, reveal, token, update};
use crate::support::http::{Client, Person};
use crate::support::postgres::TestDatabase;
use crate::support::server::{Server, complaint, run};

/// The exit code and the reason, which is one line on standard error that begins with the program's name.
fn refusal(output: &Output) -> (i32, String) {
    let text = complaint(output);
    let line = text.strip_suffix('\n').filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("awaited one line; {text:?} came"));
    let reason = line.strip_prefix("moothall: ").unwrap_or_else(|| panic!("awaited the program's name first; {line:?} came"));
    (output.status.code().expect("the program ends by itself"), reason.to_owned())
}

/// What a command that succeeds printed.
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", complaint(output));
    String::from_utf8(output.stdout.clone()).expect("is UTF-8")
}

#[test]
fn each_kind_of_failure_has_its_code_and_one_plain_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
    let taken = taken.local_addr().expect("is bound").port().to_string();
    let nobody = "postgres://me:sesame@127.0.0.1:1/none";
    type Settings<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&[&str], Settings, i32, &str); 8] = [
        (&["serve", "--fast"], &[], 64, "moothall help"),
        (&["migrate", "sideways"], &[], 64, "moothall help"),
        (&[], &[("PING_INTERVAL", "25")], 78, "PING_INTERVAL"),
        (&[], &[("PROTOCOL_TEST", "1"), ("HOST", "0.0.0.0")], 78, "PROTOCOL_TEST"),
        (&[], &[("CLUSTER", "required")], 78, "CLUSTER"),
        (&[], &[("DATABASE_URL", nobody)], 69, "postgres://me:***@127.0.0.1:1/none"),
        (&["migrate"], &[("DATABASE_URL", nobody)], 69, "postgres://me:***@127.0.0.1:1/none"),
        (&[], &[("PORT", &taken), ("RUST_LOG", "warn")], 1, &taken),
    ];
    for (arguments, settings, code, part) in cases {
        let (came, reason) = refusal(&run(arguments, settings));
        assert_eq!(came, code, "{arguments:?} {settings:?}: {reason}");
        assert!(reason.contains(part) && !reason.contains("sesame"), "{arguments:?} {settings:?}: {reason}");
    }
}

#[test]
fn the_ready_line_tells_where_and_that_others_cannot_reach_it() {
    let near = Server::start(&[]);
    let expected = format!("moothall ready on {} (reachable from this machine only", near.base());
    assert!(near.ready_line().starts_with(&expected), "{}", near.ready_line());
    let open = Server::start(&[("HOST", "0.0.0.0")]);
    assert_eq!(open.ready_line(), format!("moothall ready on http://0.0.0.0:{}", open.port()));
}

#[test]
fn config_prints_every_setting_and_no_secret() {
    let secrets = [
        ("BETTER_AUTH_SECRET", "sesame-sesame-sesame-sesame-sesame"),
        ("DATABASE_URL", "postgres://me:sesame@db.example/moothall?password=sesame"),
        ("REDIS_URL", "redis://:sesame@bus.example"),
    ];
    let text = printed(&run(&["config"], &secrets));
    assert!(!text.contains("sesame") && text.contains("db.example"), "{text}");
    assert!(text.lines().count() > 30 && text.lines().all(|line| line.contains('=')), "{text}");
}

#[test]
fn healthcheck_is_0_beside_a_server_and_1_without_one() {
    let mut server = Server::start(&[]);
    let port = server.port().to_string();
    let check = || run(&["healthcheck"], &[("PORT", &port)]);
    assert_eq!(printed(&check()), "");
    server.kill9();
    assert_eq!(refusal(&check()).0, 1);
}

#[test]
fn a_second_process_on_a_data_directory_exits_with_1_and_the_first_goes_on() {
    let server = Server::start(&[]);
    let folder = server.data_dir().display().to_string();
    let (code, reason) = refusal(&run(&[], &[("DATA_DIR", &folder)]));
    assert!(code == 1 && reason.contains(&folder), "{code} {reason}");
    assert_eq!(Client::new(&server).get("/api/ready").0, 200);
}

#[test]
fn a_backup_made_beside_the_server_shows_the_same_campaign_elsewhere() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    for command in [update("0,0", "forest"), update("1,0", "swamp"), reveal(&["0,0"]), token("0,0")] {
        dm.done(command);
    }
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let copy = folder.path().join("copy.db");
    let data_dir = server.data_dir().display().to_string();
    printed(&run(&["backup", copy.to_str().expect("is UTF-8")], &[("DATA_DIR", &data_dir)]));
    dm.done(update("2,0", "water"));
    let seen = |of: &Campaign| (of.map(&of.dm)["hexes"].clone(), of.map_as(of.player(0)), of.map(of.player(0)));

    let restored = Server::start(&[("DATABASE_URL", &format!("sqlite://{}", copy.display()))]);
    let elsewhere = campaign.seen_at(&restored);
    let (hexes, as_player, of_player) = seen(&elsewhere);
    assert_eq!(hexes.as_array().expect("is a list").len(), 2, "what came after the backup is not in it: {hexes}");
    assert_eq!(as_player["hexes"], of_player["hexes"]);
    assert_eq!((&of_player["hexes"], &of_player["tokens"]), (&seen(&campaign).2["hexes"], &seen(&campaign).2["tokens"]));
    let (mut again, entry) = elsewhere.enter(&restored, &elsewhere.dm);
    assert_eq!((&entry.session()["status"], entry.session()["connectedPlayers"].as_array().map(Vec::len)), (&"waiting".into(), Some(2)));
    again.done(update("3,0", "desert"));
}

#[test]
fn a_server_needs_nothing_but_a_folder() {
    let server = Server::start(&[]);
    let files: Vec<_> = ["moothall.db", "lock", "secret"].into_iter().filter(|name| !server.data_dir().join(name).exists()).collect();
    assert!(files.is_empty(), "not in the data directory: {files:?}");
    let mode = std::fs::metadata(server.data_dir().join("secret")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the secret");
    let database = TestDatabase::postgres();
    let on_postgres = Server::on(&database);
    assert!(!on_postgres.data_dir().join("moothall.db").exists());
}

#[test]
fn a_node_with_another_secret_is_refused_on_a_database_that_is_in_use() {
    let database = TestDatabase::postgres();
    let url = database.url();
    let server = Server::with(&database, &[("BETTER_AUTH_SECRET", "one-secret-0123456789abcdefghijklmn")]);
    let settings = [("DATABASE_URL", url.as_str()), ("BETTER_AUTH_SECRET", "another-secret-0123456789abcdefghij")];
    let (code, reason) = refusal(&run(&[], &settings));
    assert!(code == 78 && reason.contains("BETTER_AUTH_SECRET") && !reason.contains("0123456789"), "{code} {reason}");
    assert_eq!(Client::new(&server).get("/api/ready").0, 200);
}

impl Campaign {
    /// The same campaign and people on a server that has the same rows.
    fn seen_at(&self, server: &Server) -> Campaign {
        let there = |person: &Person| Person { http: Client::new(server).bearer(&person.token), ..person.clone() };
        Campaign { id: self.id.clone(), dm: there(&self.dm), players: self.players.iter().map(there).collect() }
    }
}
