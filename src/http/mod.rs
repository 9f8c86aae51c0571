//! REST, one file per resource.
//!
//! Reads go to the database; whatever changes a campaign, a workspace or a circle is a command to its room. Every failure, also of a path that nobody serves, is
//! `{"error":"text","code":"CODE"}`. A handler asks in this order: who is it (401), may he or she know of the thing (404), do this to it (403), is
//! the request well formed (400, 413), and lets the room judge the rest.
//!
//! Sessions, the cross-site rule and CORS are not here: they are `auth`'s.

pub mod access;
pub mod api;
pub mod app_passwords;
pub mod asyncapi;
pub mod body;
pub mod campaigns;
pub mod channel_members;
pub mod channels;
pub mod circle_access;
pub mod circle_invites;
pub mod circle_members;
pub mod circles;
pub mod conversations;
pub mod export;
pub mod health;
pub mod invitations;
pub mod invite_links;
pub mod join;
pub mod locations;
pub mod map;
pub mod me;
pub mod members;
pub mod messages;
pub mod metrics;
pub mod name;
pub mod openapi;
pub mod owntracks;
pub mod query;
pub mod rate_limit;
pub mod refusal;
pub mod routes;
pub mod search;
pub mod sessions;
pub mod tracks;
pub mod workspace_access;
pub mod workspace_members;
pub mod workspaces;

pub use api::{Api, CampaignRooms, CircleRooms, WorkspaceRooms};
pub use health::Readiness;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::http::refusal::Refusal;
use crate::http::routes::Routes;

/// Mounts REST and `/metrics`. The application holds a `web::Data<Api>`; what else lives under `/api` (`/api/auth`) is mounted before.
pub fn configure(config: &mut ServiceConfig) {
    all_routes().mount(config);
    metrics::configure_for_loopback(config);
    config.service(web::scope("/api").default_service(web::to(no_such_call)));
}

/// Every call of REST: what is served and what `/api/openapi.json` describes are one list.
pub fn all_routes() -> Routes {
    let mut routes = Routes::default();
    health::routes(&mut routes);
    campaigns::routes(&mut routes);
    members::routes(&mut routes);
    invitations::routes(&mut routes);
    invite_links::routes(&mut routes);
    map::routes(&mut routes);
    sessions::routes(&mut routes);
    workspaces::routes(&mut routes);
    workspace_members::routes(&mut routes);
    channels::routes(&mut routes);
    channel_members::routes(&mut routes);
    conversations::routes(&mut routes);
    messages::routes(&mut routes);
    search::routes(&mut routes);
    export::routes(&mut routes);
    circles::routes(&mut routes);
    circle_members::routes(&mut routes);
    circle_invites::routes(&mut routes);
    join::routes(&mut routes);
    locations::routes(&mut routes);
    me::routes(&mut routes);
    app_passwords::routes(&mut routes);
    owntracks::routes(&mut routes);
    openapi::routes(&mut routes);
    asyncapi::routes(&mut routes);
    routes
}

/// The answer to a path or a method that there is not.
pub async fn no_such_call(_: HttpRequest) -> HttpResponse {
    Refusal::not_found("call").error_response()
}
