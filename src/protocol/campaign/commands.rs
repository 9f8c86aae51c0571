//! The fields of each command, one struct per command: what a client may write and nothing else.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::protocol::campaign::command::{BroadcastMode, Command, Targets, TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::TokenType;
use crate::protocol::hex::HexKey;
use crate::protocol::ids::{ChangeId, CommandId, TokenId, UserId};
use crate::protocol::limits::HEXES_PER_COMMAND_MAX;

/// Declares the structs, the table from a command's name to its reader, and the schemas.
macro_rules! commands {
    ($($wire:literal $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            #[derive(Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            #[schemars(rename = $wire)]
            struct $name {
                #[serde(rename = "type")]
                #[schemars(with = "String", extend("const" = $wire))]
                _type: IgnoredAny,
                #[serde(default, rename = "id")]
                #[schemars(with = "CommandId")]
                _id: IgnoredAny,
                $($(#[$attribute])* $field: $type,)*
            }
        )*

        /// Reads the fields of the command `kind`; `None` when there is no such command. `ping` is none.
        pub(super) fn read(kind: &str, text: &str) -> Option<Result<Option<Command>, String>> {
            match kind {
                $($wire => Some(fields::<$name>(text).and_then(Wire::command)),)*
                _ => None,
            }
        }

        /// The schema of everything that a client may send to a campaign, by name.
        pub fn command_schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
            vec![$(($wire, generator.subschema_for::<$name>())),*]
        }
    };
}

commands! {
    "ping" Ping {}
    "session:start" StartSession {}
    "session:pause" PauseSession {}
    "session:resume" ResumeSession {}
    "session:end" EndSession {}
    "broadcast:mode" SetMode { mode: BroadcastMode }
    "broadcast:publish" Publish {}
    "staged:undo" Undo { #[serde(default)] index: Option<u32>, #[serde(default)] change_id: Option<ChangeId> }
    "hex:reveal" Reveal {
        #[serde(deserialize_with = "some")] #[schemars(length(min = 1, max = 2000))] hex_keys: Vec<HexKey>,
        targets: Targets,
    }
    "hex:hide" Hide {
        #[serde(deserialize_with = "some")] #[schemars(length(min = 1, max = 2000))] hex_keys: Vec<HexKey>,
        targets: Targets,
    }
    "hex:update" UpdateTerrain {
        #[serde(deserialize_with = "some")] #[schemars(length(min = 1, max = 2000))] changes: Vec<TerrainAt>,
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
#[schemars(rename = "NewTokenValues")]
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

/// From what is written to what is meant.
trait Wire: for<'de> Deserialize<'de> {
    fn command(self) -> Result<Option<Command>, String>;
}

macro_rules! meaning {
    ($($name:ident { $($field:ident),* } => $command:expr;)*) => {
        $(impl Wire for $name {
            fn command(self) -> Result<Option<Command>, String> {
                let Self { _type, _id, $($field),* } = self;
                Ok(Some($command))
            }
        })*
    };
}

meaning! {
    StartSession {} => Command::StartSession {};
    PauseSession {} => Command::PauseSession {};
    ResumeSession {} => Command::ResumeSession {};
    EndSession {} => Command::EndSession {};
    SetMode { mode } => Command::SetMode { mode };
    Publish {} => Command::Publish {};
    Reveal { hex_keys, targets } => Command::Reveal { hex_keys, targets };
    Hide { hex_keys, targets } => Command::Hide { hex_keys, targets };
    UpdateTerrain { changes } => Command::UpdateTerrain { changes };
    CreateToken { hex_key, label, icon, color, token_type, owner_id, visible } =>
        Command::CreateToken { hex_key, label, icon, color, token_type, owner_id, visible };
    UpdateToken { token_id, updates } => Command::UpdateToken { token_id, updates: updates.into() };
    DeleteToken { token_id } => Command::DeleteToken { token_id };
    MoveToken { token_id, to_hex_key } => Command::MoveToken { token_id, to_hex_key };
}

impl Wire for Ping {
    fn command(self) -> Result<Option<Command>, String> {
        Ok(None)
    }
}

impl Wire for Undo {
    fn command(self) -> Result<Option<Command>, String> {
        match self.index.is_some() != self.change_id.is_some() {
            true => Ok(Some(Command::Undo { index: self.index, change_id: self.change_id })),
            false => Err("one of index and changeId is needed, and not both".into()),
        }
    }
}

impl From<Updates> for TokenUpdates {
    fn from(Updates { label, icon, color, visible, owner_id }: Updates) -> Self {
        Self { label, icon, color, visible, owner_id }
    }
}

/// Reads one struct; what is wrong is told with the field's place, in the names of the wire.
fn fields<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().to_string();
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        if path == "." { reason.to_owned() } else { format!("{path}: {reason}") }
    })
}

fn yes() -> bool {
    true
}

/// Tells a field that is there from one that is not: `null` counts as there.
fn maybe<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn chars<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = !text.is_empty() && text.chars().take(MAX + 1).count() <= MAX;
    if fits { Ok(text) } else { Err(D::Error::custom(format_args!("must have 1–{MAX} characters"))) }
}

fn maybe_chars<'de, const MAX: usize, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    chars::<MAX, D>(deserializer).map(Some)
}

fn color<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if digits.is_some() { Ok(text) } else { Err(D::Error::custom("must be a color #rrggbb")) }
}

fn maybe_color<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    color(deserializer).map(Some)
}

/// A list of 1 to [`HEXES_PER_COMMAND_MAX`] things; reading stops where it is too long.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Some<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Some<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of 1–{HEXES_PER_COMMAND_MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut things = Vec::new();
            while let Option::Some(thing) = list.next_element()? {
                if things.len() == HEXES_PER_COMMAND_MAX {
                    return Err(A::Error::custom(format_args!("must have 1–{HEXES_PER_COMMAND_MAX} entries")));
                }
                things.push(thing);
            }
            match things.is_empty() {
                true => Err(A::Error::custom(format_args!("must have 1–{HEXES_PER_COMMAND_MAX} entries"))),
                false => Ok(things),
            }
        }
    }

    deserializer.deserialize_seq(Some(PhantomData))
}
