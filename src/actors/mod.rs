//! The actors: the shell that sends, saves, logs and sleeps.
