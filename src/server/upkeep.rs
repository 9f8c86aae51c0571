//! What is done again and again while the server runs: sessions are read again, old rows go, the lease is renewed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Node, Running};
use crate::actors::clock;
use crate::actors::counts::Counts;
use crate::actors::executor::{Database, StoreError};
use crate::actors::hub::{Hubs, ListSessions, SessionsRead};
use crate::actors::lobby::Rooms;
use crate::cluster::node::{self, Lease};
use crate::protocol::circle::Command;
use crate::protocol::ids::RoomId;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::Circle;
use crate::store::accounts::still_valid;
use crate::store::circles::points;
use crate::store::journal::prune;
use crate::store::recovery;

/// A session that ended elsewhere is noticed after this time at the latest, and so is one that expired.
const SESSIONS_EVERY: Duration = Duration::from_secs(10);
/// Sessions of one query.
const SESSIONS_PER_QUERY: usize = 500;
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const LOCATIONS_EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn start(running: &Running) {
    actix::spawn(read_sessions_again(running.database.clone(), running.hubs.clone()));
    actix::spawn(forget_old_rows(running.database.clone(), running.settings.journal_retention));
    let retention = DAY * running.settings.location_retention_days;
    actix::spawn(expire_locations(running.database.clone(), running.rooms.clone(), running.room_context.counts.clone(), retention));
    actix::spawn(keep_lease(running.database.clone(), running.node.clone()));
}

async fn read_sessions_again(database: Database, hubs: Arc<Hubs>) {
    loop {
        tokio::time::sleep(SESSIONS_EVERY).await;
        for hub in hubs.all() {
            let Ok(sessions) = hub.addr.send(ListSessions).await else { continue };
            for some in sessions.chunks(SESSIONS_PER_QUERY) {
                let asked: Arc<Vec<String>> = Arc::new(some.iter().map(|(id, _)| id.clone()).collect());
                let ids = asked.clone();
                // A database that cannot be read ends nobody's session.
                let Ok(valid) = database.read(move |db| still_valid(db, &ids)).await else { break };
                let now = clock::now();
                let valid_until: HashMap<String, _> = valid.into_iter().filter(|(_, expires_at)| *expires_at > now).collect();
                hub.addr.do_send(SessionsRead { asked, valid_until: Arc::new(valid_until) });
            }
        }
    }
}

async fn forget_old_rows(database: Database, retention: Duration) {
    loop {
        tokio::time::sleep(PRUNE_EVERY).await;
        while let Ok(pruned) = database.write(move |db| prune(db, clock::now(), retention)).await {
            if !pruned.more {
                break;
            }
        }
        // Its rows are few; what is left of them goes the next time.
        let _ = database.write(|db| recovery::prune(db, clock::now())).await;
    }
}

/// Points of circles that are too old go, at the start and every hour.
async fn expire_locations(database: Database, rooms: Rooms, counts: Arc<Counts>, retention: Duration) {
    loop {
        match expired_locations(&database, &rooms, clock::now().minus(retention)).await {
            Ok(Expired { deleted: 0, left: 0, .. }) => {}
            Ok(Expired { deleted, left: 0, circles }) => {
                log::info!("{deleted} locations of {circles} circles were deleted for their age; none that is older is left");
                counts.locations_expired(deleted);
            }
            Ok(Expired { deleted, left, circles }) => {
                log::warn!("{deleted} locations of {circles} circles were deleted for their age; {left} are left for the next time");
                counts.locations_expired(deleted);
            }
            Err(error) => log::warn!("old locations could not be deleted: {error}"),
        }
        tokio::time::sleep(LOCATIONS_EVERY).await;
    }
}

struct Expired {
    circles: usize,
    deleted: u64,
    /// Points that should be gone, and are counted to be there.
    left: u64,
}

/// Each room has the old points of its circle deleted, some at a time, until none is counted.
async fn expired_locations(database: &Database, rooms: &Rooms, before: Timestamp) -> Result<Expired, StoreError> {
    let circles = database.read(move |db| points::circles_with_older(db, before)).await?;
    let mut expired = Expired { circles: circles.len(), deleted: 0, left: 0 };
    for circle in circles {
        let room = RoomId::circle(&circle);
        let count = || {
            let circle = circle.clone();
            database.read(move |db| points::count_older(db, &circle, before))
        };
        let mut left = count().await?;
        while left > 0 {
            if let Err(rejection) = rooms.command::<Circle>(&room, None, Command::Expire { before }).await {
                log::warn!("a circle kept its old locations: {rejection}");
                break;
            }
            let now_left = count().await?;
            expired.deleted += (left - now_left).max(0).unsigned_abs();
            if now_left >= left {
                break;
            }
            left = now_left;
        }
        expired.left += count().await?.max(0).unsigned_abs();
    }
    Ok(expired)
}

/// A lease that has lapsed, because the database was away, is taken up again: what another node may have taken meanwhile is guarded by the epochs, not by
/// the lease.
async fn keep_lease(database: Database, node: Node) {
    loop {
        tokio::time::sleep(node::RENEW_EVERY).await;
        let Node { id, addr, secret_hash } = node.clone();
        let renewed = database.write(move |db| match node::renew(db, &id)? {
            Lease::Renewed => Ok(()),
            Lease::Lapsed => {
                log::warn!("the lease of this node had lapsed; it is taken up again");
                node::take_up_again(db, &id, &addr, &secret_hash)
            }
        });
        if let Err(error) = renewed.await {
            log::debug!("the lease of this node was not renewed: {error}");
        }
    }
}
