//! Bounds that a client can run into.
