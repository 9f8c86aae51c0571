//! Engine.IO sessions: one actor a session, on the worker thread of its handshake.

pub mod upper;
pub mod wire;
