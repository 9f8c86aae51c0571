//! What can be asked of a circle, over a socket or through REST.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;

/// Where somebody is. It has no readable `Debug`: a coordinate belongs into no log.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// Degrees, −90…90.
    pub latitude: f64,
    /// Degrees, −180…180.
    pub longitude: f64,
    /// Metres, ≥ 0.
    pub accuracy: f64,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// Metres above sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
    /// Metres a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Degrees from north, 0–360.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<f64>,
    /// Percent, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<f64>,
}

impl Position {
    /// What is wrong with it, without saying where it is.
    pub fn check(&self) -> Result<(), &'static str> {
        let is_within = |value: f64, from: f64, to: f64| (from..=to).contains(&value);
        let may_be = |value: Option<f64>, from: f64, to: f64| value.is_none_or(|value| is_within(value, from, to));
        let rules = [
            (is_within(self.latitude, -90.0, 90.0), "latitude: must be −90…90"),
            (is_within(self.longitude, -180.0, 180.0), "longitude: must be −180…180"),
            (is_within(self.accuracy, 0.0, f64::MAX), "accuracy: must be 0 or more"),
            (may_be(self.altitude, f64::MIN, f64::MAX), "altitude: must be a number"),
            (may_be(self.speed, 0.0, f64::MAX), "speed: must be 0 or more"),
            (may_be(self.heading, 0.0, 360.0), "heading: must be 0–360"),
            (may_be(self.battery, 0.0, 100.0), "battery: must be 0–100"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
    }
}

/// A position that only the members can read, stored and passed on unread. `ciphertext` and `nonce` are base64, of the standard or the URL-safe
/// alphabet, padded or not; decoded they have 4 KiB together at the most.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    pub ciphertext: String,
    pub nonce: String,
    pub key_version: KeyVersion,
}

/// As the client wrote it: a number, or a text of 1–64 characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyVersion {
    Number(u32),
    Text(String),
}

/// What a device tells.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Point {
    Plain(Position),
    /// It counts as measured when it came.
    Sealed(Sealed),
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position(…)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

impl fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyVersion(…)")
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(…)")
    }
}

/// How exactly the others see somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    Exact,
    /// Rounded to about 1 km on the way out.
    Approximate,
}

/// What somebody is in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Member,
}

/// Everything that changes a circle. Serialized, two commands with one id are compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Command {
    /// `device` tells a user's devices apart; empty for a socket. A point of the same device and time is known already.
    #[serde(rename = "location:update")]
    Locate { device: String, point: Point },
    /// Without `precision` it stays as it is. `until` is for `enabled`.
    #[serde(rename = "sharing:set")]
    SetSharing { enabled: bool, until: Option<Timestamp>, precision: Option<Precision> },

    // Through REST.
    #[serde(rename = "circle:rename")]
    Rename { name: String },
    #[serde(rename = "circle:delete")]
    DeleteCircle,
    #[serde(rename = "invite:create")]
    CreateInvite { code: String, expires_at: Timestamp },
    /// A code works once.
    #[serde(rename = "invite:accept")]
    AcceptInvite { code: String, user: UserId, name: String },
    #[serde(rename = "member:remove")]
    RemoveMember { user: UserId },
    /// All positions of the sender in this circle go.
    #[serde(rename = "history:delete")]
    DeleteHistory,
    /// Positions that were measured before go: by the server itself.
    #[serde(rename = "history:expire")]
    Expire { before: Timestamp },
}

impl Command {
    /// What it is called in a refusal.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Locate { .. } => "location:update",
            Command::SetSharing { .. } => "sharing:set",
            Command::Rename { .. } => "circle:rename",
            Command::DeleteCircle => "circle:delete",
            Command::CreateInvite { .. } => "invite:create",
            Command::AcceptInvite { .. } => "invite:accept",
            Command::RemoveMember { .. } => "member:remove",
            Command::DeleteHistory => "history:delete",
            Command::Expire { .. } => "history:expire",
        }
    }
}

/// What is asked and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The connection hears positions from now on: the last known ones come first.
    Subscribe,
    Unsubscribe,
}

/// What an acknowledgement holds besides `id` and `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// For `location:update`: false when the sender does not share with this circle, so that the point was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<bool>,
    /// The connection begins (true) or ceases (false) to hear positions.
    #[serde(skip)]
    pub hears: Option<bool>,
}
