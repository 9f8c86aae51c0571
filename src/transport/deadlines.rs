//! When a client of Socket.IO is to have done what it has to. One timer a session, however often its deadlines are set and lifted.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::actors::engineio::wire::{Ending, Wire};
use crate::protocol::close::Close;
use crate::protocol::socketio::{ATTACHMENTS_TIMEOUT, CONNECT_TIMEOUT};

#[derive(Default)]
pub struct Deadlines {
    due: Rc<Due>,
    timer: RefCell<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Due {
    /// To be in a namespace.
    connect: Cell<Option<Instant>>,
    /// To have sent the rest of a packet.
    attachments: Cell<Option<Instant>>,
}

impl Deadlines {
    /// The client is to connect in time.
    pub fn start(&self, wire: &Rc<Wire>) {
        self.set(true, false);
        let timer = actix::spawn(self.due.clone().watch(Rc::downgrade(wire)));
        self.timer.replace(Some(timer));
    }

    pub fn stop(&self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }

    /// Each runs from where its wait began.
    pub fn set(&self, is_outside: bool, is_waiting: bool) {
        let set = |deadline: &Cell<Option<Instant>>, is_due: bool, timeout: Duration| {
            let running = deadline.get().filter(|_| is_due);
            deadline.set(running.or_else(|| is_due.then(|| Instant::now() + timeout)));
        };
        set(&self.due.connect, is_outside, CONNECT_TIMEOUT);
        set(&self.due.attachments, is_waiting, ATTACHMENTS_TIMEOUT);
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Due {
    async fn watch(self: Rc<Self>, wire: Weak<Wire>) {
        /// No deadline that is set meanwhile is earlier.
        const LONGEST_SLEEP: Duration =
            if CONNECT_TIMEOUT.as_secs() < ATTACHMENTS_TIMEOUT.as_secs() { CONNECT_TIMEOUT } else { ATTACHMENTS_TIMEOUT };
        loop {
            let now = Instant::now();
            let next = [self.connect.get(), self.attachments.get()].into_iter().flatten().min();
            if next.is_some_and(|next| next <= now) {
                if let Some(wire) = wire.upgrade() {
                    wire.close(Ending::Goodbye(Close::ProtocolError));
                }
                return;
            }
            let until = next.map_or(now + LONGEST_SLEEP, |next| next.min(now + LONGEST_SLEEP));
            tokio::time::sleep_until(until.into()).await;
        }
    }
}
