//! What a room says to one connection, before a transport gives it a form.

use serde::Serialize;

use crate::actors::parts::Frames;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CommandId, RoomId};
use crate::protocol::session::Connected;
use crate::rooms::kernel::Topic;

/// By which a connection knows an answer again, besides the `id`: the number of an acknowledgement of Socket.IO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub u64);

/// What whoever comes in is told: who he is to the room, then the state, or what he missed.
#[derive(Clone, Debug)]
pub struct Entry {
    pub room: RoomId,
    pub connected: Connected,
    /// Of the room's history, as a number.
    pub epoch: i64,
    pub frames: Frames,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub tag: Option<Tag>,
    pub id: Option<CommandId>,
    pub outcome: Result<Done, Rejection>,
}

impl Reply {
    pub fn refusal(tag: Option<Tag>, id: Option<CommandId>, rejection: Rejection) -> Self {
        Self { tag, id, outcome: Err(rejection) }
    }

    /// Nobody waits for it.
    pub fn is_unasked(&self) -> bool {
        self.tag.is_none() && self.id.is_none() && self.outcome.is_ok()
    }
}

/// It was done, and is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub seq: i64,
    /// What the answer holds besides `id` and `seq`: the text of a JSON object.
    pub fields: Box<str>,
    /// The connection begins or ceases to hear a topic.
    pub hears: Option<(Topic, bool)>,
}

impl Done {
    pub fn new<A: Serialize>(seq: i64, answer: &A) -> Self {
        let fields = serde_json::to_string(answer).expect("answers have string keys and no failing parts");
        Self { seq, fields: fields.into(), hears: None }
    }

    /// The fields without the braces, each behind a comma.
    pub fn trailing_fields(&self) -> String {
        let fields = self.fields.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        if fields.is_empty() { String::new() } else { format!(",{fields}") }
    }
}
