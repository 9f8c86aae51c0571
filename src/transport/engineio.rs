//! Engine.IO over HTTP: handshakes, GET and POST of long polling, and upgrades to a WebSocket.
//!
//! What a request may ask for is checked here; what it does is the session's. See `actors/engineio`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Addr, AsyncContext};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Result, web};
use actix_web_actors::HttpContext;
use bytestring::ByteString;
use futures_util::StreamExt;
use tokio::sync::oneshot;

use crate::actors::engineio::reader::{Purpose, Reader};
use crate::actors::engineio::session::{BeginPost, EndPost, IsPolled, Poll, Post, RejectPost, Session, open_polling};
use crate::actors::engineio::sessions::{Engine, Found};
use crate::auth::state::AuthState;
use crate::protocol::engineio::{self, REVISION, Refusal};
use crate::transport::socket::upgrade;

/// Of a body that is too large this much more is read and thrown away, so that an honest client gets to read the answer.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a GET that was sent before a goodbye may come after it.
const POLL_UNDER_WAY: Duration = Duration::from_millis(50);
/// Time in which a body has to come: a session that sends nothing else would not live much longer.
const BODY_TIMEOUT: Duration = Duration::from_secs(45);

/// Mounts sessions at `path`, which ends in a slash; clients can be told to leave that away.
pub fn configure(config: &mut web::ServiceConfig, path: &str, engine: Arc<Engine>) {
    let paths = [path, path.trim_end_matches('/')];
    config.service(web::resource(paths).app_data(web::Data::from(engine)).to(serve));
}

/// What a request asks for, as far as its query says so.
struct Asked {
    transport: Transport,
    sid: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Polling,
    WebSocket,
}

impl Asked {
    /// The first of each parameter counts.
    fn of(query: &str) -> Result<Self, Refusal> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(query).map(web::Query::into_inner).unwrap_or_default();
        let first = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let transport = match first("transport") {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Refusal::TransportUnknown),
        };
        if first("EIO") != Some(REVISION) {
            return Err(Refusal::UnsupportedProtocolVersion);
        }
        Ok(Self { transport, sid: first("sid").map(str::to_owned) })
    }
}

async fn serve(req: HttpRequest, payload: web::Payload, engine: web::Data<Engine>, auth: web::Data<AuthState>) -> Result<HttpResponse> {
    let engine = engine.into_inner();
    let asked = match Asked::of(req.query_string()) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let served = match &asked.sid {
        None => handshake(&req, payload, &engine, asked.transport, &auth),
        Some(sid) => serve_session(&req, payload, &engine, asked.transport, sid).await,
    };
    served.or_else(|refused_or_failed| match refused_or_failed {
        Failure::Refused(refusal) => Ok(refused(refusal)),
        Failure::Upgrade(error) => Err(error),
    })
}

enum Failure {
    Refused(Refusal),
    /// The request would be one for a WebSocket, but is not well formed, or there is no socket left for it.
    Upgrade(actix_web::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

fn handshake(
    req: &HttpRequest,
    payload: web::Payload,
    engine: &Arc<Engine>,
    transport: Transport,
    auth: &AuthState,
) -> Result<HttpResponse, Failure> {
    if req.method() != Method::GET {
        return Err(Refusal::BadHandshakeMethod.into());
    }
    check_upgrade(req, transport)?;
    if engine.sessions.is_draining() {
        return Ok(HttpResponse::ServiceUnavailable().finish());
    }
    let upper = engine.entrance.admit(req).map_err(|_| Refusal::Forbidden)?;
    let address = auth.sites().client_address(req);
    let Some(seat) = engine.sessions.take_seat(address) else {
        log::warn!("{address} has as many sessions as an address may have");
        return Err(Refusal::Forbidden.into());
    };
    match transport {
        Transport::Polling => Ok(packets(open_polling(engine, seat, upper))),
        Transport::WebSocket => read_socket(req, payload, Purpose::Open { engine: engine.clone(), seat, upper }),
    }
}

/// A request for a WebSocket says so in its header, too. Proxies that do not know of WebSockets drop it.
fn check_upgrade(req: &HttpRequest, transport: Transport) -> Result<(), Refusal> {
    let header = req.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    let is_upgrade = header.is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    if is_upgrade == (transport == Transport::WebSocket) { Ok(()) } else { Err(Refusal::BadRequest) }
}

fn read_socket(req: &HttpRequest, payload: web::Payload, purpose: Purpose) -> Result<HttpResponse, Failure> {
    let (mut answer, stream) = upgrade(req).map_err(Failure::Upgrade)?;
    let body = HttpContext::with_factory(|ctx: &mut HttpContext<Reader>| {
        ctx.add_stream(payload);
        Reader::new(purpose, stream)
    });
    Ok(answer.streaming(body))
}

async fn serve_session(
    req: &HttpRequest,
    payload: web::Payload,
    engine: &Engine,
    transport: Transport,
    sid: &str,
) -> Result<HttpResponse, Failure> {
    let found = engine.sessions.find(sid).ok_or(Refusal::SessionIdUnknown)?;
    check_upgrade(req, transport)?;
    if !engine.entrance.allows(req) {
        return Err(Refusal::Forbidden.into());
    }
    match (transport, req.method()) {
        (Transport::WebSocket, &Method::GET) => read_socket(req, payload, Purpose::Upgrade(found)),
        (Transport::Polling, &Method::GET) => poll(found.session).await,
        (Transport::Polling, &Method::POST) => post(req, payload, found).await,
        _ => Err(Refusal::BadRequest.into()),
    }
}

async fn poll(session: Addr<Session>) -> Result<HttpResponse, Failure> {
    let (answer, answered) = oneshot::channel();
    session.send(Poll(answer)).await.map_err(|_| Refusal::SessionIdUnknown)?;
    drop(session);
    let payload = answered.await.map_err(|_| Refusal::SessionIdUnknown)??;
    Ok(packets(payload))
}

/// A POST that the session counts as under way.
struct UnderWay(Addr<Session>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        // One a POST.
        self.0.do_send(EndPost);
    }
}

async fn post(req: &HttpRequest, payload: web::Payload, found: Found) -> Result<HttpResponse, Failure> {
    let session = &found.session;
    session.send(BeginPost).await.map_err(|_| Refusal::SessionIdUnknown)??;
    let under_way = UnderWay(session.clone());
    let content_type = req.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // What clients of an older revision send for binary packets.
    if content_type.starts_with("application/octet-stream") {
        session.send(RejectPost).await.map_err(|_| Refusal::SessionIdUnknown)?;
        return Err(Refusal::BadRequest.into());
    }
    let body = match tokio::time::timeout(BODY_TIMEOUT, body(payload, found.inbound_bytes_max())).await {
        Ok(Body::Whole(body)) => body,
        Ok(Body::TooLarge(rest)) => {
            drop(under_way);
            let _ = tokio::time::timeout(BODY_TIMEOUT, discard(rest)).await;
            return Ok(HttpResponse::PayloadTooLarge().finish());
        }
        Ok(Body::Broken) | Err(_) => return Err(Refusal::BadRequest.into()),
    };
    let Ok(body) = ByteString::try_from(body) else {
        session.send(RejectPost).await.map_err(|_| Refusal::SessionIdUnknown)?;
        return Err(Refusal::BadRequest.into());
    };
    if engineio::packets(&body).any(|packet| packet == Ok(engineio::Packet::Close)) {
        await_poll(session).await;
    }
    session.send(Post(body)).await.map_err(|_| Refusal::SessionIdUnknown)??;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/html")).insert_header((CACHE_CONTROL, "no-store")).body("ok"))
}

/// A client that leaves has a GET under way, which comes over a connection of its own: it is to hear of the end.
async fn await_poll(session: &Addr<Session>) {
    let until = Instant::now() + POLL_UNDER_WAY;
    while Instant::now() < until && session.send(IsPolled).await == Ok(false) {
        tokio::time::sleep(POLL_UNDER_WAY / 10).await;
    }
}

enum Body {
    Whole(web::Bytes),
    TooLarge(web::Payload),
    Broken,
}

async fn body(mut payload: web::Payload, bytes_max: usize) -> Body {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else { return Body::Broken };
        if body.len() + chunk.len() > bytes_max {
            return Body::TooLarge(payload);
        }
        body.extend_from_slice(&chunk);
    }
    Body::Whole(body.freeze())
}

async fn discard(mut payload: web::Payload) {
    let mut discarded = 0;
    while let Some(Ok(chunk)) = payload.next().await {
        discarded += chunk.len();
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

fn packets(payload: String) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=UTF-8")).insert_header((CACHE_CONTROL, "no-store")).body(payload)
}

fn refused(refusal: Refusal) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(refusal.body())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_transport_and_the_revision() {
        let asked = Asked::of("EIO=4&transport=polling&t=x1&sid=abc&sid=def").ok();
        assert!(asked.is_some_and(|asked| asked.transport == Transport::Polling && asked.sid.as_deref() == Some("abc")));
        let refusal = |query: &str| Asked::of(query).err();
        for query in
            ["", "EIO=4", "EIO=4&transport=", "EIO=4&transport=__proto__", "EIO=4&transport=Polling", "EIO=4&transport=webtransport"]
        {
            assert_eq!(refusal(query), Some(Refusal::TransportUnknown), "{query}");
        }
        for query in ["transport=polling", "transport=websocket&EIO=3", "transport=polling&EIO=5", "transport=polling&EIO=4&EIO=3"] {
            assert_eq!(refusal(query), (!query.contains("EIO=4&")).then_some(Refusal::UnsupportedProtocolVersion), "{query}");
        }
    }
}
