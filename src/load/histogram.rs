//! Counts of latencies in buckets that grow with the value: 64 to each power of two, so a quantile is at most 1.6 % too low.

use std::time::Duration;

const BUCKET_BITS: u32 = 6;
const BUCKETS_PER_POWER: usize = 1 << BUCKET_BITS;

/// Durations from 1 ns to centuries.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = bucket_of(u64::MAX) + 1;
        Self { counts: vec![0; buckets], total: 0, max_ns: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket_of(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn len(&self) -> u64 {
        self.total
    }

    /// The latency that the share `quantile` (0 to 1) of all does not exceed; `None` when there are none.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(floor_of(bucket).min(self.max_ns)))
    }

    pub fn max(&self) -> Option<Duration> {
        (self.total > 0).then(|| Duration::from_nanos(self.max_ns))
    }
}

fn bucket_of(ns: u64) -> usize {
    if ns < BUCKETS_PER_POWER as u64 {
        return ns as usize;
    }
    let power = ns.ilog2() - BUCKET_BITS;
    let within = (ns >> power) as usize - BUCKETS_PER_POWER;
    (power as usize + 1) * BUCKETS_PER_POWER + within
}

/// The smallest value of a bucket.
fn floor_of(bucket: usize) -> u64 {
    if bucket < BUCKETS_PER_POWER {
        return bucket as u64;
    }
    let power = bucket / BUCKETS_PER_POWER - 1;
    ((BUCKETS_PER_POWER + bucket % BUCKETS_PER_POWER) as u64) << power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_floor_and_what_lies_below_the_next() {
        for bucket in 0..bucket_of(u64::MAX) {
            assert_eq!(bucket_of(floor_of(bucket)), bucket);
            assert_eq!(bucket_of(floor_of(bucket + 1) - 1), bucket);
        }
    }

    #[test]
    fn a_quantile_is_at_most_a_sixty_fourth_too_low() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        for (quantile, exact_us) in [(0.001, 1.0), (0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let us = histogram.quantile(quantile).expect("there are a thousand").as_secs_f64() * 1e6;
            assert!(us <= exact_us && us >= exact_us * (1.0 - 1.0 / 64.0), "{quantile}: {us}");
        }
        assert_eq!(histogram.max(), Some(Duration::from_millis(1)));
        assert_eq!(histogram.len(), 1000);
    }
}
