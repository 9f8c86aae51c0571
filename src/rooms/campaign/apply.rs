//! What follows from an event: the new state, the rows that hold it, and who is told what.

use serde_json::json;

use crate::protocol::campaign::ServerMessage;
use crate::protocol::campaign::command::BroadcastMode;
use crate::protocol::ids::UserId;
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::board::{Before, Look};
use crate::rooms::campaign::event::{Event, Session, Step};
use crate::rooms::campaign::log::{Change, Page};
use crate::rooms::campaign::rows::{LogType, Row, StagedChange, StoredMember};
use crate::rooms::campaign::session;
use crate::rooms::campaign::{gate, rows};
use crate::rooms::kernel::{Audience, Effects, Member, Moment, Part};
use crate::rooms::members::MemberSet;

type Outcome = Effects<ServerMessage, Row>;

fn outcome(parts: Vec<Part<ServerMessage>>, rows: Vec<Row>) -> Outcome {
    Effects { parts, rows, ..Effects::default() }
}

fn to_all(frame: ServerMessage) -> Vec<Part<ServerMessage>> {
    vec![Part { to: Audience::All, frames: vec![frame] }]
}

impl Campaign {
    pub(super) fn carry_out(&mut self, at: Moment<'_>, by: Option<&Member>, event: Event) -> Outcome {
        let user = by.map(|by| by.user.clone());
        match event {
            Event::SessionChanged { step, session } => self.change_session(at, user, step, session),
            Event::ModeSet(mode) => self.set_mode(at, user, mode),
            Event::BoardChanged(step) => self.change_board(at, &[step], Vec::new()),
            Event::Staged { change, delta } => {
                self.queue.push(change.clone(), &self.board, &delta);
                outcome(self.tell_queue(), vec![Row::Stage(change)])
            }
            Event::Unstaged(place) => {
                let StagedChange { id, .. } = self.queue.remove(place);
                outcome(self.tell_queue(), vec![Row::Unstage(id)])
            }
            Event::Published(steps) => {
                self.queue.clear();
                let mut done = self.change_board(at, &steps, vec![self.queue.message()]);
                done.rows.insert(0, Row::UnstageAll);
                done
            }
            Event::Invited(invitation) => {
                let rows::PendingInvitation { id, email } = invitation.clone();
                self.invitations.insert(id.clone(), invitation);
                let row = user.map(|by| Row::Invitation { id, email, by, at: at.now });
                outcome(Vec::new(), row.into_iter().collect())
            }
            Event::InvitationDeclined(invitation) => {
                self.invitations.remove(&invitation.id);
                outcome(Vec::new(), vec![Row::InvitationAnswered { id: invitation.id, accepted: false }])
            }
            Event::InvitationAccepted { invitation, joined } => {
                self.invitations.remove(&invitation.id);
                let answered = Row::InvitationAnswered { id: invitation.id, accepted: true };
                let member = joined.map(|member| self.admit(member));
                outcome(Vec::new(), [answered].into_iter().chain(member).collect())
            }
            Event::LinkMade(link) => {
                self.links.insert(link.code.clone(), link.clone());
                let row = user.map(|by| Row::Link { link, by, at: at.now });
                outcome(Vec::new(), row.into_iter().collect())
            }
            Event::LinkUsed { link, joined } => {
                let used = Row::LinkUses { code: link.code.clone(), uses: link.uses };
                self.links.insert(link.code.clone(), link);
                outcome(Vec::new(), vec![used, self.admit(joined)])
            }
            Event::MemberRemoved { member, steps } => self.remove_member(at, member, &steps),
            Event::Deleted => Effects { rows: vec![Row::Deleted], closed: true, ..Effects::default() },
        }
    }

    fn change_session(&mut self, at: Moment<'_>, user: Option<UserId>, step: session::Step, session: Session) -> Outcome {
        self.session = session;
        let (Some(play), Some(stored)) = (self.session.play(), self.session.to_stored()) else { return Effects::default() };
        let page = Page { session: &play.id, at: at.now, seq: at.seq };
        let log = page.open(step.log_type(), user, &json!({"sessionId": play.id, "status": self.session.status()}));
        let (status, session_id, started_at) = (self.session.status(), play.id.clone(), play.started_at);
        let frame = ServerMessage::SessionStatusChanged { status, session_id, started_at };
        outcome(to_all(frame), vec![Row::Session(stored), Row::Log(log)])
    }

    fn set_mode(&mut self, at: Moment<'_>, user: Option<UserId>, mode: BroadcastMode) -> Outcome {
        self.mode = mode;
        let log = self.page(at).map(|page| Row::Log(page.closed(LogType::BroadcastMode, user, &json!({"mode": mode}))));
        let frame = ServerMessage::DmPreparing { preparing: mode == BroadcastMode::Staged };
        outcome(to_all(frame), [Row::Mode(mode)].into_iter().chain(log).collect())
    }

    fn tell_queue(&self) -> Vec<Part<ServerMessage>> {
        vec![Part { to: Audience::Dm, frames: vec![self.queue.message()] }]
    }

    /// Carries out steps as one change: everybody is told the difference between before the first and after the last.
    fn change_board(&mut self, at: Moment<'_>, steps: &[Step], after_steps: Vec<ServerMessage>) -> Outcome {
        let mut before = Before::default();
        for step in steps {
            self.board.apply(&step.delta, &mut before);
            self.queue.token_changed(&step.delta);
        }
        let findings = gate::findings(&before, &self.board, &self.roster, steps);
        let parts = gate::parts(&before, &self.board, &findings, steps, after_steps);
        let mut rows = self.board_rows(&before, steps);
        if let Some(page) = self.page(at) {
            let change = Change { steps, before: &before, board: &self.board, roster: &self.roster, findings: &findings };
            rows.extend(page.steps(&change).into_iter().map(Row::Log));
        }
        outcome(parts, rows)
    }

    /// The new value of everything touched, once. A replaced map comes first: what was set after it stands on top of it.
    fn board_rows(&self, before: &Before, steps: &[Step]) -> Vec<Row> {
        let mut rows = Vec::new();
        if let Some((hexes, size)) = steps.iter().rev().find_map(|step| step.delta.replaced.as_ref()) {
            rows.extend([Row::Size(*size), Row::ReplaceHexes(hexes.clone())]);
        }
        rows.extend(before.ground.keys().map(|key| Row::Hex(*key, self.board.ground(*key).cloned())));
        rows.extend(before.fog.keys().map(|key| Row::Fog(*key, self.board.fog(*key).cloned())));
        rows.extend(before.tokens.keys().map(|id| Row::Token(id.clone(), self.board.token(id).cloned())));
        rows
    }

    fn admit(&mut self, member: StoredMember) -> Row {
        self.roster.put(member.clone());
        self.queue.forget_draft();
        Row::Member(member)
    }

    /// The first part keeps what is said about the removal from the one whom it concerns.
    fn remove_member(&mut self, at: Moment<'_>, member: StoredMember, steps: &[Step]) -> Outcome {
        self.roster.put(member.clone());
        let mut done = self.change_board(at, steps, Vec::new());
        self.queue.forget_draft();
        if !done.parts.is_empty() {
            done.parts.insert(0, Part { to: Audience::Members(MemberSet::one(member.no)), frames: Vec::new() });
        }
        done.removed.push(member.user.clone());
        done.rows.insert(0, Row::Member(member));
        done
    }
}
