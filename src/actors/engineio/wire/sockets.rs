//! What becomes of a session's WebSockets: the one that it lives on, one that the client tries, those that are on their way out.

use std::net::TcpStream;
use std::time::Instant;

use bytes::Bytes;

use super::{Carrier, Last, Phase, Wire};
use crate::actors::engineio::polling::{Polling, Upgrade};
use crate::actors::engineio::socket::Socket;
use crate::actors::engineio::upper::Gone;
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::engineio::{PONG_PROBE, Refusal};
use crate::protocol::limits::UPGRADE_TIMEOUT;

/// Which part a WebSocket has in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::actors::engineio) enum Role {
    Carrier,
    Upgrade,
    /// None any more.
    Leaving,
}

impl Wire {
    /// A client that polls tries a WebSocket. One that is not wanted is closed, and the session goes on; false then.
    pub(in crate::actors::engineio) fn attach(&self, id: ConnectionId, stream: TcpStream, now: Instant) -> bool {
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

    pub(in crate::actors::engineio) fn role_of(&self, socket: ConnectionId) -> Role {
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
    pub(in crate::actors::engineio) fn pong(&self, socket: ConnectionId, payload: &Bytes) {
        self.with_socket(socket, |socket| socket.pong(payload));
    }

    /// The client closed a WebSocket, with a Close frame that had this code or none.
    pub(in crate::actors::engineio) fn echo_close(&self, socket: ConnectionId, code: Option<u16>) {
        self.with_socket(socket, |socket| socket.echo_close(code));
        match self.role_of(socket) {
            Role::Carrier => self.lost(),
            Role::Upgrade => self.fail_upgrade(Close::Normal),
            Role::Leaving => {}
        }
    }

    /// The WebSocket works in both directions.
    pub(in crate::actors::engineio) fn probed(&self, now: Instant) {
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
    pub(in crate::actors::engineio) fn upgrade(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(polling) = &mut state.carrier else { return false };
        let Some(Upgrade { socket, .. }) = polling.upgrade.take_if(|upgrade| upgrade.probed) else { return false };
        polling.take_waiting().into_iter().for_each(|waiting| waiting.answer(Err(Refusal::BadRequest)));
        socket.feed(&polling.buffer.take());
        state.carrier = Carrier::Socket(socket);
        true
    }

    /// Closes the WebSocket only: the session goes on polling.
    pub(in crate::actors::engineio) fn fail_upgrade(&self, close: Close) {
        let mut state = self.state.borrow_mut();
        let Carrier::Polling(polling) = &mut state.carrier else { return };
        let Some(upgrade) = polling.upgrade.take() else { return };
        upgrade.socket.close(close);
        state.leaving.push(upgrade.socket);
    }

    /// Nothing more comes on this WebSocket.
    pub(in crate::actors::engineio) fn socket_ended(&self, id: ConnectionId) {
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
