//! The database: schema, rows and queries, as plain functions over `&mut Db`.

pub mod accounts;
pub mod app_passwords;
pub mod backup;
pub mod campaign;
pub mod campaigns;
pub mod chat;
pub mod circle;
pub mod circles;
pub mod db;
pub mod fault;
pub mod journal;
pub mod migrate;
pub mod pool;
pub mod prepared;
pub mod recovery;
pub mod schema;
pub mod types;
pub mod workspaces;
