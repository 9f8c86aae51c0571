//! A workspace's tables: what its room is loaded from, what it asks of them, and how its rows are written.
//!
//! The room says what each row is to be; nothing here knows why.

mod find;
mod load;
mod look_up;
mod rare;
mod values;
mod write;

pub use find::{workspace_of_channel, workspace_of_conversation, workspace_of_message, workspaces_of};
pub use load::load_workspace;
pub use look_up::{look_up, reactions_of};
pub(crate) use write::Writer;
