//! The wire of campaigns: decoding of commands, frames of the server.
