//! `/socket.io/`: campaigns and team messaging for stock clients of Socket.IO v5.
//!
//! | module | its question |
//! |---|---|
//! | `client` | what does the packet mean, and who is it that wants to connect? |
//! | `connection` | what do the rooms say, and how is it said to this client? |
//! | `events`, `circles` | which room is an event for? |
//! | `gather` | what do the answers of several rooms come to? |
//! | `offsets`, `recovery` | where was a client that comes back, and may it go on? |
//!
//! A connection is in all workspaces of its user from the beginning, and in one campaign at most. It is a member of the rooms like any other
//! connection; what the transport adds is the form of the frames, the acknowledgements, and the recovery.

mod circles;
mod client;
mod connection;
mod directory;
mod events;
mod gather;
mod left;
mod offsets;
mod recovery;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;

use crate::actors::connection::ConnectionContext;
use crate::actors::engineio::upper::{Entrance, Forbidden, Upper};
use crate::actors::executor::Database;
use crate::actors::hub::Hubs;
use crate::auth::credentials::Credentials;
use crate::auth::session::Authenticator;
use crate::transport::socketio::client::Client;
use crate::transport::socketio::directory::Directory;
pub use crate::transport::socketio::recovery::Recoveries;

/// What all clients of Socket.IO share.
pub struct Shared {
    pub connections: Arc<ConnectionContext>,
    pub database: Database,
    pub authenticator: Authenticator,
    pub hubs: Arc<Hubs>,
    /// `None` when the recovery of connections is off.
    pub recoveries: Option<Arc<Recoveries>>,
    pub directory: Directory,
    /// A client that is silent for so long is dropped.
    pub silence_max: Duration,
}

/// Lets in whoever comes from a trusted site. Who it is, is asked when it connects.
pub struct Door(pub Arc<Shared>);

impl Entrance for Door {
    fn admit(&self, req: &HttpRequest) -> Result<Rc<dyn Upper>, Forbidden> {
        if !self.allows(req) {
            return Err(Forbidden);
        }
        let credentials = Credentials::of_request(req.headers(), self.0.authenticator.cookies());
        Ok(Client::new(self.0.clone(), credentials))
    }

    fn allows(&self, req: &HttpRequest) -> bool {
        self.0.authenticator.allows_socket_from(req)
    }
}
