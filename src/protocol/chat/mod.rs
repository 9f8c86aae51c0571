//! The vocabulary of team messaging: what a client may send, and what a workspace says.

pub mod command;
pub mod messages;

pub use command::{Answer, Command, Query, Signal, Target};
pub use messages::{Message, ServerMessage};
