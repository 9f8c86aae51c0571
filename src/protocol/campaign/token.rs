//! Tokens: what stands on the map.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::hex::HexKey;
use crate::protocol::ids::{TokenId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// A player's character.
    Pc,
    Npc,
}

/// A token as it stands: in the state, in its row and in frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    pub id: TokenId,
    pub hex_key: HexKey,
    pub owner_id: Option<UserId>,
    pub label: String,
    pub icon: String,
    /// `#rrggbb`.
    pub color: String,
    pub token_type: TokenType,
    pub visible: bool,
}
