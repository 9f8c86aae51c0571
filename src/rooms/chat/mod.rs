//! A workspace: a team, its channels and conversations, and what is said there.

pub mod rows;
