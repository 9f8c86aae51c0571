//! A campaign's tables: what its room is loaded from, and how its rows are written.
//!
//! The room says what each row is to be; nothing here knows why.

mod load;
mod rare;
mod shown;
mod values;
mod write;

pub use load::{load_board, load_campaign};
pub use shown::{decode_shown, encode_shown};
pub(crate) use write::Writer;
