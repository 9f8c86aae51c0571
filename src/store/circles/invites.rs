//! Codes that lead into a circle, and the accounts that are made with them.

use diesel::prelude::*;

use crate::protocol::ids::{CircleId, UserId};
use crate::protocol::time::Timestamp;
use crate::store::accounts::UserRow;
use crate::store::db::{Db, on};
use crate::store::schema::{circle_invite, circle_member, user};
use crate::store::types::At;

/// Where a code leads that nobody has used and that has not expired.
pub fn usable(db: &mut Db, code: &str, now: Timestamp) -> QueryResult<Option<CircleId>> {
    let found: Option<String> = on!(db, c => circle_invite::table
        .find(code)
        .filter(circle_invite::used_at.is_null().and(circle_invite::expires_at.gt(At(now))))
        .select(circle_invite::circle_id)
        .first(c)
        .optional())?;
    Ok(found.map(CircleId::new))
}

/// Somebody who is about to join: an account without a password and without a session.
pub fn add_user(db: &mut Db, new: &UserRow) -> QueryResult<()> {
    on!(db, c => diesel::insert_into(user::table).values(new).execute(c))?;
    Ok(())
}

/// Takes back [`add_user`], unless he or she did come into a circle.
pub fn remove_user(db: &mut Db, id: &UserId) -> QueryResult<()> {
    let is_somewhere = diesel::dsl::exists(circle_member::table.filter(circle_member::user_id.eq(id.as_str())));
    let row = user::table.find(id.as_str()).filter(diesel::dsl::not(is_somewhere));
    on!(db, c => diesel::delete(row).execute(c))?;
    Ok(())
}
