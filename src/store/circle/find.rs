//! Which circles somebody is in: what is asked before their rooms are.

use diesel::prelude::*;

use crate::protocol::ids::{CircleId, UserId};
use crate::store::db::{Db, on};
use crate::store::schema::{circle, circle_member};

/// The circles of which somebody is a member, oldest first.
pub fn circles_of(db: &mut Db, user: &UserId) -> QueryResult<Vec<CircleId>> {
    let ids: Vec<String> = on!(db, c => circle_member::table
        .inner_join(circle::table)
        .filter(circle_member::user_id.eq(user.as_str()).and(circle_member::left_at.is_null()))
        .order((circle::created_at, circle::id))
        .select(circle::id)
        .load(c))?;
    Ok(ids.into_iter().map(CircleId::new).collect())
}
