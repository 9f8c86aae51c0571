//! What happens to a workspace: one event a command, decided once.

use crate::protocol::chat::Target;
use crate::protocol::ids::ChannelId;
use crate::rooms::chat::rows::{InviteLink, NewMessage, PendingInvitation, StoredChannel, StoredConversation, StoredMember, StoredMessage};
use crate::rooms::kernel::MemberNo;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Renamed(String),
    Deleted,

    Sent(NewMessage),
    /// What is known of the message, and its new content.
    Edited(StoredMessage, String),
    /// The message as it is after that: without reactions.
    MessageDeleted(StoredMessage),
    /// The message as it is after that.
    Reacted {
        message: StoredMessage,
        emoji: String,
        added: bool,
    },
    /// The sender has read everything in this place.
    Read(Target),

    ChannelCreated(StoredChannel),
    ChannelArchived(ChannelId),
    /// This member is in the channel.
    ChannelJoined(ChannelId, MemberNo),
    /// This member is not in the channel any more.
    ChannelLeft(ChannelId, MemberNo),
    ConversationOpened(StoredConversation),

    Invited(PendingInvitation),
    InvitationAccepted {
        invitation: PendingInvitation,
        joined: Option<StoredMember>,
    },
    InvitationDeclined(PendingInvitation),
    LinkMade(InviteLink),
    /// The link as it is after this use.
    LinkUsed {
        link: InviteLink,
        joined: StoredMember,
    },
    /// Somebody is no member any more, nor in any channel.
    MemberRemoved(StoredMember),
    RoleSet(StoredMember),
}
