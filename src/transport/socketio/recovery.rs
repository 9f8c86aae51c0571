//! Connections that may be taken up again: those that live, and those whose transport was lost a moment ago.
//!
//! A `pid` is a secret that names a connection; it is good for one recovery. Where its client was is known by offsets ([`Offsets`]), and the rooms have
//! what it missed, so nothing of what was said is kept here. When the server goes down all of it is written to the database, and who comes back to
//! the next process goes on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::actors::clock;
use crate::actors::executor::Database;
use crate::actors::hub::{CloseOne, HubRef};
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::ids::UserId;
use crate::store::recovery;
use crate::transport::socketio::left::Left;
use crate::transport::socketio::offsets::{Offsets, StoredOffsets};

/// How long a connection can be taken up after its transport was lost.
pub const RECOVERY_SPAN: Duration = Duration::from_secs(120);
/// Connections that are kept for their clients; beyond, the oldest is given up.
const KEPT_MAX: usize = 20_000;
/// Changes that are remembered of all of them together.
const KEPT_ENTRIES_MAX: usize = 500_000;

/// What is kept of a connection.
#[derive(Clone, Debug)]
pub struct Kept {
    pub user: UserId,
    /// The public id of the connection, which stays.
    pub sid: String,
    /// It wanted the positions of its circles.
    pub subscribed: bool,
    pub offsets: Offsets,
    pub left: Left,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    user: UserId,
    sid: String,
    subscribed: bool,
    offsets: StoredOffsets,
    #[serde(default)]
    left: Left,
}

/// A `pid` is a bearer secret: it is known here, and written down, only by its hash with the user. So it is worth nothing to anybody else.
type PidHash = String;

#[derive(Default)]
struct State {
    live: HashMap<PidHash, (ConnectionId, HubRef)>,
    kept: HashMap<PidHash, (Instant, Kept)>,
    /// In the order in which they were lost; some of them may have been taken since.
    oldest_first: VecDeque<(Instant, PidHash)>,
    entries: usize,
}

pub struct Recoveries {
    began: Instant,
    state: Mutex<State>,
}

impl Default for Recoveries {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default() }
    }
}

impl Recoveries {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No step between lock and unlock can leave the maps half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection can be taken over by whoever knows its pid.
    pub fn live(&self, pid: &str, user: &UserId, connection: ConnectionId, hub: HubRef) {
        self.lock().live.insert(hash(pid, user), (connection, hub));
    }

    /// A connection has ended for good.
    pub fn forget(&self, pid: &str, user: &UserId) {
        self.lock().live.remove(&hash(pid, user));
    }

    /// A connection has lost its transport.
    pub fn keep(&self, pid: &str, kept: Kept) {
        let (pid, now) = (hash(pid, &kept.user), Instant::now());
        let mut state = self.lock();
        state.live.remove(&pid);
        state.entries += kept.offsets.len();
        state.oldest_first.push_back((now, pid.clone()));
        state.kept.insert(pid, (now, kept));
        state.forget_old(now);
    }

    /// The user's connection of this pid. It cannot be taken again, and if it still lives it ends.
    pub async fn take(&self, pid: &str, user: &UserId, database: &Database, arrived_after: Duration) -> Option<Kept> {
        let pid = hash(pid, user);
        let live = self.lock().live.get(&pid).cloned();
        if let Some((connection, hub)) = live {
            // It ends before the hub answers, and has been kept then.
            hub.addr.send(CloseOne(connection, Close::Replaced)).await.ok()?;
        }
        let known = self.lock().take(&pid);
        match known {
            Some(kept) => Some(kept),
            None if self.began.elapsed() > RECOVERY_SPAN => None,
            None => read(pid, database, arrived_after).await,
        }
    }

    /// Writes down all that is kept, for the process that comes after this one.
    pub async fn store(&self, database: &Database) {
        let rows: Vec<recovery::SavedSocket> = {
            let mut state = self.lock();
            let now = Instant::now();
            state.forget_old(now);
            state.kept.drain().filter_map(|(pid_hash, (lost_at, kept))| row(pid_hash, kept, lost_at, now)).collect()
        };
        if rows.is_empty() {
            return;
        }
        let count = rows.len();
        match database.write(move |db| recovery::save(db, &rows)).await {
            Ok(()) => log::info!("{count} connections can be taken up again after the restart"),
            Err(error) => log::warn!("connections cannot be taken up again after the restart: {error}"),
        }
    }
}

impl State {
    fn take(&mut self, pid: &str) -> Option<Kept> {
        let (lost_at, kept) = self.kept.remove(pid)?;
        self.entries -= kept.offsets.len();
        (lost_at.elapsed() <= RECOVERY_SPAN).then_some(kept)
    }

    fn forget_old(&mut self, now: Instant) {
        let is_over = |state: &Self, lost_at: Instant| {
            now.duration_since(lost_at) > RECOVERY_SPAN || state.kept.len() > KEPT_MAX || state.entries > KEPT_ENTRIES_MAX
        };
        while let Some((lost_at, pid)) = self.oldest_first.front() {
            let is_stale = self.kept.get(pid).is_none_or(|(at, _)| at != lost_at);
            if !is_stale && !is_over(self, *lost_at) {
                return;
            }
            let Some((_, pid)) = self.oldest_first.pop_front() else { return };
            if !is_stale && let Some((_, kept)) = self.kept.remove(&pid) {
                self.entries -= kept.offsets.len();
            }
        }
    }
}

fn row(pid_hash: PidHash, kept: Kept, lost_at: Instant, now: Instant) -> Option<recovery::SavedSocket> {
    let Kept { user, sid, subscribed, offsets, left } = kept;
    let state = serde_json::to_vec(&Stored { user, sid, subscribed, offsets: offsets.to_stored(), left }).ok()?;
    let left = RECOVERY_SPAN.checked_sub(now.duration_since(lost_at))?;
    Some(recovery::SavedSocket { pid_hash, state, expires_at: clock::now().plus(left) })
}

async fn read(pid: PidHash, database: &Database, arrived_after: Duration) -> Option<Kept> {
    let bytes = database.write(move |db| recovery::take(db, &pid, clock::now())).await.ok()??;
    let Stored { user, sid, subscribed, offsets, left } = serde_json::from_slice(&bytes).ok()?;
    let offsets = Offsets::from_stored(offsets, arrived_after, Instant::now())?;
    Some(Kept { user, sid, subscribed, offsets, left })
}

fn hash(pid: &str, user: &UserId) -> PidHash {
    Sha256::digest(format!("{user}\0{pid}")).iter().map(|byte| format!("{byte:02x}")).collect()
}
