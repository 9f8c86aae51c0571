//! What a client wants: which room an event is for, and the answers that take more than one room.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::Addr;
use actix::dev::SendError;
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::actors::executor::StoreError;
use crate::actors::lobby::Kind;
use crate::actors::parts::Frames;
use crate::actors::room::{Cursor, Order, Room, StoredRoom};
use crate::actors::speech::Tag;
use crate::protocol::close::Close;
use crate::protocol::decode::{Body, Decoded};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, ChannelId, CommandId, ConversationId, RoomId, RoomKind, WorkspaceId};
use crate::protocol::limits::RATE_LIMIT_STRIKES_MAX;
use crate::protocol::session::Pong;
use crate::protocol::socketio::Event;
use crate::protocol::{campaign, chat, circle};
use crate::rooms::campaign::Campaign;
use crate::rooms::chat::Workspace;
use crate::rooms::kernel::Request;
use crate::transport::socketio::client::cost;
use crate::transport::socketio::connection::{Asked, Connection};
use crate::transport::socketio::gather::{Gather, Sum};
use crate::transport::socketio::offsets::Position;

/// Events that may wait for their turn, and what they may cost; more is `BUSY`.
const QUEUE_MAX: usize = 1_024;
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Something that cannot be done at once. The events after it wait.
pub type Later = LocalBoxFuture<'static, ()>;

/// `campaign:join`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JoinCampaign {
    campaign_id: CampaignId,
    since: Option<i64>,
    epoch: Option<String>,
    #[serde(rename = "id")]
    _id: Option<CommandId>,
}

/// `campaign:leave`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaveCampaign {
    #[serde(rename = "id")]
    _id: Option<CommandId>,
}

fn bad(message: impl Into<String>) -> Rejection {
    Rejection::new(ErrorCode::BadMessage, message)
}

impl Connection {
    /// Takes an event; it is dealt with when those before it are.
    pub fn event(&self, event: Event) {
        let tag = event.ack.map(Tag);
        if let Err(refusal) = self.admit(&event) {
            return self.refuse(tag, &refusal);
        }
        self.put_off(event);
        self.work();
    }

    pub fn put_off(&self, event: Event) {
        let mut state = self.state.borrow_mut();
        state.queue_bytes += cost(&event);
        state.queue.push_back(event);
    }

    fn admit(&self, event: &Event) -> Result<(), Rejection> {
        let mut state = self.state.borrow_mut();
        if self.shared.connections.rate_limits
            && let Err(wait) = state.bucket.take(Instant::now())
        {
            self.shared.connections.counts.rate_limited();
            if state.strikes.add(Instant::now()) > RATE_LIMIT_STRIKES_MAX {
                let connection = self.me();
                actix::spawn(async move { connection.send_away(Close::TooManyMessages) });
            }
            let seconds = Duration::from_secs_f32(wait).as_secs() as u32 + 1;
            return Err(Rejection::new(ErrorCode::RateLimited, "Too many messages").retry_in(seconds));
        }
        let is_full = state.queue.len() >= QUEUE_MAX || state.queue_bytes + cost(event) > QUEUE_BYTES_MAX;
        if is_full { Err(Rejection::busy()) } else { Ok(()) }
    }

    /// Deals with the events that wait, up to one that takes time.
    pub fn work(&self) {
        while self.is_ready() {
            let event = {
                let mut state = self.state.borrow_mut();
                if state.working {
                    return;
                }
                let Some(event) = state.queue.pop_front() else { return };
                state.queue_bytes -= cost(&event);
                event
            };
            if let Some(later) = self.handle(event) {
                self.state.borrow_mut().working = true;
                let connection = self.me();
                actix::spawn(async move {
                    later.await;
                    connection.state.borrow_mut().working = false;
                    connection.work();
                });
            }
        }
    }

    fn handle(&self, event: Event) -> Option<Later> {
        let tag = event.ack.map(Tag);
        match self.read(&event) {
            Ok(fields) => self.carry_out(&event.name, fields, tag),
            Err(rejection) => {
                self.refuse(tag, &rejection);
                None
            }
        }
    }

    /// The one argument of an event: an object, or nothing.
    fn read<'a>(&self, event: &'a Event) -> Result<&'a str, Rejection> {
        if !event.attachments.is_empty() {
            return Err(bad("binary data is not understood"));
        }
        let fields = match &event.args[..] {
            [] => "{}",
            [fields] => fields.get(),
            _ => return Err(bad("an event has one argument, an object")),
        };
        if fields.len() > self.shared.connections.message_bytes_max {
            return Err(Rejection::new(ErrorCode::TooLarge, "The message is too big"));
        }
        Ok(fields)
    }

    fn carry_out(&self, name: &str, fields: &str, tag: Option<Tag>) -> Option<Later> {
        match name {
            "campaign:join" => return self.join_campaign(fields, tag),
            "campaign:leave" => self.leave_campaign(fields, tag),
            _ if campaign::knows(name) => self.to_campaign(name, fields, tag),
            _ if chat::knows(name) => return self.to_workspace(name, fields, tag),
            _ if circle::knows(name) => self.to_circles(name, fields, tag),
            _ => self.refuse(tag, &bad(format!("type: unknown command `{}`", name.chars().take(64).collect::<String>()))),
        }
        None
    }

    fn join_campaign(&self, fields: &str, tag: Option<Tag>) -> Option<Later> {
        let joined = self.begin_campaign(fields, tag).map_err(|rejection| self.refuse(tag, &rejection)).ok()?;
        Some(settled(joined))
    }

    fn begin_campaign(&self, fields: &str, tag: Option<Tag>) -> Result<oneshot::Receiver<()>, Rejection> {
        let JoinCampaign { campaign_id, since, epoch, .. } = serde_json::from_str(fields).map_err(|error| bad(error.to_string()))?;
        let room = RoomId::campaign(&campaign_id);
        match self.campaign() {
            Some(known) if known != room => {
                return Err(Rejection::new(ErrorCode::InvalidState, "This connection is in another campaign; leave it first"));
            }
            Some(known) => self.leave_room(&known),
            None => {}
        }
        let epoch = epoch.and_then(|epoch| epoch.parse().ok());
        let position = since.zip(epoch).map(|(seq, epoch)| Position { cursor: Cursor { seq, epoch }, got: 0 });
        Ok(self.join(room, position, Some(Asked { tag })))
    }

    fn leave_campaign(&self, fields: &str, tag: Option<Tag>) {
        if let Err(error) = serde_json::from_str::<LeaveCampaign>(fields) {
            return self.refuse(tag, &bad(error.to_string()));
        }
        self.campaign().into_iter().for_each(|room| self.leave_room(&room));
        self.acknowledge(tag, "{\"success\":true}");
    }

    fn campaign(&self) -> Option<RoomId> {
        let state = self.state.borrow();
        state.places.iter().find(|place| place.id.kind() == RoomKind::Campaign).map(|place| place.id.clone())
    }

    fn to_campaign(&self, name: &str, fields: &str, tag: Option<Tag>) {
        let decoded = match campaign::decode_event(name, fields) {
            Ok(decoded) => decoded,
            Err(refused) => return self.refuse(tag, &refused.rejection),
        };
        match decoded.body {
            Body::Ping => {
                self.emit(&Frames::of(&[Pong { id: decoded.id }], None), false);
                self.acknowledge(tag, "{\"success\":true}");
            }
            Body::Query(none) | Body::Signal(none) => match none {},
            Body::Command(command) => match self.room::<Campaign>(self.campaign().as_ref()) {
                Some(room) => self.order(&room, tag, decoded.id, Request::Command(command)),
                None => self.refuse(tag, &Rejection::new(ErrorCode::InvalidState, "Join a campaign first")),
            },
        }
    }

    /// The actor of a room that the connection is in.
    pub fn room<L: Kind>(&self, id: Option<&RoomId>) -> Option<Addr<Room<L>>> {
        let state = self.state.borrow();
        let place = state.places.iter().find(|place| Some(&place.id) == id)?;
        place.room.as_ref().and_then(L::of).cloned()
    }

    pub fn order<L: StoredRoom>(&self, room: &Addr<Room<L>>, tag: Option<Tag>, id: Option<CommandId>, request: Request<L>) {
        match room.try_send(Order { connection: self.id, tag, id, request }) {
            Ok(()) => {}
            Err(SendError::Full(_)) => match tag {
                Some(tag) if Gather::is_internal(tag) => self.gathered(tag, &Err(Rejection::busy())),
                tag => self.refuse(tag, &Rejection::busy()),
            },
            Err(SendError::Closed(_)) => self.wire.close(crate::actors::engineio::wire::Ending::Cut(Close::Restarting)),
        }
    }
}

/// Team messaging.
impl Connection {
    fn to_workspace(&self, name: &str, fields: &str, tag: Option<Tag>) -> Option<Later> {
        let Decoded { id, body } = match chat::decode_event(name, fields) {
            Ok(decoded) => decoded,
            Err(refused) => {
                self.refuse(tag, &refused.rejection);
                return None;
            }
        };
        match body {
            Body::Ping => None,
            Body::Command(command) => self.command(command, tag, id),
            Body::Query(query) => self.query(query, tag, id),
            Body::Signal(signal) => match &signal {
                chat::Signal::Typing { target, .. } => self.to_target(target.clone(), tag, id, Request::Signal(signal)),
                chat::Signal::Away | chat::Signal::Active => {
                    self.to_all::<Workspace>(tag, None, Sum::Done, || Request::Signal(signal.clone()));
                    None
                }
            },
        }
    }

    fn command(&self, command: chat::Command, tag: Option<Tag>, id: Option<CommandId>) -> Option<Later> {
        match &command {
            chat::Command::Send { target, .. } => {
                if let Err(rejection) = self.shared.connections.admit_message(&self.user) {
                    self.refuse(tag, &rejection);
                    return None;
                }
                self.to_target(target.clone(), tag, id, Request::Command(command))
            }
            chat::Command::JoinRoom { target } => {
                self.state.borrow_mut().left.hear_again(target);
                self.to_target(target.clone(), tag, id, Request::Command(command))
            }
            chat::Command::MarkRead { target } => self.to_target(target.clone(), tag, id, Request::Command(command)),
            chat::Command::Edit { message_id, .. }
            | chat::Command::Delete { message_id }
            | chat::Command::ToggleReaction { message_id, .. } => {
                let (connection, message) = (self.me(), message_id.clone());
                let later = async move {
                    let found = connection.shared.directory.of_message(message, &connection.shared.database).await;
                    connection.deliver(found, "message", tag, id, Request::Command(command));
                };
                Some(later.boxed_local())
            }
            // Only through REST.
            _ => None,
        }
    }

    fn query(&self, query: chat::Query, tag: Option<Tag>, id: Option<CommandId>) -> Option<Later> {
        match &query {
            chat::Query::LeaveRoom { target } => {
                self.state.borrow_mut().left.leave(target);
                self.to_target(target.clone(), tag, id, Request::Query(query))
            }
            chat::Query::Older { target, .. } => self.to_target(target.clone(), tag, id, Request::Query(query)),
            chat::Query::Presence { workspace_id, .. } => {
                self.deliver(Ok(Some(workspace_id.clone())), "workspace", tag, id, Request::Query(query));
                None
            }
            chat::Query::Here { workspace_id } => self.join_workspace(workspace_id, tag),
            chat::Query::Unread { channels: None, conversations: None } => {
                self.to_all::<Workspace>(tag, None, Sum::unread(), || Request::Query(query.clone()));
                None
            }
            chat::Query::Unread { channels, conversations } => {
                let (connection, channels, conversations) = (self.me(), channels.clone(), conversations.clone());
                Some(
                    async move { connection.count_unread(channels.unwrap_or_default(), conversations.unwrap_or_default(), tag).await }
                        .boxed_local(),
                )
            }
        }
    }

    fn join_workspace(&self, workspace: &WorkspaceId, tag: Option<Tag>) -> Option<Later> {
        let room = RoomId::workspace(workspace);
        let seq = self.state.borrow().places.iter().find(|place| place.id == room && place.is_in).map(|place| place.seq);
        match seq {
            Some(seq) => {
                self.say_joined(tag, seq);
                None
            }
            None => Some(settled(self.join(room, None, Some(Asked { tag })))),
        }
    }

    fn to_target(&self, target: chat::Target, tag: Option<Tag>, id: Option<CommandId>, request: Request<Workspace>) -> Option<Later> {
        if let Some(workspace) = self.shared.directory.remembered(&target) {
            self.deliver(Ok(Some(workspace)), kind_of(&target), tag, id, request);
            return None;
        }
        let connection = self.me();
        let later = async move {
            let kind = kind_of(&target);
            let found = connection.shared.directory.of_target(target, &connection.shared.database).await;
            connection.deliver(found, kind, tag, id, request);
        };
        Some(later.boxed_local())
    }

    /// To a workspace that the connection is in: of others, and of what is in them, nothing is known here.
    fn deliver(
        &self,
        found: Result<Option<WorkspaceId>, StoreError>,
        what: &str,
        tag: Option<Tag>,
        id: Option<CommandId>,
        request: Request<Workspace>,
    ) {
        let Ok(workspace) = found else { return self.refuse(tag, &Rejection::storage_unavailable()) };
        match workspace.and_then(|workspace| self.room::<Workspace>(Some(&RoomId::workspace(&workspace)))) {
            Some(room) => self.order(&room, tag, id, request),
            None => self.refuse(tag, &Rejection::not_found(format!("No such {what}"))),
        }
    }

    async fn count_unread(self: Rc<Self>, channels: Vec<ChannelId>, conversations: Vec<ConversationId>, tag: Option<Tag>) {
        let mut by_workspace: BTreeMap<WorkspaceId, (Vec<ChannelId>, Vec<ConversationId>)> = BTreeMap::new();
        let (directory, database) = (&self.shared.directory, &self.shared.database);
        for channel in channels {
            match directory.of_target(chat::Target::Channel(channel.clone()), database).await {
                Ok(Some(workspace)) => by_workspace.entry(workspace).or_default().0.push(channel),
                Ok(None) => {}
                Err(_) => return self.refuse(tag, &Rejection::storage_unavailable()),
            }
        }
        for conversation in conversations {
            match directory.of_target(chat::Target::Dm(conversation.clone()), database).await {
                Ok(Some(workspace)) => by_workspace.entry(workspace).or_default().1.push(conversation),
                Ok(None) => {}
                Err(_) => return self.refuse(tag, &Rejection::storage_unavailable()),
            }
        }
        let asked = by_workspace.into_iter().map(|(workspace, (channels, conversations))| {
            let query = chat::Query::Unread { channels: Some(channels), conversations: Some(conversations) };
            (RoomId::workspace(&workspace), Request::Query(query))
        });
        self.gather::<Workspace>(tag, None, Sum::unread(), asked.collect());
    }
}

/// Until a room was come into, or is not to be: what comes after it may be for that room.
fn settled(joined: oneshot::Receiver<()>) -> Later {
    joined.map(drop).boxed_local()
}

fn kind_of(target: &chat::Target) -> &'static str {
    match target {
        chat::Target::Channel(_) => "channel",
        chat::Target::Dm(_) => "conversation",
    }
}
