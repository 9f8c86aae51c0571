//! The wire of campaigns: what a client may send ([`decode`]) and what a room says ([`ServerMessage`]).

pub mod command;
mod commands;
mod decode;
mod messages;
pub mod token;

pub use crate::protocol::decode::{Decoded, Refused};
pub use commands::{command_schemas, knows};
pub use decode::{Body, decode, decode_event};
pub use messages::{Everyone, JoinedPlayer, MapHex, Player, Seen, ServerMessage, StagedItem, Status};
