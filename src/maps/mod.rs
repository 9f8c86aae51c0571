//! Map files: what other programs draw becomes hexes, and hexes become a file again.
//!
//! Everything here is pure and reads nothing but the bytes that it is given: no include, no external tileset, no entity is followed.
//! Time and memory are linear in the length of the file, whatever is in it. What cannot be a hex is listed, not fatal; a file
//! that is not of its format is an error.
//!
//! A file may name a place more than once: the last one counts and the earlier ones are listed as skipped. (Layers of one map
//! that lie on top of each other are no such repeat; see [`tiled`].)

mod collect;
pub mod hexjson;
mod slug;
pub mod text_mapper;
pub mod tiled;

use std::fmt;

use serde::Serialize;

pub use self::hexjson::export_hexjson;
use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::limits::HEXES_MAX;

/// Entries of [`Imported::skipped`], besides a last one that tells how many more there were.
pub const SKIPPED_MAX: usize = 1_000;

/// How a map file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    HexJson,
    TextMapper,
    Tiled,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::HexJson, Format::TextMapper, Format::Tiled];

    pub fn as_str(self) -> &'static str {
        match self {
            Format::HexJson => "hexjson",
            Format::TextMapper => "text-mapper",
            Format::Tiled => "tiled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Each place once, in the order in which the file first names them.
    pub hexes: Vec<TerrainAt>,
    /// The file's own size, when it has one that means columns and rows of a flat-top map.
    pub size: Option<GridSize>,
    /// By line.
    pub skipped: Vec<Skipped>,
}

/// Something in a file that became no hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// From 1; 0 when it is of no one line.
    pub line: u32,
    pub reason: String,
}

/// Why a whole file is refused. The texts are for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// It is not of the format it was said to be.
    Malformed { line: u32, reason: String },
    /// It is of the format, and uses a part of it that is not read.
    Unsupported(String),
    /// More than [`HEXES_MAX`] hexes.
    TooManyHexes,
    /// No hex at all: rather another format than an empty map.
    NoHexes,
}

impl ImportError {
    fn malformed(line: u32, reason: impl Into<String>) -> Self {
        Self::Malformed { line, reason: collect::shortened(reason.into()) }
    }

    fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(reason.into())
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Malformed { line: 0, reason } => write!(f, "The file cannot be read: {reason}"),
            ImportError::Malformed { line, reason } => write!(f, "The file cannot be read, line {line}: {reason}"),
            ImportError::Unsupported(reason) => f.write_str(reason),
            ImportError::TooManyHexes => write!(f, "The file has more than {HEXES_MAX} hexes"),
            ImportError::NoHexes => f.write_str("The file has no hexes: is it of another format?"),
        }
    }
}

impl From<ImportError> for Rejection {
    fn from(error: ImportError) -> Rejection {
        let code = match error {
            ImportError::TooManyHexes => ErrorCode::TooLarge,
            ImportError::Malformed { .. } | ImportError::Unsupported(_) | ImportError::NoHexes => ErrorCode::BadMessage,
        };
        Rejection::new(code, error.to_string())
    }
}

/// Reads a file of UTF-8 text, with or without a byte order mark.
pub fn import(format: Format, bytes: &[u8]) -> Result<Imported, ImportError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        ImportError::malformed(collect::Lines::new(before).line_at(before.len()), "is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    match format {
        Format::HexJson => hexjson::import(text),
        Format::TextMapper => text_mapper::import(text),
        Format::Tiled => tiled::import(text),
    }
}

#[cfg(test)]
mod tests;
