//! Family circles: what a client says goes to all circles of its user, or to the one that it names.

use actix::Addr;

use crate::actors::lobby::Kind;
use crate::actors::room::Room;
use crate::actors::speech::Tag;
use crate::protocol::circle::{self, Body, Command, Query};
use crate::protocol::decode::Decoded;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CircleId, CommandId, RoomId, RoomKind};
use crate::rooms::circle::Circle;
use crate::rooms::kernel::Request;
use crate::transport::socketio::connection::Connection;
use crate::transport::socketio::gather::Sum;

impl Connection {
    pub fn to_circles(&self, name: &str, fields: &str, tag: Option<Tag>) {
        let is_about_positions = name.starts_with("location:");
        let Decoded { id, body } = match circle::decode_event(name, fields) {
            Ok(decoded) => decoded,
            Err(refused) if is_about_positions => return self.refuse_plainly(tag, &refused.rejection),
            Err(refused) => return self.refuse(tag, &refused.rejection),
        };
        match body {
            // Answered before.
            Body::Ping => {}
            Body::Command(command @ Command::Locate { .. }, _) => self.locate(command, tag, id.as_ref()),
            Body::Command(command, circle) => self.to_named_or_all(command, circle, tag, id.as_ref()),
            Body::Query(query) => {
                self.mark_subscribed(query == Query::Subscribe);
                self.to_all::<Circle>(tag, None, Sum::Done, || Request::Query(query.clone()));
            }
        }
    }

    fn locate(&self, command: Command, tag: Option<Tag>, id: Option<&CommandId>) {
        let is_in_one = self.state.borrow().places.iter().any(|place| place.id.kind() == RoomKind::Circle);
        let admitted = match is_in_one {
            true => self.shared.connections.admit_location(&self.user),
            false => Err(Rejection::new(ErrorCode::InvalidState, "You are in no circle")),
        };
        match admitted {
            Ok(()) => self.to_all::<Circle>(tag, id, Sum::Kept(false), || Request::Command(command.clone())),
            Err(rejection) => self.refuse_plainly(tag, &rejection),
        }
    }

    fn to_named_or_all(&self, command: Command, circle: Option<CircleId>, tag: Option<Tag>, id: Option<&CommandId>) {
        let Some(circle) = circle.as_ref().map(RoomId::circle) else {
            return self.to_all::<Circle>(tag, id, Sum::Done, || Request::Command(command.clone()));
        };
        match self.room::<Circle>(Some(&circle)) {
            Some(room) => self.order(&room, tag, id.cloned(), Request::Command(command)),
            None => self.refuse(tag, &Rejection::not_found("No such circle")),
        }
    }

    fn mark_subscribed(&self, subscribed: bool) {
        let mut state = self.state.borrow_mut();
        state.subscribed = subscribed;
        let circles = state.places.iter_mut().filter(|place| place.id.kind() == RoomKind::Circle && place.room.is_some());
        circles.for_each(|place| place.subscribed = subscribed);
    }

    /// A client that wants positions gets those of every circle that it comes into.
    pub fn subscribe(&self) {
        let rooms: Vec<Addr<Room<Circle>>> = {
            let mut state = self.state.borrow_mut();
            if !state.subscribed {
                return;
            }
            let new = state.places.iter_mut().filter(|place| place.is_in && !place.subscribed);
            new.filter_map(|place| {
                let room = Circle::of(place.room.as_ref()?)?.clone();
                place.subscribed = true;
                Some(room)
            })
            .collect()
        };
        rooms.iter().for_each(|room| self.order(room, None, None, Request::Query(Query::Subscribe)));
    }
}
