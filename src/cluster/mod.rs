//! Nodes: the lease of this process and the ownership of rooms.

pub mod node;
