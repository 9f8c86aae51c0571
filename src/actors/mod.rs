//! The actors: the shell that sends, saves, logs and sleeps. The rules are in `rooms`.

pub mod clock;
pub mod executor;
