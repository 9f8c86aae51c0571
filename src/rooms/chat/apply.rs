//! What follows from an event: the new state, the rows that hold it, and who is told what.

use crate::protocol::chat::ServerMessage;
use crate::rooms::chat::Workspace;
use crate::rooms::chat::event::Event;
use crate::rooms::chat::rows::Row;
use crate::rooms::kernel::{Effects, Member, Moment};

impl Workspace {
    pub(super) fn carry_out(&mut self, _at: Moment<'_>, _by: Option<&Member>, _event: Event) -> Effects<ServerMessage, Row> {
        Effects::default()
    }
}
impl Workspace {
    /// Those who are in a place and in the workspace: who leaves the workspace stays among the people of his conversations, and hears nothing.
    pub(super) fn audience(&self, place: &crate::rooms::chat::places::Place) -> crate::rooms::members::MemberSet {
        place.members.intersection(self.roster.members())
    }
}
