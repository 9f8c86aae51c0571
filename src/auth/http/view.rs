//! Users and sessions as answers show them. Times have exactly three fraction digits and `Z`: the client library misreads any other form.

use serde::Serialize;

use crate::auth::session::Session;
use crate::protocol::time::Timestamp;
use crate::store::accounts::{SessionRow, UserRow};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserView<'a> {
    id: &'a str,
    name: &'a str,
    email: &'a str,
    email_verified: bool,
    image: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> UserView<'a> {
    pub fn of_row(user: &'a UserRow) -> Self {
        Self {
            id: &user.id,
            name: &user.name,
            email: &user.email,
            email_verified: user.email_verified,
            image: user.image.as_deref(),
            created_at: user.created_at.0,
            updated_at: user.updated_at.0,
        }
    }

    pub fn of_session(session: &'a Session) -> Self {
        Self {
            id: session.user.as_str(),
            name: &session.name,
            email: &session.email,
            email_verified: session.email_verified,
            image: session.image.as_deref(),
            created_at: session.user_created_at,
            updated_at: session.user_updated_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView<'a> {
    id: &'a str,
    token: &'a str,
    user_id: &'a str,
    expires_at: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    /// `None` when the row's end cannot be read: such a session is not valid.
    pub fn of_row(row: &'a SessionRow) -> Option<Self> {
        Some(Self {
            id: &row.id,
            token: &row.token,
            user_id: &row.user_id,
            expires_at: row.expires_at.0?,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            ip_address: row.ip_address.as_deref(),
            user_agent: row.user_agent.as_deref(),
        })
    }

    pub fn of_session(session: &'a Session) -> Self {
        Self {
            id: &session.id,
            token: &session.token,
            user_id: session.user.as_str(),
            expires_at: session.expires_at,
            created_at: session.created_at,
            updated_at: session.updated_at,
            ip_address: session.ip_address.as_deref(),
            user_agent: session.user_agent.as_deref(),
        }
    }
}
