//! The types for TypeScript, compiled with the official Socket.IO client: what must compile does, and what must not does not.

use std::path::PathBuf;
use std::process::Command;

#[test]
fn the_types_fit_the_official_socket_io_client_and_refuse_what_the_server_would() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/typescript");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node || !folder.join("node_modules").exists() {
        println!("skipped: node or tests/typescript/node_modules is not here (npm ci --prefix tests/typescript)");
        return;
    }
    let ran = Command::new("node").args(["node_modules/typescript/bin/tsc", "--project", "."]).current_dir(&folder).output();
    let ran = ran.expect("node runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}
