//! Tiled's JSON. Lists of small things have a bound of their own, so that no list of `{}` grows far beyond its bytes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::collect::json_reason;
use super::{
    Block, Content, GROUP_DEPTH_MAX, HeaderFields, ImportError, Layer, Map, PARTS_MAX, TYPES_MAX, Tileset, base64, refuse_compression,
};

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    orientation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    staggeraxis: Option<Cow<'a, str>>,
    #[serde(borrow)]
    staggerindex: Option<Cow<'a, str>>,
    #[serde(default)]
    infinite: bool,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(borrow, default)]
    layers: AtMost<FileLayer<'a>, PARTS_MAX>,
    #[serde(borrow, default)]
    tilesets: AtMost<FileTileset<'a>, PARTS_MAX>,
}

#[derive(Deserialize)]
struct FileLayer<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default = "shown")]
    visible: bool,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(borrow)]
    compression: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    chunks: Option<Vec<FileChunk<'a>>>,
    /// Of a group. Read one group at a time, so that all layers of the map can be counted together.
    #[serde(borrow)]
    layers: Option<&'a RawValue>,
}

fn shown() -> bool {
    true
}

/// Every field is required, so a chunk takes no more memory than it has bytes.
#[derive(Deserialize)]
struct FileChunk<'a> {
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct FileTileset<'a> {
    firstgid: u32,
    #[serde(borrow, default)]
    tiles: AtMost<FileTile<'a>, TYPES_MAX>,
}

#[derive(Deserialize)]
struct FileTile<'a> {
    id: u32,
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    class: Option<Cow<'a, str>>,
}

enum Data<'a> {
    Numbers(Vec<u32>),
    Base64(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'a> Visitor<'a> for DataVisitor {
    type Value = Data<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile numbers or base64")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Data<'a>, E> {
        Ok(Data::Base64(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Data<'a>, E> {
        Ok(Data::Base64(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Data<'a>, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = seq.next_element()? {
            numbers.push(number);
        }
        Ok(Data::Numbers(numbers))
    }
}

impl Data<'_> {
    fn tiles(self) -> Result<Vec<u32>, &'static str> {
        match self {
            Data::Numbers(numbers) => Ok(numbers),
            Data::Base64(text) => base64(&text),
        }
    }
}

struct AtMost<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AtMostVisitor(PhantomData))
    }
}

struct AtMostVisitor<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for AtMostVisitor<T, N> {
    type Value = AtMost<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AtMost<T, N>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == N {
                return Err(A::Error::invalid_length(N + 1, &self));
            }
            items.push(item);
        }
        Ok(AtMost(items))
    }
}

pub(super) fn read(text: &str) -> Result<Map, ImportError> {
    let file: File = serde_json::from_str(text).map_err(|error| ImportError::malformed(error.line() as u32, json_reason(&error)))?;
    let header = HeaderFields {
        orientation: file.orientation.as_deref(),
        stagger_axis: file.staggeraxis.as_deref(),
        stagger_index: file.staggerindex.as_deref(),
        infinite: file.infinite,
        width: file.width,
        height: file.height,
    }
    .check()?;
    let mut stack = Stack::default();
    stack.add(file.layers, true, 0)?;
    Ok(Map { header, layers: stack.layers, tilesets: file.tilesets.0.into_iter().map(tileset).collect() })
}

/// The layers of all groups, from the bottom to the top.
#[derive(Default)]
struct Stack {
    layers: Vec<Layer>,
    groups: usize,
}

impl Stack {
    fn add(&mut self, layers: AtMost<FileLayer<'_>, PARTS_MAX>, is_shown: bool, depth: usize) -> Result<(), ImportError> {
        for layer in layers.0 {
            let is_shown = is_shown && layer.visible;
            if self.layers.len() + self.groups == PARTS_MAX || depth == GROUP_DEPTH_MAX {
                return Err(ImportError::unsupported("The map has too many layers"));
            }
            if let ("group", Some(inner)) = (&*layer.kind, layer.layers) {
                self.groups += 1;
                let inner = serde_json::from_str(inner.get()).map_err(|error| ImportError::malformed(0, json_reason(&error)))?;
                self.add(inner, is_shown, depth + 1)?;
                continue;
            }
            let name = layer.name.to_string();
            let content = match &*layer.kind {
                "tilelayer" if is_shown => Content::Tiles(blocks(layer)?),
                "tilelayer" => Content::Hidden,
                _ => Content::NoTiles,
            };
            self.layers.push(Layer { line: 0, name, content });
        }
        Ok(())
    }
}

fn blocks(layer: FileLayer<'_>) -> Result<Vec<Block>, ImportError> {
    refuse_compression(layer.compression.as_deref())?;
    let whole = layer.data.map(|data| {
        let size = layer.width.zip(layer.height).ok_or("a layer has no size")?;
        Block::new((0, 0), size, data.tiles()?)
    });
    let chunks = layer.chunks.unwrap_or_default().into_iter();
    let chunks = chunks.map(|chunk| Block::new((chunk.x, chunk.y), (chunk.width, chunk.height), chunk.data.tiles()?));
    whole.into_iter().chain(chunks).collect::<Result<_, _>>().map_err(|reason| ImportError::malformed(0, reason))
}

fn tileset(file: FileTileset<'_>) -> Tileset {
    let mut tileset = Tileset { first: file.firstgid, ..Tileset::default() };
    for tile in file.tiles.0 {
        tileset.name_tile(tile.id, [tile.kind.as_deref(), tile.class.as_deref()].into_iter().flatten());
    }
    tileset
}
