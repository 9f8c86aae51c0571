//! moothall: a self-hosted real-time session server.
//!
//! `ARCHITECTURE.md` tells how the parts fit; each module says what it is for and what it leaves to others.

pub mod actors;
pub mod auth;
pub mod cli;
pub mod cluster;
pub mod demo;
pub mod exit;
pub mod http;
pub mod load;
pub mod logging;
pub mod maps;
pub mod protocol;
pub mod rooms;
pub mod server;
pub mod settings;
pub mod store;
pub mod transport;
pub mod typescript;
