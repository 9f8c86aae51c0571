//! The wire: identifiers, frames, codec, close codes, error codes and limits.
//!
//! Nothing here knows a rule of any room. What a byte or a field may look like is decided here, once, at the edge:
//! past this module there are no strings that still have to be checked.

pub mod campaign;
pub mod chat;
pub mod circle;
pub mod close;
pub mod decode;
pub mod engineio;
pub mod error;
mod fields;
pub mod frame;
pub mod hex;
pub mod ids;
pub mod limits;
pub mod session;
pub mod socketio;
pub mod time;
pub mod vocabulary;
