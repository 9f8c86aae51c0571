//! The wire of campaigns: what a client may send ([`decode`]) and what a room says ([`ServerMessage`]).

pub mod command;
mod commands;
mod decode;
mod messages;
pub mod token;

pub use commands::command_schemas;
pub use decode::{Body, Decoded, Refused, decode};
pub use messages::{Everyone, JoinedPlayer, MapHex, Player, Seen, ServerMessage, StagedItem, Status};
