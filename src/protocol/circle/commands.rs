//! The fields of each frame, one struct per frame: what a client may write and nothing else.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::protocol::circle::command::{Command, KeyVersion, Point, Position, Precision, Query, Sealed};
use crate::protocol::circle::decode::Body;
use crate::protocol::circle::sealed;
use crate::protocol::fields::{Wire, meaning, vocabulary};
use crate::protocol::ids::CircleId;
use crate::protocol::time::Timestamp;

vocabulary! {
    Body;
    /// Answered by the connection itself.
    "ping" Ping {}
    /// Where the sender is. Plain: `latitude`, `longitude`, `accuracy`, `timestamp` and what else is known. Or sealed end to end: `ciphertext`, `nonce`
    /// and `keyVersion`, and nothing else.
    "location:update" Update {
        /// Degrees.
        #[serde(default)] #[schemars(range(min = -90, max = 90))] latitude: Option<f64>,
        /// Degrees.
        #[serde(default)] #[schemars(range(min = -180, max = 180))] longitude: Option<f64>,
        /// Metres.
        #[serde(default)] #[schemars(range(min = 0))] accuracy: Option<f64>,
        /// When it was measured.
        #[serde(default)] timestamp: Option<When>,
        /// Metres above sea level.
        #[serde(default)] altitude: Option<f64>,
        /// Metres a second.
        #[serde(default)] #[schemars(range(min = 0))] speed: Option<f64>,
        /// Degrees from north.
        #[serde(default)] #[schemars(range(min = 0, max = 360))] heading: Option<f64>,
        /// Percent.
        #[serde(default)] #[schemars(range(min = 0, max = 100))] battery: Option<f64>,
        /// Base64; decoded it has 4 KiB at the most, together with `nonce`.
        #[serde(default)] ciphertext: Option<String>,
        /// Base64.
        #[serde(default)] nonce: Option<String>,
        #[serde(default, deserialize_with = "sealed::key_version")] key_version: Option<KeyVersion>,
    }
    /// This connection hears positions from now on, after the last known one of every other member who shares.
    "location:subscribe" Subscribe {}
    /// This connection ceases to hear positions.
    "location:unsubscribe" Unsubscribe {}
    /// Whether, until when and how exactly the others see where the sender is.
    "sharing:set" SetSharing {
        enabled: bool,
        /// When sharing ends by itself; only with `enabled`. Without it, it does not.
        #[serde(default)] until: Option<When>,
        /// Without it, it stays as it is.
        #[serde(default)] precision: Option<Precision>,
        /// Over Socket.IO: the circle, of those that the connection is in; without it, all of them.
        #[serde(default)] circle_id: Option<CircleId>,
    }
}

/// A time as a text, or in milliseconds since 1970.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "When")]
#[allow(dead_code)]
enum WhenSchema {
    Text(Timestamp),
    Milliseconds(#[schemars(range(min = 0))] i64),
}

#[derive(Clone, Copy, JsonSchema)]
#[schemars(with = "WhenSchema", inline)]
struct When(Timestamp);

/// The end of the year 9999, the last one that RFC 3339 can write.
const MS_MAX: f64 = 253_402_300_799_999.0;

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = When;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or milliseconds since 1970")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<When, E> {
                Timestamp::parse(text).map(When).ok_or_else(|| E::custom("is not an RFC 3339 time"))
            }

            fn visit_u64<E: Error>(self, ms: u64) -> Result<When, E> {
                self.visit_f64(ms as f64)
            }

            fn visit_i64<E: Error>(self, ms: i64) -> Result<When, E> {
                self.visit_f64(ms as f64)
            }

            /// Up to `MS_MAX` whole numbers are exact.
            fn visit_f64<E: Error>(self, ms: f64) -> Result<When, E> {
                match (0.0..=MS_MAX).contains(&ms) && ms.fract() == 0.0 {
                    true => Ok(When(Timestamp::from_ms(ms as i64))),
                    false => Err(E::custom("is not a whole number of milliseconds since 1970")),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

meaning! {
    Body;
    Subscribe {} => Query(Query::Subscribe);
    Unsubscribe {} => Query(Query::Unsubscribe);
}

impl Wire<Body> for Update {
    fn body(self) -> Result<Body, String> {
        let is_sealed = self.ciphertext.is_some() || self.nonce.is_some() || self.key_version.is_some();
        let point = if is_sealed { self.sealed().map(Point::Sealed) } else { self.plain().map(Point::Plain) };
        Ok(Body::Command(Command::Locate { device: String::new(), point: point? }, None))
    }
}

fn needed<T>(field: Option<T>, name: &str) -> Result<T, String> {
    field.ok_or_else(|| format!("missing field `{name}`"))
}

impl Update {
    fn plain(self) -> Result<Position, String> {
        let position = Position {
            latitude: needed(self.latitude, "latitude")?,
            longitude: needed(self.longitude, "longitude")?,
            accuracy: needed(self.accuracy, "accuracy")?,
            timestamp: needed(self.timestamp, "timestamp")?.0,
            altitude: self.altitude,
            speed: self.speed,
            heading: self.heading,
            battery: self.battery,
        };
        position.check()?;
        Ok(position)
    }

    /// What stands beside a seal would be read by the server after all.
    fn sealed(self) -> Result<Sealed, String> {
        let plain = [self.latitude, self.longitude, self.accuracy, self.altitude, self.speed, self.heading, self.battery];
        if plain.iter().any(Option::is_some) || self.timestamp.is_some() {
            return Err("ciphertext: a position is either plain or sealed".into());
        }
        let sealed = Sealed {
            ciphertext: needed(self.ciphertext, "ciphertext")?,
            nonce: needed(self.nonce, "nonce")?,
            key_version: needed(self.key_version, "keyVersion")?,
        };
        sealed::check(&sealed)?;
        Ok(sealed)
    }
}

impl Wire<Body> for SetSharing {
    fn body(self) -> Result<Body, String> {
        let Self { enabled, until, precision, circle_id, .. } = self;
        Ok(Body::Command(Command::SetSharing { enabled, until: until.map(|When(until)| until), precision }, circle_id))
    }
}
