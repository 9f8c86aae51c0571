//! The rooms: pure state machines. Nothing here performs IO, asks for the time, draws a random number or knows an actor.

pub mod campaign;
pub mod chat;
pub mod circle;
pub mod kernel;
pub mod members;
