//! What the tests are made with: databases, servers, clients.

pub mod campaign;
pub mod events;
pub mod fold;
pub mod http;
pub mod postgres;
pub mod server;
pub mod socketio;
pub mod team;
pub mod ws;
