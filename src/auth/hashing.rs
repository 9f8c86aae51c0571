//! Where passwords are hashed: on blocking threads, never on one that serves sockets, and only so many at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Hashes that may wait for their turn; with more the caller is told to come again. At 50 ms each that is a wait of a few seconds.
pub const WAITING_MAX: usize = 64;

/// Bounds the hashes that run, each of which takes 32 MiB, and those that wait. Cheap to clone.
#[derive(Clone)]
pub struct Hasher {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// Too many hashes wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

impl Hasher {
    /// At most `at_once` hashes run at the same time.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self { places: Arc::new(Semaphore::new(at_once + WAITING_MAX)), turns: Arc::new(Semaphore::new(at_once)) }
    }

    /// Runs `work` on a blocking thread when its turn comes.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Overloaded> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Overloaded)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Overloaded)?;
        // Place and turn travel with the work: a client who hangs up does not let another hash start before this one is done.
        let work = move || {
            let _held = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            log::error!("a hash did not end: {error}");
            Overloaded
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn no_more_hashes_run_at_once_than_are_allowed() {
        let hasher = Hasher::new(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..20).map(|_| {
            let (running, most) = (running.clone(), most.clone());
            hasher.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        assert!(join_all(jobs).await.iter().all(Result::is_ok));
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_is_sent_away_at_once() {
        let hasher = Hasher::new(1);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let blocked = hasher.run(move || released.recv().is_ok());
        let waiting = join_all((0..WAITING_MAX).map(|_| hasher.run(|| ())));
        let late = async {
            assert_eq!(hasher.run(|| ()).await, Err(Overloaded));
            release.send(()).expect("the first hash waits for it");
        };
        let (first, others, ()) = tokio::join!(blocked, waiting, late);
        assert_eq!(first, Ok(true));
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(hasher.run(|| 1).await, Ok(1));
    }
}
