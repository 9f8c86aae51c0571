//! Coming and going: invitations, invite links, removal.

use crate::protocol::campaign::command::{Answer, Command, Targets, TokenUpdates};
use crate::protocol::campaign::token::Token;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{InvitationId, UserId};
use crate::protocol::limits::{INVITE_LINKS_MAX, MEMBERS_MAX, PENDING_INVITATIONS_MAX};
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::board::Delta;
use crate::rooms::campaign::decide::{Decided, forbidden, nothing, only};
use crate::rooms::campaign::event::Event;
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::judge::{Action, Step};
use crate::rooms::campaign::rows::{InviteLink, PendingInvitation, Role, StoredMember};
use crate::rooms::kernel::{Decision, Member, MemberNo, Moment};

impl Campaign {
    /// What a DM asks for through REST.
    pub(super) fn judge_invitation(&self, at: Moment<'_>, command: &Command) -> Decided {
        match command {
            Command::Invite { email } => {
                if self.invitations.values().any(|pending| pending.email == *email) {
                    return Err(Rejection::new(ErrorCode::Conflict, "An invitation for this address is pending"));
                }
                if self.invitations.len() >= PENDING_INVITATIONS_MAX {
                    return Err(Rejection::new(
                        ErrorCode::TooLarge,
                        format!("At most {PENDING_INVITATIONS_MAX} invitations can be pending"),
                    ));
                }
                let id = InvitationId::new(at.fresh);
                let event = Event::Invited(PendingInvitation { id: id.clone(), email: email.clone() });
                Ok(Decision { event: Some(event), answer: Answer { invitation_id: Some(id), ..Answer::default() } })
            }
            Command::CreateInviteLink { code, expires_at, max_uses } => {
                if self.links.contains_key(code) {
                    return Err(Rejection::new(ErrorCode::Conflict, "This code exists"));
                }
                if self.links.values().filter(|link| is_usable(link, at)).count() >= INVITE_LINKS_MAX {
                    return Err(Rejection::new(ErrorCode::TooLarge, format!("At most {INVITE_LINKS_MAX} invite links can be in use")));
                }
                only(Event::LinkMade(InviteLink { code: code.clone(), expires_at: *expires_at, max_uses: *max_uses, uses: 0 }))
            }
            _ => nothing(),
        }
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
                let link = self.links.get(code).ok_or_else(|| Rejection::new(ErrorCode::NotFound, "No such invite link"))?;
                if self.roster.member_no(user).is_some() {
                    return nothing();
                }
                if !is_usable(link, at) {
                    return Err(Rejection::new(ErrorCode::Gone, "This invite link is used up or has expired"));
                }
                match self.newcomer(at, user, name)? {
                    Some(joined) => {
                        only(Event::LinkUsed { link: InviteLink { uses: link.uses.saturating_add(1), ..link.clone() }, joined })
                    }
                    None => nothing(),
                }
            }
            _ => nothing(),
        }
    }

    fn invitation(&self, id: &InvitationId, email: &str) -> Result<PendingInvitation, Rejection> {
        let invitation = self.invitations.get(id).filter(|invitation| invitation.email == email.to_lowercase());
        invitation.cloned().ok_or_else(|| Rejection::new(ErrorCode::NotFound, "No such invitation"))
    }

    /// The record of somebody who becomes a player; `None` for a member. Who was here before keeps the number.
    fn newcomer(&self, at: Moment<'_>, user: &UserId, name: &str) -> Result<Option<StoredMember>, Rejection> {
        if self.roster.member_no(user).is_some() {
            return Ok(None);
        }
        if self.roster.len() >= MEMBERS_MAX {
            return Err(Rejection::new(ErrorCode::TooLarge, format!("A campaign has at most {MEMBERS_MAX} members")));
        }
        let no = self.roster.record(user).map_or_else(|| self.roster.next_no(), |record| record.no);
        let (joined_at, joined_seq) = (at.now, at.seq);
        Ok(Some(StoredMember { no, user: user.clone(), name: name.to_owned(), role: Role::Player, joined_at, joined_seq, left_at: None }))
    }

    pub(super) fn judge_removal(&self, at: Moment<'_>, by: Option<&Member>, command: &Command, user: &UserId) -> Decided {
        let by = by.filter(|by| by.leads || by.user == *user).ok_or_else(|| forbidden(command, "DM"))?;
        let no = self.roster.member_no(user);
        let record = no.and_then(|_| self.roster.record(user)).ok_or_else(|| Rejection::new(ErrorCode::NotFound, "No such member"))?;
        if record.role == Role::Dm && self.roster.dms().len() == 1 {
            return Err(Rejection::new(ErrorCode::Conflict, "The last DM cannot leave the campaign"));
        }
        let steps = self.traces_removed(record.no, user, &by.user);
        only(Event::MemberRemoved { member: StoredMember { left_at: Some(at.now), ..record.clone() }, steps })
    }

    /// What was for this member alone on the board goes: being among those who see a hex, and owning tokens. That somebody was *excepted*
    /// from seeing a hex is kept for the day when he or she returns.
    fn traces_removed(&self, no: MemberNo, user: &UserId, by: &UserId) -> Vec<Step> {
        let without = |seen: &Visibility| match seen {
            Visibility::Only(some) if some.contains(no) => {
                let mut left = some.clone();
                left.remove(no);
                Some((!left.is_empty()).then_some(Visibility::Only(left)))
            }
            _ => None,
        };
        let fog: Vec<_> = self.board.fogs().into_iter().filter_map(|(key, seen)| Some((key, without(seen)?))).collect();
        let hide = (!fog.is_empty()).then(|| Step {
            by: by.clone(),
            action: Action::Hide(Targets::Players(vec![user.clone()])),
            delta: Delta { fog, ..Delta::default() },
        });
        let disowned = self.board.tokens_of(user).into_iter().map(|token| Step {
            by: by.clone(),
            action: Action::UpdateToken(token.id.clone(), TokenUpdates { owner_id: Some(None), ..TokenUpdates::default() }),
            delta: Delta { token: Some((token.id.clone(), Some(Token { owner_id: None, ..token.clone() }))), ..Delta::default() },
        });
        hide.into_iter().chain(disowned).collect()
    }
}

fn is_usable(link: &InviteLink, at: Moment<'_>) -> bool {
    link.expires_at > at.now && link.max_uses.is_none_or(|max| link.uses < max)
}
