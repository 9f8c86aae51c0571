//! The sockets: `/ws`, Engine.IO over HTTP and WebSockets, and the echoes that conformance tests talk to.

pub mod conformance;
mod deadlines;
pub mod echo;
pub mod engineio;
pub mod engineio_echo;
pub mod socket;
pub mod socketio;
pub mod ws;
