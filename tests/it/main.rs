//! The tests of the whole, in one binary: whole servers over real sockets and real databases, and the contracts that both databases keep.

mod architecture;
mod auth;
mod autobahn;
mod better_auth;
mod cli;
mod closing;
mod commands;
mod database_gone;
mod durability;
mod limits;
mod migrations;
mod operations;
mod presence;
mod rest;
mod resume;
mod room_crash;
mod sessions;
mod slow_reader;
mod staged;
mod store;
mod support;
mod tokens;
mod typescript;
