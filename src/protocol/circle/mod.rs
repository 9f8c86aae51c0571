//! The vocabulary of family circles: what a client may send, and what a circle says.

pub mod command;
pub mod messages;

pub use command::{Answer, Command, Query};
pub use messages::ServerMessage;
