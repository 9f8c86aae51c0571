//! Circles as REST reads them, and the one change that is no business of a room: a new circle.

pub mod invites;
pub mod points;

use diesel::prelude::*;

use crate::protocol::circle::command::Role;
use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::Sharing;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::circle::{role as role_of, role_label, sharing_of};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// A new circle. Whoever makes it is its first member and owner, and shares from the beginning.
pub struct NewCircle {
    pub id: CircleId,
    pub name: String,
    pub owner: UserId,
    /// The id of the owner's membership.
    pub membership: String,
    pub at: Timestamp,
}

pub fn create(db: &mut Db, new: &NewCircle) -> QueryResult<()> {
    use schema::{circle, circle_member as member};
    db.write(|db| {
        let row = (
            circle::id.eq(new.id.as_str()),
            circle::name.eq(&new.name),
            circle::created_by.eq(new.owner.as_str()),
            circle::created_at.eq(At(new.at)),
        );
        on!(db, c => diesel::insert_into(circle::table).values(row).execute(c))?;
        let row = (
            member::id.eq(&new.membership),
            member::circle_id.eq(new.id.as_str()),
            member::user_id.eq(new.owner.as_str()),
            member::role.eq(role_label(Role::Owner)),
            member::member_no.eq(0),
            member::joined_at.eq(At(new.at)),
            member::sharing.eq(true),
            member::sharing_precision.eq("exact"),
        );
        on!(db, c => diesel::insert_into(member::table).values(row).execute(c))?;
        Ok(())
    })
}

/// A circle as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: CircleId,
    pub name: String,
    /// Of several owners the one who was in the circle first.
    pub owner: UserId,
    pub role: Role,
    pub created_at: Timestamp,
}

type SummaryColumns = (String, String, Option<String>, String, String, At);

fn summary((id, name, owner, created_by, role, created_at): SummaryColumns) -> QueryResult<Summary> {
    let owner = UserId::new(owner.unwrap_or(created_by));
    Ok(Summary { id: CircleId::new(id), name, owner, role: role_of(&role)?, created_at: created_at.0 })
}

/// The circles that somebody is a member of, as [`SummaryColumns`].
macro_rules! summaries {
    ($user:expr) => {{
        use schema::{circle, circle_member as member};
        let owners = diesel::alias!(schema::circle_member as owners);
        let owner = owners
            .filter(owners.field(member::circle_id).eq(circle::id))
            .filter(owners.field(member::role).eq(role_label(Role::Owner)))
            .filter(owners.field(member::left_at).is_null())
            .order(owners.field(member::member_no))
            .select(owners.field(member::user_id))
            .limit(1)
            .single_value();
        circle::table.inner_join(member::table).filter(member::user_id.eq($user.as_str()).and(member::left_at.is_null())).select((
            circle::id,
            circle::name,
            owner,
            circle::created_by,
            member::role,
            circle::created_at,
        ))
    }};
}

/// The circles of which somebody is a member, oldest first. `None` when a cursor names none of them.
pub fn list(db: &mut Db, user: &UserId, page: Page<String>) -> QueryResult<Option<Vec<Summary>>> {
    use schema::circle;
    let found = resolved(page, |id| Ok(one(db, &CircleId::new(id), user)?.map(|circle| circle.created_at)))?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<SummaryColumns> = page_of!(db, summaries!(user), circle::created_at, circle::id, span)?;
    in_order(rows, span.is_backward()).into_iter().map(summary).collect::<QueryResult<_>>().map(Some)
}

/// `None` when there is no such circle, or the user is not in it.
pub fn one(db: &mut Db, circle: &CircleId, user: &UserId) -> QueryResult<Option<Summary>> {
    use schema::circle as d;
    let row: Option<SummaryColumns> = on!(db, c => summaries!(user).filter(d::id.eq(circle.as_str())).first(c).optional())?;
    row.map(summary).transpose()
}

/// `None` when there is no such circle, or the user is not in it.
pub fn role(db: &mut Db, circle: &CircleId, user: &UserId) -> QueryResult<Option<Role>> {
    use schema::circle_member as d;
    let row: Option<String> = on!(db, c => d::table
        .filter(d::circle_id.eq(circle.as_str()).and(d::user_id.eq(user.as_str())).and(d::left_at.is_null()))
        .select(d::role)
        .first(c)
        .optional())?;
    row.as_deref().map(role_of).transpose()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub id: String,
    pub user: UserId,
    pub name: String,
    pub role: Role,
    pub joined_at: Timestamp,
    pub sharing: Sharing,
}

type MemberColumns = (String, String, String, String, At, bool, Option<At>, String, Option<At>, Option<At>);

fn member_row((id, user, name, role, joined_at, enabled, until, precision, from, to): MemberColumns) -> QueryResult<MemberRow> {
    let sharing = sharing_of((enabled, until, precision, from, to))?;
    Ok(MemberRow { id, user: UserId::new(user), name, role: role_of(&role)?, joined_at: joined_at.0, sharing })
}

/// The members of a circle, as [`MemberColumns`].
macro_rules! members {
    ($circle:expr) => {{
        use schema::{circle_member as member, user};
        member::table.inner_join(user::table).filter(member::circle_id.eq($circle.as_str()).and(member::left_at.is_null())).select((
            member::id,
            member::user_id,
            user::name,
            member::role,
            member::joined_at,
            member::sharing,
            member::sharing_until,
            member::sharing_precision,
            member::paused_from,
            member::paused_until,
        ))
    }};
}

/// The members in the order of joining. `None` when a cursor names none of them.
pub fn members(db: &mut Db, circle: &CircleId, page: Page<String>) -> QueryResult<Option<Vec<MemberRow>>> {
    use schema::circle_member as d;
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => d::table
            .filter(d::id.eq(id).and(d::circle_id.eq(circle.as_str())))
            .select(d::joined_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<MemberColumns> = page_of!(db, members!(circle), d::joined_at, d::id, span)?;
    in_order(rows, span.is_backward()).into_iter().map(member_row).collect::<QueryResult<_>>().map(Some)
}

pub fn member(db: &mut Db, circle: &CircleId, user: &UserId) -> QueryResult<Option<MemberRow>> {
    use schema::circle_member as d;
    let row: Option<MemberColumns> = on!(db, c => members!(circle).filter(d::user_id.eq(user.as_str())).first(c).optional())?;
    row.map(member_row).transpose()
}

/// A circle that somebody is or was in, and whose points of his or hers may still be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub id: CircleId,
    pub name: String,
    pub is_member: bool,
}

/// Every circle that somebody is or was in, oldest first.
pub fn ever_of(db: &mut Db, user: &UserId) -> QueryResult<Vec<Past>> {
    use schema::{circle, circle_member as member};
    let rows: Vec<(String, String, Option<At>)> = on!(db, c => circle::table
        .inner_join(member::table)
        .filter(member::user_id.eq(user.as_str()))
        .order((circle::created_at, circle::id))
        .select((circle::id, circle::name, member::left_at))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, name, left_at)| Past { id: CircleId::new(id), name, is_member: left_at.is_none() }).collect())
}
