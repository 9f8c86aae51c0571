//! Users, their sessions and their passwords: the tables of Better Auth.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteValue};

use crate::protocol::time::Timestamp;
use crate::store::db::{Db, on};
use crate::store::schema::{account, invitation, invite_link, session, user};
use crate::store::types::{At, Instant};

/// `account.provider_id` of an account with a password.
const CREDENTIAL: &str = "credential";

/// Session ids that one query names: SQLite takes a bounded number of parameters.
const IDS_PER_QUERY: usize = 500;

/// When a session ends; `None` when the column holds something that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Instant)]
pub struct Expiry(pub Option<Timestamp>);

impl FromSql<Instant, Pg> for Expiry {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(<At as FromSql<Instant, Pg>>::from_sql(value).ok().map(|at| at.0)))
    }
}

impl FromSql<Instant, Sqlite> for Expiry {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(<At as FromSql<Instant, Sqlite>>::from_sql(value).ok().map(|at| at.0)))
    }
}

/// In the order of the table's columns.
#[derive(Clone, Queryable, Insertable)]
#[diesel(table_name = user)]
pub struct UserRow {
    pub id: String,
    pub name: String,
    pub email: String,
    pub email_verified: bool,
    pub image: Option<String>,
    pub created_at: At,
    pub updated_at: At,
}

/// In the order of the table's columns.
#[derive(Clone, Queryable)]
pub struct SessionRow {
    pub id: String,
    pub expires_at: Expiry,
    pub token: String,
    pub created_at: At,
    pub updated_at: At,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub user_id: String,
}

/// A session to be written.
#[derive(Clone, Insertable)]
#[diesel(table_name = session)]
pub struct NewSession {
    pub id: String,
    pub expires_at: At,
    pub token: String,
    pub created_at: At,
    pub updated_at: At,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub user_id: String,
}

/// A session that is gone, and whose it was.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct SessionRef {
    pub id: String,
    pub user: String,
}

pub fn session_by_token(db: &mut Db, token: &str) -> QueryResult<Option<(SessionRow, UserRow)>> {
    let query = session::table.inner_join(user::table).filter(session::token.eq(token)).select((session::all_columns, user::all_columns));
    on!(db, c => query.first(c).optional())
}

/// A user's sessions that have not ended, oldest first.
pub fn sessions_of(db: &mut Db, user_id: &str, now: Timestamp) -> QueryResult<Vec<SessionRow>> {
    let query = session::table.filter(session::user_id.eq(user_id)).order((session::created_at, session::id));
    let rows: Vec<SessionRow> = on!(db, c => query.load(c))?;
    Ok(rows.into_iter().filter(|row| row.expires_at.0.is_some_and(|at| at > now)).collect())
}

/// The ids of `ids` whose sessions still have their rows and their users, with when they end.
pub fn still_valid(db: &mut Db, ids: &[String]) -> QueryResult<Vec<(String, Timestamp)>> {
    let mut valid = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_PER_QUERY) {
        let query = session::table.inner_join(user::table).filter(session::id.eq_any(ids)).select((session::id, session::expires_at));
        let rows: Vec<(String, Expiry)> = on!(db, c => query.load(c))?;
        valid.extend(rows.into_iter().filter_map(|(id, expiry)| Some((id, expiry.0?))));
    }
    Ok(valid)
}

/// Writes a session, and deletes those of the same user that have ended.
pub fn begin_session(db: &mut Db, new: &NewSession) -> QueryResult<()> {
    let ended = session::table.filter(session::user_id.eq(&new.user_id)).filter(session::expires_at.le(new.created_at));
    on!(db, c => diesel::delete(ended).execute(c))?;
    on!(db, c => diesel::insert_into(session::table).values(new).execute(c))?;
    Ok(())
}

/// False when the session is gone meanwhile.
pub fn extend_session(db: &mut Db, id: &str, expires_at: Timestamp, now: Timestamp) -> QueryResult<bool> {
    let values = (session::expires_at.eq(At(expires_at)), session::updated_at.eq(At(now)));
    let rows = on!(db, c => diesel::update(session::table.find(id)).set(values).execute(c))?;
    Ok(rows > 0)
}

/// Deletes a session that has ended, unless somebody extended it meanwhile.
pub fn delete_expired(db: &mut Db, id: &str, now: Timestamp) -> QueryResult<bool> {
    let ended = session::table.find(id).filter(session::expires_at.le(At(now)));
    let rows = on!(db, c => diesel::delete(ended).execute(c))?;
    Ok(rows > 0)
}

/// Deletes the session with this token, if it is the user's own where one is named.
pub fn delete_session(db: &mut Db, token: &str, of: Option<&str>) -> QueryResult<Option<SessionRef>> {
    db.write(|db| {
        let query = session::table.filter(session::token.eq(token)).select((session::id, session::user_id));
        let found: Option<SessionRef> = on!(db, c => query.first(c).optional())?;
        let Some(found) = found.filter(|found| of.is_none_or(|user| user == found.user)) else { return Ok(None) };
        let rows = on!(db, c => diesel::delete(session::table.find(&found.id)).execute(c))?;
        Ok((rows > 0).then_some(found))
    })
}

/// Deletes all sessions of a user, or all but one.
pub fn delete_sessions_of(db: &mut Db, user_id: &str, but: Option<&str>) -> QueryResult<Vec<SessionRef>> {
    db.write(|db| {
        let query = session::table.filter(session::user_id.eq(user_id)).filter(session::id.ne(but.unwrap_or_default()));
        let found: Vec<SessionRef> = on!(db, c => query.select((session::id, session::user_id)).load(c))?;
        let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
        for ids in ids.chunks(IDS_PER_QUERY) {
            on!(db, c => diesel::delete(session::table.filter(session::id.eq_any(ids))).execute(c))?;
        }
        Ok(found)
    })
}

/// The user with this address, in lower case, and the hash of his or her password, if there is one.
pub fn user_by_email(db: &mut Db, email: &str) -> QueryResult<Option<(UserRow, Option<String>)>> {
    let found: Option<UserRow> = on!(db, c => user::table.filter(user::email.eq(email)).first(c).optional())?;
    let Some(found) = found else { return Ok(None) };
    let credential = account::user_id.eq(&found.id).and(account::account_id.eq(&found.id)).and(account::provider_id.eq(CREDENTIAL));
    let query = account::table.filter(credential).select(account::password);
    let password: Option<Option<String>> = on!(db, c => query.first(c).optional())?;
    Ok(Some((found, password.flatten())))
}

/// Writes a user with a password and a first session, all or nothing. An address that is taken violates a unique key.
pub fn create_user(db: &mut Db, new: &UserRow, account_id: &str, password_hash: &str, first: &NewSession) -> QueryResult<()> {
    db.write(|db| {
        on!(db, c => diesel::insert_into(user::table).values(new).execute(c))?;
        insert_credential(db, account_id, &new.id, password_hash, new.created_at)?;
        begin_session(db, first)
    })
}

/// Whether somebody who may not sign up freely has been asked to come: by an invitation to the address, which is in lower case, or by a link that
/// can still be used.
pub fn is_invited(db: &mut Db, email: &str, invite_code: Option<&str>, now: Timestamp) -> QueryResult<bool> {
    let pending = invitation::table.filter(invitation::email.eq(email)).filter(invitation::status.eq("pending"));
    if on!(db, c => diesel::select(diesel::dsl::exists(pending)).get_result(c))? {
        return Ok(true);
    }
    let Some(code) = invite_code else { return Ok(false) };
    let unused = invite_link::max_uses.is_null().or(invite_link::max_uses.assume_not_null().gt(invite_link::uses));
    let usable = invite_link::table.find(code).filter(invite_link::expires_at.gt(At(now))).filter(unused);
    on!(db, c => diesel::select(diesel::dsl::exists(usable)).get_result(c))
}

/// All users, by address.
pub fn list_users(db: &mut Db) -> QueryResult<Vec<UserRow>> {
    on!(db, c => user::table.order(user::email).load(c))
}

/// Gives the user with this address a password, and ends all of his or her sessions: those are returned. `None` when there is no such user.
/// `account_id` names the account that is made for a user who had no password.
pub fn set_password(
    db: &mut Db,
    email: &str,
    account_id: &str,
    password_hash: &str,
    now: Timestamp,
) -> QueryResult<Option<Vec<SessionRef>>> {
    db.write(|db| {
        let Some((found, _)) = user_by_email(db, &email.to_lowercase())? else { return Ok(None) };
        let values = (account::password.eq(password_hash), account::updated_at.eq(At(now)));
        let rows = on!(db, c => {
            let own = account::user_id.eq(&found.id).and(account::provider_id.eq(CREDENTIAL)).and(account::account_id.eq(&found.id));
            diesel::update(account::table.filter(own)).set(values).execute(c)
        })?;
        if rows == 0 {
            insert_credential(db, account_id, &found.id, password_hash, At(now))?;
        }
        delete_sessions_of(db, &found.id, None).map(Some)
    })
}

fn insert_credential(db: &mut Db, id: &str, user_id: &str, password_hash: &str, now: At) -> QueryResult<()> {
    let values = (
        account::id.eq(id),
        account::account_id.eq(user_id),
        account::provider_id.eq(CREDENTIAL),
        account::user_id.eq(user_id),
        account::password.eq(password_hash),
        account::created_at.eq(now),
        account::updated_at.eq(now),
    );
    on!(db, c => diesel::insert_into(account::table).values(values).execute(c))?;
    Ok(())
}
