//! The vocabulary of team messaging: what a client may send ([`decode`]), and what a workspace says ([`ServerMessage`]).

pub mod command;
mod commands;
mod decode;
pub mod messages;
mod text;

pub use crate::protocol::decode::{Decoded, Refused};
pub use command::{Answer, Command, Query, Signal, Subject, Target};
pub use commands::{command_schemas, knows};
pub use decode::{Body, decode, decode_event};
pub use messages::{Message, ServerMessage};
