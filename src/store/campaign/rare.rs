//! The rows of a campaign that change seldom, and are written one by one in their order.

use diesel::prelude::*;
use diesel::upsert::excluded;
use uuid::Uuid;

use crate::protocol::campaign::command::{BroadcastMode, GridSize};
use crate::protocol::ids::RoomId;
use crate::protocol::ids::{CampaignId, ChangeId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::rows::{InviteLink, StagedChange, StoredMember, StoredSession};
use crate::rooms::kernel::MemberNo;
use crate::store::campaign::values::{mode_label, role_label};
use crate::store::db::{Db, on};
use crate::store::journal::forget;
use crate::store::schema;
use crate::store::types::{At, StatusColumn};

pub(super) fn put_session(db: &mut Db, campaign: &CampaignId, session: &StoredSession) -> QueryResult<()> {
    use schema::game_session::dsl as d;
    let row = (
        d::id.eq(session.id.as_str()),
        d::campaign_id.eq(campaign.as_str()),
        d::started_by.eq(session.started_by.as_str()),
        d::status.eq(StatusColumn(session.status)),
        d::started_at.eq(At(session.started_at)),
        d::ended_at.eq(session.ended_at.map(At)),
    );
    on!(db, c => diesel::insert_into(d::game_session)
        .values(row)
        .on_conflict(d::id)
        .do_update()
        .set((d::status.eq(excluded(d::status)), d::ended_at.eq(excluded(d::ended_at))))
        .execute(c))?;
    Ok(())
}

pub(super) fn set_mode(db: &mut Db, campaign: &CampaignId, mode: BroadcastMode) -> QueryResult<()> {
    use schema::campaign::dsl as d;
    on!(db, c => diesel::update(d::campaign.find(campaign.as_str())).set(d::broadcast_mode.eq(mode_label(mode))).execute(c))?;
    Ok(())
}

pub(super) fn set_size(db: &mut Db, campaign: &CampaignId, size: GridSize) -> QueryResult<()> {
    use schema::campaign::dsl as d;
    let size = (d::grid_width.eq(size.grid_width), d::grid_height.eq(size.grid_height));
    on!(db, c => diesel::update(d::campaign.find(campaign.as_str())).set(size).execute(c))?;
    Ok(())
}

pub(super) fn delete_hexes(db: &mut Db, campaign: &CampaignId) -> QueryResult<()> {
    use schema::campaign_hex::dsl as d;
    on!(db, c => diesel::delete(d::campaign_hex.filter(d::campaign_id.eq(campaign.as_str()))).execute(c))?;
    Ok(())
}

/// Puts a change at the end of the queue.
pub(super) fn stage(db: &mut Db, campaign: &CampaignId, change: &StagedChange) -> QueryResult<()> {
    use schema::staged_change::dsl as d;
    let command = serde_json::to_string(&change.command).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let last: Option<i64> = on!(db, c => d::staged_change
        .filter(d::campaign_id.eq(campaign.as_str()))
        .select(diesel::dsl::max(d::position))
        .first(c))?;
    let row = (
        d::id.eq(change.id.as_str()),
        d::campaign_id.eq(campaign.as_str()),
        d::position.eq(last.unwrap_or(0) + 1),
        d::user_id.eq(change.by.as_str()),
        d::command.eq(command),
        d::fresh.eq(&change.fresh),
    );
    on!(db, c => diesel::insert_into(d::staged_change).values(row).execute(c))?;
    Ok(())
}

pub(super) fn unstage(db: &mut Db, campaign: &CampaignId, change: &ChangeId) -> QueryResult<()> {
    use schema::staged_change::dsl as d;
    let row = d::staged_change.filter(d::id.eq(change.as_str()).and(d::campaign_id.eq(campaign.as_str())));
    on!(db, c => diesel::delete(row).execute(c))?;
    Ok(())
}

pub(super) fn unstage_all(db: &mut Db, campaign: &CampaignId) -> QueryResult<()> {
    use schema::staged_change::dsl as d;
    on!(db, c => diesel::delete(d::staged_change.filter(d::campaign_id.eq(campaign.as_str()))).execute(c))?;
    Ok(())
}

pub(super) fn put_member(db: &mut Db, campaign: &CampaignId, member: &StoredMember) -> QueryResult<()> {
    use schema::campaign_member::dsl as d;
    let row = (
        d::id.eq(Uuid::new_v4().to_string()),
        d::campaign_id.eq(campaign.as_str()),
        d::user_id.eq(member.user.as_str()),
        d::role.eq(role_label(member.role)),
        d::member_no.eq(number(member.no)),
        d::joined_at.eq(At(member.joined_at)),
        d::joined_seq.eq(member.joined_seq),
        d::left_at.eq(member.left_at.map(At)),
    );
    on!(db, c => diesel::insert_into(d::campaign_member)
        .values(row)
        .on_conflict((d::campaign_id, d::user_id))
        .do_update()
        .set((
            d::role.eq(excluded(d::role)),
            d::member_no.eq(excluded(d::member_no)),
            d::joined_at.eq(excluded(d::joined_at)),
            d::joined_seq.eq(excluded(d::joined_seq)),
            d::left_at.eq(excluded(d::left_at)),
        ))
        .execute(c))?;
    Ok(())
}

fn number(no: MemberNo) -> i32 {
    no.0.try_into().expect("a campaign has few members")
}

pub(super) fn invite(db: &mut Db, campaign: &CampaignId, id: &str, email: &str, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::invitation::dsl as d;
    let row = (
        d::id.eq(id),
        d::campaign_id.eq(campaign.as_str()),
        d::email.eq(email),
        d::status.eq("pending"),
        d::invited_by.eq(by.as_str()),
        d::created_at.eq(At(at)),
    );
    on!(db, c => diesel::insert_into(d::invitation).values(row).execute(c))?;
    Ok(())
}

pub(super) fn answer_invitation(db: &mut Db, campaign: &CampaignId, id: &str, accepted: bool) -> QueryResult<()> {
    use schema::invitation::dsl as d;
    let row = d::invitation.filter(d::id.eq(id).and(d::campaign_id.eq(campaign.as_str())));
    let status = if accepted { "accepted" } else { "declined" };
    on!(db, c => diesel::update(row).set(d::status.eq(status)).execute(c))?;
    Ok(())
}

pub(super) fn put_link(db: &mut Db, campaign: &CampaignId, link: &InviteLink, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::invite_link::dsl as d;
    let row = (
        d::code.eq(&link.code),
        d::campaign_id.eq(campaign.as_str()),
        d::created_by.eq(by.as_str()),
        d::created_at.eq(At(at)),
        d::expires_at.eq(At(link.expires_at)),
        d::max_uses.eq(link.max_uses.map(count)),
        d::uses.eq(count(link.uses)),
    );
    on!(db, c => diesel::insert_into(d::invite_link).values(row).execute(c))?;
    Ok(())
}

pub(super) fn set_link_uses(db: &mut Db, campaign: &CampaignId, code: &str, uses: u32) -> QueryResult<()> {
    use schema::invite_link::dsl as d;
    let row = d::invite_link.filter(d::code.eq(code).and(d::campaign_id.eq(campaign.as_str())));
    on!(db, c => diesel::update(row).set(d::uses.eq(count(uses))).execute(c))?;
    Ok(())
}

/// The column is an `integer`; more uses than it holds are as good as no limit.
fn count(n: u32) -> i32 {
    n.try_into().unwrap_or(i32::MAX)
}

/// The campaign with all that hangs on it, and the journal of its room.
pub(super) fn delete(db: &mut Db, campaign: &CampaignId) -> QueryResult<()> {
    use schema::campaign::dsl as d;
    on!(db, c => diesel::delete(d::campaign.find(campaign.as_str())).execute(c))?;
    forget(db, &RoomId::campaign(campaign))
}
