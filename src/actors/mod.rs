//! The actors: the shell that sends, saves, logs and sleeps. The rules are in `rooms`.

pub mod bucket;
pub mod campaign;
pub mod circle;
pub mod clock;
pub mod connection;
pub mod counts;
pub mod engineio;
pub mod executor;
pub mod hub;
pub mod inlet;
pub mod journal;
pub mod line;
pub mod lobby;
pub mod memory;
pub mod outbox;
pub mod pace;
pub mod parts;
pub mod registry;
pub mod room;
pub mod speech;
pub mod vital;
pub mod workspace;
