//! Resuming.
