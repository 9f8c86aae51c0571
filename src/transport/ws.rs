//! `GET /ws?<room>=<id>`: the raw WebSocket.
//!
//! The upgrade is always accepted, since a browser cannot read the status of a refused one; then origin, session, room and membership are checked in
//! this order, and the first that fails sends one `error` frame and closes.

use actix::AsyncContext;
use actix_web::{HttpRequest, HttpResponse, Result, web};
use actix_web_actors::HttpContext;

use crate::actors::connection::{Admission, Admit, Connection, ConnectionContext};
use crate::actors::hub::Hubs;
use crate::actors::line::{LineSession, Socket};
use crate::actors::outbox::Outbox;
use crate::actors::room::Cursor;
use crate::auth::state::AuthState;
use crate::protocol::close::Close;
use crate::protocol::ids::{ID_BYTES_MAX, RoomId, RoomKind};
use crate::transport::socket::upgrade;

/// Parameters that name a room. Exactly one must be there.
const ROOM_PARAMETERS: [&str; 3] = ["campaignId", "workspaceId", "circleId"];

pub async fn connect(
    req: HttpRequest,
    payload: web::Payload,
    hubs: web::Data<Hubs>,
    context: web::Data<ConnectionContext>,
    auth: web::Data<AuthState>,
) -> Result<HttpResponse> {
    let (mut answer, socket) = upgrade(&req)?;
    let hub = hubs.here();
    let socket = Socket::new(Outbox::new(socket, context.outbox_bytes_max));
    let context = context.into_inner();
    let stream = HttpContext::with_factory(|ctx: &mut HttpContext<Connection>| {
        ctx.add_stream(payload);
        let address = ctx.address();
        // Also what is known at once is said from a task of its own: the answer's head goes out first.
        actix::spawn(async move {
            let admission = admit(&req, &auth).await;
            // The one message of its kind; a connection that is gone needs none.
            address.do_send(Admit(admission));
        });
        Connection::new(socket, hub, context)
    });
    Ok(answer.streaming(stream))
}

async fn admit(req: &HttpRequest, auth: &AuthState) -> Result<Admission, Close> {
    if !auth.authenticator().allows_socket_from(req) {
        return Err(Close::ForbiddenOrigin);
    }
    let session = match auth.authenticator().authenticate_socket(req).await {
        Ok(Some(session)) => session,
        Ok(None) => return Err(Close::Unauthorized),
        Err(error) => {
            log::warn!("a connection could not be authenticated: {error}");
            return Err(Close::TryAgainLater);
        }
    };
    let query = Query::of(req.query_string());
    let room = query.room()?;
    let since = query.cursor();
    let session_of_line = LineSession { id: session.id, expires_at: session.expires_at };
    Ok(Admission { user: session.user, session: session_of_line, room, since })
}

/// The parameters of the request, each as often as it stands.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        Self(web::Query::<Vec<(String, String)>>::from_query(text).map(web::Query::into_inner).unwrap_or_default())
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn one<'a>(&'a self, name: &str) -> Option<&'a str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    fn room(&self) -> Result<RoomId, Close> {
        let named: Vec<(&str, &str)> = ROOM_PARAMETERS.iter().flat_map(|&name| self.all(name).map(move |value| (name, value))).collect();
        match named[..] {
            [(_, "")] => Err(Close::MissingRoom),
            // No such room can be: an id that is too long, or holds what no id holds.
            [(_, id)] if id.len() > ID_BYTES_MAX || id.contains('\0') => Err(Close::NotAMember),
            [("campaignId", id)] => Ok(RoomId::of(RoomKind::Campaign, id)),
            [("workspaceId", id)] => Ok(RoomId::of(RoomKind::Workspace, id)),
            [("circleId", id)] => Ok(RoomId::of(RoomKind::Circle, id)),
            [(_, _)] => Err(Close::NotAMember),
            _ => Err(Close::MissingRoom),
        }
    }

    /// An epoch that is missing, or was not made by this server, is of no history.
    fn cursor(&self) -> Option<Cursor> {
        let seq = self.one("since")?.parse().ok()?;
        let epoch = self.one("epoch")?.parse().ok()?;
        Some(Cursor { seq, epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_room_must_be_named() {
        let room = |text: &str| Query::of(text).room();
        assert_eq!(room("campaignId=a&since=4").map(|room| room.to_string()), Ok("campaign:a".to_owned()));
        for missing in ["", "campaignId=", "campaignId=a&campaignId=b", "campaignId=a&workspaceId=b", "campaign=a"] {
            assert_eq!(room(missing).err(), Some(Close::MissingRoom), "{missing}");
        }
        assert_eq!(room(&format!("campaignId={}", "x".repeat(129))).err(), Some(Close::NotAMember));
    }

    #[test]
    fn a_cursor_needs_both_its_numbers() {
        assert_eq!(Query::of("since=4&epoch=9").cursor(), Some(Cursor { seq: 4, epoch: 9 }));
        for bad in ["since=4", "epoch=9", "since=x&epoch=9", "since=4&epoch=x", "since=4&since=5&epoch=9"] {
            assert_eq!(Query::of(bad).cursor(), None, "{bad}");
        }
    }
}
