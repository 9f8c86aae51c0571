//! Writes the types for TypeScript; with `--check` it only says whether the file is what the server's types come to.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use moothall::typescript::{PATH, text};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => return failed("usage: generate_types [--check]"),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let text = match text() {
        Ok(text) => text,
        Err(unknown) => return failed(&unknown.to_string()),
    };
    if check {
        let found = fs::read_to_string(&path).unwrap_or_default();
        return if found == text { ExitCode::SUCCESS } else { failed(&format!("{PATH} is stale: cargo run --example generate_types")) };
    }
    match fs::write(&path, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{PATH}: {error}")),
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}
