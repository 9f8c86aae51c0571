//! A session as its thread knows it: what the hub of that thread and the upper write to.
//!
//! It holds the transport and decides what goes where. It calls nobody: what follows from a change (an answer to a waiting GET, the upper's last call,
//! a timer) is the session actor's, which is woken for it. So the upper may write from within its own calls.

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use actix::Addr;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::actors::engineio::polling::{Duplicate, Polled, Polling, Upgrade, packet};
use crate::actors::engineio::session::{Session, Settle};
use crate::actors::engineio::socket::Socket;
use crate::actors::engineio::upper::{Gone, Message};
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::engineio::{CLOSE, NOOP, Outgoing, PONG_PROBE, Refusal};

/// Time that a client has from the WebSocket's opening to the end of the upgrade.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a client has to fetch what was sent before a goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that polls is behind when more than this waits for its next GET.
const BEHIND_BYTES: usize = 64 * 1024;

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

pub struct Wire {
    id: ConnectionId,
    sid: String,
    queue_bytes_max: usize,
    session: Addr<Session>,
    woken: Cell<bool>,
    state: RefCell<State>,
}

/// Which part a WebSocket has in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Carrier,
    Upgrade,
    /// None any more.
    Leaving,
}

impl Wire {
    pub(super) fn polling(sid: String, queue_bytes_max: usize, session: Addr<Session>) -> Self {
        Self::new(sid, queue_bytes_max, session, Carrier::Polling(Polling::default()))
    }

    pub(super) fn socket(sid: String, queue_bytes_max: usize, session: Addr<Session>, id: ConnectionId, stream: TcpStream) -> Self {
        Self::new(sid, queue_bytes_max, session, Carrier::Socket(Socket::new(id, stream, queue_bytes_max)))
    }

    fn new(sid: String, queue_bytes_max: usize, session: Addr<Session>, carrier: Carrier) -> Self {
        let state = State { phase: Phase::Open, carrier, leaving: Vec::new(), gone: None };
        Self { id: ConnectionId::next(), sid, queue_bytes_max, session, woken: Cell::new(false), state: RefCell::new(state) }
    }

    pub(super) fn session(&self) -> &Addr<Session> {
        &self.session
    }

    /// The session's number in this process, for logs and maps. The sid is a secret, this is none.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The bearer secret of the session: never shown to others, never logged.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// False from the moment when the session ends, which may be before [`Upper::closed`](super::upper::Upper::closed) is called.
    pub fn is_open(&self) -> bool {
        self.state.borrow().phase == Phase::Open
    }

    /// True when more waits for the client than it takes at once.
    pub fn is_behind(&self) -> bool {
        match &self.state.borrow().carrier {
            Carrier::Socket(socket) => socket.outbox.is_behind(),
            Carrier::Polling(polling) => polling.buffer.bytes() > BEHIND_BYTES,
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
                if !polling.buffer.has_room(unit, self.queue_bytes_max) {
                    polling.flush(Instant::now());
                }
                let fits = polling.buffer.has_room(unit, self.queue_bytes_max);
                if fits {
                    polling.buffer.push(unit, true);
                    self.wake_for(polling);
                }
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
        self.end(&mut self.state.borrow_mut(), Gone::Closed(close), last);
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
            self.session.do_send(Settle);
        }
    }

    /// What the session does at the end of each turn: answers the GET that waits. Gives what the upper has to be told, once.
    pub(super) fn settle(&self, now: Instant) -> Option<Gone> {
        self.woken.set(false);
        let mut state = self.state.borrow_mut();
        if let Phase::Leaving { until } = state.phase
            && until <= now
        {
            state.phase = Phase::Ended;
            state.carrier = Carrier::Polling(Polling::default());
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

    /// A GET that waits for packets.
    pub(super) fn poll(&self, answer: oneshot::Sender<Polled>, now: Instant) {
        let mut state = self.state.borrow_mut();
        let outcome = match (state.phase, &mut state.carrier) {
            // The sender hears it from its end being dropped.
            (Phase::Ended, _) => return,
            (_, Carrier::Socket(_)) => {
                let _ = answer.send(Err(Refusal::BadRequest));
                return;
            }
            (_, Carrier::Polling(polling)) => polling.wait(answer, now),
        };
        if let Err(Duplicate { first, second }) = outcome {
            first.answer(Ok(CLOSE.to_owned()));
            second.answer(Err(Refusal::BadRequest));
            self.end(&mut state, Gone::Closed(Close::ProtocolError), Last::Nothing);
        }
    }

    /// A POST begins; its body is read next.
    pub(super) fn begin_post(&self) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        if !std::mem::replace(&mut polling_of(&mut state)?.posting, true) {
            return Ok(());
        }
        self.end(&mut state, Gone::Closed(Close::ProtocolError), Last::Packet(CLOSE));
        Err(Refusal::BadRequest)
    }

    pub(super) fn end_post(&self) {
        if let Carrier::Polling(polling) = &mut self.state.borrow_mut().carrier {
            polling.posting = false;
        }
    }

    /// Whether packets that came by a POST may be handled.
    pub(super) fn check_post(&self) -> Result<(), Refusal> {
        polling_of(&mut self.state.borrow_mut()).map(|_| ())
    }

    /// A client that polls tries a WebSocket. One that is not wanted is closed, and the session goes on; false then.
    pub(super) fn attach(&self, id: ConnectionId, stream: TcpStream, now: Instant) -> bool {
        let socket = Socket::new(id, stream, self.queue_bytes_max);
        let mut state = self.state.borrow_mut();
        if let (Phase::Open, Carrier::Polling(polling @ Polling { upgrade: None, .. })) = (state.phase, &mut state.carrier) {
            polling.upgrade = Some(Upgrade { socket, probed: false, deadline: now + UPGRADE_TIMEOUT });
            return true;
        }
        socket.close(Close::Normal);
        state.leaving.push(socket);
        false
    }

    pub(super) fn role_of(&self, socket: ConnectionId) -> Role {
        match &self.state.borrow().carrier {
            Carrier::Socket(carrier) if carrier.id == socket => Role::Carrier,
            Carrier::Polling(Polling { upgrade: Some(upgrade), .. }) if upgrade.socket.id == socket => Role::Upgrade,
            _ => Role::Leaving,
        }
    }

    fn with_socket(&self, id: ConnectionId, work: impl FnOnce(&Socket)) {
        match &self.state.borrow().carrier {
            Carrier::Socket(socket) if socket.id == id => work(socket),
            Carrier::Polling(Polling { upgrade: Some(Upgrade { socket, .. }), .. }) if socket.id == id => work(socket),
            _ => {}
        }
    }

    /// A ping of the WebSocket protocol.
    pub(super) fn pong(&self, socket: ConnectionId, payload: &Bytes) {
        self.with_socket(socket, |socket| socket.pong(payload));
    }

    /// The client closed a WebSocket, with a Close frame that had this code or none.
    pub(super) fn echo_close(&self, socket: ConnectionId, code: Option<u16>) {
        self.with_socket(socket, |socket| socket.echo_close(code));
        match self.role_of(socket) {
            Role::Carrier => self.lost(),
            Role::Upgrade => self.fail_upgrade(Close::Normal),
            Role::Leaving => {}
        }
    }

    /// The WebSocket works in both directions.
    pub(super) fn probed(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(polling @ Polling { upgrade: Some(_), .. }) = &mut state.carrier else { return };
        if let Some(upgrade) = &mut polling.upgrade {
            upgrade.probed = true;
            // Nothing else is owed on it, so it cannot be too slow.
            let _ = upgrade.socket.control(PONG_PROBE);
        }
        polling.hurry(now);
    }

    /// The client goes on to the WebSocket. False when it has not tried it.
    pub(super) fn upgrade(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(polling) = &mut state.carrier else { return false };
        let Some(Upgrade { socket, .. }) = polling.upgrade.take_if(|upgrade| upgrade.probed) else { return false };
        polling.take_waiting().into_iter().for_each(|waiting| waiting.answer(Err(Refusal::BadRequest)));
        socket.feed(&polling.buffer.take());
        state.carrier = Carrier::Socket(socket);
        true
    }

    /// Closes the WebSocket only: the session goes on polling.
    pub(super) fn fail_upgrade(&self, close: Close) {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(polling) = &mut state.carrier else { return };
        let Some(upgrade) = polling.upgrade.take() else { return };
        upgrade.socket.close(close);
        state.leaving.push(upgrade.socket);
    }

    /// Nothing more comes on this WebSocket.
    pub(super) fn socket_ended(&self, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        match &mut state.carrier {
            Carrier::Socket(socket) if socket.id == id => {
                let gone = socket.outbox.close_reason().map_or(Gone::Lost, Gone::Closed);
                self.end(&mut state, gone, Last::Nothing);
            }
            Carrier::Polling(polling) => {
                let ended = polling.upgrade.take_if(|upgrade| upgrade.socket.id == id);
                ended.into_iter().for_each(|upgrade| upgrade.socket.outbox.forget());
            }
            Carrier::Socket(_) => {}
        }
        state.leaving.retain(|socket| {
            let stays = socket.id != id;
            if !stays {
                socket.outbox.forget();
            }
            stays
        });
    }
}

fn polling_of(state: &mut State) -> Result<&mut Polling, Refusal> {
    match (state.phase, &mut state.carrier) {
        (Phase::Open, Carrier::Polling(polling)) => Ok(polling),
        (Phase::Open, Carrier::Socket(_)) => Err(Refusal::BadRequest),
        _ => Err(Refusal::SessionIdUnknown),
    }
}

fn abandon(upgrade: Upgrade) -> Socket {
    upgrade.socket.close(Close::Normal);
    upgrade.socket
}
