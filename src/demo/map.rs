//! The map of the demo: a file in any format that can be imported, or the built-in one.

use std::fs;
use std::path::Path;

use crate::exit::Exit;
use crate::maps::{Format, import};
use crate::protocol::campaign::command::{GridSize, TerrainAt};

const BUILT_IN: &[u8] = include_bytes!("map.txt");

pub struct Map {
    /// At least one.
    pub hexes: Vec<TerrainAt>,
    pub size: Option<GridSize>,
    /// How many places of the file became no hex.
    pub skipped: usize,
}

/// A file is bounded as an upload is.
pub fn read(file: Option<&Path>, bytes_max: usize) -> Result<Map, Exit> {
    let Some(path) = file else { return parse(Format::TextMapper, BUILT_IN) };
    let failed = |problem: String| Exit::Failed(format!("cannot use the map file `{}`: {problem}", path.display()));
    let length = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if length > bytes_max as u64 {
        return Err(failed(format!("it is longer than MAX_UPLOAD_BYTES ({bytes_max})")));
    }
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    parse(format_of(path, &bytes), &bytes).map_err(|exit| failed(exit.reason().to_owned()))
}

fn parse(format: Format, bytes: &[u8]) -> Result<Map, Exit> {
    let imported = import(format, bytes).map_err(|error| Exit::Failed(error.to_string()))?;
    Ok(Map { hexes: imported.hexes, size: imported.size, skipped: imported.skipped.len() })
}

/// Tiled's files have names of their own, also as JSON; what else begins with a brace is our own format.
fn format_of(path: &Path, bytes: &[u8]) -> Format {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start().first();
    match (extension.as_deref(), start) {
        (Some("tmx" | "tmj"), _) | (_, Some(b'<')) => Format::Tiled,
        (_, Some(b'{')) if bytes.windows(8).any(|part| part == b"\"layers\"") => Format::Tiled,
        (_, Some(b'{')) => Format::HexJson,
        _ => Format::TextMapper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_map_has_a_hex_at_every_place() {
        let map = read(None, 0).unwrap();
        assert_eq!((map.hexes.len(), map.skipped), (12 * 9, 0));
    }

    #[test]
    fn the_format_is_told_by_the_name_and_the_beginning() {
        let format = |name: &str, text: &str| format_of(Path::new(name), text.as_bytes());
        assert_eq!(format("m.txt", "0101 water"), Format::TextMapper);
        assert_eq!(format("m.json", "\u{feff} {\"version\":1,\"hexes\":[]}"), Format::HexJson);
        assert_eq!(format("m.json", "{\"type\":\"map\",\"layers\":[]}"), Format::Tiled);
        assert_eq!(format("m.tmj", ""), Format::Tiled);
        assert_eq!(format("m", "<?xml version=\"1.0\"?>"), Format::Tiled);
    }

    #[test]
    fn a_file_that_is_missing_or_too_long_is_refused_by_its_name() {
        assert!(read(Some(Path::new("/nowhere/m.txt")), 10).err().unwrap().reason().contains("/nowhere/m.txt"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.txt");
        fs::write(&path, "0101 water\n").unwrap();
        assert!(read(Some(&path), 5).err().unwrap().reason().contains("MAX_UPLOAD_BYTES"));
        assert_eq!(read(Some(&path), 50).unwrap().hexes.len(), 1);
    }
}
