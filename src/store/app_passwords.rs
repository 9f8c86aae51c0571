//! App passwords: what a phone signs in with. Only their SHA-256 is kept; they are too long to be guessed from it.

use std::time::Duration;

use diesel::prelude::*;

use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::schema::{app_password as d, user};
use crate::store::types::At;

/// A use is written down when the last one that was is this old: a phone that reports all the time is no write each time.
const USE_NOTED_EVERY: Duration = Duration::from_secs(3600);

#[derive(Insertable, Queryable, Clone, Debug)]
#[diesel(table_name = d)]
pub struct AppPasswordRow {
    pub id: String,
    pub user_id: String,
    pub name: Option<String>,
    /// SHA-256 in hexadecimal digits.
    pub hash: String,
    pub created_at: At,
    pub last_used_at: Option<At>,
}

/// False when the user has as many as he or she may have.
pub fn add(db: &mut Db, new: &AppPasswordRow, count_max: i64) -> QueryResult<bool> {
    db.write(|db| {
        let count: i64 = on!(db, c => d::table.filter(d::user_id.eq(&new.user_id)).count().get_result(c))?;
        if count >= count_max {
            return Ok(false);
        }
        on!(db, c => diesel::insert_into(d::table).values(new).execute(c))?;
        Ok(true)
    })
}

/// Oldest first.
pub fn of(db: &mut Db, user: &UserId) -> QueryResult<Vec<AppPasswordRow>> {
    on!(db, c => d::table.filter(d::user_id.eq(user.as_str())).order((d::created_at, d::id)).load(c))
}

/// False when the user has no such app password.
pub fn delete(db: &mut Db, user: &UserId, id: &str) -> QueryResult<bool> {
    let rows = on!(db, c => diesel::delete(d::table.filter(d::id.eq(id).and(d::user_id.eq(user.as_str())))).execute(c))?;
    Ok(rows > 0)
}

/// Whose an app password is.
#[derive(Clone, Queryable)]
pub struct Bearer {
    pub id: String,
    pub user: String,
    /// In lower case.
    pub email: String,
    pub hash: String,
    pub last_used_at: Option<At>,
}

impl Bearer {
    pub fn use_is_to_be_noted(&self, now: Timestamp) -> bool {
        self.last_used_at.is_none_or(|at| now.since(at.0) >= USE_NOTED_EVERY)
    }
}

pub fn by_hash(db: &mut Db, hash: &str) -> QueryResult<Option<Bearer>> {
    on!(db, c => d::table
        .inner_join(user::table)
        .filter(d::hash.eq(hash))
        .select((d::id, d::user_id, user::email, d::hash, d::last_used_at))
        .first(c)
        .optional())
}

pub fn note_use(db: &mut Db, id: &str, now: Timestamp) -> QueryResult<()> {
    on!(db, c => diesel::update(d::table.find(id)).set(d::last_used_at.eq(At(now))).execute(c))?;
    Ok(())
}
