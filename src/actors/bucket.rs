//! A token bucket: so many at once after a pause, so many a second after that; and the strikes of who does not keep to it.

use std::time::{Duration, Instant};

/// A refusal is forgiven after so long without another one. It is what a refusal tells a client to wait.
const FORGIVEN_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: f32,
    burst: f32,
    tokens: f32,
    filled_at: Instant,
}

impl Bucket {
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { per_second: per_second as f32, burst: burst as f32, tokens: burst as f32, filled_at: now }
    }

    /// True when nothing was taken for long.
    pub fn is_full(&self, now: Instant) -> bool {
        self.tokens + now.saturating_duration_since(self.filled_at).as_secs_f32() * self.per_second >= self.burst
    }

    /// Takes one; else the seconds after which there is one again.
    pub fn take(&mut self, now: Instant) -> Result<(), f32> {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f32();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.filled_at = now;
        if self.tokens < 1.0 {
            return Err((1.0 - self.tokens) / self.per_second);
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

/// Refusals of a client that goes on all the same. That the bucket lets single frames through in between makes them no fewer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strikes {
    count: u32,
    last: Option<Instant>,
}

impl Strikes {
    /// Counts a refusal in; how many there were without a pause.
    pub fn add(&mut self, now: Instant) -> u32 {
        let paused = self.last.is_some_and(|last| now.saturating_duration_since(last) >= FORGIVEN_AFTER);
        self.count = if paused { 1 } else { self.count + 1 };
        self.last = Some(now);
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(50, 200, start);
        assert!((0..200).all(|_| bucket.take(start).is_ok()));
        assert!(bucket.take(start).is_err());
        let later = start + Duration::from_millis(101);
        assert!((0..5).all(|_| bucket.take(later).is_ok()));
        assert!(bucket.take(later).is_err());
        let much_later = later + Duration::from_secs(60);
        assert_eq!((0..300).filter(|_| bucket.take(much_later).is_ok()).count(), 200);
    }

    #[test]
    fn a_client_that_never_pauses_strikes_out_although_some_frames_are_let_through() {
        let start = Instant::now();
        let (mut bucket, mut strikes) = (Bucket::new(50, 200, start), Strikes::default());
        let twice_too_fast = (0..600).map(|n| start + Duration::from_millis(10 * n));
        let most = twice_too_fast.filter(|&now| bucket.take(now).is_err()).map(|now| strikes.add(now)).max();
        assert!(most > Some(90), "{most:?}");
    }

    #[test]
    fn a_client_that_waits_as_it_was_told_is_forgiven() {
        let start = Instant::now();
        let mut strikes = Strikes::default();
        assert_eq!([0, 10, 1_010, 1_500].map(|ms| strikes.add(start + Duration::from_millis(ms))), [1, 2, 1, 2]);
    }
}
