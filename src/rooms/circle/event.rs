//! What happens to a circle: one event a command, decided once.

use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::{Invite, StoredMember, StoredPoint};

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Renamed(String),
    Deleted,

    Located(StoredPoint),
    /// The member as he is after that.
    SharingSet(StoredMember),
    /// Somebody's positions are gone.
    HistoryDeleted(UserId),
    /// All positions that were measured before are gone.
    Expired(Timestamp),

    InviteMade(Invite),
    InviteUsed {
        code: String,
        joined: StoredMember,
    },
    /// Somebody is no member any more; with the member who is the owner from then on, if another one has to be.
    MemberRemoved {
        member: StoredMember,
        heir: Option<StoredMember>,
    },
}
