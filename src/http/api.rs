//! What the handlers of REST work with.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;

use crate::actors::counts::Counts;
use crate::actors::executor::Database;
use crate::actors::lobby::Rooms;
use crate::http::health::Readiness;
use crate::protocol::campaign::command::{Answer, Command};
use crate::protocol::chat::command as chat;
use crate::protocol::circle::command as circle;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CampaignId, CircleId, RoomId, UserId, WorkspaceId};
use crate::rooms::campaign::Campaign;
use crate::rooms::chat::Workspace;
use crate::rooms::circle::Circle;

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

/// The way to the rooms of workspaces.
pub trait WorkspaceRooms: Send + Sync {
    /// Has the room judge and carry out a command. With `by` the room checks that he or she is a member.
    fn command(
        &self,
        workspace: &WorkspaceId,
        by: Option<&UserId>,
        command: chat::Command,
    ) -> BoxFuture<'static, Result<chat::Answer, Rejection>>;

    /// A user has become a member: connections that are in all of a user's workspaces come into this one, too.
    fn welcome(&self, workspace: &WorkspaceId, user: &UserId);
}

impl WorkspaceRooms for Rooms {
    fn command(
        &self,
        workspace: &WorkspaceId,
        by: Option<&UserId>,
        command: chat::Command,
    ) -> BoxFuture<'static, Result<chat::Answer, Rejection>> {
        let (rooms, room, by) = (self.clone(), RoomId::workspace(workspace), by.cloned());
        let newcomer = match &command {
            chat::Command::AcceptInvitation { user, .. } | chat::Command::AcceptInviteLink { user, .. } => Some(user.clone()),
            _ => None,
        };
        async move {
            let answered = rooms.command::<Workspace>(&room, by, command).await?;
            newcomer.into_iter().for_each(|user| rooms.welcome(&user, &room));
            Ok(answered.answer)
        }
        .boxed()
    }

    fn welcome(&self, workspace: &WorkspaceId, user: &UserId) {
        Rooms::welcome(self, user, &RoomId::workspace(workspace));
    }
}

/// The way to the rooms of circles.
pub trait CircleRooms: Send + Sync {
    /// Has the room judge and carry out a command. With `by` the room checks that he or she is a member.
    fn command(
        &self,
        circle: &CircleId,
        by: Option<&UserId>,
        command: circle::Command,
    ) -> BoxFuture<'static, Result<circle::Answer, Rejection>>;

    /// A user has become a member: connections that are in all of a user's circles come into this one, too.
    fn welcome(&self, circle: &CircleId, user: &UserId);
}

impl CircleRooms for Rooms {
    fn command(
        &self,
        circle: &CircleId,
        by: Option<&UserId>,
        command: circle::Command,
    ) -> BoxFuture<'static, Result<circle::Answer, Rejection>> {
        let (rooms, room, by) = (self.clone(), RoomId::circle(circle), by.cloned());
        let newcomer = if let circle::Command::AcceptInvite { user, .. } = &command { Some(user.clone()) } else { None };
        async move {
            let answered = rooms.command::<Circle>(&room, by, command).await?;
            newcomer.into_iter().for_each(|user| rooms.welcome(&user, &room));
            Ok(answered.answer)
        }
        .boxed()
    }

    fn welcome(&self, circle: &CircleId, user: &UserId) {
        Rooms::welcome(self, user, &RoomId::circle(circle));
    }
}

pub struct Api {
    pub db: Database,
    pub rooms: Arc<dyn CampaignRooms>,
    pub workspaces: Arc<dyn WorkspaceRooms>,
    pub circles: Arc<dyn CircleRooms>,
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
    pub fn new<Rooms: CampaignRooms + WorkspaceRooms + CircleRooms + 'static>(
        db: Database,
        rooms: Arc<Rooms>,
        counts: Arc<Counts>,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self {
            db,
            rooms: rooms.clone(),
            workspaces: rooms.clone(),
            circles: rooms,
            counts,
            readiness,
            base_url: None,
            upload_bytes_max: 16 * 1024 * 1024,
            metrics_elsewhere: false,
            imports: Semaphore::new(IMPORTS_AT_ONCE_MAX),
        }
    }
}
