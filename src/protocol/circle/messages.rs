//! What a circle says to its members. None of it is numbered but the coming and going of members: of positions and presence the newest counts.

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
    /// The connection is in the circle.
    #[serde(rename = "ready")]
    Ready {},
    /// To subscribers, but not to the sender.
    #[serde(rename = "location:broadcast")]
    LocationBroadcast(Box<Broadcast>),
    /// Somebody's first connection. Over Socket.IO the argument is the user id alone.
    #[serde(rename = "user:online")]
    UserOnline { user_id: UserId },
    /// Somebody's last connection is gone. Over Socket.IO the argument is the user id alone.
    #[serde(rename = "user:offline")]
    UserOffline { user_id: UserId },
    #[serde(rename = "sharing:changed")]
    SharingChanged { user_id: UserId, enabled: bool, until: Option<Timestamp> },
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
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
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum BroadcastPoint {
    Plain(Position),
    Sealed { payload: Sealed },
}
