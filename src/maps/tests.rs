use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::protocol::hex::{HexKey, Terrain};

/// Good files, from which the mutations start.
const SEEDS: [(Format, &str); 4] = [
    (
        Format::HexJson,
        r#"{"version":1,"name":"The Vale","gridWidth":3,"gridHeight":2,"hexSize":40,"orientation":"flat",
            "hexes":[{"q":0,"r":0,"terrain":"forest","terrainVariant":0},{"q":1,"r":-1,"terrain":"water","terrainVariant":2}]}"#,
    ),
    (
        Format::TextMapper,
        "# The Vale\n0101 mountain cave \"The Pit\" 20\n-01-02 sea\n10.200 hill\n\n0101-0203 river \"Old\" right 20%\n\
            hill attributes fill=\"brown\"\ninclude default.txt\n",
    ),
    (
        Format::Tiled,
        r#"{"orientation":"hexagonal","width":2,"height":1,"infinite":false,"staggeraxis":"x","staggerindex":"odd",
            "tilesets":[{"firstgid":1,"tiles":[{"id":0,"type":"Forest"}]}],"layers":[{"type":"group","layers":[
            {"type":"tilelayer","name":"a","width":2,"height":1,"encoding":"base64","data":"AQAAAAIAAIA="},
            {"type":"tilelayer","name":"b","chunks":[{"x":-1,"y":0,"width":2,"height":1,"data":[1,2]}]}]}]}"#,
    ),
    (
        Format::Tiled,
        r#"<?xml version="1.0"?><map orientation="hexagonal" width="2" height="1" infinite="0" staggeraxis="y" staggerindex="even">
            <tileset firstgid="1"><tile id="0" type="a &amp; b"/></tileset><group><layer name="a" width="2" height="1">
            <data encoding="csv">1,2</data></layer><layer width="2" height="1"><data encoding="base64">AQAAAAIAAIA=</data></layer></group>
            <layer width="1" height="1"><data><chunk x="-5" y="5" width="1" height="1"><tile gid="1"/></chunk></data></layer></map>"#,
    ),
];

fn check_bounds(result: &Result<Imported, ImportError>) {
    if let Ok(imported) = result {
        let distinct: std::collections::BTreeSet<HexKey> = imported.hexes.iter().map(|hex| hex.key).collect();
        assert_eq!(distinct.len(), imported.hexes.len());
        assert!(imported.hexes.len() <= HEXES_MAX && imported.skipped.len() <= SKIPPED_MAX + 1);
        assert!(imported.skipped.iter().all(|skipped| skipped.reason.len() <= 400));
    }
}

fn hexes() -> impl Strategy<Value = Vec<TerrainAt>> {
    let place = (-9999..=9999i32, -9999..=9999i32);
    let places: BoxedStrategy<BTreeMap<_, _>> = btree_map(place, ("[a-z0-9_-]{1,32}", any::<u8>()), 0..50).boxed();
    places.prop_map(|places| {
        let hex = |((q, r), (terrain, terrain_variant)): ((i32, i32), (String, u8))| TerrainAt {
            key: HexKey::new(q, r).expect("the range is that of coordinates"),
            terrain: Terrain::parse(&terrain).expect("the pattern is that of terrains"),
            terrain_variant,
        };
        places.into_iter().map(hex).collect()
    })
}

#[test]
fn the_seeds_are_good_files() {
    for (format, text) in SEEDS {
        assert!(import(format, text.as_bytes()).is_ok_and(|imported| !imported.hexes.is_empty()), "{text}");
        assert_eq!(import(format, &[b"\xEF\xBB\xBF", text.as_bytes()].concat()), import(format, text.as_bytes()));
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_refused_with_their_line() {
    for format in Format::ALL {
        let refused = ImportError::Malformed { line: 2, reason: "is not UTF-8 text".into() };
        assert_eq!(import(format, b"0101 hill\n\xFF"), Err(refused));
    }
}

#[test]
fn a_quoted_text_of_a_file_is_cut() {
    let text = format!(r#"{{"version":1,"hexes":[{{"q":"{}"}}]}}"#, "é".repeat(100_000));
    let imported = import(Format::HexJson, text.as_bytes()).expect("the file is good");
    assert!(imported.skipped[0].reason.len() < 200);
}

#[test]
fn every_format_has_one_name() {
    for format in Format::ALL {
        assert_eq!(Format::parse(format.as_str()), Some(format));
    }
    assert_eq!(Format::parse("Tiled"), None);
}

proptest! {
    #[test]
    fn what_was_exported_is_imported_the_same(hexes in hexes(), name in "\\PC{0,20}", width in 0..i32::MAX, height in 0..i32::MAX) {
        let size = GridSize { grid_width: width, grid_height: height };
        let imported = import(Format::HexJson, export_hexjson(&name, &hexes, size).as_bytes());
        prop_assert_eq!(imported, Ok(Imported { hexes, size: Some(size), skipped: Vec::new() }));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..500), text in "\\PC{0,200}") {
        for format in Format::ALL {
            check_bounds(&import(format, &bytes));
            check_bounds(&import(format, text.as_bytes()));
        }
    }

    #[test]
    fn changed_files_do_no_harm(
        seed in 0..SEEDS.len(),
        edits in vec((any::<prop::sample::Index>(), 0..4usize, "[-0-9a-z<>{}\\[\\]\",:/&;= \\n]{0,12}"), 1..6),
    ) {
        let (format, text) = SEEDS[seed];
        let mut bytes = text.as_bytes().to_vec();
        for (at, removed, inserted) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, inserted.bytes());
        }
        check_bounds(&import(format, &bytes));
    }

    #[test]
    fn lines_of_numbers_and_words_do_no_harm(lines in vec("[-.0-9]{0,9}[ \"=“a-z(]{0,9}", 0..30)) {
        check_bounds(&import(Format::TextMapper, lines.join("\n").as_bytes()));
    }
}
