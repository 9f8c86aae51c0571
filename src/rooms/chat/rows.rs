//! The lasting truth of a workspace: what its tables hold, as the room reads it when it is loaded and changes it with every event.

use std::sync::Arc;

use crate::protocol::chat::Target;
use crate::protocol::chat::command::Role;
use crate::protocol::chat::messages::Message;
use crate::protocol::ids::{ChannelId, ConversationId, InvitationId, MessageId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::MemberNo;
use crate::rooms::members::MemberSet;

/// A row of `workspace_member`. It stays when the person leaves (`left_at`), so that a number is never given to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    pub no: MemberNo,
    pub user: UserId,
    /// `user.name`.
    pub name: Arc<str>,
    pub role: Role,
    pub joined_at: Timestamp,
    /// The room's `seq` when the person joined, last.
    pub joined_seq: i64,
    pub left_at: Option<Timestamp>,
}

/// A channel with those who are in it (`channel_member`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChannel {
    pub id: ChannelId,
    /// Small, given once within the workspace, to channels and conversations from one series.
    pub no: u32,
    pub name: String,
    pub private: bool,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    pub members: MemberSet,
    /// The `sequence` of its last message.
    pub last_sequence: i64,
}

/// A conversation with its people (`conversation_participant`), who never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConversation {
    pub id: ConversationId,
    pub no: u32,
    pub created_at: Timestamp,
    pub participants: MemberSet,
    pub last_sequence: i64,
}

/// A row of `read_state`: who has read a channel or conversation up to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRead {
    pub target: Target,
    pub user: UserId,
    pub sequence: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingInvitation {
    pub id: InvitationId,
    /// In lower case.
    pub email: String,
}

/// An invite link that is not used up; it may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteLink {
    pub code: String,
    pub expires_at: Timestamp,
    pub max_uses: Option<u32>,
    pub uses: u32,
}

/// All that a workspace's room is loaded from, read in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWorkspace {
    pub id: WorkspaceId,
    pub name: String,
    pub members: Vec<StoredMember>,
    pub channels: Vec<StoredChannel>,
    pub conversations: Vec<StoredConversation>,
    pub reads: Vec<StoredRead>,
    pub invitations: Vec<PendingInvitation>,
    pub links: Vec<InviteLink>,
}

/// What the room has to know of a message to judge an edit, a deletion, a reaction or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    pub id: MessageId,
    pub target: Target,
    pub sequence: i64,
    pub author: UserId,
    pub parent: Option<MessageId>,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// (emoji, who), in the order in which they were made.
    pub reactions: Vec<(String, UserId)>,
}

/// What the room asks the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A message of this workspace.
    Message(MessageId),
    /// Messages below `before` (the newest without), at most `limit` + 1 of them, newest first.
    Older { target: Target, before: Option<i64>, limit: u32 },
}

/// What the database answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Message(MessageId, Option<StoredMessage>),
    /// Newest first, with reactions; deleted ones without content.
    Older(Vec<Message>),
}

/// A change of the tables, as the store writes it. It names people by their user ids, as the tables do; only `workspace_member` and the sets of
/// members have numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// `workspace.name`.
    Renamed(String),
    /// The workspace and everything in it goes.
    Deleted,
    /// `workspace_member` by `no`: made or changed.
    Member(StoredMember),
    /// A channel by `id`, without its members: made or changed.
    Channel(StoredChannel),
    /// (channel, who, is in it).
    ChannelMember(ChannelId, UserId, bool),
    /// A conversation with its participants: made.
    Conversation(StoredConversation),
    /// A message: made.
    Message(NewMessage),
    /// New content of a message, and when.
    Edited(MessageId, String, Timestamp),
    /// A message's content goes, and its place in the search; its reactions too.
    MessageDeleted(MessageId, Timestamp),
    /// (message, who, emoji, is there, when).
    Reaction(MessageId, UserId, String, bool, Timestamp),
    /// `read_state`.
    Read(StoredRead),
    /// An invitation that waits for an answer: made, by whom, when.
    Invited(PendingInvitation, UserId, Timestamp),
    /// What became of an invitation.
    InvitationAnswered(InvitationId, Answered),
    /// A link: made, by whom, when.
    Link(InviteLink, UserId, Timestamp),
    /// How often the link with this code was used.
    LinkUses(String, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Accepted,
    Declined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    pub id: MessageId,
    pub target: Target,
    pub sequence: i64,
    pub author: UserId,
    pub content: String,
    pub parent: Option<MessageId>,
    pub created_at: Timestamp,
}
