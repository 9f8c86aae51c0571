//! The database: schema, rows and queries, as plain functions over `&mut Db`.

pub mod db;
pub mod schema;
pub mod types;
