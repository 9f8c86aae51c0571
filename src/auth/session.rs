//! Whose request it is: sessions are looked up, extended and ended here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use diesel::QueryResult;

use crate::actors::clock;
use crate::actors::executor::{Database, StoreError};
use crate::auth::cookie::Cookies;
use crate::auth::credentials::Credentials;
use crate::auth::random;
use crate::auth::state::{AuthState, Sites};
use crate::protocol::ids::UserId;
use crate::protocol::time::Timestamp;
use crate::store::accounts::{self, NewSession, SessionRef, SessionRow, UserRow};
use crate::store::db::Db;
use crate::store::types::At;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long a session lives after its beginning or its last extension.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// The same of a session that is not to be remembered.
pub const SHORT_LIFETIME: Duration = DAY;
/// A session with this much left, or less, is extended when it is used.
pub const EXTENDED_BELOW: Duration = Duration::from_secs(6 * 24 * 3600);

/// Bytes of a `User-Agent` that are kept with a session.
const USER_AGENT_BYTES_MAX: usize = 1024;

/// A valid session and its user. It has no `Debug`: the token belongs into no log.
#[derive(Clone)]
pub struct Session {
    pub id: String,
    pub token: String,
    pub user: UserId,
    pub name: String,
    pub email: String,
    pub email_verified: bool,
    pub image: Option<String>,
    pub user_created_at: Timestamp,
    pub user_updated_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

impl Session {
    fn of(session: SessionRow, user: UserRow, expires_at: Timestamp) -> Self {
        Self {
            id: session.id,
            token: session.token,
            user: UserId::new(user.id),
            name: user.name,
            email: user.email,
            email_verified: user.email_verified,
            image: user.image,
            user_created_at: user.created_at.0,
            user_updated_at: user.updated_at.0,
            expires_at,
            created_at: session.created_at.0,
            updated_at: session.updated_at.0,
            ip_address: session.ip_address,
            user_agent: session.user_agent,
        }
    }
}

/// A session to be written, with a fresh id and token.
pub fn begin(user_id: &str, remember: bool, ip_address: String, user_agent: Option<&str>, now: Timestamp) -> NewSession {
    let lifetime = if remember { LIFETIME } else { SHORT_LIFETIME };
    NewSession {
        id: random::token(),
        expires_at: At(now.plus(lifetime)),
        token: random::token(),
        created_at: At(now),
        updated_at: At(now),
        ip_address: Some(ip_address),
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_BYTES_MAX).collect()),
        user_id: user_id.to_owned(),
    }
}

/// Told of sessions whose rows this server has deleted: their sockets are to be closed.
pub type SessionsEnded = Arc<dyn Fn(&[SessionRef]) + Send + Sync>;

/// Finds out whose request it is, and whether its site is trusted. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    database: Database,
    cookies: Cookies,
    sites: Arc<Sites>,
    ended: SessionsEnded,
}

impl Authenticator {
    pub fn new(database: Database, cookies: Cookies, sites: Sites, ended: SessionsEnded) -> Self {
        Self { database, cookies, sites: Arc::new(sites), ended }
    }

    pub fn cookies(&self) -> &Cookies {
        &self.cookies
    }

    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// Whether a page that opens this WebSocket is of a trusted site. A program, which sends no `Origin`, is let in.
    pub fn allows_socket_from(&self, request: &HttpRequest) -> bool {
        self.sites.origins.may_open_socket(request.headers(), self.sites.is_https(request))
    }

    /// The session of the upgrade to a WebSocket.
    pub async fn authenticate_socket(&self, request: &HttpRequest) -> Result<Option<Session>, StoreError> {
        self.authenticate(&Credentials::of_upgrade(request.headers(), &self.cookies)).await
    }

    /// The session that the credentials name, if it is valid. It is not extended: sockets use this.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Session>, StoreError> {
        let Some(token) = credentials.token().filter(|token| !token.is_empty()).map(str::to_owned) else { return Ok(None) };
        let Some((session, user)) = self.database.read(move |db| accounts::session_by_token(db, &token)).await? else { return Ok(None) };
        let now = clock::now();
        match session.expires_at.0 {
            Some(expires_at) if expires_at > now => Ok(Some(Session::of(session, user, expires_at))),
            Some(_) => {
                self.forget_expired(SessionRef { id: session.id, user: user.id }, now).await;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The session that the credentials name, extended when it has been in use for a day. True beside it when the cookie is to be sent again.
    pub async fn authenticate_and_extend(&self, credentials: &Credentials) -> Result<Option<(Session, bool)>, StoreError> {
        let Some(mut session) = self.authenticate(credentials).await? else { return Ok(None) };
        let now = clock::now();
        let forgotten = matches!(credentials, Credentials::Cookie { remembered: false, .. });
        if forgotten || session.expires_at.since(now) > EXTENDED_BELOW {
            return Ok(Some((session, false)));
        }
        let (id, expires_at) = (session.id.clone(), now.plus(LIFETIME));
        match self.database.write(move |db| accounts::extend_session(db, &id, expires_at, now)).await {
            Ok(true) => {
                (session.expires_at, session.updated_at) = (expires_at, now);
                Ok(Some((session, matches!(credentials, Credentials::Cookie { .. }))))
            }
            Ok(false) => Ok(None),
            // The session is valid all the same, and its next use extends it.
            Err(error) => {
                log::warn!("a session could not be extended: {error}");
                Ok(Some((session, false)))
            }
        }
    }

    /// Runs a job that deletes sessions, and then tells whom it concerns.
    pub async fn end_sessions(&self, job: impl FnOnce(&mut Db) -> QueryResult<Vec<SessionRef>> + Send + 'static) -> Result<(), StoreError> {
        let gone = self.database.write(job).await?;
        if !gone.is_empty() {
            (self.ended)(&gone);
        }
        Ok(())
    }

    async fn forget_expired(&self, session: SessionRef, now: Timestamp) {
        let job = move |db: &mut Db| Ok(if accounts::delete_expired(db, &session.id, now)? { vec![session] } else { vec![] });
        if let Err(error) = self.end_sessions(job).await {
            log::warn!("an expired session could not be deleted: {error}");
        }
    }
}

/// Who sent a REST call: a handler that takes it is for people who are signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: UserId,
    pub name: String,
    pub email: String,
    /// `session.id`
    pub session: String,
}

/// A cookie that the answer to this request is to carry, left in the request's extensions.
#[derive(Clone)]
pub struct RenewedCookies(pub Vec<String>);

/// Authenticates a request and, when the session was extended, leaves the cookie for the answer.
pub async fn of_request(state: &AuthState, request: &HttpRequest) -> Result<Option<Session>, StoreError> {
    let authenticator = state.authenticator();
    let credentials = Credentials::of_request(request.headers(), authenticator.cookies());
    let found = authenticator.authenticate_and_extend(&credentials).await?;
    if let Some((session, true)) = &found {
        request.extensions_mut().insert(RenewedCookies(authenticator.cookies().set(&session.token, true)));
    }
    Ok(found.map(|(session, _)| session))
}

impl FromRequest for SignedIn {
    type Error = NotSignedIn;
    type Future = Pin<Box<dyn Future<Output = Result<Self, NotSignedIn>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = request.app_data::<web::Data<AuthState>>().expect("the application holds an AuthState").clone();
            match of_request(&state, &request).await {
                Ok(Some(session)) => Ok(SignedIn { user: session.user, name: session.name, email: session.email, session: session.id }),
                Ok(None) => Err(NotSignedIn::Unauthorized),
                Err(StoreError::Failed(error)) => {
                    log::error!("a session could not be read: {error}");
                    Err(NotSignedIn::Internal)
                }
                Err(_) => Err(NotSignedIn::StorageUnavailable),
            }
        })
    }
}

/// Why a handler that wants a session does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSignedIn {
    Unauthorized,
    StorageUnavailable,
    Internal,
}

impl NotSignedIn {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            NotSignedIn::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Authentication required"),
            NotSignedIn::StorageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "STORAGE_UNAVAILABLE", "The database cannot be reached"),
            NotSignedIn::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong on the server"),
        }
    }
}

impl std::fmt::Display for NotSignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.parts().2)
    }
}

impl ResponseError for NotSignedIn {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code, error) = self.parts();
        HttpResponse::build(status).json(serde_json::json!({"error": error, "code": code}))
    }
}
