//! What the handlers share: settings, the database, the hasher and the counters of the rate limit.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpRequest;
use ipnet::IpNet;

use crate::actors::clock;
use crate::actors::executor::Database;
use crate::auth::client_address::TrustedProxies;
use crate::auth::cookie::Cookies;
use crate::auth::hashing::Hasher;
use crate::auth::origin::{Origin, OriginRules};
use crate::auth::rate_limit::{Limit, RateLimiter};
use crate::auth::session::{Authenticator, SessionsEnded};

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    Open,
    /// Who has a pending invitation by e-mail, or the code of an invite link.
    Invited,
    Closed,
}

/// It has no `Debug`: it holds the secret.
pub struct AuthSettings {
    pub secret: String,
    /// The origin of the server as its users see it. When it is https, cookies are `Secure` and their names say so.
    pub base_url: Option<Origin>,
    pub allowed_origins: Vec<Origin>,
    pub trusted_proxies: Vec<IpNet>,
    pub sign_up: SignUp,
    pub rate_limit: bool,
}

/// Which sites are trusted, and how a request is seen past the proxies in front.
pub struct Sites {
    pub origins: OriginRules,
    pub proxies: TrustedProxies,
}

impl Sites {
    /// The client's address, past proxies that are trusted.
    pub fn client_address(&self, request: &HttpRequest) -> IpAddr {
        self.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers())
    }

    /// Whether the client speaks https, as far as a trusted proxy says so.
    pub fn is_https(&self, request: &HttpRequest) -> bool {
        self.proxies.is_https(request.peer_addr().map(|peer| peer.ip()), request.headers())
    }
}

/// Shared by all workers; kept as `web::Data<AuthState>`. Cheap to clone.
#[derive(Clone)]
pub struct AuthState {
    authenticator: Authenticator,
    database: Database,
    hasher: Hasher,
    sign_up: SignUp,
    limiter: Option<Arc<Mutex<RateLimiter>>>,
}

impl AuthState {
    /// `ended` is told of the sessions that the API ends.
    pub fn new(settings: AuthSettings, database: Database, hasher: Hasher, ended: SessionsEnded) -> Self {
        let secure = settings.base_url.as_ref().is_some_and(Origin::is_https);
        let cookies = Cookies::new(&settings.secret, secure);
        let sites = Sites {
            origins: OriginRules::new(settings.base_url, settings.allowed_origins),
            proxies: TrustedProxies::new(settings.trusted_proxies),
        };
        Self {
            authenticator: Authenticator::new(database.clone(), cookies, sites, ended),
            database,
            hasher,
            sign_up: settings.sign_up,
            limiter: settings.rate_limit.then(Arc::default),
        }
    }

    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    pub fn sites(&self) -> &Sites {
        self.authenticator.sites()
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub fn sign_up(&self) -> SignUp {
        self.sign_up
    }

    /// Lets a request through, or says after how many seconds it would be.
    pub(crate) fn admit(&self, request: &HttpRequest, limit: Limit) -> Result<(), u64> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        let client = self.sites().client_address(request);
        // A panic in the middle of counting leaves counters that are still good enough.
        limiter.lock().unwrap_or_else(PoisonError::into_inner).admit(clock::now(), client, limit)
    }
}
