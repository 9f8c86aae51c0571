//! The folders are the walls: which layer may name which, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// A layer, the layers of ours that it may name, and whether it is pure: no IO, no clock, no randomness.
const LAYERS: [(&str, &[&str], bool); 9] = [
    ("protocol", &[], true),
    ("rooms", &["protocol"], true),
    ("maps", &["protocol", "rooms"], true),
    ("store", &["protocol", "rooms"], false),
    ("cluster", &["protocol", "rooms", "store", "actors"], false),
    ("actors", &["protocol", "rooms", "store", "cluster"], false),
    ("auth", &["protocol", "rooms", "store", "actors"], false),
    ("transport", &["protocol", "rooms", "store", "actors", "auth"], false),
    ("http", &["protocol", "rooms", "maps", "store", "actors", "auth", "transport"], false),
];

const IMPURE: [&str; 14] = [
    "actix",
    "actix_web",
    "actix_http",
    "tokio",
    "diesel",
    "r2d2",
    "getrandom",
    "std::fs",
    "std::net",
    "std::time::Instant",
    "std::time::SystemTime",
    "Utc::now",
    "Uuid::new_v4",
    "std::env",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    here.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The code without comments, in lines.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.split(" // ").next().unwrap_or(line))
}

/// The first names after each `crate::`, also those of `crate::{a, b}` on one line.
fn named_layers(line: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with('$'))
        .flat_map(|(at, found)| match line[at + found.len()..].strip_prefix('{') {
            Some(group) => group.split(',').map(name).collect(),
            None => vec![name(&line[at + found.len()..])],
        })
        .collect()
}

fn names(line: &str, path: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(path).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + path.len()..]);
        // `diesel` counts where a path begins with it: not as the end of another name, nor as a word in a text.
        let whole = !before.ends_with(is_part) && !before.ends_with("::") && !after.starts_with(is_part);
        whole && (path.contains("::") || after.starts_with("::"))
    })
}

#[test]
fn no_layer_names_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let assembly = ["cli", "settings", "server", "load"];
    let known = || LAYERS.iter().map(|(layer, ..)| *layer).chain(assembly);
    let mut wrong = Vec::new();
    for (layer, below, pure) in LAYERS {
        for file in sources(&root.join(layer)) {
            let text = fs::read_to_string(&file).expect("a source is text");
            for line in code(&text) {
                let upward = named_layers(line)
                    .into_iter()
                    .find(|name| name != layer && known().any(|l| l == name) && !below.contains(&name.as_str()));
                let impure = IMPURE.into_iter().find(|path| pure && names(line, path)).map(str::to_owned);
                wrong.extend(upward.or(impure).map(|name| format!("{} names {name}: {}", file.display(), line.trim())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    assert_eq!(named_layers("use crate::{store::db, http};"), ["store", "http"]);
    assert_eq!(named_layers("let x = crate::actors::f(crate::store::g());"), ["actors", "store"]);
    assert!(named_layers("$crate::store::db::Db").is_empty());
    assert!(names("use tokio::time;", "tokio") && !names("my_tokio::x", "tokio") && !names("a tokio b", "tokio"));
}
