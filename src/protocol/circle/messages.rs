//! What a circle says to its members. None of it is numbered: of positions, presence and sharing the newest counts.
//!
//! Over Socket.IO the argument of `user:online` and `user:offline` is the user id alone, a text, and so is that of an `error` for a `location:*` event:
//! its message.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::circle::command::{Position, Sealed};
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;

/// Every frame of a circle's room.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The connection is in all its rooms.
    #[serde(rename = "ready")]
    Ready {},
    /// To subscribers, but not to the sender.
    #[serde(rename = "location:broadcast")]
    LocationBroadcast(Box<Broadcast>),
    /// To the others: somebody's first connection. Over Socket.IO the argument is the user id alone.
    #[serde(rename = "user:online")]
    UserOnline { user_id: UserId },
    /// To the others: somebody's last connection is gone. Over Socket.IO the argument is the user id alone.
    #[serde(rename = "user:offline")]
    UserOffline { user_id: UserId },
    /// To the circle. When `enabled` is false nothing of that member is to be shown any more: he stopped, his time is over, or he left.
    #[serde(rename = "sharing:changed")]
    SharingChanged { user_id: UserId, enabled: bool, until: Option<Timestamp> },
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(with = "BroadcastFields")]
pub struct Broadcast {
    /// Whose position it is; twice, for clients of either habit.
    pub user_id: UserId,
    pub sender_id: UserId,
    pub sender_name: Arc<str>,
    pub circle_id: CircleId,
    #[serde(flatten)]
    pub point: BroadcastPoint,
}

/// The plain fields, or `payload`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BroadcastPoint {
    Plain(Position),
    Sealed { payload: Sealed },
}

/// Where somebody is, in one of two shapes: a plain position, or a sealed one.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Broadcast")]
#[allow(dead_code)]
struct BroadcastFields {
    /// Whose position it is; twice, for clients of either habit.
    user_id: UserId,
    sender_id: UserId,
    sender_name: Arc<str>,
    circle_id: CircleId,
    /// Of a plain position: it has this, `longitude`, `accuracy` and `timestamp`, and what else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    /// Metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    /// Metres above sea level.
    #[serde(skip_serializing_if = "Option::is_none")]
    altitude: Option<f64>,
    /// Metres a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    /// Degrees from north.
    #[serde(skip_serializing_if = "Option::is_none")]
    heading: Option<f64>,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    battery: Option<f64>,
    /// Of a sealed position: it has nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Sealed>,
}
