//! The rows of a circle that change seldom, and are written one by one in their order.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use uuid::Uuid;

use crate::protocol::ids::{CircleId, RoomId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::circle::rows::{Invite, StoredMember};
use crate::store::circle::values::{number, precision_label, role_label};
use crate::store::db::{Db, on};
use crate::store::journal::forget;
use crate::store::prepared::Prepare;
use crate::store::schema;
use crate::store::types::{At, Instant};

/// Points that one row `Expired` deletes at the most, so that it does not keep the writer long: more of them take more rows.
pub const EXPIRED_PER_ROW: i64 = 5_000;

pub(super) fn rename(db: &mut Db, circle: &CircleId, name: &str) -> QueryResult<()> {
    use schema::circle::dsl as d;
    on!(db, c => diesel::update(d::circle.find(circle.as_str())).set(d::name.eq(name)).execute(c))?;
    Ok(())
}

/// The circle with all that hangs on it, and the journal of its room.
pub(super) fn delete(db: &mut Db, circle: &CircleId) -> QueryResult<()> {
    use schema::circle::dsl as d;
    on!(db, c => diesel::delete(d::circle.find(circle.as_str())).execute(c))?;
    forget(db, &RoomId::circle(circle))
}

pub(super) fn put_member(db: &mut Db, circle: &CircleId, member: &StoredMember) -> QueryResult<()> {
    use schema::circle_member::dsl as d;
    let sharing = &member.sharing;
    let row = (
        d::id.eq(Uuid::new_v4().to_string()),
        d::circle_id.eq(circle.as_str()),
        d::user_id.eq(member.user.as_str()),
        d::role.eq(role_label(member.role)),
        d::member_no.eq(number(member.no)),
        d::joined_at.eq(At(member.joined_at)),
        d::joined_seq.eq(member.joined_seq),
        d::left_at.eq(member.left_at.map(At)),
        d::sharing.eq(sharing.enabled),
        d::sharing_until.eq(sharing.until.map(At)),
        d::sharing_precision.eq(precision_label(sharing.precision)),
        d::paused_from.eq(sharing.paused.map(|(from, _)| At(from))),
        d::paused_until.eq(sharing.paused.and_then(|(_, until)| until).map(At)),
    );
    on!(db, c => diesel::insert_into(d::circle_member)
        .values(row)
        .on_conflict((d::circle_id, d::user_id))
        .do_update()
        .set((
            d::role.eq(excluded(d::role)),
            d::member_no.eq(excluded(d::member_no)),
            d::joined_at.eq(excluded(d::joined_at)),
            d::joined_seq.eq(excluded(d::joined_seq)),
            d::left_at.eq(excluded(d::left_at)),
            d::sharing.eq(excluded(d::sharing)),
            d::sharing_until.eq(excluded(d::sharing_until)),
            d::sharing_precision.eq(excluded(d::sharing_precision)),
            d::paused_from.eq(excluded(d::paused_from)),
            d::paused_until.eq(excluded(d::paused_until)),
        ))
        .execute(c))?;
    Ok(())
}

pub(super) fn put_invite(db: &mut Db, circle: &CircleId, invite: &Invite, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::circle_invite::dsl as d;
    let row = (
        d::code.eq(&invite.code),
        d::circle_id.eq(circle.as_str()),
        d::created_by.eq(by.as_str()),
        d::created_at.eq(At(at)),
        d::expires_at.eq(At(invite.expires_at)),
    );
    on!(db, c => diesel::insert_into(d::circle_invite).values(row).execute(c))?;
    Ok(())
}

pub(super) fn use_invite(db: &mut Db, circle: &CircleId, code: &str, by: &UserId, at: Timestamp) -> QueryResult<()> {
    use schema::circle_invite::dsl as d;
    let row = d::circle_invite.filter(d::code.eq(code).and(d::circle_id.eq(circle.as_str())));
    on!(db, c => diesel::update(row).set((d::used_by.eq(by.as_str()), d::used_at.eq(At(at)))).execute(c))?;
    Ok(())
}

pub(super) fn delete_history(db: &mut Db, circle: &CircleId, user: &UserId) -> QueryResult<()> {
    use schema::location::dsl as d;
    let rows = d::location.filter(d::circle_id.eq(circle.as_str()).and(d::user_id.eq(user.as_str())));
    on!(db, c => diesel::delete(rows).execute(c))?;
    Ok(())
}

/// The oldest ones, up to [`EXPIRED_PER_ROW`].
pub(super) fn expire(db: &mut Db, circle: &CircleId, before: Timestamp) -> QueryResult<()> {
    on!(db, c => sql_query(
            "DELETE FROM location WHERE (circle_id, user_id, measured_at, device) IN (SELECT circle_id, user_id, measured_at, device \
             FROM location WHERE circle_id = $1 AND measured_at < $2 ORDER BY measured_at LIMIT $3)",
        )
        .bind::<Text, _>(circle.as_str())
        .bind::<Instant, _>(At(before))
        .bind::<BigInt, _>(EXPIRED_PER_ROW)
        .prepared()
        .execute(c))?;
    Ok(())
}
