//! Actors without which nothing goes on. The runtime would catch a panic of one and go on without it: rooms would wait for a journal that is no more.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a step of such an actor; a panic in it ends the process with 1. What was acknowledged is durable, and whoever starts the process again finds it.
pub fn vital<T>(actor: &str, step: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        log::error!("{actor} panicked: the process ends");
        std::process::exit(1)
    })
}
