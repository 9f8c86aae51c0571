//! A campaign: a dungeon master and players on a hex map.

pub mod command;
pub mod fog;
pub mod rows;
pub mod token;
pub mod board;
mod draft;
mod judge;
mod roster;
mod session;
