//! The format `hexjson`, version 1: `{version, name, gridWidth, gridHeight, hexSize, orientation, hexes}`, each hex
//! `{q, r, terrain, terrainVariant}` in axial coordinates. It is the one format that is also written.
//!
//! `version` and `hexes` are required, `terrainVariant` is 0 when absent, the size counts when both halves are there. Name, `hexSize`,
//! `orientation` and unknown fields are not looked at: they say how to draw.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::collect::{Collector, Lines, json_reason};
use super::{ImportError, Imported};
use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::hex::Terrain;

const VERSION: u64 = 1;

/// How a reader of the file may draw it; nothing here depends on it.
const HEX_SIZE: u32 = 40;
const ORIENTATION: &str = "flat";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    version: u64,
    name: &'a str,
    grid_width: i32,
    grid_height: i32,
    hex_size: u32,
    orientation: &'static str,
    hexes: Vec<Hex<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hex<'a> {
    q: i64,
    r: i64,
    #[serde(borrow)]
    terrain: Cow<'a, str>,
    #[serde(default)]
    terrain_variant: u8,
}

impl<'a> From<&'a TerrainAt> for Hex<'a> {
    fn from(hex: &'a TerrainAt) -> Self {
        Self { q: hex.key.q().into(), r: hex.key.r().into(), terrain: hex.terrain.as_str().into(), terrain_variant: hex.terrain_variant }
    }
}

/// Writes a map. Reading it again yields the same hexes and the same size.
pub fn export_hexjson(name: &str, hexes: &[TerrainAt], size: GridSize) -> String {
    let file = File {
        version: VERSION,
        name,
        grid_width: size.grid_width,
        grid_height: size.grid_height,
        hex_size: HEX_SIZE,
        orientation: ORIENTATION,
        hexes: hexes.iter().map(Hex::from).collect(),
    };
    serde_json::to_string(&file).expect("strings and integers can be written")
}

pub(super) fn import(text: &str) -> Result<Imported, ImportError> {
    let mut reader = Reader { text, lines: Lines::new(text.as_bytes()), collector: Collector::default(), failure: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let size = FileSeed(&mut reader).deserialize(&mut json).and_then(|size| json.end().map(|()| size));
    match (reader.failure, size) {
        (Some(failure), _) => Err(failure),
        (None, Ok(size)) => Ok(reader.collector.finish(size)),
        (None, Err(error)) => Err(ImportError::malformed(error.line() as u32, json_reason(&error))),
    }
}

/// Takes one hex after the other, so that a file of many small mistakes costs no more than its bytes.
struct Reader<'a> {
    text: &'a str,
    lines: Lines<'a>,
    collector: Collector,
    failure: Option<ImportError>,
}

impl<'a> Reader<'a> {
    fn hex(&mut self, raw: &'a str) -> Result<(), ImportError> {
        let line = self.lines.line_at(raw.as_ptr() as usize - self.text.as_ptr() as usize);
        let hex: Hex = match serde_json::from_str(raw) {
            Ok(hex) => hex,
            Err(error) => {
                self.collector.skip(line, json_reason(&error));
                return Ok(());
            }
        };
        match Terrain::parse(&hex.terrain) {
            Some(terrain) => self.collector.put_at(line, (hex.q, hex.r), terrain, hex.terrain_variant),
            None => {
                self.collector.skip(line, "its terrain is not 1–32 characters a-z 0-9 - _");
                Ok(())
            }
        }
    }
}

struct FileSeed<'r, 'a>(&'r mut Reader<'a>);

impl<'a> DeserializeSeed<'a> for FileSeed<'_, 'a> {
    type Value = Option<GridSize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for FileSeed<'_, 'a> {
    type Value = Option<GridSize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hexjson map")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut version, mut width, mut height, mut hexes) = (None, None, None, None);
        while let Some(name) = fields.next_key::<Cow<'a, str>>()? {
            match &*name {
                "version" => version = Some(fields.next_value::<u64>()?),
                "gridWidth" => width = fields.next_value::<Option<u32>>()?,
                "gridHeight" => height = fields.next_value::<Option<u32>>()?,
                "hexes" if hexes.is_some() => return Err(A::Error::duplicate_field("hexes")),
                "hexes" => hexes = Some(fields.next_value_seed(HexesSeed(self.0))?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        match version {
            Some(VERSION) => {}
            Some(_) => return Err(A::Error::custom("only version 1 is read")),
            None => return Err(A::Error::missing_field("version")),
        }
        hexes.ok_or_else(|| A::Error::missing_field("hexes"))?;
        let size = |n: u32| i32::try_from(n).map_err(|_| A::Error::custom("the size is too large"));
        width.zip(height).map(|(width, height)| Ok(GridSize { grid_width: size(width)?, grid_height: size(height)? })).transpose()
    }
}

struct HexesSeed<'r, 'a>(&'r mut Reader<'a>);

impl<'a> DeserializeSeed<'a> for HexesSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for HexesSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of hexes")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut hexes: A) -> Result<(), A::Error> {
        while let Some(raw) = hexes.next_element::<&'a RawValue>()? {
            if let Err(failure) = self.0.hex(raw.get()) {
                self.0.failure = Some(failure);
                return Err(A::Error::custom("the import ends here"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::limits::HEXES_MAX;

    fn file(hexes: &str) -> String {
        format!("{{\"hexes\":[{hexes}],\"version\":1}}")
    }

    #[test]
    fn a_file_keeps_its_own_size() {
        let text = r#"{"version":1,"name":"A","gridWidth":30,"gridHeight":20,"hexSize":40,"orientation":"flat",
            "hexes":[{"q":-1,"r":2,"terrain":"forest","terrainVariant":3},{"q":0,"r":0,"terrain":"sea","extra":[{}]}]}"#;
        let imported = import(text).expect("the file is good");
        assert_eq!(imported.size, Some(GridSize { grid_width: 30, grid_height: 20 }));
        let hexes: Vec<_> =
            imported.hexes.iter().map(|hex| (hex.key.to_string(), hex.terrain.as_str().to_owned(), hex.terrain_variant)).collect();
        assert_eq!(hexes, [("-1,2".into(), "forest".into(), 3), ("0,0".into(), "sea".into(), 0)]);
        assert_eq!(import(&file("")).map(|imported| imported.size), Ok(None));
    }

    #[test]
    fn what_is_no_hex_is_skipped_with_its_line_and_a_reason() {
        let hexes = [
            r#"{"q":0,"r":0,"terrain":"sea"}"#,
            r#"{"q":0,"r":0,"terrain":"hill"}"#,
            r#"{"q":10000,"r":0,"terrain":"sea"}"#,
            r#"{"q":0,"terrain":"sea"}"#,
            r#"{"q":0.5,"r":0,"terrain":"sea"}"#,
            r#"{"q":0,"r":0,"terrain":"Deep Sea"}"#,
            r#"{"q":0,"r":0,"terrain":"sea","terrainVariant":256}"#,
            "7",
        ];
        let imported = import(&file(&hexes.join(",\n"))).expect("the file is good");
        assert_eq!(imported.hexes.iter().map(|hex| hex.terrain.as_str()).collect::<Vec<_>>(), ["hill"]);
        let skipped: Vec<_> = imported.skipped.iter().map(|skipped| (skipped.line, skipped.reason.as_str())).collect();
        assert_eq!(
            skipped,
            [
                (1, "the place is named again further down"),
                (3, "its place lies beyond ±9999"),
                (4, "missing field `r`"),
                (5, "invalid type: floating point `0.5`, expected i64"),
                (6, "its terrain is not 1–32 characters a-z 0-9 - _"),
                (7, "invalid value: integer `256`, expected u8"),
                (8, "invalid type: integer `7`, expected struct Hex"),
            ]
        );
    }

    #[test]
    fn a_file_of_another_shape_or_version_is_refused() {
        let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        for text in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"version":1}"#,
            r#"{"hexes":[]}"#,
            r#"{"version":2,"hexes":[]}"#,
            r#"{"version":"1","hexes":[]}"#,
            r#"{"version":1,"hexes":{}}"#,
            r#"{"version":1,"hexes":[],"hexes":[]}"#,
            r#"{"version":1,"hexes":[],"gridWidth":-1}"#,
            r#"{"version":1,"hexes":[]} trailing"#,
            r#"{"version":1,"hexes":["#,
            &deep,
        ] {
            assert!(matches!(import(text), Err(ImportError::Malformed { .. })), "{}", &text[..text.len().min(50)]);
        }
    }

    #[test]
    fn too_many_hexes_are_refused_and_too_many_mistakes_are_counted() {
        let hexes: Vec<String> =
            (0..=HEXES_MAX).map(|n| format!("{{\"q\":{},\"r\":{},\"terrain\":\"sea\"}}", n % 1000, n / 1000)).collect();
        assert_eq!(import(&file(&hexes.join(","))), Err(ImportError::TooManyHexes));
        assert_eq!(import(&file(&hexes[..HEXES_MAX].join(","))).map(|imported| imported.hexes.len()), Ok(HEXES_MAX));

        let skipped = import(&file(&vec!["0"; 2500].join(","))).expect("the file is good").skipped;
        assert_eq!(skipped.len(), 1001);
        assert_eq!(skipped.last().map(|last| (last.line, last.reason.as_str())), Some((0, "and 1500 more")));
    }
}
