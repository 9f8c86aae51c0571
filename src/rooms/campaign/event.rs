//! What happens to a campaign: one event a command, decided once.

use crate::protocol::campaign::command::BroadcastMode;
use crate::rooms::campaign::board::Delta;
pub use crate::rooms::campaign::judge::Step;
use crate::rooms::campaign::rows::{InviteLink, PendingInvitation, StagedChange, StoredMember};
use crate::rooms::campaign::session;
pub use crate::rooms::campaign::session::Session;

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    SessionChanged {
        step: session::Step,
        session: Session,
    },
    ModeSet(BroadcastMode),
    /// The published board changed, by one command.
    BoardChanged(Step),
    /// A command was put into the queue; `delta` is what it does there.
    Staged {
        change: StagedChange,
        delta: Delta,
    },
    /// The change at this place was taken out of the queue.
    Unstaged(usize),
    /// The queue is empty, and what of it still applied has been done, in order.
    Published(Vec<Step>),
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
    /// Somebody is no member any more; what was his or hers alone on the board is no more.
    MemberRemoved {
        member: StoredMember,
        steps: Vec<Step>,
    },
    Deleted,
}
