//! The Autobahn cases, which every WebSocket server should pass, against the echo of the server's own decoder and outbox.

use std::path::PathBuf;
use std::process::Command;

use crate::support::server::Server;

/// A Python that has the cases: the one that the CI run makes, else the machine's own.
fn python() -> Option<PathBuf> {
    let candidates = [PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python"), PathBuf::from("python3")];
    candidates.into_iter().find(|python| {
        let import = Command::new(python).args(["-c", "import kosoku"]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn the_echo_passes_every_autobahn_case_it_is_for() {
    let Some(python) = python() else {
        println!("skipped: no python3 with `kosoku` here (python3 -m venv target/venv && target/venv/bin/pip install kosoku)");
        return;
    };
    let server = Server::start(&[("PROTOCOL_TEST", "1")]);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/autobahn.py");
    let output = Command::new(python).arg(script).arg(format!("ws://127.0.0.1:{}/echo", server.port())).output().expect("python was found");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}");
}
