//! A circle: people who share where they are.

pub mod rows;
