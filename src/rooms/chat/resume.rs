//! Missed frames as their reader may be sent them now.

pub fn as_it_may_be_shown(missed: Vec<String>) -> Option<Vec<String>> {
    Some(missed)
}
