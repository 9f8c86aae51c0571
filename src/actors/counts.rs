//! What the process counts, for `/metrics` and `/api/ws-status`: plain atomics, so that a count costs the hot path one addition.
//!
//! Nothing here decides anything. Names and units on the wire are in `http::metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};

/// The close codes that are counted by themselves; any other is counted under 0.
pub const CLOSE_CODES: [u16; 13] = [1000, 1001, 1002, 1003, 1007, 1009, 1013, 4001, 4002, 4003, 4008, 4029, 0];

/// The outcomes of a command: done, or refused with a code.
pub const OUTCOMES: [Option<ErrorCode>; 15] = [
    None,
    Some(ErrorCode::BadJson),
    Some(ErrorCode::BadMessage),
    Some(ErrorCode::Forbidden),
    Some(ErrorCode::InvalidState),
    Some(ErrorCode::NotFound),
    Some(ErrorCode::IdReused),
    Some(ErrorCode::RateLimited),
    Some(ErrorCode::Busy),
    Some(ErrorCode::TooLarge),
    Some(ErrorCode::Unauthorized),
    Some(ErrorCode::StorageUnavailable),
    Some(ErrorCode::Internal),
    Some(ErrorCode::Conflict),
    Some(ErrorCode::Gone),
];

/// Commits of one batch.
const BATCH_BOUNDS: [u64; 8] = [1, 2, 4, 8, 16, 64, 256, 1024];
/// Microseconds from the room's decision to the durable commit.
const COMMIT_BOUNDS_US: [u64; 10] = [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_000_000];

/// How often values fell at or below each bound.
pub struct Histogram<const N: usize> {
    bounds: [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: [u64; N]) -> Self {
        Self { bounds, counts: [const { AtomicU64::new(0) }; N], beyond: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    pub fn record(&self, value: u64) {
        let bucket = self.bounds.iter().position(|&bound| value <= bound).map_or(&self.beyond, |at| &self.counts[at]);
        bucket.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Each bound with how many values were at or below it, in ascending order; the last one, without a bound, counts all.
    pub fn cumulative(&self) -> Vec<(Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        let counts = self.counts.iter().chain([&self.beyond]);
        let mut total = 0;
        bounds
            .zip(counts)
            .map(|(bound, count)| {
                total += count.load(Relaxed);
                (bound, total)
            })
            .collect()
    }

    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

pub struct Counts {
    started: Instant,
    /// Sockets that are open.
    connections: AtomicU64,
    connects: AtomicU64,
    disconnects: [AtomicU64; CLOSE_CODES.len()],
    /// Rooms that are loaded.
    rooms: AtomicU64,
    commands: [AtomicU64; OUTCOMES.len()],
    commits: AtomicU64,
    pub batch_sizes: Histogram<8>,
    pub commit_us: Histogram<10>,
    deliveries: AtomicU64,
    delivery_bytes: AtomicU64,
    evictions: AtomicU64,
    rate_limited: AtomicU64,
    /// Jobs that were given to the database's threads, and those of them that failed for want of a database.
    database_jobs: AtomicU64,
    database_failures: AtomicU64,
    /// Positions that were deleted for their age.
    locations_expired: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            connections: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            disconnects: [const { AtomicU64::new(0) }; CLOSE_CODES.len()],
            rooms: AtomicU64::new(0),
            commands: [const { AtomicU64::new(0) }; OUTCOMES.len()],
            commits: AtomicU64::new(0),
            batch_sizes: Histogram::new(BATCH_BOUNDS),
            commit_us: Histogram::new(COMMIT_BOUNDS_US),
            deliveries: AtomicU64::new(0),
            delivery_bytes: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            rate_limited: AtomicU64::new(0),
            database_jobs: AtomicU64::new(0),
            database_failures: AtomicU64::new(0),
            locations_expired: AtomicU64::new(0),
        }
    }
}

/// The whole of [`Counts`] at one time, but for the histograms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub uptime: Duration,
    pub connections: u64,
    pub connects: u64,
    pub disconnects: Vec<(u16, u64)>,
    pub rooms: u64,
    pub commands: Vec<(Option<ErrorCode>, u64)>,
    pub commits: u64,
    pub deliveries: u64,
    pub delivery_bytes: u64,
    pub evictions: u64,
    pub rate_limited: u64,
    pub database_jobs: u64,
    pub database_failures: u64,
    pub locations_expired: u64,
}

impl Counts {
    pub fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connects.fetch_add(1, Relaxed);
    }

    /// `None`: the socket went without a close frame.
    pub fn disconnected(&self, close: Option<Close>) {
        self.connections.fetch_sub(1, Relaxed);
        let code = close.map_or(0, Close::code);
        let at = CLOSE_CODES.iter().position(|&known| known == code).unwrap_or(CLOSE_CODES.len() - 1);
        self.disconnects[at].fetch_add(1, Relaxed);
    }

    pub fn room_loaded(&self) {
        self.rooms.fetch_add(1, Relaxed);
    }

    pub fn room_unloaded(&self) {
        self.rooms.fetch_sub(1, Relaxed);
    }

    pub fn command<T>(&self, outcome: &Result<T, Rejection>) {
        self.command_outcome(outcome.as_ref().err().map(|rejection| rejection.code));
    }

    /// `None`: it was done.
    pub fn command_outcome(&self, refused: Option<ErrorCode>) {
        if let Some(at) = OUTCOMES.iter().position(|&outcome| outcome == refused) {
            self.commands[at].fetch_add(1, Relaxed);
        }
    }

    /// A batch became durable with this many commits.
    pub fn batch(&self, commits: usize) {
        self.commits.fetch_add(commits as u64, Relaxed);
        self.batch_sizes.record(commits as u64);
    }

    pub fn commit_took(&self, time: Duration) {
        self.commit_us.record(time.as_micros().try_into().unwrap_or(u64::MAX));
    }

    /// Frames were handed to this many sockets, so many bytes in all.
    pub fn delivered(&self, sockets: u64, bytes: u64) {
        self.deliveries.fetch_add(sockets, Relaxed);
        self.delivery_bytes.fetch_add(bytes, Relaxed);
    }

    /// A client was dropped because it did not read.
    pub fn evicted(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    pub fn rate_limited(&self) {
        self.rate_limited.fetch_add(1, Relaxed);
    }

    pub fn database_job(&self, failed: bool) {
        self.database_jobs.fetch_add(1, Relaxed);
        self.database_failures.fetch_add(failed.into(), Relaxed);
    }

    pub fn locations_expired(&self, n: u64) {
        self.locations_expired.fetch_add(n, Relaxed);
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    pub fn rooms(&self) -> u64 {
        self.rooms.load(Relaxed)
    }

    pub fn read(&self) -> Reading {
        let load = |count: &AtomicU64| count.load(Relaxed);
        Reading {
            uptime: self.started.elapsed(),
            connections: load(&self.connections),
            connects: load(&self.connects),
            disconnects: CLOSE_CODES.iter().copied().zip(self.disconnects.iter().map(load)).collect(),
            rooms: load(&self.rooms),
            commands: OUTCOMES.iter().copied().zip(self.commands.iter().map(load)).collect(),
            commits: load(&self.commits),
            deliveries: load(&self.deliveries),
            delivery_bytes: load(&self.delivery_bytes),
            evictions: load(&self.evictions),
            rate_limited: load(&self.rate_limited),
            database_jobs: load(&self.database_jobs),
            database_failures: load(&self.database_failures),
            locations_expired: load(&self.locations_expired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_a_value_in_every_bucket_at_or_above_it() {
        let counts = Counts::default();
        [1, 3, 5_000].into_iter().for_each(|commits| counts.batch(commits));
        let buckets = counts.batch_sizes.cumulative();
        assert_eq!((buckets[0], buckets[1], buckets[2]), ((Some(1), 1), (Some(2), 1), (Some(4), 2)));
        assert_eq!(buckets.last(), Some(&(None, 3)));
        assert_eq!((counts.batch_sizes.sum(), counts.read().commits), (5_004, 5_004));
    }

    #[test]
    fn every_close_and_every_refusal_has_a_count() {
        let counts = Counts::default();
        [Some(Close::TooSlow), Some(Close::Normal), None].into_iter().for_each(|close| {
            counts.connected();
            counts.disconnected(close);
        });
        counts.command_outcome(Some(ErrorCode::Gone));
        let reading = counts.read();
        assert_eq!((reading.connections, reading.connects), (0, 3));
        for code in [4008, 1000, 0] {
            assert!(reading.disconnects.contains(&(code, 1)), "{code}");
        }
        assert!(reading.commands.contains(&(Some(ErrorCode::Gone), 1)));
    }
}
