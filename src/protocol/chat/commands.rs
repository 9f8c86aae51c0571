//! The fields of each frame, one struct per frame: what a client may write and nothing else.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::protocol::chat::command::{Command, Query, Signal, Target};
use crate::protocol::chat::decode::Body;
use crate::protocol::chat::text::{content, cursor, emoji};
use crate::protocol::fields::{Wire, list, meaning, vocabulary};
use crate::protocol::ids::{ChannelId, ConversationId, MessageId, PlaceId, UserId, WorkspaceId};
use crate::protocol::limits::{OLDER_DEFAULT, OLDER_MAX, PRESENCE_USERS_MAX, UNREAD_PLACES_MAX};

vocabulary! {
    Body;
    "ping" Ping {}
    "message:send" Send {
        target_id: PlaceId,
        target_type: PlaceType,
        #[serde(deserialize_with = "content")] #[schemars(length(min = 1, max = 10_000))] content: String,
        #[serde(default)] parent_id: Option<MessageId>,
    }
    "message:edit" Edit {
        message_id: MessageId,
        #[serde(deserialize_with = "content")] #[schemars(length(min = 1, max = 10_000))] content: String,
    }
    "message:delete" Delete { message_id: MessageId }
    "message:getOlder" GetOlder {
        target_id: PlaceId,
        target_type: PlaceType,
        #[serde(default, deserialize_with = "cursor")] #[schemars(range(min = 0))] cursor: Option<i64>,
        #[serde(default, deserialize_with = "limit")] #[schemars(range(min = 1, max = 200))] limit: Option<u32>,
    }
    "reaction:toggle" ToggleReaction {
        message_id: MessageId,
        #[serde(deserialize_with = "emoji")] #[schemars(length(min = 1, max = 32))] emoji: String,
    }
    "typing:start" StartTyping { target_id: PlaceId, target_type: PlaceType }
    "typing:stop" StopTyping { target_id: PlaceId, target_type: PlaceType }
    "presence:setAway" SetAway {}
    "presence:setActive" SetActive {}
    "presence:fetch" FetchPresence {
        workspace_id: WorkspaceId,
        #[serde(deserialize_with = "list::<0, PRESENCE_USERS_MAX, _, _>")] #[schemars(length(max = 100))] user_ids: Vec<UserId>,
    }
    "room:join" JoinRoom { room_id: PlaceId, room_type: PlaceType }
    "room:leave" LeaveRoom { room_id: PlaceId, room_type: PlaceType }
    "workspace:join" JoinWorkspace { workspace_id: WorkspaceId }
    "unread:fetch" FetchUnread {
        #[serde(default)] #[schemars(length(max = 1_000))] channel_ids: Option<Places<ChannelId>>,
        #[serde(default)] #[schemars(length(max = 1_000))] conversation_ids: Option<Places<ConversationId>>,
    }
    "unread:markRead" MarkRead { #[serde(default)] channel_id: Option<ChannelId>, #[serde(default)] conversation_id: Option<ConversationId> }
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PlaceType {
    Channel,
    Dm,
}

/// A list of one `unread:fetch`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent, bound(deserialize = "T: Deserialize<'de>"))]
#[schemars(inline)]
struct Places<T>(#[serde(deserialize_with = "list::<0, UNREAD_PLACES_MAX, _, _>")] Vec<T>);

meaning! {
    Body;
    Send { target_id, target_type, content, parent_id } =>
        Command(Command::Send { target: target(target_id, target_type), content, parent_id });
    Edit { message_id, content } => Command(Command::Edit { message_id, content });
    Delete { message_id } => Command(Command::Delete { message_id });
    GetOlder { target_id, target_type, cursor, limit } =>
        Query(Query::Older { target: target(target_id, target_type), before: cursor, limit: limit.unwrap_or(OLDER_DEFAULT) });
    ToggleReaction { message_id, emoji } => Command(Command::ToggleReaction { message_id, emoji });
    StartTyping { target_id, target_type } => Signal(Signal::Typing { target: target(target_id, target_type), is_typing: true });
    StopTyping { target_id, target_type } => Signal(Signal::Typing { target: target(target_id, target_type), is_typing: false });
    SetAway {} => Signal(Signal::Away);
    SetActive {} => Signal(Signal::Active);
    FetchPresence { workspace_id, user_ids } => Query(Query::Presence { workspace_id, users: user_ids });
    JoinRoom { room_id, room_type } => Command(Command::JoinRoom { target: target(room_id, room_type) });
    LeaveRoom { room_id, room_type } => Query(Query::LeaveRoom { target: target(room_id, room_type) });
    JoinWorkspace { workspace_id } => Query(Query::Here { workspace_id });
    FetchUnread { channel_ids, conversation_ids } =>
        Query(Query::Unread { channels: channel_ids.map(|ids| ids.0), conversations: conversation_ids.map(|ids| ids.0) });
}

impl Wire<Body> for MarkRead {
    fn body(self) -> Result<Body, String> {
        let target = match (self.channel_id, self.conversation_id) {
            (Some(id), None) => Target::Channel(id),
            (None, Some(id)) => Target::Dm(id),
            _ => return Err("one of channelId and conversationId is needed, and not both".into()),
        };
        Ok(Body::Command(Command::MarkRead { target }))
    }
}

fn target(id: PlaceId, kind: PlaceType) -> Target {
    match kind {
        PlaceType::Channel => Target::Channel(ChannelId::new(id.as_str())),
        PlaceType::Dm => Target::Dm(ConversationId::new(id.as_str())),
    }
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let limit = Option::<u32>::deserialize(deserializer)?;
    match limit.is_none_or(|limit| (1..=OLDER_MAX).contains(&limit)) {
        true => Ok(limit),
        false => Err(D::Error::custom(format_args!("must be 1–{OLDER_MAX}"))),
    }
}
