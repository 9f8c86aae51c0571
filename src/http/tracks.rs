//! Where somebody was, as a file: JSON with everything, GPX and GeoJSON with what can be drawn. What is sealed can only be in JSON.
//!
//! A file is written piece by piece, so that a month of points is never in memory at once. GPX is written by the `gpx` crate, which knows whole
//! documents alone: each piece is a document of its points, cut out of its frame.

use std::fmt::Write;

use actix_web::web::Bytes;
use gpx::{Gpx, GpxVersion, Track, TrackSegment, Waypoint};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::http::refusal::Refusal;
use crate::protocol::circle::command::{Point, Position};
use crate::protocol::circle::messages::BroadcastPoint;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Gpx,
    GeoJson,
}

impl Format {
    pub const CHOICES: [(&str, Self); 3] = [("json", Self::Json), ("gpx", Self::Gpx), ("geojson", Self::GeoJson)];
    pub const LABELS: [&str; 3] = ["json", "gpx", "geojson"];

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Gpx => "application/gpx+xml",
            Format::GeoJson => "application/geo+json",
        }
    }
}

/// A point of a file, as its reader may see it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    pub user_id: UserId,
    pub circle_id: CircleId,
    /// Only in one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    pub received_at: Timestamp,
    #[serde(flatten)]
    pub point: BroadcastPoint,
}

impl Placed {
    pub fn point_of(point: Point) -> BroadcastPoint {
        match point {
            Point::Plain(position) => BroadcastPoint::Plain(position),
            Point::Sealed(payload) => BroadcastPoint::Sealed { payload },
        }
    }

    fn plain(&self) -> Option<&Position> {
        if let BroadcastPoint::Plain(position) = &self.point { Some(position) } else { None }
    }
}

/// Writes one file: [`Scribe::begin`], for each track [`Scribe::track`] and its points, [`Scribe::end`].
#[derive(Clone)]
pub struct Scribe {
    format: Format,
    /// A point was written, so that a comma goes before the next.
    has_points: bool,
    /// Of the track that is open: what ends it.
    open: Option<String>,
}

fn broken() -> Refusal {
    Rejection::internal().into()
}

impl Scribe {
    pub fn new(format: Format) -> Self {
        Self { format, has_points: false, open: None }
    }

    /// `head`: the fields that stand before the points in JSON.
    pub fn begin(&self, head: &Value) -> Result<String, Refusal> {
        match self.format {
            Format::Json => {
                let head = head.to_string();
                let fields = head.strip_suffix('}').ok_or_else(broken)?;
                let comma = if fields == "{" { "" } else { "," };
                Ok(format!("{fields}{comma}\"locations\":["))
            }
            Format::GeoJson => Ok("{\"type\":\"FeatureCollection\",\"features\":[".to_owned()),
            Format::Gpx => Ok(Frame::new("")?.head),
        }
    }

    /// The points that follow are of one track.
    pub fn track(&mut self, name: &str) -> Result<String, Refusal> {
        let mut text = self.open.take().unwrap_or_default();
        if self.format == Format::Gpx {
            let frame = Frame::new(name)?;
            text += &frame.open;
            self.open = Some(frame.close);
        }
        Ok(text)
    }

    pub fn points(&mut self, points: &[Placed]) -> Result<Bytes, Refusal> {
        let text = match self.format {
            Format::Json => self.listed(points, |point| serde_json::to_string(point).ok())?,
            Format::GeoJson => self.listed(points, |point| Some(feature(point)?.to_string()))?,
            Format::Gpx => drawn(points)?,
        };
        Ok(text.into())
    }

    pub fn end(&mut self) -> Result<String, Refusal> {
        match self.format {
            Format::Json | Format::GeoJson => Ok("]}".to_owned()),
            Format::Gpx => Ok(self.open.take().unwrap_or_default() + &Frame::new("")?.tail),
        }
    }

    fn listed(&mut self, points: &[Placed], as_text: impl Fn(&Placed) -> Option<String>) -> Result<String, Refusal> {
        let mut text = String::new();
        for point in points.iter().filter_map(as_text) {
            let comma = if std::mem::replace(&mut self.has_points, true) { "," } else { "" };
            write!(text, "{comma}{point}").map_err(|_| broken())?;
        }
        Ok(text)
    }
}

/// `None` for what is sealed.
fn feature(placed: &Placed) -> Option<Value> {
    let position = placed.plain()?;
    let mut coordinates = vec![position.longitude, position.latitude];
    coordinates.extend(position.altitude);
    let mut properties = json!(placed);
    if let Some(properties) = properties.as_object_mut() {
        ["latitude", "longitude", "altitude"].iter().for_each(|name| drop(properties.remove(*name)));
    }
    Some(json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": coordinates}, "properties": properties}))
}

/// A GPX document without its points, in pieces.
struct Frame {
    head: String,
    /// From the beginning of the track up to its first point.
    open: String,
    close: String,
    tail: String,
}

impl Frame {
    fn new(name: &str) -> Result<Self, Refusal> {
        let text = document(name, vec![Waypoint::new((0.0, 0.0).into())])?;
        let pieces = || {
            let (head, rest) = text.split_once("<trk>")?;
            let (open, rest) = rest.split_once("<trkpt")?;
            let (_, rest) = rest.split_once("</trkseg>")?;
            let (close, tail) = rest.split_once("</trk>")?;
            Some(Self {
                head: head.to_owned(),
                open: format!("<trk>{open}"),
                close: format!("</trkseg>{close}</trk>"),
                tail: tail.to_owned(),
            })
        };
        pieces().ok_or_else(broken)
    }
}

fn drawn(points: &[Placed]) -> Result<String, Refusal> {
    let waypoints: Vec<Waypoint> = points.iter().filter_map(waypoint).collect();
    if waypoints.is_empty() {
        return Ok(String::new());
    }
    let text = document("", waypoints)?;
    let (from, to) = (text.find("<trkpt"), text.rfind("</trkseg>"));
    Ok(from.zip(to).and_then(|(from, to)| text.get(from..to)).ok_or_else(broken)?.to_owned())
}

fn document(name: &str, points: Vec<Waypoint>) -> Result<String, Refusal> {
    // XML has no way to write control characters.
    let name = name.replace(char::is_control, "\u{fffd}");
    let track = Track { name: Some(name), segments: vec![TrackSegment { points }], ..Track::default() };
    let document = Gpx { version: GpxVersion::Gpx11, creator: Some("moothall".to_owned()), tracks: vec![track], ..Gpx::default() };
    let mut text = Vec::new();
    gpx::write(&document, &mut text).map_err(|_| broken())?;
    String::from_utf8(text).map_err(|_| broken())
}

fn waypoint(placed: &Placed) -> Option<Waypoint> {
    let position = placed.plain()?;
    // In GPX the meridian of 180° is always the western one.
    let longitude = if position.longitude >= 180.0 { -180.0 } else { position.longitude };
    let mut waypoint = Waypoint::new((longitude, position.latitude).into());
    waypoint.elevation = position.altitude;
    let nanoseconds = i128::from(position.timestamp.ms()) * 1_000_000;
    waypoint.time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok().map(gpx::Time::from);
    Some(waypoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64, latitude: f64, longitude: f64) -> Placed {
        let position = Position {
            latitude,
            longitude,
            accuracy: 5.0,
            timestamp: Timestamp::from_ms(ms),
            altitude: Some(8_848.8),
            speed: None,
            heading: None,
            battery: None,
        };
        let (user_id, circle_id) = ("u".into(), "c".into());
        Placed { user_id, circle_id, device: None, received_at: Timestamp::from_ms(ms), point: BroadcastPoint::Plain(position) }
    }

    /// Two tracks, of which the first comes in two pieces.
    fn written(format: Format) -> String {
        let mut scribe = Scribe::new(format);
        let mut text = scribe.begin(&json!({"userId": "u"})).expect("begins");
        text += &scribe.track("Home & <trkpt> \u{1}").expect("is a track");
        for piece in [[at(0, 1.5, -2.5)], [at(1_234, 90.0, 180.0)]] {
            text += std::str::from_utf8(&scribe.points(&piece).expect("are points")).expect("is UTF-8");
        }
        text += &scribe.track("Away").expect("is a track");
        text += std::str::from_utf8(&scribe.points(&[at(5_000, -90.0, -180.0)]).expect("are points")).expect("is UTF-8");
        text + &scribe.end().expect("ends")
    }

    #[test]
    fn a_gpx_file_in_pieces_is_one_document() {
        let read = gpx::read(written(Format::Gpx).as_bytes()).expect("is GPX");
        let names: Vec<_> = read.tracks.iter().map(|track| track.name.clone().unwrap_or_default()).collect();
        assert_eq!(names, ["Home & <trkpt> \u{fffd}", "Away"]);
        let points = |n: usize| read.tracks[n].segments.iter().flat_map(|segment| &segment.points).collect::<Vec<_>>();
        assert_eq!((points(0).len(), points(1).len()), (2, 1));
        assert_eq!((points(0)[1].point().y(), points(0)[1].point().x(), points(0)[1].elevation), (90.0, -180.0, Some(8_848.8)));
        let time = points(0)[1].time.expect("has a time").format().expect("is a time");
        assert!(time.starts_with("1970-01-01T00:00:01.234"), "{time}");
    }

    #[test]
    fn a_file_without_points_is_a_file() {
        for format in [Format::Json, Format::Gpx, Format::GeoJson] {
            let mut scribe = Scribe::new(format);
            let text = scribe.begin(&json!({})).expect("begins") + &scribe.track("Home").expect("is a track");
            let text = text + &scribe.end().expect("ends");
            match format {
                Format::Gpx => assert_eq!(gpx::read(text.as_bytes()).expect("is GPX").tracks.len(), 1),
                _ => assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}"),
            }
        }
    }

    #[test]
    fn json_and_geojson_list_every_point_once() {
        let json: Value = serde_json::from_str(&written(Format::Json)).expect("is JSON");
        assert_eq!((json["userId"].as_str(), json["locations"].as_array().map(Vec::len)), (Some("u"), Some(3)));
        let geojson: Value = serde_json::from_str(&written(Format::GeoJson)).expect("is JSON");
        assert_eq!(geojson["features"][0]["geometry"], json!({"type": "Point", "coordinates": [-2.5, 1.5, 8_848.8]}));
        assert_eq!(geojson["features"].as_array().map(Vec::len), Some(3));
    }
}
