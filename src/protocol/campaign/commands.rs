//! The fields of each command, one struct per command: what a client may write and nothing else.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::protocol::campaign::command::{BroadcastMode, Command, Targets, TerrainAt, TokenUpdates};
use crate::protocol::campaign::decode::Body;
use crate::protocol::campaign::token::TokenType;
use crate::protocol::fields::{Wire, chars, list, maybe, maybe_chars, meaning, vocabulary};
use crate::protocol::hex::HexKey;
use crate::protocol::ids::{ChangeId, TokenId, UserId};
use crate::protocol::limits::HEXES_PER_COMMAND_MAX;

vocabulary! {
    Body;
    "ping" Ping {}
    "session:start" StartSession {}
    "session:pause" PauseSession {}
    "session:resume" ResumeSession {}
    "session:end" EndSession {}
    "broadcast:mode" SetMode { mode: BroadcastMode }
    "broadcast:publish" Publish {}
    "staged:undo" Undo { #[serde(default)] index: Option<u32>, #[serde(default)] change_id: Option<ChangeId> }
    "hex:reveal" Reveal {
        #[serde(deserialize_with = "list::<1, HEXES_PER_COMMAND_MAX, _, _>")] #[schemars(length(min = 1, max = 2000))] hex_keys: Vec<HexKey>,
        targets: Targets,
    }
    "hex:hide" Hide {
        #[serde(deserialize_with = "list::<1, HEXES_PER_COMMAND_MAX, _, _>")] #[schemars(length(min = 1, max = 2000))] hex_keys: Vec<HexKey>,
        targets: Targets,
    }
    "hex:update" UpdateTerrain {
        #[serde(deserialize_with = "list::<1, HEXES_PER_COMMAND_MAX, _, _>")] #[schemars(length(min = 1, max = 2000))] changes: Vec<TerrainAt>,
    }
    "token:create" CreateToken {
        hex_key: HexKey,
        #[serde(deserialize_with = "chars::<LABEL, _>")] #[schemars(length(min = 1, max = 64))] label: String,
        #[serde(deserialize_with = "chars::<ICON, _>")] #[schemars(length(min = 1, max = 16))] icon: String,
        #[serde(deserialize_with = "color")] #[schemars(regex(pattern = "^#[0-9a-fA-F]{6}$"))] color: String,
        token_type: TokenType,
        #[serde(default)] owner_id: Option<UserId>,
        #[serde(default = "yes")] visible: bool,
    }
    "token:update" UpdateToken { token_id: TokenId, updates: Updates }
    "token:delete" DeleteToken { token_id: TokenId }
    "token:move" MoveToken { token_id: TokenId, to_hex_key: HexKey }
}

/// Characters of a token's label and icon.
const LABEL: usize = 64;
const ICON: usize = 16;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TokenUpdates")]
struct Updates {
    #[serde(default, deserialize_with = "maybe_chars::<LABEL, _>")]
    #[schemars(with = "String", length(min = 1, max = 64))]
    label: Option<String>,
    #[serde(default, deserialize_with = "maybe_chars::<ICON, _>")]
    #[schemars(with = "String", length(min = 1, max = 16))]
    icon: Option<String>,
    #[serde(default, deserialize_with = "maybe_color")]
    #[schemars(with = "String", regex(pattern = "^#[0-9a-fA-F]{6}$"))]
    color: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    #[schemars(with = "bool")]
    visible: Option<bool>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "maybe")]
    #[schemars(with = "Option<UserId>")]
    owner_id: Option<Option<UserId>>,
}

meaning! {
    Body;
    StartSession {} => Command(Command::StartSession {});
    PauseSession {} => Command(Command::PauseSession {});
    ResumeSession {} => Command(Command::ResumeSession {});
    EndSession {} => Command(Command::EndSession {});
    SetMode { mode } => Command(Command::SetMode { mode });
    Publish {} => Command(Command::Publish {});
    Reveal { hex_keys, targets } => Command(Command::Reveal { hex_keys, targets });
    Hide { hex_keys, targets } => Command(Command::Hide { hex_keys, targets });
    UpdateTerrain { changes } => Command(Command::UpdateTerrain { changes });
    CreateToken { hex_key, label, icon, color, token_type, owner_id, visible } =>
        Command(Command::CreateToken { hex_key, label, icon, color, token_type, owner_id, visible });
    UpdateToken { token_id, updates } => Command(Command::UpdateToken { token_id, updates: updates.into() });
    DeleteToken { token_id } => Command(Command::DeleteToken { token_id });
    MoveToken { token_id, to_hex_key } => Command(Command::MoveToken { token_id, to_hex_key });
}

impl Wire<Body> for Undo {
    fn body(self) -> Result<Body, String> {
        match self.index.is_some() != self.change_id.is_some() {
            true => Ok(Body::Command(Command::Undo { index: self.index, change_id: self.change_id })),
            false => Err("one of index and changeId is needed, and not both".into()),
        }
    }
}

impl From<Updates> for TokenUpdates {
    fn from(Updates { label, icon, color, visible, owner_id }: Updates) -> Self {
        Self { label, icon, color, visible, owner_id }
    }
}

fn yes() -> bool {
    true
}

fn color<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if digits.is_some() { Ok(text) } else { Err(D::Error::custom("must be a color #rrggbb")) }
}

fn maybe_color<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    color(deserializer).map(Some)
}
