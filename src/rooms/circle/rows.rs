//! The lasting truth of a circle: what its tables hold, as the room reads it when it is loaded and changes it with every event.

use std::sync::Arc;

use crate::protocol::circle::command::{Point, Precision, Role};
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::MemberNo;

/// What somebody shares with a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    pub enabled: bool,
    /// From then on it is as if not enabled.
    pub until: Option<Timestamp>,
    pub precision: Precision,
    /// From the beginning of the first span in which nothing was shared to the end of the last, which is `None` while that lasts: points measured
    /// in between are not taken when they come later.
    pub paused: Option<(Timestamp, Option<Timestamp>)>,
}

/// A row of `circle_member`. It stays when the person leaves (`left_at`), so that a number is never given to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    pub no: MemberNo,
    pub user: UserId,
    /// `user.name`.
    pub name: Arc<str>,
    pub role: Role,
    pub joined_at: Timestamp,
    pub joined_seq: i64,
    pub left_at: Option<Timestamp>,
    pub sharing: Sharing,
}

/// A row of `location`: unique by circle, user, device and `measured_at`.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPoint {
    pub user: UserId,
    pub device: String,
    pub measured_at: Timestamp,
    pub received_at: Timestamp,
    pub point: Point,
}

/// A code that is not used up; it may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    pub code: String,
    pub expires_at: Timestamp,
}

/// All that a circle's room is loaded from, read in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCircle {
    pub id: CircleId,
    pub name: String,
    pub members: Vec<StoredMember>,
    pub invites: Vec<Invite>,
    /// Of each person, also of those who left, the point that was measured last.
    pub latest: Vec<StoredPoint>,
}

/// A change of the tables, as the store writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    Renamed(String),
    /// The circle and everything in it goes.
    Deleted,
    /// `circle_member` by user: made or changed.
    Member(StoredMember),
    /// A code: made, by whom and when.
    Invite(Invite, UserId, Timestamp),
    /// A code was used by somebody.
    InviteUsed(String, UserId, Timestamp),
    /// A point: made, unless it is known.
    Point(StoredPoint),
    /// All points of somebody go.
    HistoryDeleted(UserId),
    /// All points that were measured before go.
    Expired(Timestamp),
}
