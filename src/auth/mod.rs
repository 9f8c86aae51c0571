//! Who somebody is: sessions, passwords and the HTTP API of Better Auth.
//!
//! A web app that logs its users in with Better Auth and this server can share one database and one secret: both read the same cookie and the same
//! tables. Alone, the server offers the part of Better Auth's API that its client library uses for e-mail and password, under `/api/auth`.
//!
//! | module | what it does |
//! |---|---|
//! | [`cookie`], [`password`], [`random`] | the formats: cookies and their signature, hashes of passwords, tokens |
//! | [`hashing`] | where passwords are hashed, and how many at once |
//! | [`credentials`], [`session`] | what a request presents, and whose session that is |
//! | [`origin`], [`guard`], [`cors`] | which sites may send requests, and which may read the answers |
//! | [`client_address`], [`rate_limit`] | who asks, and how often he may |
//! | [`state`], [`http`] | the settings, and the API |

pub mod client_address;
pub mod cookie;
pub mod cors;
pub mod credentials;
pub mod guard;
pub mod hashing;
pub mod http;
pub mod origin;
pub mod password;
pub mod random;
pub mod rate_limit;
pub mod session;
pub mod state;

pub use session::SignedIn;
