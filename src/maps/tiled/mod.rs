//! The format `tiled`: hexagonal maps of the Tiled editor, as JSON (`.tmj`) or XML (`.tmx`), told apart by their first character.
//!
//! Of the visible tile layers the top-most tile of a place counts, as it does on the screen; object and image layers and hidden
//! layers are skipped and listed. The tile's `type` or `class`, as a slug, is the terrain, else `tile-<local id>`. A tileset in a file of
//! its own is not opened, so its tiles have no types. Tile data may be a list of numbers or base64; compressed data is refused,
//! since a few bytes of it can stand for gigabytes.
//!
//! Maps with staggered rows lie on their side in axial coordinates: neighbours stay neighbours, the picture turns by 30 degrees.

mod json;
mod xml;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::collect::{SkippedList, key};
use super::{ImportError, Imported, slug};
use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::limits::HEXES_MAX;

/// Layers, groups and tilesets of a map, each; a map made by people has a few.
const PARTS_MAX: usize = 1_000;
/// Tiles of a tileset that have a type.
const TYPES_MAX: usize = 100_000;
/// How deep groups of layers may lie in each other: the JSON of a group is read once for each level above it.
const GROUP_DEPTH_MAX: usize = 16;
/// How deep elements of XML may lie in each other.
const ELEMENT_DEPTH_MAX: usize = 64;

/// The upper four bits of a tile's number say how it is flipped and turned.
const TILE_BITS: u32 = 0x0FFF_FFFF;

pub(super) fn import(text: &str) -> Result<Imported, ImportError> {
    let map = match text.trim_start().as_bytes().first() {
        Some(b'<') => xml::read(text)?,
        Some(b'{') => json::read(text)?,
        _ => return Err(ImportError::malformed(1, "is neither the JSON nor the XML of Tiled")),
    };
    map.imported()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    X,
    Y,
}

/// Which columns or rows lie half a hex further than their neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parity {
    Odd,
    Even,
}

#[derive(Debug)]
struct Header {
    axis: Axis,
    parity: Parity,
    /// Columns and rows; a map without bounds has none.
    size: Option<(u32, u32)>,
}

/// What a file says of a map, as text.
#[derive(Default)]
struct HeaderFields<'a> {
    orientation: Option<&'a str>,
    stagger_axis: Option<&'a str>,
    stagger_index: Option<&'a str>,
    infinite: bool,
    width: Option<u32>,
    height: Option<u32>,
}

impl HeaderFields<'_> {
    fn check(&self) -> Result<Header, ImportError> {
        if self.orientation != Some("hexagonal") {
            return Err(ImportError::unsupported("Only hexagonal maps of Tiled are read"));
        }
        let axis = match self.stagger_axis {
            Some("x") => Axis::X,
            Some("y") | None => Axis::Y,
            Some(_) => return Err(ImportError::unsupported("The map's stagger axis is neither x nor y")),
        };
        let parity = match self.stagger_index {
            Some("even") => Parity::Even,
            Some("odd") | None => Parity::Odd,
            Some(_) => return Err(ImportError::unsupported("The map's stagger index is neither odd nor even")),
        };
        let size = self.width.zip(self.height).filter(|_| !self.infinite);
        Ok(Header { axis, parity, size })
    }
}

impl Header {
    fn key(&self, x: i64, y: i64) -> Option<HexKey> {
        let shifted = |n: i64| match self.parity {
            Parity::Odd => (n - n.rem_euclid(2)) / 2,
            Parity::Even => (n + n.rem_euclid(2)) / 2,
        };
        match self.axis {
            Axis::X => key(x, y - shifted(x)),
            Axis::Y => key(x - shifted(y), y),
        }
    }

    /// With staggered rows the file's columns are none of a flat-top map.
    fn grid_size(&self) -> Option<GridSize> {
        let (width, height) = self.size.filter(|_| self.axis == Axis::X)?;
        Some(GridSize { grid_width: i32::try_from(width).ok()?, grid_height: i32::try_from(height).ok()? })
    }
}

struct Map {
    header: Header,
    /// From the bottom to the top.
    layers: Vec<Layer>,
    tilesets: Vec<Tileset>,
}

struct Layer {
    /// 0 when unknown.
    line: u32,
    name: String,
    content: Content,
}

enum Content {
    Tiles(Vec<Block>),
    Hidden,
    /// Objects or an image.
    NoTiles,
}

/// A rectangle of tiles: a whole layer, or a chunk of a layer without bounds.
struct Block {
    x: i32,
    y: i32,
    width: u32,
    tiles: Vec<u32>,
}

impl Block {
    fn new((x, y): (i32, i32), (width, height): (u32, u32), tiles: Vec<u32>) -> Result<Self, &'static str> {
        let is_full = u64::from(width) * u64::from(height) == tiles.len() as u64;
        if is_full { Ok(Self { x, y, width, tiles }) } else { Err("a layer has not as many tiles as its size says") }
    }
}

#[derive(Default)]
struct Tileset {
    first: u32,
    /// By local id.
    types: BTreeMap<u32, Terrain>,
}

impl Tileset {
    /// Takes the first of the names that makes a terrain.
    fn name_tile<'a>(&mut self, id: u32, names: impl IntoIterator<Item = &'a str>) {
        if self.types.len() < TYPES_MAX
            && let Some(terrain) = names.into_iter().find_map(slug::terrain)
        {
            self.types.insert(id, terrain);
        }
    }
}

impl Map {
    fn imported(mut self) -> Result<Imported, ImportError> {
        self.tilesets.sort_by_key(|tileset| tileset.first);
        let mut skipped = SkippedList::default();
        let mut tile_by_key = BTreeMap::new();
        for layer in &self.layers {
            self.lay(layer, &mut tile_by_key, &mut skipped)?;
        }
        if tile_by_key.is_empty() {
            return Err(ImportError::NoHexes);
        }
        let hex = |(key, tile)| TerrainAt { key, terrain: self.terrain(tile), terrain_variant: 0 };
        let hexes = tile_by_key.into_iter().map(hex).collect();
        Ok(Imported { hexes, size: self.header.grid_size(), skipped: skipped.finish() })
    }

    fn lay(&self, layer: &Layer, tile_by_key: &mut BTreeMap<HexKey, u32>, skipped: &mut SkippedList) -> Result<(), ImportError> {
        let blocks = match &layer.content {
            Content::Tiles(blocks) => blocks,
            Content::Hidden => return skip(layer, "is hidden", skipped),
            Content::NoTiles => return skip(layer, "holds no tiles", skipped),
        };
        let (mut outside, mut unknown) = (0u64, 0u64);
        for block in blocks {
            for (at, &tile) in (0i64..).zip(&block.tiles) {
                let tile = tile & TILE_BITS;
                if tile == 0 {
                    continue;
                }
                let (column, row) = (at % i64::from(block.width), at / i64::from(block.width));
                let Some(key) = self.header.key(i64::from(block.x) + column, i64::from(block.y) + row) else {
                    outside += 1;
                    continue;
                };
                if self.tileset(tile).is_none() {
                    unknown += 1;
                    continue;
                }
                tile_by_key.insert(key, tile);
                if tile_by_key.len() > HEXES_MAX {
                    return Err(ImportError::TooManyHexes);
                }
            }
        }
        for (count, what) in [(outside, "beyond ±9999"), (unknown, "of no tileset")] {
            if count > 0 {
                skip(layer, &format!("has {count} tiles {what}"), skipped)?;
            }
        }
        Ok(())
    }

    fn tileset(&self, tile: u32) -> Option<&Tileset> {
        let after = self.tilesets.partition_point(|tileset| tileset.first <= tile);
        self.tilesets[..after].last()
    }

    fn terrain(&self, tile: u32) -> Terrain {
        let tileset = self.tileset(tile).expect("tiles of no tileset are left out");
        let id = tile - tileset.first;
        let named = tileset.types.get(&id).cloned();
        named.unwrap_or_else(|| Terrain::parse(&format!("tile-{id}")).expect("a number of up to nine digits leaves it short"))
    }
}

fn skip(layer: &Layer, what: &str, skipped: &mut SkippedList) -> Result<(), ImportError> {
    let name: String = layer.name.chars().take(64).collect();
    skipped.push(layer.line, format!("layer “{name}” {what}"));
    Ok(())
}

fn csv(text: &str, tiles: &mut Vec<u32>) -> Result<(), &'static str> {
    for number in text.split(',').map(str::trim).filter(|number| !number.is_empty()) {
        tiles.push(number.parse().map_err(|_| "tile data holds something that is no tile number")?);
    }
    Ok(())
}

fn base64(text: &str) -> Result<Vec<u32>, &'static str> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| "tile data is not base64")?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err("tile data does not end with a whole tile");
    }
    Ok(numbers.iter().map(|&number| u32::from_le_bytes(number)).collect())
}

fn refuse_compression(compression: Option<&str>) -> Result<(), ImportError> {
    match compression {
        None | Some("") => Ok(()),
        Some(_) => Err(ImportError::unsupported(
            "Compressed tile data is not read: choose CSV as the Tile Layer Format in Tiled's map properties and save the map again",
        )),
    }
}

#[cfg(test)]
mod tests;
