//! The tests of the whole, in one binary: whole servers over real sockets and real databases, and the contracts that both databases keep.

mod architecture;
mod auth;
mod cli;
mod closing;
mod commands;
mod limits;
mod migrations;
mod presence;
mod rest;
mod resume;
mod sessions;
mod staged;
mod store;
mod support;
mod tokens;
