//! Coming and going: codes, joining, removal.

use crate::protocol::circle::Command;
use crate::protocol::circle::command::Role;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::UserId;
use crate::protocol::limits::{CIRCLE_MEMBERS_MAX, INVITE_LINKS_MAX};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::Circle;
use crate::rooms::circle::decide::{Decided, forbidden, nothing, only, too_large};
use crate::rooms::circle::event::Event;
use crate::rooms::circle::rows::{Invite, Sharing, StoredMember};
use crate::rooms::kernel::{Member, Moment};

impl Circle {
    pub(super) fn judge_invite(&self, at: Moment<'_>, code: &str, expires_at: Timestamp) -> Decided {
        if self.invites.contains_key(code) || self.used.contains(code) {
            return Err(Rejection::new(ErrorCode::Conflict, "This code exists"));
        }
        if self.invites.values().filter(|invite| invite.expires_at > at.now).count() >= INVITE_LINKS_MAX {
            return Err(too_large(format!("At most {INVITE_LINKS_MAX} codes can be in use")));
        }
        only(Event::InviteMade(Invite { code: code.to_owned(), expires_at }))
    }

    /// Whoever is a member already uses no code up.
    pub(super) fn judge_acceptance(&self, at: Moment<'_>, code: &str, user: &UserId, name: &str) -> Decided {
        let gone = || Err(Rejection::new(ErrorCode::Gone, "This code was used or has expired"));
        let Some(invite) = self.invites.get(code) else {
            return if self.used.contains(code) { gone() } else { Err(Rejection::not_found("No such code")) };
        };
        if self.roster.record(user).is_some() {
            return nothing();
        }
        if invite.expires_at <= at.now {
            return gone();
        }
        if self.roster.members().len() >= CIRCLE_MEMBERS_MAX {
            return Err(too_large(format!("A circle has at most {CIRCLE_MEMBERS_MAX} members")));
        }
        only(Event::InviteUsed { code: code.to_owned(), joined: self.newcomer(at, user, name) })
    }

    /// Who was here before keeps the number; the time between counts as one in which nothing was shared.
    fn newcomer(&self, at: Moment<'_>, user: &UserId, name: &str) -> StoredMember {
        let before = self.roster.person(user);
        let since = |person: &StoredMember, left_at| person.sharing.paused.map_or(left_at, |(from, _)| from);
        let paused = before.and_then(|person| Some((since(person, person.left_at?), Some(at.now))));
        StoredMember {
            no: before.map_or_else(|| self.roster.next_no(), |person| person.no),
            user: user.clone(),
            name: name.into(),
            role: Role::Member,
            joined_at: at.now,
            joined_seq: at.seq,
            left_at: None,
            sharing: Sharing { paused, ..Sharing::AT_FIRST },
        }
    }

    /// The last owner who leaves hands the circle to who has been in it longest; with the last member it goes.
    pub(super) fn judge_removal(&self, at: Moment<'_>, by: &Member, command: &Command, user: &UserId) -> Decided {
        if !by.leads && *user != by.user {
            return Err(forbidden(command, "owner"));
        }
        let record = self.roster.record(user).ok_or_else(|| Rejection::not_found("No such member"))?;
        let is_last_owner = record.role == Role::Owner && self.roster.owners() == 1;
        let longest = self.roster.each().filter(|person| person.no != record.no).min_by_key(|person| (person.joined_at, person.no));
        match longest {
            None => only(Event::Deleted),
            Some(longest) => only(Event::MemberRemoved {
                member: StoredMember { left_at: Some(at.now), ..record.clone() },
                heir: is_last_owner.then(|| StoredMember { role: Role::Owner, ..longest.clone() }),
            }),
        }
    }
}
