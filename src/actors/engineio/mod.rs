//! Engine.IO sessions, over long polling and over WebSockets.
//!
//! | part | what it does |
//! |---|---|
//! | [`session`] | one actor a session: the order of what comes, the timers, the calls to the upper |
//! | [`wire`] | the transport of a session, written by whoever is on its thread |
//! | [`polling`], [`socket`] | what a transport holds |
//! | [`reader`] | one actor a WebSocket, on the connection's thread, which hands over what was read |
//! | [`heartbeat`] | pings and deadlines |
//! | [`sessions`] | sid → actor, for the whole process |
//! | [`upper`] | what runs on top |

mod heartbeat;
mod polling;
pub mod reader;
pub mod session;
pub mod sessions;
mod socket;
pub mod upper;
pub mod wire;

pub use polling::Polled;
