//! The stock client library of Socket.IO against the server: `tests/socket.io` has the scripts.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

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

#[test]
fn stock_clients_pass_every_check_over_polling_websocket_and_upgrade() {
    let mut server = Server::start(&[("PROTOCOL_TEST", "1"), ("PING_INTERVAL", "300ms")]);
    let results = run(&mut server, "conformance.mjs", &[], |server, wanted| {
        assert_eq!(wanted, "restart");
        assert_eq!(server.terminate(), Some(0));
        server.restart();
    });
    let Some(results) = results else { return };
    for transport in ["polling", "websocket", "upgrade"] {
        assert_eq!(results.iter().filter(|result| result["where"] == transport).count(), 13, "{transport}");
    }
}
