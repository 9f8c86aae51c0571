//! A circle's tables: what its room is loaded from, and how its rows are written.
//!
//! The room says what each row is to be; nothing here knows why. No error that is made here holds a coordinate.

mod find;
mod load;
mod rare;
mod values;
mod write;

pub use find::circles_of;
pub(in crate::store) use load::{PointColumns, sharing_of, stored_point};
pub use load::{load_circle, load_member};
pub use rare::EXPIRED_PER_ROW;
pub(in crate::store) use values::{role, role_label};
pub(crate) use write::Writer;
