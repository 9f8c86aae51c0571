//! How many messages and positions a user may send, over all of his or her connections.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::actors::bucket::Bucket;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::UserId;
use crate::protocol::limits::{LOCATIONS_BURST, LOCATIONS_PER_SECOND, MESSAGES_PER_SPAN, MESSAGES_SPAN};

/// Users that are looked through for those who have been quiet.
const USERS_MAX: usize = 10_000;

#[derive(Default)]
pub struct Pace {
    sent: Mutex<HashMap<UserId, VecDeque<Instant>>>,
    located: Mutex<HashMap<UserId, Bucket>>,
}

impl Pace {
    /// Counts a position in, or says when there is room for it.
    pub fn admit_location(&self, user: &UserId, now: Instant) -> Result<(), Rejection> {
        let mut located = self.located.lock().unwrap_or_else(PoisonError::into_inner);
        if located.len() > USERS_MAX && !located.contains_key(user) {
            located.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = located.entry(user.clone()).or_insert_with(|| Bucket::new(LOCATIONS_PER_SECOND, LOCATIONS_BURST, now));
        bucket.take(now).map_err(|wait| {
            Rejection::new(ErrorCode::RateLimited, "Too many positions").retry_in(Duration::from_secs_f32(wait).as_secs() as u32 + 1)
        })
    }

    /// Counts a message in, or says when there is room for it.
    pub fn admit(&self, user: &UserId, now: Instant) -> Result<(), Rejection> {
        // No step between lock and unlock can leave the map half changed.
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.len() > USERS_MAX && !sent.contains_key(user) {
            sent.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < MESSAGES_SPAN));
        }
        let times = sent.entry(user.clone()).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= MESSAGES_SPAN) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= MESSAGES_PER_SPAN => {
                let wait = MESSAGES_SPAN - now.duration_since(*first);
                Err(Rejection::new(ErrorCode::RateLimited, "Too many messages").retry_in(wait.as_secs() as u32 + 1))
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_sends_so_many_in_any_span_and_others_are_not_held_up() {
        let (pace, began, ann) = (Pace::default(), Instant::now(), UserId::new("ann"));
        (0..MESSAGES_PER_SPAN).for_each(|_| assert!(pace.admit(&ann, began).is_ok()));
        let refused = pace.admit(&ann, began + MESSAGES_SPAN / 2).expect_err("is too many");
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::RateLimited, Some(6)));
        assert!(pace.admit(&UserId::new("bo"), began).is_ok());
        assert!(pace.admit(&ann, began + MESSAGES_SPAN).is_ok());
    }
}
