//! Journal: collects the commits of all rooms while the last batch is being written, and writes them as one transaction (group commit).
//!
//! A room's commits go through one writer, chosen by the room's name, in order. While a writer is at work its queue grows; when it is done, all that
//! has come meanwhile is the next batch. So under load batches grow by themselves, and a lone command waits for nobody.
//!
//! The Journal decides nothing about failures but one thing: when a commit of a room has failed, the later ones of the same ownership fail untried. The
//! room then drops its state and is loaded anew, under a new epoch.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, Recipient, WrapFuture};

use crate::actors::counts::Counts;
use crate::actors::executor::{DbExecutor, StoreError, on_thread};
use crate::actors::vital::vital;
use crate::protocol::ids::RoomId;
use crate::store::journal::{Commit, Outcome, write_batch};

/// Commits of one transaction. More makes a batch take longer than what it saves.
const BATCH_MAX: usize = 256;
/// Rooms whose failure is remembered.
const FAILED_EPOCHS_MAX: usize = 10_000;

/// A commit to be written, and whom to tell.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Persist {
    pub commit: Commit,
    /// The room's own number for this commit.
    pub ticket: u64,
    pub room: Recipient<Persisted>,
}

/// What became of commits of one room, in the order of their tickets.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Persisted {
    /// The last of the commits that are durable.
    pub durable: Option<u64>,
    /// The first that is not, or of which nobody knows.
    pub failed: Option<(u64, Outcome)>,
    /// Under which ownership they were made.
    pub epoch: i64,
}

/// Answered when everything that was handed over before is written or has failed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain(pub tokio::sync::oneshot::Sender<()>);

struct Writer {
    thread: Addr<DbExecutor>,
    waiting: Vec<Persist>,
    busy: bool,
}

pub struct Journal {
    node: Arc<str>,
    writers: Vec<Writer>,
    /// The ownership under which a room's commit failed: nothing more is written under it.
    failed_epochs: HashMap<RoomId, i64>,
    drains: Vec<tokio::sync::oneshot::Sender<()>>,
    counts: Arc<Counts>,
    on_writes_fail: Box<dyn Fn(bool) + Send>,
}

impl Journal {
    /// `node` is this process in `room_owner`; each of `threads` has a connection of its own.
    pub fn new(node: Arc<str>, threads: Vec<Addr<DbExecutor>>, counts: Arc<Counts>) -> Self {
        let writers = threads.into_iter().map(|thread| Writer { thread, waiting: Vec::new(), busy: false }).collect();
        Self { node, writers, failed_epochs: HashMap::new(), drains: Vec::new(), counts, on_writes_fail: Box::new(|_| {}) }
    }

    /// `tell` hears after each batch whether the database failed it.
    pub fn on_writes_fail(mut self, tell: impl Fn(bool) + Send + 'static) -> Self {
        self.on_writes_fail = Box::new(tell);
        self
    }

    fn writer_of(&self, room: &RoomId) -> usize {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        hasher.finish() as usize % self.writers.len()
    }

    fn write_next(&mut self, index: usize, ctx: &mut Context<Self>) {
        let writer = &mut self.writers[index];
        if writer.busy || writer.waiting.is_empty() {
            return;
        }
        let rest = writer.waiting.split_off(writer.waiting.len().min(BATCH_MAX));
        let batch = std::mem::replace(&mut writer.waiting, rest);
        let (batch, doomed): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|persist| self.failed_epochs.get(&persist.commit.room) != Some(&persist.commit.epoch));
        tell_rooms(doomed.into_iter().map(|persist| (Told::of(&persist), Outcome::Failed("an earlier commit failed".into()))).collect());
        if batch.is_empty() {
            return self.write_next(index, ctx);
        }
        self.writers[index].busy = true;
        self.counts.batch(batch.len());

        let (told, commits): (Vec<Told>, Vec<Commit>) = batch.into_iter().map(|persist| (Told::of(&persist), persist.commit)).unzip();
        let node = self.node.clone();
        let thread = self.writers[index].thread.clone();
        let began = Instant::now();
        let written = async move { on_thread(&thread, move |db| write_batch(db, &node, &commits)).await };
        ctx.spawn(written.into_actor(self).map(move |outcomes, journal, ctx| {
            vital("the journal", || {
                journal.counts.commit_took(began.elapsed());
                journal.settle(told, outcomes);
                journal.writers[index].busy = false;
                journal.write_next(index, ctx);
                journal.answer_drains();
            });
        }));
    }

    fn settle(&mut self, told: Vec<Told>, outcomes: Result<Vec<Outcome>, StoreError>) {
        let outcomes = outcomes.unwrap_or_else(|error| {
            log::warn!("a batch of {} commits was not written: {error}", told.len());
            told.iter().map(|_| Outcome::Unknown).collect()
        });
        // That a room belongs to somebody else is no fault of the database.
        if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Fenced)) {
            (self.on_writes_fail)(!outcomes.contains(&Outcome::Done));
        }
        for (told, outcome) in told.iter().zip(&outcomes) {
            match outcome {
                Outcome::Done => {
                    self.failed_epochs.remove(&told.id);
                }
                failed => {
                    log::warn!("room={} epoch={} a commit failed: {failed:?}", told.id, told.epoch);
                    // The database refuses such commits by itself: forgetting some of them costs a statement, not a promise.
                    if self.failed_epochs.len() >= FAILED_EPOCHS_MAX {
                        self.failed_epochs.clear();
                    }
                    self.failed_epochs.insert(told.id.clone(), told.epoch);
                }
            }
        }
        tell_rooms(told.into_iter().zip(outcomes).collect());
    }

    fn answer_drains(&mut self) {
        if self.writers.iter().all(|writer| !writer.busy && writer.waiting.is_empty()) {
            self.drains.drain(..).for_each(|drain| {
                let _ = drain.send(());
            });
        }
    }
}

/// Whom to tell of a commit.
struct Told {
    id: RoomId,
    epoch: i64,
    ticket: u64,
    room: Recipient<Persisted>,
}

impl Told {
    fn of(persist: &Persist) -> Self {
        let commit = &persist.commit;
        Self { id: commit.room.clone(), epoch: commit.epoch, ticket: persist.ticket, room: persist.room.clone() }
    }
}

/// One message a room and ownership, however many of its commits were in the batch.
fn tell_rooms(outcomes: Vec<(Told, Outcome)>) {
    let mut by_room: HashMap<(RoomId, i64), (Recipient<Persisted>, Persisted)> = HashMap::new();
    for (told, outcome) in outcomes {
        let fresh = || (told.room.clone(), Persisted { durable: None, failed: None, epoch: told.epoch });
        let (_, persisted) = by_room.entry((told.id, told.epoch)).or_insert_with(fresh);
        match outcome {
            Outcome::Done if persisted.failed.is_none() => persisted.durable = Some(told.ticket),
            Outcome::Done => {}
            failed => {
                persisted.failed.get_or_insert((told.ticket, failed));
            }
        }
    }
    // A room has a bounded number of commits on the way, so this cannot fill its mailbox; a room that is gone needs no news.
    by_room.into_values().for_each(|(room, persisted)| room.do_send(persisted));
}

impl Actor for Journal {
    type Context = Context<Self>;
}

impl Handler<Persist> for Journal {
    type Result = ();

    fn handle(&mut self, persist: Persist, ctx: &mut Self::Context) {
        vital("the journal", || {
            let index = self.writer_of(&persist.commit.room);
            self.writers[index].waiting.push(persist);
            self.write_next(index, ctx);
        });
    }
}

impl Handler<Drain> for Journal {
    type Result = ();

    fn handle(&mut self, Drain(answer): Drain, _: &mut Self::Context) {
        self.drains.push(answer);
        self.answer_drains();
    }
}
