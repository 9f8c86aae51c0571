//! Who may ask for what, and when: role first, then state, then whether what is named exists, then the limits.

use crate::protocol::campaign::command::{Answer, BroadcastMode, Command, Skipped, TokenUpdates};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{ChangeId, TokenId};
use crate::protocol::limits::STAGED_CHANGES_MAX;
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::board::Look;
use crate::rooms::campaign::draft::{Draft, Layered};
use crate::rooms::campaign::event::Event;
use crate::rooms::campaign::judge::{Naming, is_stageable, judge};
use crate::rooms::campaign::rows::StagedChange;
use crate::rooms::campaign::session::{Session, Step};
use crate::rooms::campaign::staged::{STAGED_HEXES_MAX, hexes_of};
use crate::rooms::kernel::{Decision, Member, Moment};

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

impl Campaign {
    pub(super) fn judge_command(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Decided {
        match command {
            Command::AcceptInvitation { .. } | Command::DeclineInvitation { .. } | Command::AcceptInviteLink { .. } => {
                self.judge_stranger(at, command)
            }
            Command::RemoveMember { user } => self.judge_removal(at, by, command, user),
            Command::DeleteCampaign {} => match by {
                Some(by) if by.user == self.owner => only(Event::Deleted),
                _ => Err(forbidden(command, "owner")),
            },
            _ => match by {
                Some(dm) if dm.leads => self.judge_dm(at, dm, command),
                Some(player) => self.judge_player(player, command),
                None => Err(forbidden(command, "DM")),
            },
        }
    }

    /// A player may move and dress up his own token. Whether another token exists is not told.
    fn judge_player(&self, player: &Member, command: &Command) -> Decided {
        let own = |id: &TokenId| self.board.token(id).is_some_and(|token| token.owner_id.as_ref() == Some(&player.user));
        match command {
            Command::MoveToken { token_id, .. } if own(token_id) => {
                if !matches!(self.session, Session::Active(_)) {
                    return Err(Rejection::new(ErrorCode::InvalidState, "No active session to move a token in"));
                }
            }
            Command::UpdateToken { token_id, updates: TokenUpdates { visible: None, owner_id: None, .. } } if own(token_id) => {}
            _ => return Err(forbidden(command, "DM")),
        }
        let step = judge(&self.board, &self.roster, &player.user, command, "", Naming::Strict)?;
        step.map_or_else(nothing, |step| only(Event::BoardChanged(step)))
    }

    fn judge_dm(&self, at: Moment<'_>, dm: &Member, command: &Command) -> Decided {
        match command {
            Command::StartSession {} => self.judge_session(at, dm, Step::Start),
            Command::PauseSession {} => self.judge_session(at, dm, Step::Pause),
            Command::ResumeSession {} => self.judge_session(at, dm, Step::Resume),
            Command::EndSession {} => self.judge_session(at, dm, Step::End),
            Command::SetMode { mode } if *mode == self.mode => nothing(),
            Command::SetMode { mode } => only(Event::ModeSet(*mode)),
            Command::Publish {} => self.judge_publish(),
            Command::Undo { index, change_id } => match self.queue.find(*index, change_id.as_ref()) {
                Some(place) => only(Event::Unstaged(place)),
                None => Err(Rejection::new(ErrorCode::NotFound, "No such staged change")),
            },
            command if is_stageable(command) => match self.mode {
                BroadcastMode::Immediate => self.judge_at_once(at, dm, command),
                BroadcastMode::Staged => self.judge_staged(at, dm, command),
            },
            command => self.judge_invitation(at, command),
        }
    }

    fn judge_session(&self, at: Moment<'_>, dm: &Member, step: Step) -> Decided {
        let session = self.session.after(step, at.now, &dm.user, at.fresh)?;
        only(Event::SessionChanged { step, session })
    }

    fn judge_at_once(&self, at: Moment<'_>, dm: &Member, command: &Command) -> Decided {
        let step = judge(&self.board, &self.roster, &dm.user, command, at.fresh, Naming::Strict)?;
        Ok(Decision { event: step.map(Event::BoardChanged), answer: created(at, command) })
    }

    fn judge_staged(&self, at: Moment<'_>, dm: &Member, command: &Command) -> Decided {
        let draft = self.queue.draft(&self.board, &self.roster);
        let Some(step) = judge(&draft, &self.roster, &dm.user, command, at.fresh, Naming::Strict)? else { return nothing() };
        if self.queue.len() >= STAGED_CHANGES_MAX {
            let message = format!("At most {STAGED_CHANGES_MAX} changes can wait to be published");
            return Err(Rejection::new(ErrorCode::TooLarge, message));
        }
        if self.queue.hexes() + hexes_of(command) > STAGED_HEXES_MAX {
            let message = format!("Changes of at most {STAGED_HEXES_MAX} hexes can wait to be published");
            return Err(Rejection::new(ErrorCode::TooLarge, message));
        }
        let change =
            StagedChange { id: ChangeId::new(at.fresh), by: dm.user.clone(), command: command.clone(), fresh: at.fresh.to_owned() };
        Ok(Decision { event: Some(Event::Staged { change, delta: step.delta }), answer: created(at, command) })
    }

    /// Every change is judged again, on the board as those before it leave it. One that changes nothing is done already; one that cannot be
    /// done is skipped.
    fn judge_publish(&self) -> Decided {
        if self.queue.is_empty() {
            return Err(Rejection::new(ErrorCode::InvalidState, "Nothing is staged"));
        }
        let mut draft = Draft::default();
        let (mut steps, mut skipped) = (Vec::new(), Vec::new());
        for change in self.queue.changes() {
            let look = Layered { board: &self.board, draft: &draft };
            match judge(&look, &self.roster, &change.by, &change.command, &change.fresh, Naming::Leftover) {
                Ok(None) => {}
                Ok(Some(step)) => {
                    draft.apply(&self.board, &step.delta);
                    steps.push(step);
                }
                Err(rejection) => skipped.push(Skipped { id: change.id.clone(), reason: rejection.message }),
            }
        }
        let answer = Answer { skipped: Some(skipped), ..Answer::default() };
        Ok(Decision { event: Some(Event::Published(steps)), answer })
    }
}

fn created(at: Moment<'_>, command: &Command) -> Answer {
    let token_id = matches!(command, Command::CreateToken { .. }).then(|| TokenId::new(at.fresh));
    Answer { token_id, ..Answer::default() }
}
