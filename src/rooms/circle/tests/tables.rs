//! A model of the database: what rows do to what a circle is loaded from, and the history.

use super::*;
use crate::rooms::circle::rows::{Invite, StoredPoint};

pub struct Tables {
    /// Without the latest points: they are looked for in the history.
    pub stored: StoredCircle,
    pub points: Vec<StoredPoint>,
    pub deleted: bool,
}

impl Tables {
    pub fn new(stored: StoredCircle) -> Self {
        Self { stored, points: Vec::new(), deleted: false }
    }

    pub fn write(&mut self, row: Row) {
        let stored = &mut self.stored;
        match row {
            Row::Renamed(name) => stored.name = name,
            Row::Deleted => {
                self.deleted = true;
                self.points.clear();
            }
            Row::Member(member) => match stored.members.iter_mut().find(|known| known.no == member.no) {
                Some(known) => {
                    assert_ne!(*known, member, "a row changes something");
                    *known = member;
                }
                None => stored.members.push(member),
            },
            Row::Invite(invite, ..) => stored.invites.push(invite),
            Row::InviteUsed(code, ..) => {
                let at = stored.invites.iter().position(|invite| invite.code == code).expect("a code works once");
                stored.invites.remove(at);
            }
            Row::Point(point) => {
                let key = |point: &StoredPoint| (point.user.clone(), point.device.clone(), point.measured_at);
                if !self.points.iter().any(|known| key(known) == key(&point)) {
                    self.points.push(point);
                }
            }
            Row::HistoryDeleted(user) => self.points.retain(|point| point.user != user),
            Row::Expired(before) => self.points.retain(|point| point.measured_at >= before),
        }
    }

    /// Of each person the point that was measured last.
    pub fn load(&self) -> StoredCircle {
        let last = |member: &StoredMember| {
            // Of two devices that measured at the same time the first that told.
            let points = self.points.iter().rev().filter(|point| point.user == member.user);
            points.max_by_key(|point| point.measured_at).cloned()
        };
        StoredCircle { latest: self.stored.members.iter().filter_map(last).collect(), ..self.stored.clone() }
    }

    pub fn history(&self, user: &str) -> Vec<i64> {
        self.points.iter().filter(|point| point.user == user.into()).map(|point| point.measured_at.ms()).collect()
    }
}

/// Everything that a circle knows, in an order of its own.
pub fn of(circle: &Circle) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut invites: Vec<Invite> = circle.invites.values().cloned().collect();
    invites.sort_by(|a, b| a.code.cmp(&b.code));
    let mut last: Vec<(MemberNo, Timestamp, bool, Value)> =
        circle.last.iter().map(|(no, last)| (*no, last.measured_at, last.is_sealed, json!(last.point))).collect();
    last.sort_by_key(|(no, ..)| *no);
    (circle.id.clone(), circle.name.clone(), circle.roster.clone(), invites, last)
}
