//! Going down: nothing that was acknowledged is lost, and everybody is told.
//!
//! 1. commands and new sockets are refused, and `/api/ready` says so; 2. what was decided becomes durable; 3. sockets are closed in batches with 1001;
//! 4. what Socket.IO clients need to go on is written; 5. the HTTP server stops; 6. the node gives its rooms free.
//!
//! What does not fit into `SHUTDOWN_TIMEOUT` is cut off, which is as safe as kill -9. A socket whose client does not answer the Close frame takes up all
//! the time that the third step has, so the fourth has its own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Running;
use crate::actors::hub::CloseSome;
use crate::actors::journal::Drain;
use crate::cluster::node;
use crate::protocol::close::Close;

/// Sockets of one thread that are closed at once, and the pause after them: clients come back spread over time.
const BATCH: usize = 250;
const PAUSE: Duration = Duration::from_millis(50);
/// By which tenth of `SHUTDOWN_TIMEOUT` a step is cut off: a database that hangs must not keep the clients from being told.
const WRITTEN_BY: u32 = 5;
const CLOSED_BY: u32 = 7;
const STORED_BY: u32 = 8;
const STOPPED_BY: u32 = 9;

pub(super) async fn drain(running: Running) {
    let began = Instant::now();
    let by = |tenths| began + running.settings.shutdown_timeout * tenths / 10;
    log::info!("going down");
    running.readiness.set_draining();
    running.room_context.draining.store(true, Ordering::Relaxed);
    step("not all that was decided is written", by(WRITTEN_BY), write_all(&running)).await;
    step("not every socket was closed", by(CLOSED_BY), close_sockets(&running)).await;
    step("not every connection can be taken up again", by(STORED_BY), store_recoveries(&running)).await;
    step("the HTTP server did not stop", by(STOPPED_BY), running.server.stop(false)).await;
    step("the node did not give its rooms free", by(10), give_free(&running)).await;
    log::info!("down after {:?}", began.elapsed());
}

async fn step<T>(otherwise: &str, deadline: Instant, step: impl Future<Output = T>) {
    if tokio::time::timeout_at(deadline, step).await.is_err() {
        log::warn!("{otherwise} in time");
    }
}

async fn write_all(running: &Running) {
    let (written, all_written) = oneshot::channel();
    running.journal.do_send(Drain(written));
    let _ = all_written.await;
}

/// Who comes back to the next process goes on where he was.
async fn store_recoveries(running: &Running) {
    if let Some(recoveries) = &running.recoveries {
        recoveries.store(&running.database).await;
    }
}

async fn give_free(running: &Running) {
    let id = running.node.id.clone();
    let _ = running.database.write(move |db| node::end(db, &id)).await;
}

async fn close_sockets(running: &Running) {
    running.engines.iter().for_each(|engine| engine.sessions.drain());
    let mut open = true;
    while open {
        open = false;
        for hub in running.hubs.all() {
            open |= hub.addr.send(CloseSome(BATCH, Close::Restarting)).await.is_ok_and(|left| left > 0);
        }
        for engine in &running.engines {
            open |= engine.sessions.cut_some(BATCH) > 0;
        }
        if open {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
