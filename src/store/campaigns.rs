//! Campaigns as REST reads them, and the two changes that are no business of a room: a new campaign, and its name.

pub mod invitations;
pub mod page;
pub mod sessions;

use diesel::prelude::*;
use diesel::result::Error;

use crate::protocol::ids::{CampaignId, RoomId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::rows::Role;
use crate::rooms::kernel::MemberNo;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

/// Succeeds while the database answers.
pub fn probe(db: &mut Db) -> QueryResult<()> {
    let _: i32 = on!(db, c => diesel::select(1.into_sql::<diesel::sql_types::Integer>()).get_result(c))?;
    Ok(())
}

/// Succeeds while the database takes writes: a row is written and taken away in one transaction.
pub fn probe_write(db: &mut Db) -> QueryResult<()> {
    use schema::room_event::dsl as d;
    const NOWHERE: &str = "probe:";
    db.write(|db| {
        let row = (
            d::room_id.eq(NOWHERE),
            d::seq.eq(0),
            d::epoch.eq(0),
            d::parts.eq(vec![0u8; 4096]),
            d::created_at.eq(At(Timestamp::from_ms(0))),
        );
        on!(db, c => diesel::insert_into(d::room_event).values(row).execute(c))?;
        on!(db, c => diesel::delete(d::room_event.filter(d::room_id.eq(NOWHERE))).execute(c))?;
        Ok(())
    })
}

/// A new campaign. Whoever makes it owns it, and is its first member and DM.
pub struct NewCampaign {
    pub id: CampaignId,
    pub name: String,
    pub owner: UserId,
    /// The id of the owner's membership.
    pub membership: String,
    pub at: Timestamp,
}

pub fn create(db: &mut Db, new: &NewCampaign) -> QueryResult<()> {
    use schema::{campaign, campaign_member as member};
    db.write(|db| {
        let row = (
            campaign::id.eq(new.id.as_str()),
            campaign::name.eq(&new.name),
            campaign::owner_id.eq(new.owner.as_str()),
            campaign::created_at.eq(At(new.at)),
        );
        on!(db, c => diesel::insert_into(campaign::table).values(row).execute(c))?;
        let row = (
            member::id.eq(&new.membership),
            member::campaign_id.eq(new.id.as_str()),
            member::user_id.eq(new.owner.as_str()),
            member::role.eq(role_label(Role::Dm)),
            member::member_no.eq(0),
            member::joined_at.eq(At(new.at)),
        );
        on!(db, c => diesel::insert_into(member::table).values(row).execute(c))?;
        Ok(())
    })
}

/// False when there is no such campaign.
pub fn rename(db: &mut Db, campaign: &CampaignId, name: &str) -> QueryResult<bool> {
    use schema::campaign::dsl as d;
    let changed = on!(db, c => diesel::update(d::campaign.find(campaign.as_str())).set(d::name.eq(name)).execute(c))?;
    Ok(changed == 1)
}

/// A campaign as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: CampaignId,
    pub name: String,
    pub owner: UserId,
    pub role: Role,
    pub created_at: Timestamp,
}

type SummaryColumns = (String, String, String, String, At);

fn summary((id, name, owner, role, created_at): SummaryColumns) -> QueryResult<Summary> {
    Ok(Summary { id: CampaignId::new(id), name, owner: UserId::new(owner), role: role_of(&role)?, created_at: created_at.0 })
}

/// The campaigns of which somebody is a member, oldest first. `None` when a cursor names none of them.
pub fn list(db: &mut Db, user: &UserId, page: Page<String>) -> QueryResult<Option<Vec<Summary>>> {
    use schema::{campaign, campaign_member as member};
    let found = resolved(page, |id| Ok(one(db, &CampaignId::new(id), user)?.map(|campaign| campaign.created_at)))?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<SummaryColumns> = page_of!(
        db,
        campaign::table.inner_join(member::table).filter(member::user_id.eq(user.as_str()).and(member::left_at.is_null())).select((
            campaign::id,
            campaign::name,
            campaign::owner_id,
            member::role,
            campaign::created_at
        )),
        campaign::created_at,
        campaign::id,
        span
    )?;
    in_order(rows, span.is_backward()).into_iter().map(summary).collect::<QueryResult<_>>().map(Some)
}

/// `None` when there is no such campaign, or the user is not in it.
pub fn one(db: &mut Db, campaign: &CampaignId, user: &UserId) -> QueryResult<Option<Summary>> {
    use schema::{campaign as d, campaign_member as member};
    let row: Option<SummaryColumns> = on!(db, c => d::table
        .inner_join(member::table)
        .filter(d::id.eq(campaign.as_str()).and(member::user_id.eq(user.as_str())).and(member::left_at.is_null()))
        .select((d::id, d::name, d::owner_id, member::role, d::created_at))
        .first(c)
        .optional())?;
    row.map(summary).transpose()
}

/// What the gate knows a member by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    pub no: MemberNo,
    pub role: Role,
}

/// `None` when there is no such campaign, or the user is not in it.
pub fn membership(db: &mut Db, campaign: &CampaignId, user: &UserId) -> QueryResult<Option<Membership>> {
    use schema::campaign_member::dsl as d;
    let row: Option<(i32, String)> = on!(db, c => d::campaign_member
        .filter(d::campaign_id.eq(campaign.as_str()).and(d::user_id.eq(user.as_str())).and(d::left_at.is_null()))
        .select((d::member_no, d::role))
        .first(c)
        .optional())?;
    let membership = |(no, role): (i32, String)| {
        let no = no.try_into().map_err(|_| invalid("campaign_member.member_no"))?;
        Ok(Membership { no: MemberNo(no), role: role_of(&role)? })
    };
    row.map(membership).transpose()
}

pub fn role(db: &mut Db, campaign: &CampaignId, user: &UserId) -> QueryResult<Option<Role>> {
    Ok(membership(db, campaign, user)?.map(|membership| membership.role))
}

/// Whether somebody with this e-mail address (in lower case) is a member.
pub fn has_member_with_email(db: &mut Db, campaign: &CampaignId, email: &str) -> QueryResult<bool> {
    use schema::{campaign_member as member, user};
    on!(db, c => diesel::select(diesel::dsl::exists(member::table.inner_join(user::table).filter(
        member::campaign_id.eq(campaign.as_str()).and(member::left_at.is_null()).and(user::email.eq(email))
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

/// The members in the order of joining. `None` when a cursor names none of them.
pub fn members(db: &mut Db, campaign: &CampaignId, page: Page<String>) -> QueryResult<Option<Vec<MemberRow>>> {
    use schema::{campaign_member as member, user};
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => member::table
            .filter(member::id.eq(id).and(member::campaign_id.eq(campaign.as_str())))
            .select(member::joined_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<(String, String, String, String, At)> =
        page_of!(
            db,
            member::table
                .inner_join(user::table)
                .filter(member::campaign_id.eq(campaign.as_str()).and(member::left_at.is_null()))
                .select((member::id, member::user_id, user::name, member::role, member::joined_at)),
            member::joined_at,
            member::id,
            span
        )?;
    let row = |(id, user, name, role, joined_at): (String, String, String, String, At)| {
        Ok(MemberRow { id, user: UserId::new(user), name, role: role_of(&role)?, joined_at: joined_at.0 })
    };
    in_order(rows, span.is_backward()).into_iter().map(row).collect::<QueryResult<_>>().map(Some)
}

/// Where a campaign's room stands: its `seq` and epoch. Zero for a room that was never loaded.
pub fn head(db: &mut Db, campaign: &CampaignId) -> QueryResult<(i64, i64)> {
    use schema::room_owner::dsl as d;
    let room = RoomId::campaign(campaign);
    let head = on!(db, c => d::room_owner.find(room.as_str()).select((d::head_seq, d::epoch)).first(c).optional())?;
    Ok(head.unwrap_or((0, 0)))
}

pub fn role_label(role: Role) -> &'static str {
    match role {
        Role::Dm => "dm",
        Role::Player => "player",
    }
}

fn role_of(label: &str) -> QueryResult<Role> {
    [Role::Dm, Role::Player].into_iter().find(|role| role_label(*role) == label).ok_or_else(|| invalid("campaign_member.role"))
}

/// A column holds what its CHECK does not allow.
fn invalid(column: &str) -> Error {
    Error::DeserializationError(format!("{column} holds what it must not").into())
}
