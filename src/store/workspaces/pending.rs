//! The invitations that wait for somebody's answer: to campaigns and to workspaces, as one list.

use diesel::QueryResult;

use crate::protocol::time::Timestamp;
use crate::store::campaigns::invitations::{self as to_campaigns, ReceivedInvitation as ToCampaign};
use crate::store::campaigns::page::{Page, in_order, resolved};
use crate::store::db::Db;
use crate::store::workspaces::invitations::{self as to_workspaces, ReceivedInvitation as ToWorkspace};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Campaign(ToCampaign),
    Workspace(ToWorkspace),
}

impl Received {
    fn place(&self) -> (Timestamp, &str) {
        match self {
            Received::Campaign(invitation) => (invitation.created_at, invitation.id.as_str()),
            Received::Workspace(invitation) => (invitation.created_at, invitation.id.as_str()),
        }
    }
}

/// What waits for an answer from this address (in lower case), oldest first. `None` when a cursor names none of them.
pub fn pending_for(db: &mut Db, email: &str, page: Page<String>) -> QueryResult<Option<Vec<Received>>> {
    db.read(|db| {
        let made_at = |id: &str| match to_campaigns::made_at(db, id, email)? {
            None => to_workspaces::made_at(db, id, email),
            at => Ok(at),
        };
        let Some(span) = resolved(page, made_at)? else { return Ok(None) };
        let campaigns = to_campaigns::pending_for(db, email, span.clone())?.into_iter().map(Received::Campaign);
        let workspaces = to_workspaces::pending_for(db, email, span.clone())?.into_iter().map(Received::Workspace);
        let mut both: Vec<Received> = campaigns.chain(workspaces).collect();
        both.sort_by(|a, b| if span.is_backward() { b.place().cmp(&a.place()) } else { a.place().cmp(&b.place()) });
        both.truncate(span.limit as usize);
        Ok(Some(in_order(both, span.is_backward())))
    })
}
