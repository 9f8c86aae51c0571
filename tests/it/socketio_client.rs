//! The stock client library of Socket.IO against the server: `tests/socket.io` has the scripts.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::postgres::TestDatabase;
use crate::support::server::Server;

/// Runs a script against a server: what its checks found, a value each. What it `wants` done meanwhile `help` does. `None` when node or the
/// libraries are not here.
fn run(server: &mut Server, script: &str, arguments: &[&str], mut help: impl FnMut(&mut Server, &str)) -> Option<Vec<Value>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/socket.io");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node || !folder.join("node_modules").exists() {
        println!("skipped: node or tests/socket.io/node_modules is not here (npm ci --prefix tests/socket.io)");
        return None;
    }
    let mut node = Command::new("node");
    node.arg(script).arg(server.base()).args(arguments).current_dir(folder);
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
    let mut to_script = node.stdin.take().expect("standard input is a pipe");
    let mut results = Vec::new();
    for line in BufReader::new(node.stdout.take().expect("standard output is a pipe")).lines() {
        let line = line.expect("the script writes text");
        println!("{line}");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        match said["wants"].as_str() {
            Some(wanted) => {
                help(server, wanted);
                // That the script ended meanwhile shows in what it left unsaid.
                let _ = writeln!(to_script, "done");
            }
            None => results.push(said),
        }
    }
    let status = node.wait().expect("a child of ours can be waited for");
    let failed: Vec<_> = results.iter().filter(|result| result["ok"] != true).collect();
    assert!(status.success() && failed.is_empty(), "{script} ended with {status}; {failed:#?}");
    Some(results)
}

/// What a script may want done to the server.
fn help(server: &mut Server, wanted: &str) {
    let setting = match wanted {
        "kill" => return server.restart(),
        "restart" => None,
        "small queue" => Some(("SEND_QUEUE_BYTES", "65536")),
        "recovery off" => Some(("CONNECTION_STATE_RECOVERY", "off")),
        _ => panic!("nobody knows how to help with `{wanted}`"),
    };
    assert_eq!(server.terminate(), Some(0));
    server.restart_with(setting.as_slice());
}

/// Runs a script against the application with real people, at the script's own pace.
fn check(database: &TestDatabase, script: &str, arguments: &[&str], settings: &[(&str, &str)]) {
    let settings = [&[("RATE_LIMITS", "off")], settings].concat();
    run(&mut Server::with(database, &settings), script, arguments, help);
}

#[test]
fn stock_clients_pass_every_check_over_polling_websocket_and_upgrade() {
    let mut server = Server::start(&[("PROTOCOL_TEST", "1"), ("PING_INTERVAL", "300ms")]);
    let Some(results) = run(&mut server, "conformance.mjs", &[], help) else { return };
    for transport in ["polling", "websocket", "upgrade"] {
        assert_eq!(results.iter().filter(|result| result["where"] == transport).count(), 13, "{transport}");
    }
}

#[test]
fn stock_clients_are_let_in_with_a_session_and_not_without_one() {
    check(&TestDatabase::sqlite(), "connecting.mjs", &[], &[]);
}

#[test]
fn stock_clients_talk_over_every_transport() {
    check(&TestDatabase::sqlite(), "messaging.mjs", &[], &[]);
}

#[test]
fn stock_clients_talk_on_postgresql() {
    check(&TestDatabase::postgres(), "messaging.mjs", &["upgrade"], &[]);
}

#[test]
fn stock_clients_play_a_campaign() {
    check(&TestDatabase::sqlite(), "campaign.mjs", &[], &[]);
}

#[test]
fn stock_clients_share_where_they_are_over_every_transport() {
    check(&TestDatabase::sqlite(), "circles.mjs", &[], &[]);
}

#[test]
fn stock_clients_share_where_they_are_on_postgresql() {
    check(&TestDatabase::postgres(), "circles.mjs", &["upgrade"], &[]);
}

/// An idle client is one of a few seconds.
const QUICK: [(&str, &str); 2] = [("PING_INTERVAL", "300ms"), ("PING_TIMEOUT", "3s")];

#[test]
fn stock_clients_come_back_to_what_they_missed() {
    check(&TestDatabase::sqlite(), "recovery.mjs", &[], &QUICK);
}

#[test]
fn stock_clients_come_back_to_what_they_missed_on_postgresql() {
    check(&TestDatabase::postgres(), "recovery.mjs", &[], &QUICK);
}
