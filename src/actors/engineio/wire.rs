//! A session as its thread knows it: what the hub of that thread and the upper write to.
//!
//! It holds the transport and decides what goes where. It calls nobody: what follows from a change (an answer to a waiting GET, the upper's last call,
//! a timer) is the session actor's, which is woken for it. So the upper may write from within its own calls.

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::time::Instant;

use crate::actors::engineio::polling::{Polling, Upgrade, packet};
use crate::actors::engineio::session::Settle;
use crate::actors::engineio::sessions::Found;
use crate::actors::engineio::socket::{Socket, Together};
use crate::actors::engineio::upper::{Gone, Message};
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::engineio::{CLOSE, NOOP, Outgoing};
use crate::protocol::limits::GOODBYE_TIMEOUT;

mod requests;
mod sockets;

pub(in crate::actors::engineio) use sockets::Role;

/// How the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was sent before still arrives, then the goodbye: a close packet, or a Close frame with this code.
    Goodbye(Close),
    /// Without a word, so that the client comes back by itself: what a draining server does. A WebSocket is closed with this code.
    Cut(Close),
}

/// What a GET that waits is told at the end.
enum Last {
    /// What was sent, then the close packet; it may also come later for them.
    Goodbye,
    Packet(&'static str),
    Nothing,
}

enum Carrier {
    Polling(Polling),
    Socket(Socket),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The goodbye waits to be fetched.
    Leaving {
        until: Instant,
    },
    Ended,
}

struct State {
    phase: Phase,
    carrier: Carrier,
    /// Sockets that finish their goodbye.
    leaving: Vec<Socket>,
    /// What the upper has to be told.
    gone: Option<Gone>,
}

impl State {
    /// What waits to be fetched is fetched no more.
    fn give_up(&mut self) {
        self.phase = Phase::Ended;
        self.carrier = Carrier::Polling(Polling::default());
    }
}

thread_local! {
    /// What is being put together. Calls to a wire do not lie within each other.
    static TOGETHER: RefCell<Together> = RefCell::default();
}

/// Takes the texts of [`Wire::send_run`].
pub struct Run<'a>(Sink<'a>);

enum Sink<'a> {
    Socket(&'a mut Together),
    Polling {
        polling: &'a mut Polling,
        bytes_max: usize,
    },
    /// The session has ended, or what was given was too much.
    Nowhere,
}

impl Run<'_> {
    /// A message, in pieces like [`Message::Text`].
    pub fn text(&mut self, pieces: &[&str]) {
        match &mut self.0 {
            Sink::Socket(together) => together.text(pieces),
            Sink::Polling { polling, bytes_max } => {
                if !polling.take(&[Message::Text(pieces)], *bytes_max) {
                    self.0 = Sink::Nowhere;
                }
            }
            Sink::Nowhere => {}
        }
    }
}

pub struct Wire {
    id: ConnectionId,
    sid: String,
    queue_bytes_max: usize,
    found: Found,
    woken: Cell<bool>,
    state: RefCell<State>,
}

impl Wire {
    pub(super) fn polling(sid: String, queue_bytes_max: usize, found: Found) -> Self {
        Self::new(sid, queue_bytes_max, found, Carrier::Polling(Polling::default()))
    }

    pub(super) fn socket(sid: String, queue_bytes_max: usize, found: Found, id: ConnectionId, stream: TcpStream) -> Self {
        Self::new(sid, queue_bytes_max, found, Carrier::Socket(Socket::new(id, stream, queue_bytes_max)))
    }

    fn new(sid: String, queue_bytes_max: usize, found: Found, carrier: Carrier) -> Self {
        let state = State { phase: Phase::Open, carrier, leaving: Vec::new(), gone: None };
        Self { id: ConnectionId::next(), sid, queue_bytes_max, found, woken: Cell::new(false), state: RefCell::new(state) }
    }

    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// The session's number in this process, for logs and maps. The sid is a secret, this is none.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The bearer secret of the session: never shown to others, never logged.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Bytes that a message or a body may have from here on.
    pub fn limit_inbound(&self, bytes_max: usize) {
        self.found.limit_inbound(bytes_max);
    }

    /// False from the moment when the session ends, which may be before [`Upper::closed`](super::upper::Upper::closed) is called.
    pub fn is_open(&self) -> bool {
        self.state.borrow().phase == Phase::Open
    }

    /// True when more waits for the client than it takes at once.
    pub fn is_behind(&self) -> bool {
        match &self.state.borrow().carrier {
            Carrier::Socket(socket) => socket.outbox.is_behind(),
            // A GET that waits is answered in this turn, with all that is there for it. What waits for the next one is told later than now.
            Carrier::Polling(polling) => !polling.waits(),
        }
    }

    /// Sends messages as one unit: nothing comes between them. Who owes too much is dropped as too slow.
    pub fn send(&self, unit: &[Message<'_>]) {
        let mut state = self.state.borrow_mut();
        if state.phase != Phase::Open {
            return;
        }
        let too_slow = match &mut state.carrier {
            Carrier::Socket(socket) => socket.send(unit),
            Carrier::Polling(polling) => {
                let fits = polling.take(unit, self.queue_bytes_max);
                self.wake_for(polling);
                !fits
            }
        };
        if too_slow {
            self.end(&mut state, Gone::Closed(Close::TooSlow), Last::Packet(CLOSE));
        }
    }

    /// Sends the texts that `make` makes, each as a unit of its own; a socket gets them in one write. `make` is called in any case, and must not call
    /// the wire.
    pub fn send_run(&self, make: impl FnOnce(&mut Run<'_>)) {
        let mut state = self.state.borrow_mut();
        if state.phase != Phase::Open {
            return make(&mut Run(Sink::Nowhere));
        }
        let too_slow = match &mut state.carrier {
            Carrier::Socket(socket) => TOGETHER.with_borrow_mut(|together| {
                make(&mut Run(Sink::Socket(together)));
                socket.send_together(together)
            }),
            Carrier::Polling(polling) => {
                let mut run = Run(Sink::Polling { polling, bytes_max: self.queue_bytes_max });
                make(&mut run);
                let fits = !matches!(run.0, Sink::Nowhere);
                self.wake_for(polling);
                !fits
            }
        };
        if too_slow {
            self.end(&mut state, Gone::Closed(Close::TooSlow), Last::Packet(CLOSE));
        }
    }

    /// The same for what does not count against the bound of what may wait: state, and what was missed.
    pub fn feed(&self, unit: &[Message<'_>]) {
        let mut state = self.state.borrow_mut();
        if state.phase != Phase::Open {
            return;
        }
        match &mut state.carrier {
            Carrier::Socket(socket) => socket.feed(&unit.iter().map(packet).collect::<Vec<_>>()),
            Carrier::Polling(polling) => {
                polling.buffer.push(unit, false);
                self.wake_for(polling);
            }
        }
    }

    /// Ends the session. [`Upper::closed`](super::upper::Upper::closed) is called in a turn of its own.
    pub fn close(&self, ending: Ending) {
        let (close, last) = match ending {
            Ending::Goodbye(close) => (close, Last::Goodbye),
            Ending::Cut(close) => (close, Last::Nothing),
        };
        let mut state = self.state.borrow_mut();
        match (state.phase, last) {
            (Phase::Leaving { .. }, Last::Nothing) => {
                state.give_up();
                self.wake();
            }
            (_, last) => self.end(&mut state, Gone::Closed(close), last),
        }
    }

    /// Sends a packet that holds no message.
    pub(super) fn control(&self, packet: &'static str) {
        let mut state = self.state.borrow_mut();
        let too_slow = match &mut state.carrier {
            Carrier::Socket(socket) => socket.control(packet),
            Carrier::Polling(polling) => {
                polling.buffer.control(packet);
                self.wake_for(polling);
                false
            }
        };
        if too_slow {
            self.end(&mut state, Gone::Closed(Close::TooSlow), Last::Nothing);
        }
    }

    /// The open packet of a session that begins on a WebSocket.
    pub(super) fn send_open(&self, packet: String) {
        if let Carrier::Socket(socket) = &self.state.borrow().carrier {
            socket.feed([&Outgoing::Text(packet.into())]);
        }
    }

    /// The client broke the protocol.
    pub(super) fn violated(&self, close: Close) {
        self.end(&mut self.state.borrow_mut(), Gone::Closed(close), Last::Packet(CLOSE));
    }

    /// No pong came.
    pub(super) fn lost(&self) {
        self.end(&mut self.state.borrow_mut(), Gone::Lost, Last::Packet(CLOSE));
    }

    /// The client sent a close packet.
    pub(super) fn left(&self) {
        self.end(&mut self.state.borrow_mut(), Gone::Left, Last::Packet(NOOP));
    }

    fn end(&self, state: &mut State, gone: Gone, last: Last) {
        if state.phase != Phase::Open {
            return;
        }
        state.gone = Some(gone);
        let nothing = Carrier::Polling(Polling::default());
        match std::mem::replace(&mut state.carrier, nothing) {
            Carrier::Socket(socket) => {
                socket.close(if let Gone::Closed(close) = gone { close } else { Close::Normal });
                state.leaving.push(socket);
                state.phase = Phase::Ended;
            }
            Carrier::Polling(mut polling) => {
                state.leaving.extend(polling.upgrade.take().map(abandon));
                state.phase = Phase::Ended;
                match last {
                    Last::Goodbye => {
                        polling.buffer.control(CLOSE);
                        state.carrier = Carrier::Polling(polling);
                        state.phase = Phase::Leaving { until: Instant::now() + GOODBYE_TIMEOUT };
                    }
                    Last::Packet(packet) => {
                        polling.take_waiting().into_iter().for_each(|waiting| waiting.answer(Ok(packet.to_owned())));
                    }
                    Last::Nothing => {}
                }
            }
        }
        self.wake();
    }

    fn wake_for(&self, polling: &Polling) {
        if polling.waits() {
            self.wake();
        }
    }

    /// One message a turn, so nobody can fill the mailbox with it.
    fn wake(&self) {
        if !self.woken.replace(true) {
            self.found.session.do_send(Settle);
        }
    }

    /// What the session does at the end of each turn: answers the GET that waits. Gives what the upper has to be told, once.
    pub(super) fn settle(&self, now: Instant) -> Option<Gone> {
        self.woken.set(false);
        let mut state = self.state.borrow_mut();
        if let Phase::Leaving { until } = state.phase
            && until <= now
        {
            state.give_up();
        }
        let State { phase, carrier: Carrier::Polling(polling), leaving, .. } = &mut *state else { return state.gone.take() };
        if polling.upgrade.as_ref().is_some_and(|upgrade| upgrade.deadline <= now) {
            leaving.extend(polling.upgrade.take().map(abandon));
        }
        if polling.flush(now) && *phase != Phase::Open {
            *phase = Phase::Ended;
        }
        state.gone.take()
    }

    /// When [`Wire::settle`] has something to do that no message tells it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let until = if let Phase::Leaving { until } = state.phase { Some(until) } else { None };
        let Carrier::Polling(polling) = &state.carrier else { return until };
        let upgrade = polling.upgrade.as_ref().map(|upgrade| upgrade.deadline);
        [until, upgrade, polling.noop_at()].into_iter().flatten().min()
    }

    /// True when no request finds anything here any more.
    pub(super) fn has_ended(&self) -> bool {
        self.state.borrow().phase == Phase::Ended
    }

    /// True when also its sockets are gone.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Ended && state.leaving.is_empty()
    }
}

fn abandon(upgrade: Upgrade) -> Socket {
    upgrade.socket.close(Close::Normal);
    upgrade.socket
}
