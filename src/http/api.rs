//! What the handlers of REST work with.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;

use crate::actors::counts::Counts;
use crate::actors::executor::Database;
use crate::actors::lobby::Rooms;
use crate::http::health::Readiness;
use crate::protocol::campaign::command::{Answer, Command};
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CampaignId, RoomId, UserId};
use crate::rooms::campaign::Campaign;

/// Files that are parsed at once. Each may be as large as `MAX_UPLOAD_BYTES`, and its hexes take several times that.
const IMPORTS_AT_ONCE_MAX: usize = 2;

/// The way to the rooms of campaigns.
pub trait CampaignRooms: Send + Sync {
    /// Has the room judge and carry out a command. With `by` the room checks that he or she is a member.
    fn command(&self, campaign: &CampaignId, by: Option<&UserId>, command: Command) -> BoxFuture<'static, Result<Answer, Rejection>>;
}

impl CampaignRooms for Rooms {
    fn command(&self, campaign: &CampaignId, by: Option<&UserId>, command: Command) -> BoxFuture<'static, Result<Answer, Rejection>> {
        let (rooms, room, by) = (self.clone(), RoomId::campaign(campaign), by.cloned());
        async move { Ok(rooms.command::<Campaign>(&room, by, command).await?.answer) }.boxed()
    }
}

pub struct Api {
    pub db: Database,
    pub rooms: Arc<dyn CampaignRooms>,
    pub counts: Arc<Counts>,
    pub readiness: Arc<Readiness>,
    /// `BETTER_AUTH_URL`: what an invite link begins with. Unset: the origin that the request was sent to.
    pub base_url: Option<String>,
    /// `MAX_UPLOAD_BYTES`.
    pub upload_bytes_max: usize,
    /// True when `METRICS_ADDR` is set: then `/metrics` is on that listener only.
    pub metrics_elsewhere: bool,
    pub imports: Semaphore,
}

impl Api {
    /// With the defaults of the settings.
    pub fn new(db: Database, rooms: Arc<dyn CampaignRooms>, counts: Arc<Counts>, readiness: Arc<Readiness>) -> Self {
        Self {
            db,
            rooms,
            counts,
            readiness,
            base_url: None,
            upload_bytes_max: 16 * 1024 * 1024,
            metrics_elsewhere: false,
            imports: Semaphore::new(IMPORTS_AT_ONCE_MAX),
        }
    }
}
