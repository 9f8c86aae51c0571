//! Going down: nothing that was acknowledged is lost, and everybody is told.
//!
//! 1. commands and new sockets are refused, and `/api/ready` says so; 2. what was decided becomes durable; 3. sockets are closed in batches with 1001;
//! 4. the HTTP server stops; 5. the node gives its rooms free. What does not fit into `SHUTDOWN_TIMEOUT` is cut off, which is as safe as kill -9.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Running;
use crate::actors::hub::CloseSome;
use crate::actors::journal::Drain;
use crate::cluster::node;
use crate::protocol::close::Close;

/// Sockets of one thread that are closed at once, and the pause after them: clients come back spread over time.
const BATCH: usize = 250;
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn drain(running: Running) {
    let began = Instant::now();
    let timeout = running.settings.shutdown_timeout;
    log::info!("going down");
    if tokio::time::timeout(timeout, in_order(&running)).await.is_err() {
        log::warn!("not everything was closed within {timeout:?}");
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), running.server.stop(false)).await;
    let id = running.node.id.clone();
    let freed = running.database.write(move |db| node::end(db, &id));
    let _ = tokio::time::timeout(Duration::from_secs(2), freed).await;
    log::info!("down after {:?}", began.elapsed());
}

async fn in_order(running: &Running) {
    running.readiness.set_draining();
    running.room_context.draining.store(true, Ordering::Relaxed);
    let (written, all_written) = oneshot::channel();
    running.journal.do_send(Drain(written));
    let _ = all_written.await;
    close_sockets(running).await;
}

async fn close_sockets(running: &Running) {
    let mut open = true;
    while open {
        open = false;
        for hub in running.hubs.all() {
            open |= hub.addr.send(CloseSome(BATCH, Close::Restarting)).await.is_ok_and(|left| left > 0);
        }
        if open {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
