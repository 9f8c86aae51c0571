//! The sockets: `/ws`, and the echo that conformance tests talk to.

pub mod conformance;
pub mod echo;
pub mod socket;
pub mod ws;
