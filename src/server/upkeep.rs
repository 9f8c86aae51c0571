//! What is done again and again while the server runs: sessions are read again, old rows go, the lease is renewed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Node, Running};
use crate::actors::clock;
use crate::actors::executor::Database;
use crate::actors::hub::{Hubs, ListSessions, SessionsRead};
use crate::cluster::node::{self, Lease};
use crate::store::accounts::still_valid;
use crate::store::journal::prune;
use crate::store::recovery;

/// A session that ended elsewhere is noticed after this time at the latest, and so is one that expired.
const SESSIONS_EVERY: Duration = Duration::from_secs(10);
/// Sessions of one query.
const SESSIONS_PER_QUERY: usize = 500;
const PRUNE_EVERY: Duration = Duration::from_secs(60);

pub(super) fn start(running: &Running) {
    actix::spawn(read_sessions_again(running.database.clone(), running.hubs.clone()));
    actix::spawn(forget_old_rows(running.database.clone(), running.settings.journal_retention));
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
