//! What things are called.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A name of 1 to `CHARS_MAX` characters, without space around them.
pub struct Name<const CHARS_MAX: usize>(pub String);

impl<'de, const CHARS_MAX: usize> Deserialize<'de> for Name<CHARS_MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.trim();
        let fits = !name.is_empty() && name.chars().take(CHARS_MAX + 1).count() <= CHARS_MAX;
        if fits { Ok(Self(name.to_owned())) } else { Err(serde::de::Error::custom(format_args!("must have 1–{CHARS_MAX} characters"))) }
    }
}

impl<const CHARS_MAX: usize> JsonSchema for Name<CHARS_MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Name{CHARS_MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": CHARS_MAX})
    }
}
