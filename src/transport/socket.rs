//! From an accepted TCP connection to a WebSocket that the outbox writes.

use std::cell::RefCell;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

use actix_web::dev::Extensions;
use actix_web::error::ErrorServiceUnavailable;
use actix_web::rt::net::TcpStream as AsyncTcpStream;
use actix_web::{HttpRequest, HttpResponseBuilder, Result};
use actix_web_actors::ws;

/// What the server answers when a client offers subprotocols. The other one, with the token, is never repeated.
pub const SUBPROTOCOL: &str = "moothall";

/// How long unacknowledged bytes may be on the way before the kernel gives up: a backstop behind the outbox's own bound.
const UNACKNOWLEDGED_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Bytes that the kernel may hold for a client beyond those on their way. The bounds of what waits for a client are the outbox's: without this one the
/// kernel would take megabytes first, and a goodbye would stand behind them.
const UNSENT_MAX: u32 = 128 * 1024;

/// A duplicate of the accepted socket, waiting for the request that makes a WebSocket of it.
struct Duplicate(RefCell<Option<OwnedFd>>);

/// For `HttpServer::on_connect`.
pub fn keep_duplicate(io: &dyn std::any::Any, data: &mut Extensions) {
    let Some(stream) = io.downcast_ref::<AsyncTcpStream>() else { return };
    let socket = socket2::SockRef::from(stream);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    limit_unsent(&socket);
    data.insert(Duplicate(RefCell::new(stream.as_fd().try_clone_to_owned().ok())));
}

#[cfg(target_os = "linux")]
fn limit_unsent(socket: &socket2::SockRef<'_>) {
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &socket2::SockRef<'_>) {}

/// The answer to an upgrade request, and the socket to write to. The socket may be written once the answer's head is out: from a task that is
/// spawned on this thread, which runs after the dispatcher has flushed it.
pub fn upgrade(req: &HttpRequest) -> Result<(HttpResponseBuilder, TcpStream)> {
    let answer = ws::handshake_with_protocols(req, &[SUBPROTOCOL])?;
    let duplicate = req.conn_data::<Duplicate>().and_then(|duplicate| duplicate.0.borrow_mut().take());
    // It is taken once: a second upgrade on one connection cannot be.
    let socket = duplicate.ok_or_else(|| ErrorServiceUnavailable("no descriptor is left"))?;
    Ok((answer, socket.into()))
}
