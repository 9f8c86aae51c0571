//! The points of a circle's members, as REST reads them and retention counts them.

use diesel::prelude::*;

use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::StoredPoint;
use crate::store::circle::{PointColumns, stored_point};
use crate::store::db::{Db, on};
use crate::store::schema::location as d;
use crate::store::types::At;

/// A part of somebody's points in a circle, oldest first.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub circle: CircleId,
    pub user: UserId,
    /// The first moment, and the first one beyond.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The time and device of the point to begin after.
    pub after: Option<(Timestamp, String)>,
    pub limit: i64,
}

pub fn read(db: &mut Db, wanted: &Wanted) -> QueryResult<Vec<StoredPoint>> {
    let rows: Vec<PointColumns> = on!(db, c => {
        let mut query = d::table
            .filter(d::circle_id.eq(wanted.circle.as_str()).and(d::user_id.eq(wanted.user.as_str())))
            .select((
                d::user_id, d::measured_at, d::device, d::received_at, d::latitude, d::longitude, d::accuracy, d::altitude, d::speed,
                d::heading, d::battery, d::sealed,
            ))
            .order((d::measured_at, d::device))
            .limit(wanted.limit)
            .into_boxed();
        if let Some(from) = wanted.from {
            query = query.filter(d::measured_at.ge(At(from)));
        }
        if let Some(to) = wanted.to {
            query = query.filter(d::measured_at.lt(At(to)));
        }
        if let Some((at, device)) = &wanted.after {
            // The first condition is what the key is searched by.
            let later = d::measured_at.gt(At(*at)).or(d::device.gt(device));
            query = query.filter(d::measured_at.ge(At(*at)).and(later));
        }
        query.load(c)
    })?;
    rows.into_iter().map(stored_point).collect()
}

/// Circles that have points which were measured before.
pub fn circles_with_older(db: &mut Db, before: Timestamp) -> QueryResult<Vec<CircleId>> {
    let rows: Vec<String> = on!(db, c => d::table.filter(d::measured_at.lt(At(before))).select(d::circle_id).distinct().load(c))?;
    Ok(rows.into_iter().map(CircleId::new).collect())
}

/// How many points of a circle were measured before.
pub fn count_older(db: &mut Db, circle: &CircleId, before: Timestamp) -> QueryResult<i64> {
    on!(db, c => d::table.filter(d::circle_id.eq(circle.as_str()).and(d::measured_at.lt(At(before)))).count().get_result(c))
}

/// Deletes somebody's points in a circle that he or she is not in any more. Its room knows nothing of them.
pub fn delete_of_former_member(db: &mut Db, circle: &CircleId, user: &UserId) -> QueryResult<()> {
    use crate::store::schema::circle_member as member;
    let is_member = diesel::dsl::exists(
        member::table.filter(member::circle_id.eq(circle.as_str()).and(member::user_id.eq(user.as_str())).and(member::left_at.is_null())),
    );
    let rows = d::table.filter(d::circle_id.eq(circle.as_str()).and(d::user_id.eq(user.as_str()))).filter(diesel::dsl::not(is_member));
    on!(db, c => diesel::delete(rows).execute(c))?;
    Ok(())
}
