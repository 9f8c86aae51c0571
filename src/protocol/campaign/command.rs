//! What can be asked of a campaign, over a socket or through REST.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::protocol::campaign::token::TokenType;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{ChangeId, InvitationId, TokenId, UserId};
use crate::protocol::time::Timestamp;

/// A hex and what grows there. `terrainVariant` picks one of the pictures for a terrain; 0, the usual one, may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerrainAt {
    pub key: HexKey,
    pub terrain: Terrain,
    #[serde(default, skip_serializing_if = "is_usual")]
    pub terrain_variant: u8,
}

fn is_usual(variant: &u8) -> bool {
    *variant == 0
}

/// Width and height of a map in columns and rows, both ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GridSize {
    pub grid_width: i32,
    pub grid_height: i32,
}

/// Whom a reveal or a hide is for: `"all"` or `{"playerIds": […]}` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every player, also one who joins later.
    All,
    /// 1 or more, without repeats, in the order given.
    Players(Vec<UserId>),
}

/// Whether a DM's changes are shown at once or wait in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastMode {
    Immediate,
    Staged,
}

/// What of a token is to be different; what is absent stays. An `ownerId` of `null` (`Some(None)`) takes the owner away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenUpdates {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(extend("x-null-means" = "nobody"))]
    pub owner_id: Option<Option<UserId>>,
}

/// Tells a field that is `null` from one that is absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<UserId>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Everything that can be asked of a campaign. Serialized with the names of the wire: a staged change is stored so, and so two commands with
/// one id are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Command {
    #[serde(rename = "session:start")]
    StartSession {},
    #[serde(rename = "session:pause")]
    PauseSession {},
    #[serde(rename = "session:resume")]
    ResumeSession {},
    #[serde(rename = "session:end")]
    EndSession {},
    #[serde(rename = "broadcast:mode")]
    SetMode { mode: BroadcastMode },
    #[serde(rename = "broadcast:publish")]
    Publish {},
    #[serde(rename = "staged:undo")]
    Undo {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change_id: Option<ChangeId>,
    },
    #[serde(rename = "hex:reveal")]
    Reveal { hex_keys: Vec<HexKey>, targets: Targets },
    #[serde(rename = "hex:hide")]
    Hide { hex_keys: Vec<HexKey>, targets: Targets },
    #[serde(rename = "hex:update")]
    UpdateTerrain { changes: Vec<TerrainAt> },
    #[serde(rename = "token:create")]
    CreateToken {
        hex_key: HexKey,
        label: String,
        icon: String,
        color: String,
        token_type: TokenType,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner_id: Option<UserId>,
        visible: bool,
    },
    #[serde(rename = "token:update")]
    UpdateToken { token_id: TokenId, updates: TokenUpdates },
    #[serde(rename = "token:delete")]
    DeleteToken { token_id: TokenId },
    #[serde(rename = "token:move")]
    MoveToken { token_id: TokenId, to_hex_key: HexKey },

    // What follows comes through REST. The caller has been authenticated; the room judges the rest.
    /// A map was posted or imported: it replaces the terrain, fog and tokens stay. `size` is the file's own, if it names one.
    #[serde(rename = "map:replace")]
    ReplaceMap {
        hexes: Vec<TerrainAt>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<GridSize>,
    },
    /// `email` in lower case.
    #[serde(rename = "rest:invite")]
    Invite { email: String },
    #[serde(rename = "rest:createInviteLink")]
    CreateInviteLink { code: String, expires_at: Timestamp, max_uses: Option<u32> },
    /// By somebody who need not be a member (`by` is `None`): `user` with this `email` accepts the invitation.
    #[serde(rename = "rest:acceptInvitation")]
    AcceptInvitation { invitation_id: InvitationId, user: UserId, name: String, email: String },
    #[serde(rename = "rest:declineInvitation")]
    DeclineInvitation { invitation_id: InvitationId, user: UserId, email: String },
    #[serde(rename = "rest:acceptInviteLink")]
    AcceptInviteLink { code: String, user: UserId, name: String },
    #[serde(rename = "rest:removeMember")]
    RemoveMember { user: UserId },
    /// The campaign and all that belongs to it is deleted; by its owner.
    #[serde(rename = "rest:deleteCampaign")]
    DeleteCampaign {},
}

impl Command {
    /// The command's name for people and for the wire: what a refusal names.
    pub fn name(&self) -> &'static str {
        match self {
            Command::StartSession {} => "session:start",
            Command::PauseSession {} => "session:pause",
            Command::ResumeSession {} => "session:resume",
            Command::EndSession {} => "session:end",
            Command::SetMode { .. } => "broadcast:mode",
            Command::Publish {} => "broadcast:publish",
            Command::Undo { .. } => "staged:undo",
            Command::Reveal { .. } => "hex:reveal",
            Command::Hide { .. } => "hex:hide",
            Command::UpdateTerrain { .. } => "hex:update",
            Command::CreateToken { .. } => "token:create",
            Command::UpdateToken { .. } => "token:update",
            Command::DeleteToken { .. } => "token:delete",
            Command::MoveToken { .. } => "token:move",
            Command::ReplaceMap { .. } => "map:replace",
            Command::Invite { .. } => "invitation:create",
            Command::CreateInviteLink { .. } => "inviteLink:create",
            Command::AcceptInvitation { .. } => "invitation:accept",
            Command::DeclineInvitation { .. } => "invitation:decline",
            Command::AcceptInviteLink { .. } => "inviteLink:accept",
            Command::RemoveMember { .. } => "member:remove",
            Command::DeleteCampaign {} => "campaign:delete",
        }
    }
}

impl Serialize for Targets {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Targets::All => serializer.serialize_str("all"),
            Targets::Players(players) => {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("playerIds", players)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wire;

        impl<'de> Visitor<'de> for Wire {
            type Value = Targets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or {\"playerIds\": […]}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Targets, E> {
                if text == "all" { Ok(Targets::All) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Targets, A::Error> {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase", deny_unknown_fields)]
                struct Players {
                    player_ids: Vec<UserId>,
                }
                let Players { mut player_ids } = Players::deserialize(MapAccessDeserializer::new(map))?;
                let mut known = HashSet::new();
                player_ids.retain(|player| known.insert(player.clone()));
                if player_ids.is_empty() {
                    Err(A::Error::custom("playerIds must name 1 or more"))
                } else {
                    Ok(Targets::Players(player_ids))
                }
            }
        }

        deserializer.deserialize_any(Wire)
    }
}

impl JsonSchema for Targets {
    fn schema_name() -> Cow<'static, str> {
        "Targets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let user = generator.subschema_for::<UserId>();
        json_schema!({"description": "Whom a reveal or a hide is for: every player, also one who joins later, or these.", "oneOf": [
            {"const": "all"},
            {
                "type": "object",
                "properties": {"playerIds": {"type": "array", "items": user, "minItems": 1}},
                "required": ["playerIds"],
                "additionalProperties": false
            }
        ]})
    }
}

/// What the acknowledgement of a command holds besides `id` and `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Of `token:create`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// Of `broadcast:publish`: what no longer applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Vec<Skipped>>,
    /// Of an invitation through REST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation_id: Option<InvitationId>,
}

/// A staged change that could not be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    pub id: ChangeId,
    pub reason: String,
}
