//! Answers that are put together from those of several rooms.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::actors::lobby::Kind;
use crate::actors::speech::{Done, Tag};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{ChannelId, CommandId, ConversationId, RoomId};
use crate::protocol::socketio::ACK_ID_MAX;
use crate::rooms::kernel::Request;
use crate::transport::socketio::connection::{Connection, done_body};

/// Answers that may be put together at the same time; more is `BUSY`.
const GATHERS_MAX: usize = 64;

pub struct Gather {
    /// What the client waits with.
    tag: Option<Tag>,
    /// The rooms that have not answered, each by the tag that its answer will have.
    awaited: Vec<(Tag, RoomId)>,
    sum: Sum,
    refused: Option<Rejection>,
}

/// What the answers come to.
pub enum Sum {
    /// That all of it was done.
    Done,
    Unread(UnreadCounts),
    /// Whether a position was kept by any of the circles. Its refusal is told in plain words.
    Kept(bool),
}

/// The answer of `unread:fetch`.
#[derive(Default, Deserialize, Serialize)]
pub struct UnreadCounts {
    channels: BTreeMap<ChannelId, i64>,
    conversations: BTreeMap<ConversationId, i64>,
}

/// What of the answer of `location:update` is of interest here.
#[derive(Deserialize)]
struct Stored {
    stored: Option<bool>,
}

impl Gather {
    /// A tag that no client can have given, and that stands for one question to one room.
    fn fresh_tag(last: &mut u64) -> Tag {
        *last += 1;
        Tag(ACK_ID_MAX + *last)
    }

    pub fn is_internal(Tag(tag): Tag) -> bool {
        tag > ACK_ID_MAX
    }
}

impl Sum {
    pub fn unread() -> Self {
        Sum::Unread(UnreadCounts::default())
    }

    fn add(&mut self, done: &Done) {
        match self {
            Sum::Done => {}
            Sum::Unread(unread) => {
                if let Ok(more) = serde_json::from_str::<UnreadCounts>(&done_body(done)) {
                    unread.channels.extend(more.channels);
                    unread.conversations.extend(more.conversations);
                }
            }
            Sum::Kept(kept) => *kept |= serde_json::from_str(&done.fields).is_ok_and(|Stored { stored }| stored != Some(false)),
        }
    }
}

impl Connection {
    /// The same to every room of a kind that the connection is in; the client gets one answer.
    pub fn to_all<L: Kind>(&self, tag: Option<Tag>, id: Option<&CommandId>, sum: Sum, request: impl Fn() -> Request<L>) {
        let rooms: Vec<RoomId> = self.state.borrow().places.iter().map(|place| place.id.clone()).collect();
        self.gather(tag, id, sum, rooms.into_iter().map(|room| (room, request())).collect());
    }

    /// Asks rooms that the connection is in; of others, and of other kinds, there is no answer.
    pub fn gather<L: Kind>(&self, tag: Option<Tag>, id: Option<&CommandId>, sum: Sum, asked: Vec<(RoomId, Request<L>)>) {
        let rooms: Vec<_> = asked.into_iter().filter_map(|(id, request)| Some((self.room::<L>(Some(&id))?, id, request))).collect();
        let orders = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            if state.gathers.len() >= GATHERS_MAX {
                None
            } else {
                let orders: Vec<_> =
                    rooms.into_iter().map(|(room, id, request)| (room, id, request, Gather::fresh_tag(&mut state.last_tag))).collect();
                let awaited = orders.iter().map(|(_, id, _, tag)| (*tag, id.clone())).collect();
                state.gathers.push(Gather { tag, awaited, sum, refused: None });
                Some(orders)
            }
        };
        let Some(orders) = orders else { return self.refuse(tag, &Rejection::busy()) };
        orders.into_iter().for_each(|(room, _, request, tag)| self.order(&room, Some(tag), id.cloned(), request));
        self.finish_gathers();
    }

    /// One of the answers to what was asked of several rooms.
    pub fn gathered(&self, tag: Tag, outcome: &Result<Done, Rejection>) {
        {
            let mut state = self.state.borrow_mut();
            let is_awaited = |gather: &&mut Gather| gather.awaited.iter().any(|(awaited, _)| *awaited == tag);
            let Some(gather) = state.gathers.iter_mut().find(is_awaited) else { return };
            gather.awaited.retain(|(awaited, _)| *awaited != tag);
            match outcome {
                Err(rejection) => gather.refused = Some(rejection.clone()),
                Ok(done) => gather.sum.add(done),
            }
        }
        self.finish_gathers();
    }

    /// A room that the connection is not in any more answers nothing.
    pub fn gather_without(&self, room: &RoomId) {
        self.state.borrow_mut().gathers.iter_mut().for_each(|gather| gather.awaited.retain(|(_, awaited)| awaited != room));
        self.finish_gathers();
    }

    /// Answers with what is complete.
    fn finish_gathers(&self) {
        let complete: Vec<Gather> = self.state.borrow_mut().gathers.extract_if(.., |gather| gather.awaited.is_empty()).collect();
        complete.into_iter().for_each(|gather| self.finish(gather));
    }

    fn finish(&self, Gather { tag, sum, refused, .. }: Gather) {
        match (refused, sum) {
            (Some(rejection), Sum::Kept(_)) => self.refuse_plainly(tag, &rejection),
            (Some(rejection), _) => self.refuse(tag, &rejection),
            (None, Sum::Unread(unread)) => self.acknowledge(tag, &serde_json::to_string(&unread).expect("maps by id are JSON")),
            (None, Sum::Kept(kept)) => self.acknowledge(tag, &format!("{{\"success\":true,\"stored\":{kept}}}")),
            (None, Sum::Done) => self.acknowledge(tag, "{\"success\":true}"),
        }
    }
}
