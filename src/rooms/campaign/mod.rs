//! A campaign: a dungeon master and players on a hex map.

pub mod command;
pub mod fog;
pub mod rows;
pub mod token;
