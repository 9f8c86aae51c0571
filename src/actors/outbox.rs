//! What one socket is owed, and how it gets it.
//!
//! Frames are written straight to a duplicate of the accepted socket, beside the HTTP dispatcher, which writes nothing of its own after the 101. As long
//! as the socket takes everything there is no queue at all. What it does not take waits here as shared bytes; who owes more than the bound, or takes
//! nothing for [`STALL_TIMEOUT`], is dropped: lag is solved by resuming with a cursor, not by queueing.
//!
//! Closing is a state: the Close frame goes in last, then the writing side is shut, then what the peer still sends is read and thrown away (else unread
//! input would turn the close into a reset, and the client would see 1006) until it says goodbye or [`CLOSE_TIMEOUT`] has passed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::protocol::close::Close;
use crate::protocol::frame;

/// Frames that may wait behind the one being written.
pub const FRAMES_OWED_MAX: u32 = 1_024;
/// How long a socket may take nothing of what it is owed.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closing handshake may take after the socket last took something.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A piece of what is owed: whole frames, but for what was written of the first.
struct Owed {
    bytes: Bytes,
    frames: u32,
    /// State and resume frames are fed as the socket takes them and do not count.
    counted: bool,
    /// An answer to this client, which no state of the room makes up for.
    answer: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    /// The Close frame is queued or written.
    Closing {
        since: Instant,
        shut: bool,
    },
    /// Nothing more is written, ever.
    Dead,
}

struct State {
    phase: Phase,
    /// The first is being written.
    queue: VecDeque<Owed>,
    /// While a resume is being read: what came after it.
    held: Option<VecDeque<Owed>>,
    /// Counted frames and bytes behind the first.
    frames: u32,
    bytes: usize,
    /// When the socket last took something, while anything is owed.
    progress: Instant,
    flushing: bool,
    /// Why the server ended it.
    reason: Option<Close>,
}

pub struct Outbox {
    socket: TcpStream,
    bytes_max: usize,
    state: RefCell<State>,
}

impl Outbox {
    /// `socket` is non-blocking; `bytes_max` bounds what may wait behind the frame being written.
    pub fn new(socket: TcpStream, bytes_max: usize) -> Rc<Self> {
        let state = State {
            phase: Phase::Open,
            queue: VecDeque::new(),
            held: None,
            frames: 0,
            bytes: 0,
            progress: Instant::now(),
            flushing: false,
            reason: None,
        };
        Rc::new(Self { socket, bytes_max, state: RefCell::new(state) })
    }

    pub fn is_open(&self) -> bool {
        self.state.borrow().phase == Phase::Open
    }

    /// True when nothing more is written, ever.
    pub fn is_dead(&self) -> bool {
        self.state.borrow().phase == Phase::Dead
    }

    /// Why the server ended the connection, if it did.
    pub fn close_reason(&self) -> Option<Close> {
        self.state.borrow().reason
    }

    /// Sends frames, or drops the connection as too slow. True when it was dropped by this call.
    pub fn send(self: &Rc<Self>, bytes: &Bytes, frames: u32) -> bool {
        self.send_or_drop(bytes, frames, false, |written| bytes.slice(written..))
    }

    /// The same for bytes of the caller's, which are copied only if the socket does not take them at once.
    pub fn send_slice(self: &Rc<Self>, bytes: &[u8], frames: u32) -> bool {
        self.send_or_drop(bytes, frames, false, |written| Bytes::copy_from_slice(&bytes[written..]))
    }

    /// The same for one frame that answers this client: it also comes when the rest of what was held is discarded.
    pub fn answer(self: &Rc<Self>, frame: &Bytes) -> bool {
        self.send_or_drop(frame, 1, true, |written| frame.slice(written..))
    }

    fn send_or_drop(self: &Rc<Self>, bytes: &[u8], frames: u32, answer: bool, rest: impl FnOnce(usize) -> Bytes) -> bool {
        let written = match self.write_at_once(bytes) {
            Ok(written) if written == bytes.len() => return false,
            Ok(written) => written,
            Err(()) => {
                self.kill();
                return false;
            }
        };
        self.is_open() && self.owe(Owed { bytes: rest(written), frames, counted: true, answer })
    }

    /// The same for frames that lie in pieces: they are put together only if the socket does not take them at once.
    pub fn send_pieces(self: &Rc<Self>, pieces: &[IoSlice<'_>], frames: u32) -> bool {
        let written = {
            let state = self.state.borrow();
            let is_free = state.phase == Phase::Open && state.queue.is_empty() && state.held.is_none();
            if is_free { self.write_with(|mut socket| socket.write_vectored(pieces)) } else { Ok(0) }
        };
        let Ok(written) = written else {
            self.kill();
            return false;
        };
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        if written == bytes || !self.is_open() {
            return false;
        }
        let mut left = BytesMut::with_capacity(bytes - written);
        let mut skipped = written;
        for piece in pieces {
            let start = skipped.min(piece.len());
            left.extend_from_slice(&piece[start..]);
            skipped -= start;
        }
        self.owe(Owed { bytes: left.freeze(), frames, counted: true, answer: false })
    }

    fn owe(self: &Rc<Self>, owed: Owed) -> bool {
        self.push(owed);
        let too_slow = {
            let state = self.state.borrow();
            state.frames > FRAMES_OWED_MAX || state.bytes > self.bytes_max
        };
        if too_slow {
            self.close(Close::TooSlow);
        }
        too_slow
    }

    /// By far the most frequent case: nothing is owed, and the socket takes it all. Then not even the handle to the bytes is copied.
    fn write_at_once(&self, bytes: &[u8]) -> Result<usize, ()> {
        let state = self.state.borrow();
        let is_free = state.phase == Phase::Open && state.queue.is_empty() && state.held.is_none();
        if is_free { self.write(bytes) } else { Ok(0) }
    }

    /// Sends frames that do not count: the state of a room, a resume.
    pub fn feed(self: &Rc<Self>, bytes: &Bytes, frames: u32) {
        if self.is_open() {
            self.push_behind_queue(Owed { bytes: bytes.clone(), frames, counted: false, answer: false });
        }
    }

    /// From now on what is sent waits until [`Outbox::release`]; what is fed does not.
    pub fn hold(&self) {
        self.state.borrow_mut().held.get_or_insert_default();
    }

    /// True while anything waits for the socket, or is held, and when the socket might not take the next frame at once: a frame of which only the
    /// newest counts must not come to wait here, where nothing newer replaces it.
    pub fn is_behind(&self) -> bool {
        let state = self.state.borrow();
        !state.queue.is_empty() || state.held.is_some() || !self.is_writable()
    }

    /// The kernel says so while a good part of its buffer is free, more than a frame has. An error is for the next write to find.
    fn is_writable(&self) -> bool {
        let mut asked = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointer is to one valid element, and the descriptor is this outbox's own.
        unsafe { libc::poll(&mut asked, 1, 0) != 0 }
    }

    /// True while what is sent waits.
    pub fn holds(&self) -> bool {
        self.state.borrow().held.is_some()
    }

    /// What the room said meanwhile is not wanted any more: the whole state follows. Answers go on waiting.
    pub fn discard_held(&self) {
        let mut guard = self.state.borrow_mut();
        let State { held: Some(held), frames, bytes, .. } = &mut *guard else { return };
        held.retain(|owed| {
            if owed.counted && !owed.answer {
                *frames -= owed.frames;
                *bytes -= owed.bytes.len();
            }
            owed.answer
        });
    }

    pub fn release(self: &Rc<Self>) {
        let Some(held) = self.state.borrow_mut().held.take() else { return };
        for owed in held {
            if owed.counted {
                let mut state = self.state.borrow_mut();
                state.frames -= owed.frames;
                state.bytes -= owed.bytes.len();
            }
            self.push_behind_queue(owed);
        }
    }

    fn push(self: &Rc<Self>, owed: Owed) {
        let mut state = self.state.borrow_mut();
        if state.held.is_none() {
            drop(state);
            return self.push_behind_queue(owed);
        }
        state.frames += owed.frames;
        state.bytes += owed.bytes.len();
        state.held.get_or_insert_default().push_back(owed);
    }

    fn push_behind_queue(self: &Rc<Self>, mut owed: Owed) {
        let mut state = self.state.borrow_mut();
        if state.queue.is_empty() {
            match self.write(&owed.bytes) {
                Ok(written) if written == owed.bytes.len() => return,
                Ok(written) => {
                    owed.bytes = owed.bytes.slice(written..);
                    state.progress = Instant::now();
                }
                Err(()) => {
                    drop(state);
                    return self.kill();
                }
            }
        } else if owed.counted {
            state.frames += owed.frames;
            state.bytes += owed.bytes.len();
        }
        state.queue.push_back(owed);
        if !std::mem::replace(&mut state.flushing, true) {
            drop(state);
            actix::spawn(self.clone().flush_when_writable());
        }
    }

    /// What the socket took: less than all when it is full.
    fn write(&self, bytes: &[u8]) -> Result<usize, ()> {
        self.write_with(|mut socket| socket.write(bytes))
    }

    fn write_with(&self, write: impl Fn(&TcpStream) -> std::io::Result<usize>) -> Result<usize, ()> {
        loop {
            match write(&self.socket) {
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
    }

    async fn flush_when_writable(self: Rc<Self>) {
        // SAFETY: the outbox owns the descriptor, never replaces it, and lives as long as the registration, which holds it.
        let registered = unsafe { AsyncFd::register_with_interest(Socket(self.clone()), Interest::WRITABLE) };
        let Ok(socket) = registered else { return self.kill() };
        while self.owes() {
            let Ok(mut ready) = socket.writable().await else { return self.kill() };
            match self.flush() {
                Ok(true) => break,
                Ok(false) => ready.clear_ready(),
                Err(()) => return self.kill(),
            }
        }
        self.state.borrow_mut().flushing = false;
    }

    /// True while the socket has not taken all.
    pub fn owes(&self) -> bool {
        !self.state.borrow().queue.is_empty()
    }

    /// True when nothing is owed any more.
    fn flush(&self) -> Result<bool, ()> {
        let mut guard = self.state.borrow_mut();
        let state = &mut *guard;
        while let Some(first) = state.queue.front_mut() {
            let written = self.write(&first.bytes)?;
            if written > 0 {
                state.progress = Instant::now();
            }
            if written < first.bytes.len() {
                first.bytes = first.bytes.slice(written..);
                return Ok(false);
            }
            state.queue.pop_front();
            if let Some(next) = state.queue.front().filter(|next| next.counted) {
                state.frames -= next.frames;
                state.bytes -= next.bytes.len();
            }
        }
        // A queue that was grown once would stay grown for the life of the connection.
        state.queue = VecDeque::new();
        if let Phase::Closing { shut, .. } = &mut state.phase {
            *shut = true;
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(true)
    }

    /// Ends the connection with a Close frame, which follows what is being written; what waited behind that is dropped.
    pub fn close(self: &Rc<Self>, close: Close) {
        self.close_with(close, frame::close(close));
    }

    /// Answers the peer's Close frame.
    pub fn echo_close(self: &Rc<Self>, frame: Bytes) {
        self.close_with(Close::Normal, frame);
    }

    fn close_with(self: &Rc<Self>, close: Close, frame: Bytes) {
        {
            let mut state = self.state.borrow_mut();
            if state.phase != Phase::Open {
                return;
            }
            state.phase = Phase::Closing { since: Instant::now(), shut: false };
            state.reason = Some(close);
            state.held = None;
            // A frame that is partly written must be finished. What waits behind it is what a slow reader was dropped for.
            if close == Close::TooSlow {
                state.queue.truncate(1);
            }
            (state.frames, state.bytes) = (0, 0);
            state.queue.iter_mut().for_each(|owed| owed.counted = false);
        }
        self.push_behind_queue(Owed { bytes: frame, frames: 1, counted: false, answer: false });
        let mut state = self.state.borrow_mut();
        if state.queue.is_empty()
            && let Phase::Closing { shut, .. } = &mut state.phase
        {
            *shut = true;
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// True when the connection must not be kept any longer, as of `now`: it takes nothing, or does not finish its goodbye.
    pub fn is_overdue(&self, now: Instant) -> bool {
        let state = self.state.borrow();
        match state.phase {
            Phase::Open => !state.queue.is_empty() && now.saturating_duration_since(state.progress) > STALL_TIMEOUT,
            Phase::Closing { since, .. } => now.saturating_duration_since(since.max(state.progress)) > CLOSE_TIMEOUT,
            Phase::Dead => false,
        }
    }

    /// Drops the connection. One whose socket takes nothing is reset without a word. One that has been given its goodbye is let go: the kernel delivers
    /// what it holds, to a slow reader too, where a reset would throw it away.
    pub fn drop_stalled(&self) {
        if matches!(self.state.borrow().phase, Phase::Closing { shut: true, .. }) {
            return self.forget();
        }
        self.state.borrow_mut().reason.get_or_insert(Close::TooSlow);
        self.kill();
    }

    /// Resets the connection. The dispatcher then reads its end and drops the actor, which a full socket could have kept from running.
    pub fn kill(&self) {
        let mut state = self.state.borrow_mut();
        if state.phase == Phase::Dead {
            return;
        }
        state.phase = Phase::Dead;
        state.queue = VecDeque::new();
        state.held = None;
        let _ = socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// The peer is gone: nothing more is written.
    pub fn forget(&self) {
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Dead;
        state.queue = VecDeque::new();
        state.held = None;
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The socket as the reactor wants it: open for as long as it is registered.
struct Socket(Rc<Outbox>);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.socket.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

#[cfg(test)]
pub mod tests;
