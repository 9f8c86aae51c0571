//! Stock clients.
