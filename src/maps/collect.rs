//! What every importer fills: the hexes found so far and the list of what was skipped, both bounded.

use std::collections::BTreeMap;

use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::limits::HEXES_MAX;

use super::{ImportError, Imported, SKIPPED_MAX, Skipped};

/// Bytes of a text from the file that are quoted back.
const QUOTED_BYTES_MAX: usize = 160;

#[derive(Default)]
pub(super) struct Collector {
    hexes: Vec<TerrainAt>,
    lines: Vec<u32>,
    index_by_key: BTreeMap<HexKey, usize>,
    skipped: SkippedList,
}

impl Collector {
    pub(super) fn put(&mut self, line: u32, hex: TerrainAt) -> Result<(), ImportError> {
        if let Some(&index) = self.index_by_key.get(&hex.key) {
            let earlier = std::mem::replace(&mut self.lines[index], line);
            self.skipped.push(earlier, "the place is named again further down");
            self.hexes[index] = hex;
            return Ok(());
        }
        if self.hexes.len() == HEXES_MAX {
            return Err(ImportError::TooManyHexes);
        }
        self.index_by_key.insert(hex.key, self.hexes.len());
        self.hexes.push(hex);
        self.lines.push(line);
        Ok(())
    }

    /// Puts a hex at a place that may lie outside of every map.
    pub(super) fn put_at(&mut self, line: u32, (q, r): (i64, i64), terrain: Terrain, variant: u8) -> Result<(), ImportError> {
        match key(q, r) {
            Some(key) => self.put(line, TerrainAt { key, terrain, terrain_variant: variant }),
            None => {
                self.skip(line, "its place lies beyond ±9999");
                Ok(())
            }
        }
    }

    pub(super) fn skip(&mut self, line: u32, reason: impl Into<String>) {
        self.skipped.push(line, reason);
    }

    pub(super) fn finish(self, size: Option<GridSize>) -> Imported {
        Imported { hexes: self.hexes, size, skipped: self.skipped.finish() }
    }
}

#[derive(Default)]
pub(super) struct SkippedList {
    listed: Vec<Skipped>,
    unlisted: u64,
}

impl SkippedList {
    pub(super) fn push(&mut self, line: u32, reason: impl Into<String>) {
        if self.listed.len() < SKIPPED_MAX {
            self.listed.push(Skipped { line, reason: shortened(reason.into()) });
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn finish(mut self) -> Vec<Skipped> {
        self.listed.sort_by_key(|skipped| skipped.line);
        if self.unlisted > 0 {
            self.listed.push(Skipped { line: 0, reason: format!("and {} more", self.unlisted) });
        }
        self.listed
    }
}

pub(super) fn key(q: i64, r: i64) -> Option<HexKey> {
    HexKey::new(i32::try_from(q).ok()?, i32::try_from(r).ok()?)
}

/// Cuts a text that quotes the file.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > QUOTED_BYTES_MAX {
        let end = (0..=QUOTED_BYTES_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What is wrong with a piece of JSON, without the position, which counts from the start of the piece.
pub(super) fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// Tells the line of places in a file. Asked in ascending order, it looks at each byte once.
#[derive(Default)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    counted_to: usize,
    newlines: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub(super) fn line_at(&mut self, offset: usize) -> u32 {
        let passed = self.bytes.get(self.counted_to..offset).unwrap_or_default();
        self.newlines += passed.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.counted_to = self.counted_to.max(offset);
        self.newlines + 1
    }
}
