//! What a campaign says to its members. The encoder adds `seq`.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::campaign::command::{BroadcastMode, Targets, TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{ChangeId, SessionId, TokenId, UserId};
use crate::protocol::time::Timestamp;

/// Every frame of a campaign's room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// How things stand: to whoever connects.
    #[serde(rename = "session:state")]
    SessionState {
        status: Status,
        broadcast_mode: BroadcastMode,
        /// All members.
        connected_players: Vec<Player>,
        /// A player's own; for a DM those that somebody was shown.
        revealed_hexes: Vec<HexKey>,
        /// For a DM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visibility: Option<BTreeMap<HexKey, Seen>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Timestamp>,
    },
    /// The session was started, paused, resumed or ended.
    #[serde(rename = "session:statusChanged")]
    SessionStatusChanged { status: Status, session_id: SessionId, started_at: Timestamp },
    /// To DMs, and to each player to whom some are new: with only those.
    #[serde(rename = "hex:revealed")]
    HexRevealed {
        hex_keys: Vec<HexKey>,
        terrain: Vec<TerrainAt>,
        /// For DMs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        targets: Option<Targets>,
    },
    /// To DMs, and to each player who saw some of them: with only those.
    #[serde(rename = "hex:hidden")]
    HexHidden {
        hex_keys: Vec<HexKey>,
        /// For DMs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        targets: Option<Targets>,
    },
    /// The map was posted or imported anew: fetch it.
    #[serde(rename = "map:replaced")]
    MapReplaced { grid_width: i32, grid_height: i32 },
    /// Terrain has changed: to DMs all of it, to a player on the hexes that he or she sees.
    #[serde(rename = "hex:updated")]
    HexUpdated { changes: Vec<TerrainAt> },
    /// A member's first connection.
    #[serde(rename = "player:joined")]
    PlayerJoined { user_id: UserId, name: Arc<str> },
    /// A member's last connection is gone.
    #[serde(rename = "player:left")]
    PlayerLeft { user_id: UserId },
    /// All members and who of them is here; in rooms of more than 200 members only those who are.
    #[serde(rename = "player:presence")]
    PlayerPresence { players: Vec<Player> },
    /// Who came and went within a second, in rooms of more than 200 members.
    #[serde(rename = "player:changes")]
    PlayerChanges { joined: Vec<JoinedPlayer>, left: Vec<UserId> },
    /// Whether the DM's changes are staged.
    #[serde(rename = "dm:preparing")]
    DmPreparing { preparing: bool },
    /// The whole queue: to DMs.
    #[serde(rename = "staged:changes")]
    StagedChanges { changes: Vec<Arc<StagedItem>> },
    /// The tokens that the reader may see: to whoever connects.
    #[serde(rename = "token:state")]
    TokenState { tokens: Vec<Token> },
    /// A token is there, or has come into sight.
    #[serde(rename = "token:created")]
    TokenCreated { token: Token },
    /// To whoever saw it before and sees it after.
    #[serde(rename = "token:moved")]
    TokenMoved { token_id: TokenId, from_hex_key: HexKey, to_hex_key: HexKey, moved_by: UserId },
    /// To whoever saw it before and sees it after.
    #[serde(rename = "token:updated")]
    TokenUpdated { token_id: TokenId, updates: TokenUpdates },
    /// A token is gone, or out of sight.
    #[serde(rename = "token:deleted")]
    TokenDeleted { token_id: TokenId },
}

/// Where a campaign's session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SessionStatus")]
pub enum Status {
    Waiting,
    Active,
    Paused,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Player {
    pub user_id: UserId,
    pub name: Arc<str>,
    pub online: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinedPlayer {
    pub user_id: UserId,
    pub name: Arc<str>,
}

/// Who sees a hex, as a DM reads it: `"all"`, `{"except": [userId]}` or `[userId]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Seen {
    All(Everyone),
    Except { except: Vec<UserId> },
    Only(Vec<UserId>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Everyone {
    #[serde(rename = "all")]
    All,
}

/// A change that waits to be published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StagedItem {
    pub id: ChangeId,
    /// A sentence for people.
    pub description: String,
    /// The command's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The command's fields as they were sent; of a `map:replace` only how many `hexes`.
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// A hex of `GET …/map`: the variant is always there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapHex {
    pub key: HexKey,
    pub terrain: Terrain,
    pub terrain_variant: u8,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_is_read_back_as_it_was_written() {
        let frames = json!([
            {"type": "session:state", "status": "active", "broadcastMode": "staged",
                "connectedPlayers": [{"userId": "u", "name": "U", "online": true}], "revealedHexes": ["0,0", "1,0", "2,0"],
                "visibility": {"0,0": "all", "1,0": {"except": ["u"]}, "2,0": ["u"]},
                "sessionId": "s", "startedAt": "2026-01-28T01:02:03.456Z"},
            {"type": "hex:revealed", "hexKeys": ["0,0"], "terrain": [{"key": "0,0", "terrain": "forest", "terrainVariant": 2}],
                "targets": {"playerIds": ["u"]}},
            {"type": "hex:hidden", "hexKeys": ["0,0"], "targets": "all"},
            {"type": "map:replaced", "gridWidth": 3, "gridHeight": 4},
            {"type": "player:changes", "joined": [{"userId": "u", "name": "U"}], "left": ["v"]},
            {"type": "staged:changes", "changes": [{"id": "c", "description": "Reveal 1 hex to all", "type": "hex:reveal",
                "data": {"hexKeys": ["0,0"], "targets": "all"}}]},
            {"type": "token:updated", "tokenId": "t", "updates": {"ownerId": null}},
            {"type": "dm:preparing", "preparing": true},
        ]);
        for frame in frames.as_array().expect("a list") {
            let read: ServerMessage = serde_json::from_value(frame.clone()).expect("a frame");
            assert_eq!(json!(read), *frame);
        }
    }

    #[test]
    fn the_frames_have_a_schema() {
        let schema = json!(schemars::schema_for!(ServerMessage));
        assert_eq!(schema["oneOf"].as_array().map(Vec::len), Some(17));
    }
}
