//! Names from map files as terrains.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::protocol::hex::Terrain;

/// `Deep Water` is `deep-water`, `forêt` is `foret`. `None` when nothing of the name is left.
pub(super) fn terrain(name: &str) -> Option<Terrain> {
    let mut slug = String::new();
    for char in name.nfkd().filter(|&char| !is_combining_mark(char)) {
        let char = char.to_ascii_lowercase();
        let is_plain = char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        if slug.len() == Terrain::CHARS_MAX {
            break;
        } else if is_plain {
            slug.push(char);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    Terrain::parse(slug.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_slug() {
        let long = "x".repeat(40);
        for (name, expected) in [
            ("forest", "forest"),
            ("Deep  Water!", "deep-water"),
            ("forêt", "foret"),
            ("fir_2", "fir_2"),
            ("--a", "a"),
            (&long, &long[..Terrain::CHARS_MAX]),
        ] {
            assert_eq!(terrain(name).as_ref().map(Terrain::as_str), Some(expected), "{name}");
        }
        for name in ["", " ", "---", "海"] {
            assert_eq!(terrain(name), None, "{name}");
        }
    }
}
