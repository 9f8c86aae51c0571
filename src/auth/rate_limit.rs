//! How often an address may ask: against guessing passwords.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::protocol::time::Timestamp;

const WINDOW: Duration = Duration::from_secs(10);

/// Addresses that are remembered; beyond, some are forgotten. Who has that many addresses is not held up by limits on each.
pub const ADDRESSES_MAX: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    SignIn,
    SignUp,
    /// Codes that lead into a circle, from a family that may sit behind one address. They are too long to be guessed.
    Code,
    /// App passwords that are none.
    AppPassword,
    Other,
}

impl Limit {
    /// Requests that one address may send in ten seconds.
    pub fn requests_max(self) -> usize {
        match self {
            Limit::SignIn | Limit::SignUp | Limit::AppPassword => 3,
            Limit::Code => 10,
            Limit::Other => 100,
        }
    }
}

/// The times of the requests let through in the last ten seconds, by address and limit.
#[derive(Default)]
pub struct RateLimiter {
    admitted: HashMap<(IpAddr, Limit), VecDeque<Timestamp>>,
    swept_at: Timestamp,
}

impl RateLimiter {
    /// Lets a request through, or says after how many seconds it would be.
    pub fn admit(&mut self, now: Timestamp, client: IpAddr, limit: Limit) -> Result<(), u64> {
        let key = (network(client), limit);
        if !self.admitted.contains_key(&key) {
            self.make_room(now);
        }
        let times = self.admitted.entry(key).or_default();
        while times.front().is_some_and(|&at| is_over(at, now)) {
            times.pop_front();
        }
        match times.front() {
            Some(oldest) if times.len() >= limit.requests_max() => {
                Err(oldest.plus(WINDOW).since(now).as_millis().div_ceil(1000).max(1) as u64)
            }
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.admitted.len() < ADDRESSES_MAX {
            return;
        }
        // Sweeping takes a look at every address, so it is done once a second at most.
        if now.since(self.swept_at) >= Duration::from_secs(1) {
            self.admitted.retain(|_, times| times.back().is_some_and(|&at| !is_over(at, now)));
            self.swept_at = now;
        }
        if self.admitted.len() >= ADDRESSES_MAX {
            let any = self.admitted.keys().next().copied();
            any.and_then(|key| self.admitted.remove(&key));
        }
    }
}

/// Also when the clock was set back: nobody is shut out for longer than the window.
fn is_over(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) >= WINDOW || at.since(now) >= WINDOW
}

/// A household has one IPv4 address, or 2⁶⁴ of IPv6 that begin alike.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("is an address")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    #[test]
    fn a_fourth_attempt_within_ten_seconds_is_refused_until_the_first_is_ten_seconds_old() {
        let mut limiter = RateLimiter::default();
        let one = ip("203.0.113.1");
        for ms in [0, 4_000, 8_000] {
            assert_eq!(limiter.admit(at(ms), one, Limit::SignIn), Ok(()));
        }
        assert_eq!(limiter.admit(at(8_001), one, Limit::SignIn), Err(2));
        assert_eq!(limiter.admit(at(9_999), one, Limit::SignIn), Err(1));
        assert_eq!(limiter.admit(at(10_000), one, Limit::SignIn), Ok(()));
        assert_eq!(limiter.admit(at(10_001), one, Limit::SignIn), Err(4));
    }

    #[test]
    fn limits_and_addresses_do_not_count_for_one_another() {
        let mut limiter = RateLimiter::default();
        for _ in 0..3 {
            assert_eq!(limiter.admit(at(0), ip("203.0.113.1"), Limit::SignIn), Ok(()));
        }
        assert!(limiter.admit(at(0), ip("203.0.113.1"), Limit::SignIn).is_err());
        assert!(limiter.admit(at(0), ip("::ffff:203.0.113.1"), Limit::SignIn).is_err());
        assert_eq!(limiter.admit(at(0), ip("203.0.113.1"), Limit::SignUp), Ok(()));
        assert_eq!(limiter.admit(at(0), ip("203.0.113.2"), Limit::SignIn), Ok(()));
        for _ in 0..100 {
            assert_eq!(limiter.admit(at(0), ip("203.0.113.1"), Limit::Other), Ok(()));
        }
        assert_eq!(limiter.admit(at(0), ip("203.0.113.1"), Limit::Other), Err(10));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let mut limiter = RateLimiter::default();
        for host in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"] {
            assert_eq!(limiter.admit(at(0), ip(host), Limit::SignIn), Ok(()));
        }
        assert!(limiter.admit(at(0), ip("2001:db8::4"), Limit::SignIn).is_err());
        assert_eq!(limiter.admit(at(0), ip("2001:db8:0:1::1"), Limit::SignIn), Ok(()));
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_bound() {
        let mut limiter = RateLimiter::default();
        for n in 0..ADDRESSES_MAX as u32 + 100 {
            assert_eq!(limiter.admit(at(i64::from(n / 1000)), IpAddr::V4(n.into()), Limit::SignIn), Ok(()));
        }
        assert_eq!(limiter.admitted.len(), ADDRESSES_MAX);
        limiter.admit(at(60_000), ip("203.0.113.1"), Limit::SignIn).expect("nobody has asked for a minute");
        assert_eq!(limiter.admitted.len(), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out() {
        let mut limiter = RateLimiter::default();
        for _ in 0..3 {
            assert_eq!(limiter.admit(at(3_600_000), ip("203.0.113.1"), Limit::SignIn), Ok(()));
        }
        assert_eq!(limiter.admit(at(0), ip("203.0.113.1"), Limit::SignIn), Ok(()));
    }
}
