//! What every handler of a campaign asks first, and the shape of what it answers.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use diesel::QueryResult;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Api;
use crate::http::query::path_id;
use crate::http::refusal::Refusal;
use crate::http::{circle_access, workspace_access};
use crate::protocol::chat::command as chat;
use crate::protocol::circle::command as circle;
use crate::protocol::ids::{CampaignId, CircleId, UserId, WorkspaceId};
use crate::rooms::campaign::rows::Role;
use crate::rooms::kernel::Member;
use crate::store::campaigns::{self, Membership};
use crate::store::db::Db;

pub type Answer = Result<HttpResponse, Refusal>;

/// An answer that no cache keeps: what it holds depends on who asks, and when.
pub fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((CACHE_CONTROL, "no-store"));
    answer
}

pub fn ok<T: Serialize>(body: T) -> Answer {
    Ok(answer(StatusCode::OK).json(body))
}

pub fn created<T: Serialize>(body: T) -> Answer {
    Ok(answer(StatusCode::CREATED).json(body))
}

pub fn no_content() -> Answer {
    Ok(answer(StatusCode::NO_CONTENT).finish())
}

pub fn no_such_campaign() -> Refusal {
    Refusal::not_found("campaign")
}

/// The campaign that the path names.
pub fn campaign_of(request: &HttpRequest) -> Result<CampaignId, Refusal> {
    path_id(request, "id", "campaign").map(CampaignId::new)
}

/// The caller's role in a campaign. To whoever is not in it there is no such campaign.
pub async fn role(api: &Api, campaign: &CampaignId, user: &UserId) -> Result<Role, Refusal> {
    let (campaign, user) = (campaign.clone(), user.clone());
    api.db.read(move |db| campaigns::role(db, &campaign, &user)).await?.ok_or_else(no_such_campaign)
}

/// For what only a dungeon master may do.
pub async fn require_dm(api: &Api, campaign: &CampaignId, user: &UserId) -> Result<(), Refusal> {
    match role(api, campaign, user).await? {
        Role::Dm => Ok(()),
        Role::Player => Err(Refusal::forbidden("Only a DM of the campaign may do this")),
    }
}

/// What whoever joined a campaign, a workspace or a circle is told.
#[derive(Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Joined {
    Campaign {
        campaign_id: CampaignId,
        /// `player`; `dm` for a DM who accepted once more.
        role: &'static str,
    },
    Workspace {
        workspace_id: WorkspaceId,
        /// `member`; more for an owner or admin who accepted once more.
        role: chat::Role,
    },
    Circle {
        circle_id: CircleId,
        /// `member`; `owner` for an owner who accepted once more.
        role: circle::Role,
    },
}

impl Joined {
    pub async fn campaign(api: &Api, campaign: CampaignId, user: &UserId) -> Result<Self, Refusal> {
        let role = role(api, &campaign, user).await?;
        Ok(Self::Campaign { campaign_id: campaign, role: campaigns::role_label(role) })
    }

    pub async fn workspace(api: &Api, workspace: WorkspaceId, user: &UserId) -> Result<Self, Refusal> {
        let role = workspace_access::role(api, &workspace, user).await?;
        Ok(Self::Workspace { workspace_id: workspace, role })
    }

    pub async fn circle(api: &Api, circle: CircleId, user: &UserId) -> Result<Self, Refusal> {
        let role = circle_access::role(api, &circle, user).await?;
        Ok(Self::Circle { circle_id: circle, role })
    }
}

/// The answer to what leaves nothing to tell.
#[derive(Serialize, JsonSchema)]
pub struct Success {
    pub success: bool,
}

/// The member whose eyes the gate looks through. `None` when there is no such campaign, or the user is not in it.
pub fn viewer(db: &mut Db, campaign: &CampaignId, user: &UserId) -> QueryResult<Option<Member>> {
    let membership = campaigns::membership(db, campaign, user)?;
    Ok(membership.map(|Membership { no, role }| Member { no, user: user.clone(), name: "".into(), leads: role == Role::Dm }))
}
