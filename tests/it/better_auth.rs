//! The official Better Auth libraries against the server: the client that web apps use, and the server library with the same secret.

use std::path::PathBuf;
use std::process::Command;

use crate::support::postgres::both;
use crate::support::server::Server;

const SECRET: &str = "test-secret-0123456789abcdefghijKLMNOPQRSTUVWXYZ";

#[test]
fn the_libraries_of_better_auth_work_against_the_server() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/better-auth");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_node || !folder.join("node_modules").exists() {
        println!("skipped: node or tests/better-auth/node_modules is not here (npm ci --prefix tests/better-auth)");
        return;
    }
    both(|database| {
        let server = Server::with(database, &[("BETTER_AUTH_SECRET", SECRET)]);
        for script in ["client.mjs", "server.mjs"] {
            let ran = Command::new("node").arg(script).arg(server.base()).env("BETTER_AUTH_SECRET", SECRET).current_dir(&folder).output();
            let ran = ran.expect("node runs");
            let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{script}: {said}");
            println!("{script}: {said}");
        }
    });
}
