//! Coming and going: invitations, invite links, roles, removal.

use crate::protocol::chat::command::Role;
use crate::protocol::chat::{Answer, Command};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{InvitationId, UserId};
use crate::protocol::limits::{INVITE_LINKS_MAX, MEMBERS_MAX, PENDING_INVITATIONS_MAX};
use crate::rooms::chat::Workspace;
use crate::rooms::chat::decide::{Decided, forbidden, nothing, only, too_large};
use crate::rooms::chat::event::Event;
use crate::rooms::chat::rows::{InviteLink, PendingInvitation, StoredMember};
use crate::rooms::kernel::{Decision, Member, Moment};

impl Workspace {
    /// What members ask for about members.
    pub(super) fn judge_people(&self, at: Moment<'_>, by: &Member, command: &Command) -> Decided {
        match command {
            Command::RemoveMember { user } if *user == by.user => self.judge_removal(at, by, command, user),
            _ if !by.leads => Err(forbidden(command, "admins")),
            Command::RemoveMember { user } => self.judge_removal(at, by, command, user),
            Command::SetRole { user, role } => self.judge_role(by, command, user, *role),
            Command::Invite { email } => self.judge_invitation(at, email),
            Command::CreateInviteLink { code, expires_at, max_uses } => {
                if self.links.contains_key(code) {
                    return Err(Rejection::new(ErrorCode::Conflict, "This code exists"));
                }
                if self.links.values().filter(|link| is_usable(link, at)).count() >= INVITE_LINKS_MAX {
                    return Err(too_large(format!("At most {INVITE_LINKS_MAX} invite links can be in use")));
                }
                only(Event::LinkMade(InviteLink { code: code.clone(), expires_at: *expires_at, max_uses: *max_uses, uses: 0 }))
            }
            _ => nothing(),
        }
    }

    fn judge_invitation(&self, at: Moment<'_>, email: &str) -> Decided {
        if self.invitations.values().any(|pending| pending.email == email) {
            return Err(Rejection::new(ErrorCode::Conflict, "An invitation for this address is pending"));
        }
        if self.invitations.len() >= PENDING_INVITATIONS_MAX {
            return Err(too_large(format!("At most {PENDING_INVITATIONS_MAX} invitations can be pending")));
        }
        let id = InvitationId::new(at.fresh);
        let event = Event::Invited(PendingInvitation { id: id.clone(), email: email.to_owned() });
        Ok(Decision { event: Some(event), answer: Answer { invitation_id: Some(id), ..Answer::default() } })
    }

    /// Whom an owner or an admin may change: an admin no owner.
    fn subordinate(&self, by: &Member, command: &Command, user: &UserId) -> Result<&StoredMember, Rejection> {
        let no = self.no_of(user)?;
        let record = self.roster.person(no).ok_or_else(|| Rejection::not_found("No such member"))?;
        match (record.role, self.roster.role(by.no)) {
            (Role::Owner, Role::Admin) => Err(forbidden(command, "owners")),
            _ => Ok(record),
        }
    }

    fn judge_role(&self, by: &Member, command: &Command, user: &UserId, role: Role) -> Decided {
        let record = self.subordinate(by, command, user)?;
        match (record.role, role) {
            (_, Role::Owner) if self.roster.role(by.no) != Role::Owner => Err(forbidden(command, "owners")),
            (before, after) if before == after => nothing(),
            (Role::Owner, _) if self.roster.owners().len() == 1 => {
                Err(Rejection::new(ErrorCode::Conflict, "The last owner stays the owner"))
            }
            _ => only(Event::RoleSet(StoredMember { role, ..record.clone() })),
        }
    }

    fn judge_removal(&self, at: Moment<'_>, by: &Member, command: &Command, user: &UserId) -> Decided {
        let record = self.subordinate(by, command, user)?;
        if record.role == Role::Owner && self.roster.owners().len() == 1 {
            return Err(Rejection::new(ErrorCode::Conflict, "The last owner cannot leave the workspace"));
        }
        only(Event::MemberRemoved(StoredMember { left_at: Some(at.now), ..record.clone() }))
    }

    /// What somebody asks for who need not be a member.
    pub(super) fn judge_stranger(&self, at: Moment<'_>, command: &Command) -> Decided {
        match command {
            Command::AcceptInvitation { invitation_id, user, name, email } => {
                let invitation = self.invitation(invitation_id, email)?;
                let joined = self.newcomer(at, user, name)?;
                only(Event::InvitationAccepted { invitation, joined })
            }
            Command::DeclineInvitation { invitation_id, email, .. } => {
                only(Event::InvitationDeclined(self.invitation(invitation_id, email)?))
            }
            Command::AcceptInviteLink { code, user, name } => {
                let link = self.links.get(code).ok_or_else(|| Rejection::not_found("No such invite link"))?;
                if self.roster.member_no(user).is_some() {
                    return nothing();
                }
                if !is_usable(link, at) {
                    return Err(Rejection::new(ErrorCode::Gone, "This invite link is used up or has expired"));
                }
                let link = InviteLink { uses: link.uses.saturating_add(1), ..link.clone() };
                self.newcomer(at, user, name)?.map_or_else(nothing, |joined| only(Event::LinkUsed { link, joined }))
            }
            _ => nothing(),
        }
    }

    fn invitation(&self, id: &InvitationId, email: &str) -> Result<PendingInvitation, Rejection> {
        let invitation = self.invitations.get(id).filter(|invitation| invitation.email == email.to_lowercase());
        invitation.cloned().ok_or_else(|| Rejection::not_found("No such invitation"))
    }

    /// The record of somebody who becomes a member; `None` for who is one. Who was here before keeps the number, and no role.
    fn newcomer(&self, at: Moment<'_>, user: &UserId, name: &str) -> Result<Option<StoredMember>, Rejection> {
        if self.roster.member_no(user).is_some() {
            return Ok(None);
        }
        if self.roster.members().len() >= MEMBERS_MAX {
            return Err(too_large(format!("A workspace has at most {MEMBERS_MAX} members")));
        }
        let no = self.roster.record(user).map_or_else(|| self.roster.next_no(), |record| record.no);
        let (joined_at, joined_seq) = (at.now, at.seq);
        let (user, name, role) = (user.clone(), name.into(), Role::Member);
        Ok(Some(StoredMember { no, user, name, role, joined_at, joined_seq, left_at: None }))
    }
}

fn is_usable(link: &InviteLink, at: Moment<'_>) -> bool {
    link.expires_at > at.now && link.max_uses.is_none_or(|max| link.uses < max)
}
