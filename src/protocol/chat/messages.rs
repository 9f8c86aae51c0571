//! What a workspace says to its members. The encoder adds `seq` to what is numbered.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::protocol::ids::{ChannelId, ConversationId, MessageId, UserId};
use crate::protocol::time::Timestamp;

/// Every frame of a workspace's room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The connection is in all its rooms.
    #[serde(rename = "ready")]
    Ready {},
    #[serde(rename = "message:new")]
    MessageNew(Message),
    #[serde(rename = "message:edited")]
    MessageEdited(Message),
    #[serde(rename = "message:deleted")]
    MessageDeleted { message_id: MessageId, deleted_at: Timestamp, channel_id: Option<ChannelId>, conversation_id: Option<ConversationId> },
    #[serde(rename = "reaction:update")]
    ReactionUpdate {
        message_id: MessageId,
        emoji: String,
        user_id: UserId,
        user_name: Arc<str>,
        action: ReactionAction,
        channel_id: Option<ChannelId>,
        conversation_id: Option<ConversationId>,
    },
    /// Ends by itself after 10 s.
    #[serde(rename = "typing:update")]
    TypingUpdate { user_id: UserId, user_name: Arc<str>, target_id: String, is_typing: bool },
    #[serde(rename = "presence:update")]
    PresenceUpdate { user_id: UserId, status: Status },
    /// To the user alone.
    #[serde(rename = "unread:update")]
    UnreadUpdate {
        #[serde(skip_serializing_if = "Option::is_none")]
        channel_id: Option<ChannelId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
        unread_count: i64,
    },
    /// To whoever was added to it.
    #[serde(rename = "room:joined")]
    RoomJoined { room_id: String, room_type: RoomType },
    /// To whoever was taken out of it.
    #[serde(rename = "room:left")]
    RoomLeft { room_id: String, room_type: RoomType },
    #[serde(rename = "channel:archived")]
    ChannelArchived { channel_id: ChannelId },
}

/// A message as it is told and listed. One that was deleted keeps its place and has no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: MessageId,
    pub content: String,
    pub author_id: UserId,
    pub author: Author,
    pub channel_id: Option<ChannelId>,
    pub conversation_id: Option<ConversationId>,
    /// The message that this one replies to.
    pub parent_id: Option<MessageId>,
    /// 1, 2, 3 … within the channel or conversation.
    pub sequence: i64,
    pub created_at: Timestamp,
    /// When it was edited last, or made.
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// In lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Author {
    pub id: UserId,
    pub name: Arc<str>,
}

/// Who reacted with an emoji, in the order in which they did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    pub emoji: String,
    pub user_ids: Vec<UserId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReactionAction {
    Added,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Active,
    Away,
    Offline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomType {
    Channel,
    Dm,
}
