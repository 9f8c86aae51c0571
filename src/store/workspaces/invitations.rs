//! Invitations by e-mail and invite links of workspaces, as REST reads them.

use diesel::prelude::*;

use crate::protocol::ids::{InvitationId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::invitations::InvitationRow;
use crate::store::campaigns::page::{Page, Place, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// A workspace's invitations, oldest first. `None` when a cursor names none of them.
pub fn of_workspace(db: &mut Db, workspace: &WorkspaceId, page: Page<String>) -> QueryResult<Option<Vec<InvitationRow>>> {
    use schema::workspace_invitation as d;
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => d::table
            .filter(d::id.eq(id).and(d::workspace_id.eq(workspace.as_str())))
            .select(d::created_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<(String, String, String, At)> = page_of!(
        db,
        d::table.filter(d::workspace_id.eq(workspace.as_str())).select((d::id, d::email, d::status, d::created_at)),
        d::created_at,
        d::id,
        span
    )?;
    let row = |(id, email, status, at): (String, String, String, At)| InvitationRow {
        id: InvitationId::new(id),
        email,
        status,
        created_at: at.0,
    };
    Ok(Some(in_order(rows, span.is_backward()).into_iter().map(row).collect()))
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedInvitation {
    pub id: InvitationId,
    pub workspace: WorkspaceId,
    pub workspace_name: String,
    pub invited_by: UserId,
    pub invited_by_name: String,
    pub created_at: Timestamp,
}

/// When an invitation to this address (in lower case) was made.
pub fn made_at(db: &mut Db, id: &str, email: &str) -> QueryResult<Option<Timestamp>> {
    use schema::workspace_invitation as d;
    let at: Option<At> = on!(db, c => d::table.filter(d::id.eq(id).and(d::email.eq(email))).select(d::created_at).first(c).optional())?;
    Ok(at.map(|at| at.0))
}

/// What waits for an answer from this address (in lower case), oldest first.
pub fn pending_for(db: &mut Db, email: &str, span: Page<Place>) -> QueryResult<Vec<ReceivedInvitation>> {
    use schema::{user, workspace, workspace_invitation as d};
    let rows: Vec<(String, String, String, String, String, At)> = page_of!(
        db,
        d::table
            .inner_join(workspace::table)
            .inner_join(user::table.on(user::id.eq(d::invited_by)))
            .filter(d::email.eq(email).and(d::status.eq("pending")))
            .select((d::id, d::workspace_id, workspace::name, d::invited_by, user::name, d::created_at)),
        d::created_at,
        d::id,
        span
    )?;
    let row = |(id, workspace, workspace_name, by, invited_by_name, at): (String, String, String, String, String, At)| ReceivedInvitation {
        id: InvitationId::new(id),
        workspace: WorkspaceId::new(workspace),
        workspace_name,
        invited_by: UserId::new(by),
        invited_by_name,
        created_at: at.0,
    };
    Ok(in_order(rows, span.is_backward()).into_iter().map(row).collect())
}

/// Where an invitation to this address (in lower case) leads, and whether it still waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    pub workspace: WorkspaceId,
    pub is_pending: bool,
}

pub fn invited(db: &mut Db, id: &InvitationId, email: &str) -> QueryResult<Option<Invited>> {
    use schema::workspace_invitation as d;
    let row: Option<(String, String)> = on!(db, c => d::table
        .filter(d::id.eq(id.as_str()).and(d::email.eq(email)))
        .select((d::workspace_id, d::status))
        .first(c)
        .optional())?;
    Ok(row.map(|(workspace, status)| Invited { workspace: WorkspaceId::new(workspace), is_pending: status == "pending" }))
}

/// Where an invite link leads, and whether it can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub workspace: WorkspaceId,
    pub expires_at: Timestamp,
    pub is_used_up: bool,
}

pub fn link(db: &mut Db, code: &str) -> QueryResult<Option<Link>> {
    use schema::workspace_invite_link as d;
    let row: Option<(String, At, Option<i32>, i32)> =
        on!(db, c => d::table.find(code).select((d::workspace_id, d::expires_at, d::max_uses, d::uses)).first(c).optional())?;
    Ok(row.map(|(workspace, expires_at, max_uses, uses)| Link {
        workspace: WorkspaceId::new(workspace),
        expires_at: expires_at.0,
        is_used_up: max_uses.is_some_and(|max| uses >= max),
    }))
}
