//! The vocabulary of family circles: what a client may send ([`decode`]), and what a circle says ([`ServerMessage`]).

pub mod command;
mod commands;
mod decode;
pub mod messages;
mod sealed;

pub use crate::protocol::decode::{Decoded, Refused};
pub use command::{Answer, Command, Query};
pub use commands::{command_schemas, knows};
pub use decode::{Body, decode, decode_event};
pub use messages::ServerMessage;
