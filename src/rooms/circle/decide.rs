//! Who may ask for what: positions, sharing and the circle itself; `joining` has the coming and going.

use crate::protocol::circle::command::{Point, Precision};
use crate::protocol::circle::{Answer, Command};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::limits::MEASURED_AHEAD_MAX;
use crate::protocol::time::Timestamp;
use crate::rooms::circle::Circle;
use crate::rooms::circle::event::Event;
use crate::rooms::circle::rows::{StoredMember, StoredPoint};
use crate::rooms::kernel::{Decision, Member, MemberNo, Moment};

pub(super) type Decided = Result<Decision<Event, Answer>, Rejection>;

pub(super) fn nothing() -> Decided {
    Ok(Decision { event: None, answer: Answer::default() })
}

pub(super) fn only(event: Event) -> Decided {
    Ok(Decision { event: Some(event), answer: Answer::default() })
}

pub(super) fn forbidden(command: &Command, whom: &str) -> Rejection {
    Rejection::new(ErrorCode::Forbidden, format!("Action '{}' is restricted to the {whom}", command.name()))
}

pub(super) fn too_large(message: String) -> Rejection {
    Rejection::new(ErrorCode::TooLarge, message)
}

fn bad_message(message: &str) -> Rejection {
    Rejection::new(ErrorCode::BadMessage, message)
}

impl Circle {
    pub(super) fn judge_command(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Decided {
        let record = by.and_then(|by| self.roster.record(&by.user));
        match (command, by, record) {
            (Command::AcceptInvite { code, user, name }, ..) => self.judge_acceptance(at, code, user, name),
            (Command::Expire { before }, None, _) => only(Event::Expired(*before)),
            (Command::Expire { .. }, Some(_), _) => Err(forbidden(command, "server")),
            (_, Some(by), Some(record)) => self.judge_member(at, by, record, command),
            _ => Err(forbidden(command, "members of the circle")),
        }
    }

    fn judge_member(&self, at: Moment<'_>, by: &Member, record: &StoredMember, command: &Command) -> Decided {
        match command {
            Command::Locate { device, point } => self.judge_point(at, record, device, point),
            Command::SetSharing { enabled, until, precision } => judge_sharing(at, record, *enabled, *until, *precision),
            Command::DeleteHistory => only(Event::HistoryDeleted(record.user.clone())),
            Command::CreateInvite { code, expires_at } => self.judge_invite(at, code, *expires_at),
            Command::RemoveMember { user } => self.judge_removal(at, by, command, user),
            _ if !by.leads => Err(forbidden(command, "owner")),
            Command::Rename { name } if *name == self.name => nothing(),
            Command::Rename { name } => only(Event::Renamed(name.clone())),
            Command::DeleteCircle => only(Event::Deleted),
            Command::AcceptInvite { .. } | Command::Expire { .. } => nothing(),
        }
    }

    fn judge_point(&self, at: Moment<'_>, record: &StoredMember, device: &str, point: &Point) -> Decided {
        let measured_at = match point {
            Point::Plain(position) if position.timestamp > at.now.plus(MEASURED_AHEAD_MAX) => {
                return Err(bad_message("timestamp: is in the future"));
            }
            Point::Plain(position) => position.timestamp,
            Point::Sealed(_) => self.sealed_at(record.no, at.now),
        };
        let stored = record.sharing.takes(measured_at, at.now);
        let event = Event::Located(StoredPoint {
            user: record.user.clone(),
            device: device.to_owned(),
            measured_at,
            received_at: at.now,
            point: point.clone(),
        });
        Ok(Decision { event: stored.then_some(event), answer: Answer { stored: Some(stored), ..Answer::default() } })
    }

    /// What is sealed counts as measured when it came, and each later than the one before, however fast they come.
    fn sealed_at(&self, no: MemberNo, now: Timestamp) -> Timestamp {
        let before = self.last.get(&no).filter(|last| last.is_sealed);
        before.map_or(now, |last| now.max(Timestamp::from_ms(last.measured_at.ms().saturating_add(1))))
    }
}

fn judge_sharing(at: Moment<'_>, record: &StoredMember, enabled: bool, until: Option<Timestamp>, precision: Option<Precision>) -> Decided {
    if enabled && until.is_some_and(|until| until <= at.now) {
        return Err(bad_message("until: is not in the future"));
    }
    let sharing = record.sharing.set(enabled, until, precision, at.now);
    match sharing == record.sharing {
        true => nothing(),
        false => only(Event::SharingSet(StoredMember { sharing, ..record.clone() })),
    }
}
