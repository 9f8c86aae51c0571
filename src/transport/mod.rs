//! The sockets: `/ws`.
