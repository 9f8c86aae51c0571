//! Game sessions and their log, as REST reads them: page by page, with no transaction held open for a client.

use std::collections::HashSet;

use diesel::prelude::*;

use crate::protocol::hex::HexKey;
use crate::protocol::ids::{CampaignId, SessionId, UserId};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::{LogRow, LogType, StoredSession};
use crate::rooms::kernel::MemberNo;
use crate::rooms::members::MemberSet;
use crate::store::campaign::decode_shown;
use crate::store::campaigns::page::{Page, in_order, page_of, resolved};
use crate::store::db::{Db, on};
use crate::store::schema;
use crate::store::types::{At, Json, LogTypeColumn, StatusColumn};

/// A campaign's sessions, oldest first. `None` when a cursor names none of them.
pub fn of_campaign(db: &mut Db, campaign: &CampaignId, page: Page<String>) -> QueryResult<Option<Vec<StoredSession>>> {
    use schema::game_session as d;
    let found = resolved(page, |id| {
        let at: Option<At> = on!(&mut *db, c => d::table
            .filter(d::id.eq(id).and(d::campaign_id.eq(campaign.as_str())))
            .select(d::started_at)
            .first(c)
            .optional())?;
        Ok(at.map(|at| at.0))
    })?;
    let Some(span) = found else { return Ok(None) };
    let rows: Vec<(String, StatusColumn, String, At, Option<At>)> = page_of!(
        db,
        d::table.filter(d::campaign_id.eq(campaign.as_str())).select((d::id, d::status, d::started_by, d::started_at, d::ended_at)),
        d::started_at,
        d::id,
        span
    )?;
    let row = |(id, status, by, started_at, ended_at): (String, StatusColumn, String, At, Option<At>)| StoredSession {
        id: SessionId::new(id),
        status: status.0,
        started_by: UserId::new(by),
        started_at: started_at.0,
        ended_at: ended_at.map(|at| at.0),
    };
    Ok(Some(in_order(rows, span.is_backward()).into_iter().map(row).collect()))
}

pub fn campaign_of(db: &mut Db, session: &SessionId) -> QueryResult<Option<CampaignId>> {
    use schema::game_session as d;
    let campaign: Option<String> = on!(db, c => d::table.find(session.as_str()).select(d::campaign_id).first(c).optional())?;
    Ok(campaign.map(CampaignId::new))
}

pub fn count_events(db: &mut Db, session: &SessionId) -> QueryResult<i64> {
    use schema::session_event as d;
    on!(db, c => d::table.filter(d::session_id.eq(session.as_str())).count().get_result(c))
}

/// A row of the log with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRow {
    pub id: String,
    pub row: LogRow,
}

/// Rows of the log that belong to whole numbers.
#[derive(Debug)]
pub struct LogRows {
    /// In the order in which they were asked for.
    pub rows: Vec<LoggedRow>,
    /// Where to go on.
    pub more_from: Option<i64>,
}

type LogColumns = (String, LogTypeColumn, Option<String>, Json, At, i64, Option<String>);

/// About `page.limit` rows of a session: never some of a `seq` without the others, so it may be more when many share one. Those of a backward
/// page come newest first.
pub fn log_rows(db: &mut Db, session: &SessionId, page: &Page<i64>) -> QueryResult<LogRows> {
    use schema::session_event as d;
    let columns = (d::id, d::event_type, d::user_id, d::payload, d::created_at, d::seq, d::shown);
    let backward = page.is_backward();
    let mut rows: Vec<LogColumns> = on!(&mut *db, c => {
        let mut query = d::table.filter(d::session_id.eq(session.as_str())).select(columns).limit(i64::from(page.limit) + 1).into_boxed();
        if let Some(after) = page.after {
            query = query.filter(d::seq.gt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(d::seq.lt(before));
        }
        match backward {
            true => query.order((d::seq.desc(), d::created_at.desc(), d::id.desc())).load(c),
            false => query.order((d::seq, d::created_at, d::id)).load(c),
        }
    })?;
    let mut more_from = None;
    if rows.len() > page.limit as usize
        && let Some(cut) = rows.last().map(|row| row.5)
    {
        rows.retain(|row| row.5 != cut);
        if rows.is_empty() {
            rows = rows_at(db, session, cut)?;
            if backward {
                rows.reverse();
            }
        }
        more_from = rows.last().map(|row| row.5);
    }
    let rows = rows.into_iter().map(|columns| logged(session, columns)).collect::<QueryResult<_>>()?;
    Ok(LogRows { rows, more_from })
}

fn rows_at(db: &mut Db, session: &SessionId, seq: i64) -> QueryResult<Vec<LogColumns>> {
    use schema::session_event as d;
    on!(db, c => d::table
        .filter(d::session_id.eq(session.as_str()).and(d::seq.eq(seq)))
        .order((d::created_at, d::id))
        .select((d::id, d::event_type, d::user_id, d::payload, d::created_at, d::seq, d::shown))
        .load(c))
}

fn logged(session: &SessionId, (id, kind, user, payload, at, seq, shown): LogColumns) -> QueryResult<LoggedRow> {
    let kind: LogType = kind.0;
    // What cannot be read was shown to nobody.
    let shown = shown.as_deref().map(|text| decode_shown(text).unwrap_or_default());
    let row = LogRow { session: session.clone(), kind, user: user.map(UserId::new), payload: payload.0, shown, at: at.0, seq };
    Ok(LoggedRow { id, row })
}

/// The hexes that a player sees.
pub fn hexes_seen_by(db: &mut Db, campaign: &CampaignId, player: MemberNo) -> QueryResult<HashSet<HexKey>> {
    use schema::hex_visibility as d;
    let rows: Vec<(i32, i32, bool, Vec<u8>)> = on!(db, c => d::table
        .filter(d::campaign_id.eq(campaign.as_str()))
        .select((d::hex_q, d::hex_r, d::everyone, d::members))
        .load(c))?;
    let seen = |(q, r, everyone, members): (i32, i32, bool, Vec<u8>)| {
        let members = MemberSet::from_bytes(&members);
        let visibility = if everyone { Visibility::Everyone { except: members } } else { Visibility::Only(members) };
        HexKey::new(q, r).filter(|_| visibility.shows(player))
    };
    Ok(rows.into_iter().filter_map(seen).collect())
}
