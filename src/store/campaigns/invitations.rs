//! Invitations by e-mail and invite links, as REST reads them.

use diesel::prelude::*;

use crate::protocol::ids::{CampaignId, InvitationId, UserId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::page::{Page, Place, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::At;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRow {
    pub id: InvitationId,
    pub email: String,
    /// `pending`, `accepted` or `declined`.
    pub status: String,
    pub created_at: Timestamp,
}

/// A campaign's invitations, oldest first. `None` when a cursor names none of them.
pub fn of_campaign(db: &mut Db, campaign: &CampaignId, page: Page<String>) -> QueryResult<Option<Vec<InvitationRow>>> {
    use schema::invitation as d;
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => d::table
            .filter(d::id.eq(id).and(d::campaign_id.eq(campaign.as_str())))
            .select(d::created_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<(String, String, String, At)> = page_of!(
        db,
        d::table.filter(d::campaign_id.eq(campaign.as_str())).select((d::id, d::email, d::status, d::created_at)),
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
    pub campaign: CampaignId,
    pub campaign_name: String,
    pub invited_by: UserId,
    pub invited_by_name: String,
    pub created_at: Timestamp,
}

/// When an invitation to this address (in lower case) was made.
pub fn made_at(db: &mut Db, id: &str, email: &str) -> QueryResult<Option<Timestamp>> {
    use schema::invitation as d;
    let at: Option<At> = on!(db, c => d::table.filter(d::id.eq(id).and(d::email.eq(email))).select(d::created_at).first(c).optional())?;
    Ok(at.map(|at| at.0))
}

/// What waits for an answer from this address (in lower case), oldest first.
pub fn pending_for(db: &mut Db, email: &str, span: Page<Place>) -> QueryResult<Vec<ReceivedInvitation>> {
    use schema::{campaign, invitation as d, user};
    let rows: Vec<(String, String, String, String, String, At)> = page_of!(
        db,
        d::table
            .inner_join(campaign::table)
            .inner_join(user::table.on(user::id.eq(d::invited_by)))
            .filter(d::email.eq(email).and(d::status.eq("pending")))
            .select((d::id, d::campaign_id, campaign::name, d::invited_by, user::name, d::created_at)),
        d::created_at,
        d::id,
        span
    )?;
    let row = |(id, campaign, campaign_name, by, invited_by_name, at): (String, String, String, String, String, At)| ReceivedInvitation {
        id: InvitationId::new(id),
        campaign: CampaignId::new(campaign),
        campaign_name,
        invited_by: UserId::new(by),
        invited_by_name,
        created_at: at.0,
    };
    Ok(in_order(rows, span.is_backward()).into_iter().map(row).collect())
}

/// Where an invitation to this address (in lower case) leads, and whether it still waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    pub campaign: CampaignId,
    pub is_pending: bool,
}

pub fn invited(db: &mut Db, id: &InvitationId, email: &str) -> QueryResult<Option<Invited>> {
    use schema::invitation as d;
    let row: Option<(String, String)> = on!(db, c => d::table
        .filter(d::id.eq(id.as_str()).and(d::email.eq(email)))
        .select((d::campaign_id, d::status))
        .first(c)
        .optional())?;
    Ok(row.map(|(campaign, status)| Invited { campaign: CampaignId::new(campaign), is_pending: status == "pending" }))
}

/// Where an invite link leads, and whether it can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub campaign: CampaignId,
    pub expires_at: Timestamp,
    pub is_used_up: bool,
}

pub fn link(db: &mut Db, code: &str) -> QueryResult<Option<Link>> {
    use schema::invite_link as d;
    let row: Option<(String, At, Option<i32>, i32)> =
        on!(db, c => d::table.find(code).select((d::campaign_id, d::expires_at, d::max_uses, d::uses)).first(c).optional())?;
    Ok(row.map(|(campaign, expires_at, max_uses, uses)| Link {
        campaign: CampaignId::new(campaign),
        expires_at: expires_at.0,
        is_used_up: max_uses.is_some_and(|max| uses >= max),
    }))
}
