//! DbExecutor: the threads on which the database is used. Nothing else in the process blocks.
//!
//! [`Database`] is what the rest of the program holds. Reads go to a pool of threads, each taking a connection from the r2d2 pool. Writes go there too
//! on PostgreSQL; on SQLite, which has one writer at a time, they queue for the one writing thread, which is the journal's.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use diesel::QueryResult;
use tokio::sync::{Semaphore, oneshot};

use crate::actors::clock;
use crate::actors::counts::Counts;
use crate::protocol::limits::DATABASE_JOBS_MAX;
use crate::protocol::time::Timestamp;
use crate::store::db::Db;
use crate::store::fault::Fault;
use crate::store::pool::{self, DatabaseUrl, Pool, PooledDb};

/// How long a caller waits for its turn before it is told that the database is busy.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a job gave no answer.
#[derive(Debug)]
pub enum StoreError {
    /// Too many jobs wait already.
    Busy,
    /// No connection, or it was lost on the way: what was to be written may or may not have been.
    Unavailable,
    /// The database is there and refused.
    Failed(diesel::result::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Busy => f.write_str("too many jobs wait for the database"),
            StoreError::Unavailable => f.write_str("the database cannot be reached"),
            StoreError::Failed(error) => write!(f, "the database refused: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        match Fault::of(&error) {
            Fault::Lost => StoreError::Unavailable,
            Fault::Busy => StoreError::Busy,
            _ => StoreError::Failed(error),
        }
    }
}

/// One thread's way to a connection.
enum Source {
    Pool {
        pool: Pool,
        outage: Arc<Outage>,
    },
    /// The thread's own, opened at its first use and again after it broke.
    Own {
        url: DatabaseUrl,
        open: Option<Db>,
    },
}

/// A thread that runs jobs against the database, one at a time.
pub struct DbExecutor {
    source: Source,
}

impl DbExecutor {
    /// `threads` threads that share a pool.
    pub fn pooled(pool: Pool, threads: usize) -> Addr<Self> {
        let outage = Arc::new(Outage::default());
        SyncArbiter::start(threads, move || Self { source: Source::Pool { pool: pool.clone(), outage: outage.clone() } })
    }

    /// One thread with a connection of its own, which may write.
    pub fn writer(url: DatabaseUrl) -> Addr<Self> {
        SyncArbiter::start(1, move || Self { source: Source::Own { url: url.clone(), open: None } })
    }

    /// Runs `work` with a connection. A panic in it costs the connection, not the thread: a SyncArbiter's thread that panics never returns.
    fn run<T>(&mut self, work: impl FnOnce(&mut Db) -> T) -> Result<T, StoreError> {
        match &mut self.source {
            Source::Pool { pool, outage } => {
                let mut db = check_out(pool, outage)?;
                let value = catch_unwind(AssertUnwindSafe(|| work(&mut db))).map_err(panicked);
                if db.is_broken() {
                    outage.begin();
                }
                value
            }
            Source::Own { url, open } => {
                let mut db = match open.take() {
                    Some(db) => db,
                    None => pool::open_writer(url).map_err(|error| {
                        log::debug!("no connection for writing: {error}");
                        StoreError::Unavailable
                    })?,
                };
                let value = catch_unwind(AssertUnwindSafe(|| work(&mut db))).map_err(panicked)?;
                if !db.is_broken() {
                    *open = Some(db);
                }
                Ok(value)
            }
        }
    }
}

/// When a connection was last found broken. The others of the pool may have broken with it: for a while each is tried before it is used, so that what
/// comes after an outage does not fail for what the outage did.
#[derive(Default)]
struct Outage {
    /// Milliseconds; 0 when there was none.
    seen_at: AtomicI64,
}

/// By then every connection of the pool has been used, or a client has waited longer than it would.
const DISTRUST: Duration = Duration::from_secs(60);

impl Outage {
    fn begin(&self) {
        self.seen_at.store(clock::now().ms(), Ordering::Relaxed);
    }

    fn is_recent(&self) -> bool {
        clock::now().since(Timestamp::from_ms(self.seen_at.load(Ordering::Relaxed))) < DISTRUST
    }
}

fn check_out(pool: &Pool, outage: &Outage) -> Result<PooledDb, StoreError> {
    // As many as the pool may hold, and one that is new.
    for _ in 0..=pool.max_size() {
        let mut db = pool.get().map_err(|_| {
            outage.begin();
            StoreError::Unavailable
        })?;
        if !outage.is_recent() || db.ping().is_ok() {
            return Ok(db);
        }
    }
    Err(StoreError::Unavailable)
}

fn panicked(payload: Box<dyn Any + Send>) -> StoreError {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    log::error!("a database job panicked: {}", text.unwrap_or("no message"));
    StoreError::Unavailable
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

type Work = Box<dyn FnOnce(&mut DbExecutor) + Send>;

/// Work for a thread; whoever sends it has put a way back for the answer into it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Job(Work);

impl Handler<Job> for DbExecutor {
    type Result = ();

    fn handle(&mut self, Job(work): Job, _: &mut Self::Context) {
        work(self);
    }
}

/// Sends `work` to a thread and waits for its answer. The executor's queue has no bound of its own: callers bring one.
pub async fn on_thread<T: Send + 'static>(
    thread: &Addr<DbExecutor>,
    work: impl FnOnce(&mut Db) -> T + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    thread.do_send(Job(Box::new(move |executor| {
        // Also getting a connection may panic: no thread is ever lost.
        let done = catch_unwind(AssertUnwindSafe(|| executor.run(work))).unwrap_or_else(|payload| Err(panicked(payload)));
        // The one who asked may have gone meanwhile; the work is done all the same.
        let _ = answer.send(done);
    })));
    answered.await.unwrap_or(Err(StoreError::Unavailable))
}

/// The database, for whoever may wait for an answer. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    readers: Addr<DbExecutor>,
    writer: Addr<DbExecutor>,
    turns: Arc<Semaphore>,
    counts: Arc<Counts>,
}

impl Database {
    /// `writer` is the journal's thread on SQLite, `readers` itself on PostgreSQL.
    pub fn new(readers: Addr<DbExecutor>, writer: Addr<DbExecutor>, counts: Arc<Counts>) -> Self {
        Self { readers, writer, turns: Arc::new(Semaphore::new(DATABASE_JOBS_MAX)), counts }
    }

    /// Runs a job that only reads.
    pub async fn read<T: Send + 'static>(&self, job: impl FnOnce(&mut Db) -> QueryResult<T> + Send + 'static) -> Result<T, StoreError> {
        self.run(&self.readers, job).await
    }

    /// Runs a job that writes. It is no transaction by itself: the job calls [`Db::write`] when it needs one.
    pub async fn write<T: Send + 'static>(&self, job: impl FnOnce(&mut Db) -> QueryResult<T> + Send + 'static) -> Result<T, StoreError> {
        self.run(&self.writer, job).await
    }

    async fn run<T: Send + 'static>(
        &self,
        thread: &Addr<DbExecutor>,
        job: impl FnOnce(&mut Db) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(StoreError::Busy) };
        // The turn travels with the job: a caller who goes away does not let another one in before the work is done.
        let work = move |db: &mut Db| {
            let _turn = turn;
            job(db)
        };
        let outcome = on_thread(thread, work).await.and_then(|done| done.map_err(StoreError::from));
        self.counts.database_job(matches!(outcome, Err(StoreError::Unavailable)));
        outcome
    }
}
