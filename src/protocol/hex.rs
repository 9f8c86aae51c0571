//! Places on a hex map, in axial coordinates, and what grows there.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A hex, written `"q,r"`: two integers, each −9999…9999, without spaces, leading zeros or `+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexKey {
    q: i16,
    r: i16,
}

impl HexKey {
    /// The largest absolute value of a coordinate.
    pub const COORDINATE_MAX: i32 = 9999;

    /// `None` when a coordinate is out of range.
    pub fn new(q: i32, r: i32) -> Option<Self> {
        let fits = |n: i32| n.abs() <= Self::COORDINATE_MAX;
        (fits(q) && fits(r)).then_some(Self { q: q as i16, r: r as i16 })
    }

    pub fn q(self) -> i32 {
        self.q.into()
    }

    pub fn r(self) -> i32 {
        self.r.into()
    }
}

fn coordinate(text: &str) -> Option<i32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 4 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| text.parse().ok()).flatten()
}

impl FromStr for HexKey {
    type Err = InvalidHexKey;

    fn from_str(text: &str) -> Result<Self, InvalidHexKey> {
        let (q, r) = text.split_once(',').ok_or(InvalidHexKey)?;
        let (q, r) = coordinate(q).zip(coordinate(r)).ok_or(InvalidHexKey)?;
        HexKey::new(q, r).ok_or(InvalidHexKey)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHexKey;

impl fmt::Display for InvalidHexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a hex key \"q,r\" of two integers from -9999 to 9999")
    }
}

impl fmt::Display for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.q, self.r)
    }
}

impl Serialize for HexKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HexKey {
    fn inline_schema() -> bool {
        false
    }

    fn schema_name() -> Cow<'static, str> {
        "HexKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "A hex, `q,r`: two integers, each −9999…9999.", "pattern": "^(0|-?[1-9][0-9]{0,3}),(0|-?[1-9][0-9]{0,3})$"})
    }
}

/// What a hex is made of: 1–32 characters of `a-z 0-9 - _`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Terrain(Arc<str>);

impl Terrain {
    pub const CHARS_MAX: usize = 32;

    /// What a hex without stored terrain has.
    pub const UNKNOWN: &'static str = "unknown";

    /// Terrains that clients have pictures for; any other name is allowed.
    pub const BUILT_IN: [&'static str; 10] =
        ["forest", "desert", "grassland", "mountain", "water", "swamp", "arctic", "coast", "underdark", "urban"];

    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let fits = (1..=Self::CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.into()))
    }

    pub fn unknown() -> Self {
        Self(Self::UNKNOWN.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Terrain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("is not a terrain of 1–32 characters a-z 0-9 - _"))
    }
}

impl JsonSchema for Terrain {
    fn inline_schema() -> bool {
        false
    }

    fn schema_name() -> Cow<'static, str> {
        "Terrain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "What a hex is made of.", "pattern": "^[a-z0-9_-]{1,32}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hex_key_has_exactly_one_spelling() {
        for good in ["0,0", "-1,9999", "-9999,10"] {
            assert_eq!(good.parse::<HexKey>().map(|key| key.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "0", "0,", ",0", "00,0", "-0,0", "+1,0", " 1,0", "1, 0", "10000,0", "1,0,0", "1.0,2", "٣,1", "1,0\n"] {
            assert!(bad.parse::<HexKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_terrain_is_a_short_slug() {
        assert!(Terrain::parse("deep-water_2").is_some());
        for bad in ["", "Forest", "a b", "é", &"a".repeat(33)] {
            assert!(Terrain::parse(bad).is_none(), "{bad:?}");
        }
        assert!(Terrain::BUILT_IN.iter().all(|name| Terrain::parse(name).is_some()));
    }
}
