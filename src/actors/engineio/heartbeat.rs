//! When to ping, and when a client counts as gone. Deadlines are instants that do not move because a timer was late.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Ping {
        at: Instant,
    },
    /// A pong, by then; `extended` once something else came meanwhile.
    Pong {
        by: Instant,
        extended: bool,
    },
}

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    Nothing,
    Ping,
    Dead,
}

#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    due: Due,
}

impl Heartbeat {
    pub fn new(interval: Duration, timeout: Duration, opened: Instant) -> Self {
        Self { interval, timeout, due: Due::Ping { at: opened + interval } }
    }

    /// What is due by now; each ping is told once.
    pub fn check(&mut self, now: Instant) -> Beat {
        match self.due {
            Due::Ping { at } if now >= at => {
                let by = at + self.timeout;
                self.due = Due::Pong { by, extended: false };
                if now >= by { Beat::Dead } else { Beat::Ping }
            }
            Due::Pong { by, .. } if now >= by => Beat::Dead,
            _ => Beat::Nothing,
        }
    }

    /// Something came, so the client lives: it gets more time for its pong, once.
    pub fn heard(&mut self, now: Instant) {
        if let Due::Pong { extended: false, .. } = self.due {
            self.due = Due::Pong { by: now + self.timeout, extended: true };
        }
    }

    /// A pong that nobody waits for changes nothing.
    pub fn pong(&mut self, now: Instant) {
        if let Due::Pong { .. } = self.due {
            self.due = Due::Ping { at: now + self.interval };
        }
    }

    /// When [`Heartbeat::check`] will have something to say.
    pub fn next(&self) -> Instant {
        match self.due {
            Due::Ping { at } => at,
            Due::Pong { by, .. } => by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn heart() -> (Heartbeat, Instant) {
        let opened = Instant::now();
        (Heartbeat::new(ms(25_000), ms(20_000), opened), opened)
    }

    #[test]
    fn the_first_ping_is_due_an_interval_after_the_open_and_the_next_one_an_interval_after_the_pong() {
        let (mut heart, opened) = heart();
        assert_eq!(heart.check(opened + ms(24_999)), Beat::Nothing);
        assert_eq!(heart.check(opened + ms(25_000)), Beat::Ping);
        assert_eq!(heart.check(opened + ms(25_001)), Beat::Nothing);
        heart.pong(opened + ms(26_000));
        assert_eq!(heart.check(opened + ms(50_999)), Beat::Nothing);
        assert_eq!(heart.check(opened + ms(51_000)), Beat::Ping);
    }

    #[test]
    fn a_late_timer_gives_no_more_time() {
        let (mut heart, opened) = heart();
        assert_eq!(heart.check(opened + ms(30_000)), Beat::Ping);
        assert_eq!(heart.check(opened + ms(44_999)), Beat::Nothing);
        assert_eq!(heart.check(opened + ms(45_000)), Beat::Dead);
        let (mut unwatched, opened) = self::heart();
        assert_eq!(unwatched.check(opened + ms(45_000)), Beat::Dead);
    }

    #[test]
    fn a_packet_while_a_pong_is_due_extends_its_deadline_once() {
        let (mut heart, opened) = heart();
        heart.heard(opened + ms(1_000));
        assert_eq!(heart.next(), opened + ms(25_000));
        assert_eq!(heart.check(opened + ms(25_000)), Beat::Ping);
        heart.heard(opened + ms(40_000));
        heart.heard(opened + ms(59_000));
        assert_eq!(heart.check(opened + ms(59_999)), Beat::Nothing);
        assert_eq!(heart.check(opened + ms(60_000)), Beat::Dead);
    }

    #[test]
    fn a_pong_that_nobody_asked_for_changes_nothing() {
        let (mut heart, opened) = heart();
        heart.pong(opened + ms(20_000));
        assert_eq!(heart.next(), opened + ms(25_000));
    }
}
