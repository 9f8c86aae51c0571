//! Who may ask for what: what each command needs is said in `talking`, `channels` and `joining`; here is who asks which of them.

use crate::protocol::chat::command::Role;
use crate::protocol::chat::{Answer, Command};
use crate::protocol::error::{ErrorCode, Rejection};
use crate::rooms::chat::Workspace;
use crate::rooms::chat::event::Event;
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

pub(super) fn too_large(message: String) -> Rejection {
    Rejection::new(ErrorCode::TooLarge, message)
}

impl Workspace {
    pub(super) fn judge_command(&self, at: Moment<'_>, by: Option<&Member>, command: &Command) -> Decided {
        match (command, by) {
            (Command::AcceptInvitation { .. } | Command::DeclineInvitation { .. } | Command::AcceptInviteLink { .. }, _) => {
                self.judge_stranger(at, command)
            }
            (_, Some(by)) => self.judge_member(at, by, command),
            (_, None) => Err(forbidden(command, "members of the workspace")),
        }
    }

    fn judge_member(&self, at: Moment<'_>, by: &Member, command: &Command) -> Decided {
        match command {
            Command::Send { .. }
            | Command::Edit { .. }
            | Command::Delete { .. }
            | Command::ToggleReaction { .. }
            | Command::MarkRead { .. } => self.judge_talk(at, by, command),
            Command::JoinRoom { .. }
            | Command::CreateChannel { .. }
            | Command::ArchiveChannel { .. }
            | Command::JoinChannel { .. }
            | Command::LeaveChannel { .. }
            | Command::AddToChannel { .. }
            | Command::RemoveFromChannel { .. }
            | Command::OpenConversation { .. } => self.judge_channel(at, by, command),
            Command::Rename { name } => match self.roster.role(by.no) {
                Role::Owner if *name == self.name => nothing(),
                Role::Owner => only(Event::Renamed(name.clone())),
                _ => Err(forbidden(command, "owner")),
            },
            Command::DeleteWorkspace => match self.roster.role(by.no) {
                Role::Owner => only(Event::Deleted),
                _ => Err(forbidden(command, "owner")),
            },
            _ => self.judge_people(at, by, command),
        }
    }
}
