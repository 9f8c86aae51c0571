//! What can be asked of a workspace, over a socket or through REST.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::chat::messages::{Message, Status};
use crate::protocol::ids::{ChannelId, ConversationId, InvitationId, MessageId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;

/// Where messages stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase", tag = "targetType", content = "targetId")]
pub enum Target {
    Channel(ChannelId),
    Dm(ConversationId),
}

/// What somebody is in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Owner,
    Admin,
    Member,
}

/// Everything that changes a workspace. Serialized, two commands with one id are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Command {
    // Over sockets. Texts are as they will be stored: control characters and bidirectional overrides are replaced already.
    #[serde(rename = "message:send")]
    Send { target: Target, content: String, parent_id: Option<MessageId> },
    #[serde(rename = "message:edit")]
    Edit { message_id: MessageId, content: String },
    #[serde(rename = "message:delete")]
    Delete { message_id: MessageId },
    #[serde(rename = "reaction:toggle")]
    ToggleReaction { message_id: MessageId, emoji: String },
    /// The connection hears the room again; whoever is not in a public channel becomes a member of it.
    #[serde(rename = "room:join")]
    JoinRoom { target: Target },
    #[serde(rename = "unread:markRead")]
    MarkRead { target: Target },

    // Through REST.
    #[serde(rename = "workspace:rename")]
    Rename { name: String },
    #[serde(rename = "workspace:delete")]
    DeleteWorkspace,
    #[serde(rename = "channel:create")]
    CreateChannel { name: String, private: bool },
    #[serde(rename = "channel:archive")]
    ArchiveChannel { channel_id: ChannelId },
    #[serde(rename = "channel:join")]
    JoinChannel { channel_id: ChannelId },
    #[serde(rename = "channel:leave")]
    LeaveChannel { channel_id: ChannelId },
    #[serde(rename = "channel:add")]
    AddToChannel { channel_id: ChannelId, user: UserId },
    #[serde(rename = "channel:remove")]
    RemoveFromChannel { channel_id: ChannelId, user: UserId },
    /// With the sender, who need not be named. The same people get the conversation that there is.
    #[serde(rename = "conversation:open")]
    OpenConversation { users: Vec<UserId> },
    /// `email` in lower case.
    #[serde(rename = "member:invite")]
    Invite { email: String },
    /// By somebody who need not be a member (`by` is `None`): `user` with this `email` accepts the invitation.
    #[serde(rename = "member:accept")]
    AcceptInvitation { invitation_id: InvitationId, user: UserId, name: String, email: String },
    #[serde(rename = "member:decline")]
    DeclineInvitation { invitation_id: InvitationId, user: UserId, email: String },
    #[serde(rename = "member:link")]
    CreateInviteLink { code: String, expires_at: Timestamp, max_uses: Option<u32> },
    #[serde(rename = "member:join")]
    AcceptInviteLink { code: String, user: UserId, name: String },
    #[serde(rename = "member:remove")]
    RemoveMember { user: UserId },
    #[serde(rename = "member:role")]
    SetRole { user: UserId, role: Role },
}

impl Command {
    /// The command's name for people and for the wire: what a refusal names.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Send { .. } => "message:send",
            Command::Edit { .. } => "message:edit",
            Command::Delete { .. } => "message:delete",
            Command::ToggleReaction { .. } => "reaction:toggle",
            Command::JoinRoom { .. } => "room:join",
            Command::MarkRead { .. } => "unread:markRead",
            Command::Rename { .. } => "workspace:rename",
            Command::DeleteWorkspace => "workspace:delete",
            Command::CreateChannel { .. } => "channel:create",
            Command::ArchiveChannel { .. } => "channel:archive",
            Command::JoinChannel { .. } => "channel:join",
            Command::LeaveChannel { .. } => "channel:leave",
            Command::AddToChannel { .. } => "channel:add",
            Command::RemoveFromChannel { .. } => "channel:remove",
            Command::OpenConversation { .. } => "conversation:open",
            Command::Invite { .. } => "member:invite",
            Command::AcceptInvitation { .. } => "member:accept",
            Command::DeclineInvitation { .. } => "member:decline",
            Command::CreateInviteLink { .. } => "member:link",
            Command::AcceptInviteLink { .. } => "member:join",
            Command::RemoveMember { .. } => "member:remove",
            Command::SetRole { .. } => "member:role",
        }
    }
}

/// What is asked and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `message:getOlder`: those with a lower `sequence` than `before` (the newest without), oldest first. `limit` is 1–200.
    Older { target: Target, before: Option<i64>, limit: u32 },
    /// `presence:fetch`: at most 100.
    Presence { workspace_id: WorkspaceId, users: Vec<UserId> },
    /// `unread:fetch`: without lists, of all channels and conversations of the asker.
    Unread { channels: Option<Vec<ChannelId>>, conversations: Option<Vec<ConversationId>> },
    /// `room:leave`: this connection ceases to hear the room; the membership stays.
    LeaveRoom { target: Target },
    /// `workspace:join`: is answered to whoever is in the workspace.
    Here { workspace_id: WorkspaceId },
}

/// What is passed on and not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Typing { target: Target, is_typing: bool },
    Away,
    Active,
}

/// What an acknowledgement holds besides `id` and `seq`: every field is absent unless the command's answer has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
    /// `null` (`Some(None)`): there is nothing older.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-null-means" = "nothing older"))]
    pub next_cursor: Option<Option<i64>>,
    /// A map by id: beside nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultMap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitation_id: Option<InvitationId>,
    /// It is there because of this command and was not before.
    #[serde(skip)]
    pub created: bool,
    /// The connection begins (true) or ceases (false) to hear this room's topic.
    #[serde(skip)]
    pub hears: Option<(u32, bool)>,
}

/// The answers of `presence:fetch` and `unread:fetch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ResultMap {
    Presence(BTreeMap<UserId, Status>),
    Unread { channels: BTreeMap<ChannelId, i64>, conversations: BTreeMap<ConversationId, i64> },
}

/// What a frame is about: by this a connection that is in several workspaces knows which one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Workspace(&'a WorkspaceId),
    Place(&'a Target),
    Message(&'a MessageId),
    /// Each workspace that the connection is in.
    All,
}

impl Command {
    /// `None` for what comes through REST, where the workspace is known.
    pub fn subject(&self) -> Option<Subject<'_>> {
        match self {
            Command::Send { target, .. } | Command::JoinRoom { target } | Command::MarkRead { target } => Some(Subject::Place(target)),
            Command::Edit { message_id, .. } | Command::Delete { message_id } | Command::ToggleReaction { message_id, .. } => {
                Some(Subject::Message(message_id))
            }
            _ => None,
        }
    }
}

impl Query {
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Query::Older { target, .. } | Query::LeaveRoom { target } => Subject::Place(target),
            Query::Presence { workspace_id, .. } | Query::Here { workspace_id } => Subject::Workspace(workspace_id),
            Query::Unread { .. } => Subject::All,
        }
    }
}

impl Signal {
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Signal::Typing { target, .. } => Subject::Place(target),
            Signal::Away | Signal::Active => Subject::All,
        }
    }
}
