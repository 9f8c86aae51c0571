//! What the tests are made with: databases, servers, clients.

pub mod postgres;
