//! The client's side of one WebSocket, as little of it as measuring needs: the upgrade is written by hand, of frames only the headers are read, and
//! of texts only the bytes that a scenario looks for. It does not check what a browser would (the accept key, UTF-8): the tests of the server do.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Type};

use super::wire::Form;
use crate::protocol::frame::{Opcode, client_frame};

/// How a connection is made.
#[derive(Clone, Debug)]
pub struct Call {
    pub addr: SocketAddr,
    /// Where to call from: one address has 28,000 ports towards one server.
    pub from: Option<IpAddr>,
    /// `/ws?campaignId=…`.
    pub path: String,
    pub form: Form,
    pub session_token: String,
    /// What the kernel may hold for us unread; its own choice when `None`.
    pub receive_buffer: Option<usize>,
}

/// What a connection has to tell.
pub enum Heard<'a> {
    /// A frame, or a packet of Socket.IO.
    Text(&'a [u8]),
    /// The last thing that is heard. The text is for people: a close code with its reason, or what broke.
    Closed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Upgrading,
    Open,
    Closed,
}

pub struct Socket {
    stream: TcpStream,
    phase: Phase,
    form: Form,
    /// The start of a frame whose end has not come.
    held: Vec<u8>,
    /// What the socket would not take yet.
    unsent: Vec<u8>,
    reads: bool,
}

/// Any key does: nobody but proxies looks at it. Masking is there for them too, so one mask serves for all.
const KEY: &str = "bW9vdGhhbGwtbG9hZC0wMQ==";
const MASK: [u8; 4] = [0x5A, 0x13, 0x77, 0x9C];

/// What is read at once, behind what is held.
const CHUNK_BYTES: usize = 128 * 1024;

impl Socket {
    /// Begins to connect. The upgrade is sent when the connection stands.
    pub fn begin(call: &Call, registry: &Registry, token: Token) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(call.addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = call.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(from) = call.from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        match socket.connect(&call.addr.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, phase: Phase::Connecting, form: call.form, held: Vec::new(), unsent: upgrade(call), reads: true })
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Nothing more is read: what comes stays in the kernel, and then at the server.
    pub fn stop_reading(&mut self) {
        self.reads = false;
    }

    /// A text frame. What the socket does not take at once follows when it can.
    pub fn send(&mut self, payload: &[u8]) {
        self.send_frame(Opcode::Text, payload);
    }

    fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.phase != Phase::Open {
            return;
        }
        self.unsent.extend_from_slice(&client_frame(opcode, payload, MASK));
        // A broken socket is noticed when it is read.
        let _ = self.flush();
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes and reads what the event says can be written and read. `input` is room for one read, shared by all sockets.
    pub fn handle(&mut self, event: &Event, input: &mut Vec<u8>, hear: &mut dyn FnMut(Heard<'_>)) {
        if self.phase == Phase::Closed {
            return;
        }
        if event.is_writable()
            && let Err(error) = self.write()
        {
            return self.close(error.to_string(), hear);
        }
        if event.is_readable() && self.reads {
            self.read(event.is_read_closed(), input, hear);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.phase == Phase::Connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            self.phase = Phase::Upgrading;
        }
        self.flush()
    }

    fn read(&mut self, at_end: bool, input: &mut Vec<u8>, hear: &mut dyn FnMut(Heard<'_>)) {
        loop {
            let held = self.held.len();
            if input.len() < held + CHUNK_BYTES {
                input.resize(held + CHUNK_BYTES, 0);
            }
            let came = match self.stream.read(&mut input[held..]) {
                Ok(0) => return self.close("closed without a close frame".into(), hear),
                Ok(came) => came,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.close(error.to_string(), hear),
            };
            input[..held].copy_from_slice(&self.held);
            let is_drained = came < input.len() - held;
            let used = self.take(&input[..held + came], hear);
            self.held.clear();
            self.held.extend_from_slice(&input[used..held + came]);
            // A short read means that the socket is empty and will tell of more; but the end of the stream is told once.
            if self.phase == Phase::Closed || (is_drained && !at_end) {
                return;
            }
        }
    }

    /// Takes whole frames from the start of `bytes`; how many bytes they were.
    fn take(&mut self, bytes: &[u8], hear: &mut dyn FnMut(Heard<'_>)) -> usize {
        let mut used = match self.phase {
            Phase::Upgrading => match self.upgraded(bytes, hear) {
                Some(used) => used,
                None => return 0,
            },
            _ => 0,
        };
        while let Some((first, start, end)) = frame(&bytes[used..]) {
            let payload = &bytes[used + start..used + end];
            used += end;
            match first {
                0x81 if self.form == Form::Raw => hear(Heard::Text(payload)),
                0x81 => self.packet(payload, hear),
                0x89 => self.send_frame(Opcode::Pong, payload),
                0x8A => {}
                0x88 => {
                    self.send_frame(Opcode::Close, &payload[..payload.len().min(2)]);
                    self.close(close_text(payload), hear);
                    break;
                }
                other => {
                    self.close(format!("a frame of an unexpected kind, {other:#04x}"), hear);
                    break;
                }
            }
        }
        used
    }

    /// A packet of Engine.IO. Its opening is answered with the request to connect, and its ping with a pong.
    fn packet(&mut self, packet: &[u8], hear: &mut dyn FnMut(Heard<'_>)) {
        match packet {
            [b'4', message @ ..] => hear(Heard::Text(message)),
            [b'0', ..] => self.send(b"40"),
            [b'2', ..] => self.send(b"3"),
            _ => {}
        }
    }

    fn upgraded(&mut self, bytes: &[u8], hear: &mut dyn FnMut(Heard<'_>)) -> Option<usize> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        if bytes.starts_with(b"HTTP/1.1 101 ") {
            self.phase = Phase::Open;
            return Some(end);
        }
        let status = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
        self.close(format!("the upgrade was answered {}", String::from_utf8_lossy(status)), hear);
        None
    }

    fn close(&mut self, why: String, hear: &mut dyn FnMut(Heard<'_>)) {
        self.phase = Phase::Closed;
        self.held = Vec::new();
        self.unsent = Vec::new();
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        hear(Heard::Closed(why));
    }
}

fn upgrade(call: &Call) -> Vec<u8> {
    let Call { addr, path, session_token, .. } = call;
    format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {KEY}\r\nAuthorization: Bearer {session_token}\r\n\r\n"
    )
    .into_bytes()
}

/// The first byte, and where the payload begins and ends, of a frame that is whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (start, len): (usize, usize) = match *bytes {
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => (10, usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?),
        [_, len @ 0..126, ..] => (2, usize::from(len)),
        _ => return None,
    };
    let end = start.checked_add(len)?;
    (end <= bytes.len()).then_some((bytes[0], start, end))
}

fn close_text(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason)),
        _ => "a close frame without a code".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::text;

    #[test]
    fn a_frame_is_found_only_when_it_is_whole() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let bytes = text(&vec![b'x'; len]);
            let (first, start, end) = frame(&bytes).expect("it is whole");
            assert_eq!((first, end - start, end), (0x81, len, bytes.len()));
            assert!((0..bytes.len()).step_by(len / 7 + 1).all(|cut| frame(&bytes[..cut]).is_none()), "{len}");
        }
    }

    #[test]
    fn a_length_beyond_memory_is_not_a_frame() {
        assert_eq!(frame(&[0x81, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]), None);
    }
}
