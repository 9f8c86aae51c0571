//! What follows from an event: the new state, the rows that hold it, and who is told what.

use crate::protocol::circle::ServerMessage;
use crate::protocol::circle::command::Point;
use crate::protocol::circle::messages::{Broadcast, BroadcastPoint};
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::event::Event;
use crate::rooms::circle::gate;
use crate::rooms::circle::rows::{Row, StoredMember, StoredPoint};
use crate::rooms::circle::{Circle, Last};
use crate::rooms::kernel::{Audience, Effects, Member, MemberNo, Moment, Part};

type Outcome = Effects<ServerMessage, Row>;

/// A change of the circle itself: numbered, and told by its consequences.
fn silent(rows: impl IntoIterator<Item = Row>) -> Outcome {
    Effects { rows: rows.into_iter().collect(), ..Effects::default() }
}

fn unnumbered(row: Row, parts: Vec<Part<ServerMessage>>) -> Outcome {
    Effects { rows: vec![row], parts, unnumbered: true, ..Effects::default() }
}

impl Circle {
    pub(super) fn carry_out(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Outcome {
        match event {
            Event::Renamed(name) => {
                self.name.clone_from(&name);
                silent([Row::Renamed(name)])
            }
            Event::Deleted => Effects { rows: vec![Row::Deleted], closed: true, ..Effects::default() },
            Event::Located(point) => self.locate(at, point),
            Event::SharingSet(member) => self.set_sharing(at, member),
            Event::HistoryDeleted(user) => {
                if let Some(person) = self.roster.person(&user) {
                    self.last.remove(&person.no);
                }
                unnumbered(Row::HistoryDeleted(user), Vec::new())
            }
            Event::Expired(before) => {
                self.last.retain(|_, last| last.measured_at >= before);
                unnumbered(Row::Expired(before), Vec::new())
            }
            Event::InviteMade(invite) => {
                self.invites.insert(invite.code.clone(), invite.clone());
                silent(by.map(|by| Row::Invite(invite, by.user.clone(), at.now)))
            }
            Event::InviteUsed { code, joined } => {
                self.invites.remove(&code);
                self.used.insert(code.clone());
                let used = Row::InviteUsed(code, joined.user.clone(), at.now);
                self.tell_sharing_of(joined.no);
                silent([used, self.put(joined)])
            }
            Event::MemberRemoved { member, heir } => {
                let user = member.user.clone();
                self.forget(member.no);
                self.tell_sharing_of(member.no);
                let rows = [self.put(member)].into_iter().chain(heir.map(|heir| self.put(heir))).collect();
                Effects { rows, removed: vec![user], ..Effects::default() }
            }
        }
    }

    fn put(&mut self, member: StoredMember) -> Row {
        self.roster.put(member.clone());
        Row::Member(member)
    }

    /// The company says it.
    fn tell_sharing_of(&mut self, no: MemberNo) {
        self.news.count += 1;
        self.news.of = Some(no);
    }

    /// From now on the others have never heard where this member was.
    fn forget(&mut self, no: MemberNo) {
        if let Some(last) = self.last.get_mut(&no) {
            last.point = None;
        }
    }

    /// Every point is history; only one that was measured later than all before is "now".
    fn locate(&mut self, at: Moment<'_>, point: StoredPoint) -> Outcome {
        let no = self.roster.person(&point.user).map(|person| person.no);
        let parts = match no.filter(|no| self.last.get(no).is_none_or(|last| last.measured_at < point.measured_at)) {
            None => Vec::new(),
            Some(no) => {
                self.last.insert(no, Last::of(&point));
                self.say_position(no, at.now)
            }
        };
        unnumbered(Row::Point(point), parts)
    }

    fn set_sharing(&mut self, at: Moment<'_>, member: StoredMember) -> Outcome {
        let no = member.no;
        let before = self.roster.numbered(no).map(|person| person.sharing);
        let after = member.sharing;
        let row = self.put(member);
        if !(after.is_on(at.now) && before.is_some_and(|before| before.is_on(at.now))) {
            self.forget(no);
        }
        if before.is_none_or(|before| (before.enabled, before.until) != (after.enabled, after.until)) {
            self.tell_sharing_of(no);
        }
        // What waits for a slow reader is as exact as it was: it is replaced.
        let is_seen_anew = before.is_some_and(|before| before.precision != after.precision);
        let parts = if is_seen_anew { self.say_position(no, at.now) } else { Vec::new() };
        unnumbered(row, parts)
    }

    fn say_position(&self, no: MemberNo, now: Timestamp) -> Vec<Part<ServerMessage>> {
        let others = self.roster.others(no);
        let broadcast = self.broadcast(no, now).filter(|_| !others.is_empty());
        broadcast.map(|frame| Part { to: Audience::Members(others), frames: vec![frame] }).into_iter().collect()
    }

    /// The only maker of frames with a position: what the others may see of where somebody is.
    fn broadcast(&self, no: MemberNo, now: Timestamp) -> Option<ServerMessage> {
        let member = self.roster.numbered(no)?;
        let point = match gate::seen(member, self.last.get(&no)?.point.as_ref()?, now)? {
            Point::Plain(position) => BroadcastPoint::Plain(position),
            Point::Sealed(payload) => BroadcastPoint::Sealed { payload },
        };
        Some(ServerMessage::LocationBroadcast(Box::new(Broadcast {
            user_id: member.user.clone(),
            sender_id: member.user.clone(),
            sender_name: member.name.clone(),
            circle_id: self.id.clone(),
            point,
        })))
    }

    /// What a new subscriber is told: where each of the others is.
    pub(super) fn last_known(&self, asker: MemberNo, now: Timestamp) -> Vec<ServerMessage> {
        self.roster.others(asker).iter().filter_map(|no| self.broadcast(no, now)).collect()
    }

    /// What everybody is told of somebody's sharing.
    pub(super) fn sharing_changed(&self, no: MemberNo, now: Timestamp) -> Option<ServerMessage> {
        let member = self.roster.numbered(no)?;
        let (user_id, enabled): (UserId, bool) = (member.user.clone(), gate::visible(member, now));
        Some(ServerMessage::SharingChanged { user_id, enabled, until: member.sharing.until.filter(|_| enabled) })
    }
}
