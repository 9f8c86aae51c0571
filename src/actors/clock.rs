//! The one place that asks for the time and for randomness on behalf of the rooms.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::protocol::time::Timestamp;

/// The wall clock, in whole milliseconds.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(since_epoch.as_millis().try_into().unwrap_or(i64::MAX))
}

/// A UUID v4 as text.
pub fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
