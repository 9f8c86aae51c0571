//! Tiled's XML. A document type is refused, since it can define entities; only the five entities of XML itself and characters by
//! number are resolved, and none at all within tile data.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::super::collect::Lines;
use super::{
    Block, Content, ELEMENT_DEPTH_MAX, Header, HeaderFields, ImportError, Layer, Map, PARTS_MAX, Tileset, base64, csv, refuse_compression,
};

pub(super) fn read(text: &str) -> Result<Map, ImportError> {
    let mut xml = Reader::from_str(text);
    let mut parser = Parser { lines: Lines::new(text.as_bytes()), ..Parser::default() };
    loop {
        let line = parser.lines.line_at(xml.buffer_position() as usize);
        let event = xml.read_event().map_err(|error| ImportError::malformed(line, error.to_string()))?;
        let done = match event {
            Event::Start(element) => parser.open(&element, line),
            Event::Empty(element) => parser.open(&element, line).and_then(|()| parser.close()),
            Event::End(_) => parser.close(),
            Event::Text(text) => parser.text(&text),
            Event::CData(text) => parser.text(&text),
            Event::GeneralRef(_) if parser.is_in_data() => Err(Failure::Malformed("tile data holds an entity")),
            Event::DocType(_) => Err(Failure::Whole(ImportError::unsupported("A document type is not read"))),
            Event::Eof => break,
            _ => Ok(()),
        };
        done.map_err(|failure| failure.at(line))?;
    }
    parser.finish()
}

enum Failure {
    Malformed(&'static str),
    Whole(ImportError),
}

impl Failure {
    fn at(self, line: u32) -> ImportError {
        match self {
            Failure::Malformed(reason) => ImportError::malformed(line, reason),
            Failure::Whole(error) => error,
        }
    }
}

impl From<&'static str> for Failure {
    fn from(reason: &'static str) -> Self {
        Failure::Malformed(reason)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Failure::Whole(error)
    }
}

/// Where in the document the parser is. Elements without meaning here are `Other`, and so is all that lies in them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Map,
    Tileset,
    Group { is_shown: bool },
    Layer,
    Data,
    Chunk,
    Other,
}

#[derive(Default)]
struct Parser<'a> {
    lines: Lines<'a>,
    places: Vec<Place>,
    header: Option<Header>,
    layers: Vec<Layer>,
    tilesets: Vec<Tileset>,
    size: (u32, u32),
    encoding: Encoding,
    rectangle: ((i32, i32), (u32, u32)),
    tiles: Vec<u32>,
    base64: String,
    has_chunks: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Encoding {
    /// A `<tile gid="…"/>` each.
    #[default]
    Elements,
    Csv,
    Base64,
}

impl Parser<'_> {
    fn open(&mut self, element: &BytesStart<'_>, line: u32) -> Result<(), Failure> {
        if self.places.len() == ELEMENT_DEPTH_MAX {
            return Err(Failure::Malformed("elements lie too deep in each other"));
        }
        let place = match (self.places.last(), element.name().as_ref()) {
            (None, "map") if self.header.is_none() => self.map(element)?,
            (None, _) => return Err(Failure::Malformed("is no map of Tiled")),
            (Some(Place::Map), "tileset") => self.tileset(element)?,
            (Some(Place::Tileset), "tile") => self.tile_type(element)?,
            (Some(Place::Map | Place::Group { .. }), "layer" | "objectgroup" | "imagelayer") => self.layer(element, line)?,
            (Some(Place::Map | Place::Group { .. }), "group") => self.group(element)?,
            (Some(Place::Layer), "data") => self.data(element)?,
            (Some(Place::Data), "chunk") => self.chunk(element)?,
            (Some(Place::Data | Place::Chunk), "tile") => self.tile(element)?,
            _ => Place::Other,
        };
        self.places.push(place);
        Ok(())
    }

    fn map(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [orientation, axis, index, infinite, width, height] =
            attributes(element, ["orientation", "staggeraxis", "staggerindex", "infinite", "width", "height"])?;
        let fields = HeaderFields {
            orientation: orientation.as_deref(),
            stagger_axis: axis.as_deref(),
            stagger_index: index.as_deref(),
            infinite: infinite.as_deref() == Some("1"),
            width: width.map(number).transpose()?,
            height: height.map(number).transpose()?,
        };
        self.header = Some(fields.check()?);
        Ok(Place::Map)
    }

    fn tileset(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [first] = attributes(element, ["firstgid"])?;
        let first = number(first.ok_or("a tileset has no firstgid")?)?;
        if self.tilesets.len() == PARTS_MAX {
            return Err(ImportError::unsupported("The map has too many tilesets").into());
        }
        self.tilesets.push(Tileset { first, ..Tileset::default() });
        Ok(Place::Tileset)
    }

    fn tile_type(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [id, kind, class] = attributes(element, ["id", "type", "class"])?;
        let id = number(id.ok_or("a tile has no id")?)?;
        let tileset = self.tilesets.last_mut().expect("the element lies in a tileset");
        tileset.name_tile(id, [kind.as_deref(), class.as_deref()].into_iter().flatten());
        Ok(Place::Other)
    }

    fn is_shown(&self) -> bool {
        !self.places.contains(&Place::Group { is_shown: false })
    }

    fn group(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [visible] = attributes(element, ["visible"])?;
        Ok(Place::Group { is_shown: visible.as_deref() != Some("0") })
    }

    fn layer(&mut self, element: &BytesStart<'_>, line: u32) -> Result<Place, Failure> {
        let [name, visible, width, height] = attributes(element, ["name", "visible", "width", "height"])?;
        if self.layers.len() == PARTS_MAX {
            return Err(ImportError::unsupported("The map has too many layers").into());
        }
        let is_shown = self.is_shown() && visible.as_deref() != Some("0");
        let (place, content) = match (element.name().as_ref(), is_shown) {
            ("layer", true) => (Place::Layer, Content::Tiles(Vec::new())),
            ("layer", false) => (Place::Other, Content::Hidden),
            _ => (Place::Other, Content::NoTiles),
        };
        if place == Place::Layer {
            let missing = "a layer has no size";
            self.size = (number(width.ok_or(missing)?)?, number(height.ok_or(missing)?)?);
        }
        self.layers.push(Layer { line, name: name.unwrap_or_default().into_owned(), content });
        Ok(place)
    }

    fn data(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [encoding, compression] = attributes(element, ["encoding", "compression"])?;
        refuse_compression(compression.as_deref())?;
        self.encoding = match encoding.as_deref() {
            None | Some("") => Encoding::Elements,
            Some("csv") => Encoding::Csv,
            Some("base64") => Encoding::Base64,
            Some(_) => return Err(Failure::Malformed("tile data is neither CSV nor base64")),
        };
        self.rectangle = ((0, 0), self.size);
        self.has_chunks = false;
        Ok(Place::Data)
    }

    fn chunk(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [x, y, width, height] = attributes(element, ["x", "y", "width", "height"])?;
        let missing = "a chunk has no place or no size";
        let corner = (number(x.ok_or(missing)?)?, number(y.ok_or(missing)?)?);
        self.rectangle = (corner, (number(width.ok_or(missing)?)?, number(height.ok_or(missing)?)?));
        self.has_chunks = true;
        Ok(Place::Chunk)
    }

    fn tile(&mut self, element: &BytesStart<'_>) -> Result<Place, Failure> {
        let [gid] = attributes(element, ["gid"])?;
        self.tiles.push(gid.map_or(Ok(0), number)?);
        Ok(Place::Other)
    }

    fn is_in_data(&self) -> bool {
        matches!(self.places.last(), Some(Place::Data | Place::Chunk))
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        if !self.is_in_data() {
            return Ok(());
        }
        match self.encoding {
            Encoding::Csv => csv(text, &mut self.tiles)?,
            Encoding::Base64 => self.base64.push_str(text.trim()),
            Encoding::Elements => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        match self.places.pop() {
            Some(Place::Chunk) => self.block(),
            Some(Place::Data) if !self.has_chunks => self.block(),
            _ => Ok(()),
        }
    }

    fn block(&mut self) -> Result<(), Failure> {
        let mut tiles = std::mem::take(&mut self.tiles);
        if self.encoding == Encoding::Base64 {
            tiles.append(&mut base64(&std::mem::take(&mut self.base64))?);
        }
        let (corner, size) = self.rectangle;
        let block = Block::new(corner, size, tiles)?;
        if let Some(Layer { content: Content::Tiles(blocks), .. }) = self.layers.last_mut() {
            blocks.push(block);
        }
        Ok(())
    }

    fn finish(self) -> Result<Map, ImportError> {
        if !self.places.is_empty() {
            return Err(ImportError::malformed(0, "the file ends too early"));
        }
        let header = self.header.ok_or_else(|| ImportError::malformed(0, "is no map of Tiled"))?;
        Ok(Map { header, layers: self.layers, tilesets: self.tilesets })
    }
}

/// The values of the named attributes. A repeated attribute counts once: looking for repeats would take the square of their number.
fn attributes<'a, const N: usize>(element: &'a BytesStart<'_>, names: [&str; N]) -> Result<[Option<Cow<'a, str>>; N], Failure> {
    let mut values = [const { None }; N];
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| "an attribute cannot be read")?;
        if let Some(at) = names.iter().position(|&name| name == attribute.key.as_ref()) {
            values[at] = Some(attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| "an attribute holds an unknown entity")?);
        }
    }
    Ok(values)
}

fn number<T: std::str::FromStr>(text: Cow<'_, str>) -> Result<T, Failure> {
    text.trim().parse().map_err(|_| Failure::Malformed("an attribute is no number of its range"))
}
