//! Who may ask for what.

use crate::protocol::chat::{Answer, Command};
use crate::protocol::error::Rejection;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::event::Event;
use crate::rooms::kernel::{Decision, Member, Moment};

impl Workspace {
    pub(super) fn judge_command(&self, _at: Moment<'_>, _by: Option<&Member>, _: &Command) -> Result<Decision<Event, Answer>, Rejection> {
        Err(Rejection::internal())
    }
}
