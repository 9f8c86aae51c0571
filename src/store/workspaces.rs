//! Workspaces as REST reads them, and the one change that is no business of a room: a new workspace.

pub mod channels;
pub mod conversations;
pub mod invitations;
pub mod messages;
pub mod pending;
pub mod search;

use diesel::prelude::*;
use diesel::result::Error;

use crate::protocol::chat::command::Role;
use crate::protocol::ids::{UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// A new workspace. Whoever makes it is its first member and owner.
pub struct NewWorkspace {
    pub id: WorkspaceId,
    pub name: String,
    pub owner: UserId,
    /// The id of the owner's membership.
    pub membership: String,
    pub at: Timestamp,
}

pub fn create(db: &mut Db, new: &NewWorkspace) -> QueryResult<()> {
    use schema::{workspace, workspace_member as member};
    db.write(|db| {
        let row = (
            workspace::id.eq(new.id.as_str()),
            workspace::name.eq(&new.name),
            workspace::created_by.eq(new.owner.as_str()),
            workspace::created_at.eq(At(new.at)),
        );
        on!(db, c => diesel::insert_into(workspace::table).values(row).execute(c))?;
        let row = (
            member::id.eq(&new.membership),
            member::workspace_id.eq(new.id.as_str()),
            member::user_id.eq(new.owner.as_str()),
            member::role.eq(role_label(Role::Owner)),
            member::member_no.eq(0),
            member::joined_at.eq(At(new.at)),
        );
        on!(db, c => diesel::insert_into(member::table).values(row).execute(c))?;
        Ok(())
    })
}

/// A workspace as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: WorkspaceId,
    pub name: String,
    /// Of several owners the one who was in the workspace first.
    pub owner: UserId,
    pub role: Role,
    pub created_at: Timestamp,
}

type SummaryColumns = (String, String, Option<String>, String, String, At);

fn summary((id, name, owner, created_by, role, created_at): SummaryColumns) -> QueryResult<Summary> {
    let owner = UserId::new(owner.unwrap_or(created_by));
    Ok(Summary { id: WorkspaceId::new(id), name, owner, role: role_of(&role)?, created_at: created_at.0 })
}

/// The workspaces that somebody is a member of, as [`SummaryColumns`].
macro_rules! summaries {
    ($user:expr) => {{
        use schema::{workspace, workspace_member as member};
        let owners = diesel::alias!(schema::workspace_member as owners);
        let owner = owners
            .filter(owners.field(member::workspace_id).eq(workspace::id))
            .filter(owners.field(member::role).eq(role_label(Role::Owner)))
            .filter(owners.field(member::left_at).is_null())
            .order(owners.field(member::member_no))
            .select(owners.field(member::user_id))
            .limit(1)
            .single_value();
        workspace::table.inner_join(member::table).filter(member::user_id.eq($user.as_str()).and(member::left_at.is_null())).select((
            workspace::id,
            workspace::name,
            owner,
            workspace::created_by,
            member::role,
            workspace::created_at,
        ))
    }};
}

/// The workspaces of which somebody is a member, oldest first. `None` when a cursor names none of them.
pub fn list(db: &mut Db, user: &UserId, page: Page<String>) -> QueryResult<Option<Vec<Summary>>> {
    use schema::workspace;
    let found = resolved(page, |id| Ok(one(db, &WorkspaceId::new(id), user)?.map(|workspace| workspace.created_at)))?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<SummaryColumns> = page_of!(db, summaries!(user), workspace::created_at, workspace::id, span)?;
    in_order(rows, span.is_backward()).into_iter().map(summary).collect::<QueryResult<_>>().map(Some)
}

/// `None` when there is no such workspace, or the user is not in it.
pub fn one(db: &mut Db, workspace: &WorkspaceId, user: &UserId) -> QueryResult<Option<Summary>> {
    use schema::workspace as d;
    let row: Option<SummaryColumns> = on!(db, c => summaries!(user).filter(d::id.eq(workspace.as_str())).first(c).optional())?;
    row.map(summary).transpose()
}

/// `None` when there is no such workspace, or the user is not in it.
pub fn role(db: &mut Db, workspace: &WorkspaceId, user: &UserId) -> QueryResult<Option<Role>> {
    use schema::workspace_member as d;
    let row: Option<String> = on!(db, c => d::table
        .filter(d::workspace_id.eq(workspace.as_str()).and(d::user_id.eq(user.as_str())).and(d::left_at.is_null()))
        .select(d::role)
        .first(c)
        .optional())?;
    row.as_deref().map(role_of).transpose()
}

/// Whether somebody with this e-mail address (in lower case) is a member.
pub fn has_member_with_email(db: &mut Db, workspace: &WorkspaceId, email: &str) -> QueryResult<bool> {
    use schema::{user, workspace_member as member};
    on!(db, c => diesel::select(diesel::dsl::exists(member::table.inner_join(user::table).filter(
        member::workspace_id.eq(workspace.as_str()).and(member::left_at.is_null()).and(user::email.eq(email))
    )))
    .get_result(c))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub id: String,
    pub user: UserId,
    pub name: String,
    pub role: Role,
    pub joined_at: Timestamp,
}

type MemberColumns = (String, String, String, String, At);

fn member_row((id, user, name, role, joined_at): MemberColumns) -> QueryResult<MemberRow> {
    Ok(MemberRow { id, user: UserId::new(user), name, role: role_of(&role)?, joined_at: joined_at.0 })
}

/// The members of a workspace, as [`MemberColumns`].
macro_rules! members {
    ($workspace:expr) => {{
        use schema::{user, workspace_member as member};
        member::table.inner_join(user::table).filter(member::workspace_id.eq($workspace.as_str()).and(member::left_at.is_null())).select((
            member::id,
            member::user_id,
            user::name,
            member::role,
            member::joined_at,
        ))
    }};
}

/// The members in the order of joining. `None` when a cursor names none of them.
pub fn members(db: &mut Db, workspace: &WorkspaceId, page: Page<String>) -> QueryResult<Option<Vec<MemberRow>>> {
    use schema::workspace_member as d;
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => d::table
            .filter(d::id.eq(id).and(d::workspace_id.eq(workspace.as_str())))
            .select(d::joined_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<MemberColumns> = page_of!(db, members!(workspace), d::joined_at, d::id, span)?;
    in_order(rows, span.is_backward()).into_iter().map(member_row).collect::<QueryResult<_>>().map(Some)
}

pub fn member(db: &mut Db, workspace: &WorkspaceId, user: &UserId) -> QueryResult<Option<MemberRow>> {
    use schema::workspace_member as d;
    let row: Option<MemberColumns> = on!(db, c => members!(workspace).filter(d::user_id.eq(user.as_str())).first(c).optional())?;
    row.map(member_row).transpose()
}

/// Where somebody stands in a channel or conversation that he or she is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Of the last message; 0 without one.
    pub last_sequence: i64,
    /// Up to where it is read.
    pub read: i64,
}

impl Standing {
    pub fn unread(self) -> i64 {
        (self.last_sequence - self.read).max(0)
    }
}

fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

fn role_of(label: &str) -> QueryResult<Role> {
    let known = [Role::Owner, Role::Admin, Role::Member].into_iter().find(|role| role_label(*role) == label);
    known.ok_or_else(|| Error::DeserializationError("workspace_member.role holds what it must not".into()))
}
