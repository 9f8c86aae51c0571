//! The journal of all rooms: who may write a room, what was written, and which commands were acknowledged.
//!
//! A room's row in `room_owner` names its node, its epoch and its head. Every commit moves the head by an UPDATE that holds only for that node,
//! epoch and head; so whoever has lost the room changes nothing, whatever he believes (I8), and the rows of a room are one history (I2).

mod commands;
mod events;
mod owner;
mod prune;
mod write;

pub use commands::{RememberedCommand, command, commands_of};
pub use events::{Missed, StoredEvent, cursor_holds, events_after};
pub(crate) use owner::forget;
pub use owner::{Acquire, acquire, release};
pub use prune::{Pruned, prune};
pub use write::{CommandRow, Commit, DomainRows, EventRow, Outcome, write_batch};
