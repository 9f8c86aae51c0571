//! A token bucket: so many at once after a pause, so many a second after that.

use std::time::Instant;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
}
