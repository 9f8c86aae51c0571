//! Reading a circle: its members with what they share, the codes that can be used, and of each member the last point.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use crate::protocol::circle::command::{Point, Position};
use crate::protocol::ids::{CircleId, UserId};
use crate::rooms::circle::rows::{Invite, Sharing, StoredCircle, StoredMember, StoredPoint};
use crate::store::circle::values::{invalid, member_no, precision, role};
use crate::store::db::{Db, on};
use crate::store::prepared::Prepare;
use crate::store::schema::{self, location};
use crate::store::types::At;

/// All of a circle, of one moment. `None` when there is no such circle.
pub fn load_circle(db: &mut Db, id: &CircleId) -> QueryResult<Option<StoredCircle>> {
    db.read(|db| {
        use schema::circle::dsl as d;
        let found: Option<String> = on!(db, c => d::circle.find(id.as_str()).select(d::name).first(c).optional())?;
        let Some(name) = found else { return Ok(None) };
        Ok(Some(StoredCircle {
            id: id.clone(),
            name,
            members: members(db, id)?,
            invites: usable_invites(db, id)?,
            latest: latest(db, id)?,
        }))
    })
}

type MemberColumns = (i32, String, String, String, At, i64, Option<At>, bool, Option<At>, String, Option<At>, Option<At>);

/// The members of a circle, and those who were, as [`MemberColumns`].
macro_rules! members {
    ($circle:expr) => {{
        use schema::{circle_member as member, user};
        member::table.inner_join(user::table).filter(member::circle_id.eq($circle.as_str())).select((
            member::member_no,
            member::user_id,
            user::name,
            member::role,
            member::joined_at,
            member::joined_seq,
            member::left_at,
            member::sharing,
            member::sharing_until,
            member::sharing_precision,
            member::paused_from,
            member::paused_until,
        ))
    }};
}

fn members(db: &mut Db, id: &CircleId) -> QueryResult<Vec<StoredMember>> {
    use schema::circle_member as d;
    let rows: Vec<MemberColumns> = on!(db, c => members!(id).order(d::member_no).load(c))?;
    rows.into_iter().map(stored_member).collect()
}

/// Somebody who is or was a member.
pub fn load_member(db: &mut Db, id: &CircleId, user: &UserId) -> QueryResult<Option<StoredMember>> {
    use schema::circle_member as d;
    let row: Option<MemberColumns> = on!(db, c => members!(id).filter(d::user_id.eq(user.as_str())).first(c).optional())?;
    row.map(stored_member).transpose()
}

fn stored_member(row: MemberColumns) -> QueryResult<StoredMember> {
    let (no, user, name, role_label, joined_at, joined_seq, left_at, enabled, until, precision_label, from, to) = row;
    Ok(StoredMember {
        no: member_no(no)?,
        user: UserId::new(user),
        name: name.into(),
        role: role(&role_label)?,
        joined_at: joined_at.0,
        joined_seq,
        left_at: left_at.map(|at| at.0),
        sharing: sharing_of((enabled, until, precision_label, from, to))?,
    })
}

pub(in crate::store) fn sharing_of(
    (enabled, until, precision_label, from, to): (bool, Option<At>, String, Option<At>, Option<At>),
) -> QueryResult<Sharing> {
    Ok(Sharing {
        enabled,
        until: until.map(|at| at.0),
        precision: precision(&precision_label)?,
        paused: from.map(|from| (from.0, to.map(|to| to.0))),
    })
}

fn usable_invites(db: &mut Db, id: &CircleId) -> QueryResult<Vec<Invite>> {
    use schema::circle_invite::dsl as d;
    let rows: Vec<(String, At)> = on!(db, c => d::circle_invite
        .filter(d::circle_id.eq(id.as_str()).and(d::used_at.is_null()))
        .order((d::created_at, d::code))
        .select((d::code, d::expires_at))
        .load(c))?;
    Ok(rows.into_iter().map(|(code, expires_at)| Invite { code, expires_at: expires_at.0 }).collect())
}

/// A row of `location`, but for its circle.
#[derive(Queryable, QueryableByName)]
#[diesel(table_name = location)]
pub(in crate::store) struct PointColumns {
    user_id: String,
    measured_at: At,
    device: String,
    received_at: At,
    latitude: Option<f64>,
    longitude: Option<f64>,
    accuracy: Option<f64>,
    altitude: Option<f64>,
    speed: Option<f64>,
    heading: Option<f64>,
    battery: Option<f64>,
    sealed: Option<String>,
}

pub(in crate::store) fn stored_point(row: PointColumns) -> QueryResult<StoredPoint> {
    let point = match (row.sealed, row.latitude, row.longitude, row.accuracy) {
        (Some(sealed), ..) => Point::Sealed(serde_json::from_str(&sealed).map_err(|_| invalid("location.sealed"))?),
        (None, Some(latitude), Some(longitude), Some(accuracy)) => Point::Plain(Position {
            latitude,
            longitude,
            accuracy,
            timestamp: row.measured_at.0,
            altitude: row.altitude,
            speed: row.speed,
            heading: row.heading,
            battery: row.battery,
        }),
        _ => return Err(invalid("location.latitude")),
    };
    Ok(StoredPoint {
        user: UserId::new(row.user_id),
        device: row.device,
        measured_at: row.measured_at.0,
        received_at: row.received_at.0,
        point,
    })
}

/// Of each person who has one the last point, in the order of their numbers: one look at the end of the key for each, however many points there are.
/// Of several that were measured at the same time it is the one that came first, as in the room.
fn latest(db: &mut Db, id: &CircleId) -> QueryResult<Vec<StoredPoint>> {
    let query = sql_query(
        "SELECT l.user_id, l.measured_at, l.device, l.received_at, l.latitude, l.longitude, l.accuracy, l.altitude, l.speed, l.heading, \
         l.battery, l.sealed FROM circle_member m JOIN location l ON l.circle_id = m.circle_id AND l.user_id = m.user_id \
         AND (l.measured_at, l.device) = (SELECT x.measured_at, x.device FROM location x WHERE x.circle_id = m.circle_id \
         AND x.user_id = m.user_id ORDER BY x.measured_at DESC, x.received_at, x.device LIMIT 1) WHERE m.circle_id = $1 ORDER BY m.member_no",
    );
    let rows: Vec<PointColumns> = on!(db, c => query.bind::<Text, _>(id.as_str()).prepared().load(c))?;
    rows.into_iter().map(stored_point).collect()
}
