//! Campaigns: making, listing, renaming and deleting them.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actors::clock;
use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, campaign_of, created, no_content, no_such_campaign, ok};
use crate::http::body;
use crate::http::name::Name;
use crate::http::query::{Params, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::campaign::command::Command;
use crate::protocol::ids::{CampaignId, UserId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::{self, NewCampaign, Summary, role_label};

const NAME_CHARS_MAX: usize = 100;

pub fn routes(routes: &mut Routes) {
    let tag = "campaigns";
    routes.call(tag, Method::POST, "/api/campaigns", create, "Make a campaign; the caller becomes its DM", |call| {
        call.takes::<Named>().gives::<NewlyMade>(201, "It was made")
    });
    routes
        .call(tag, Method::GET, "/api/campaigns", list, "The caller's campaigns", |call| call.pages().gives::<List>(200, "A page of them"));
    routes.call(tag, Method::GET, "/api/campaigns/{id}", get, "A campaign", |call| {
        call.gives::<Campaign>(200, "The campaign").refuses(&[404])
    });
    routes.call(tag, Method::PATCH, "/api/campaigns/{id}", rename, "Rename a campaign; by its owner", |call| {
        call.takes::<Named>().gives::<Campaign>(200, "The campaign as it is called").refuses(&[403, 404])
    });
    routes.call(tag, Method::DELETE, "/api/campaigns/{id}", delete, "Delete a campaign and all that belongs to it; by its owner", |call| {
        call.gives_nothing(204, "It is gone").refuses(&[403, 404, 503])
    });
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CampaignName")]
struct Named {
    name: Name<NAME_CHARS_MAX>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "NewCampaign")]
struct NewlyMade {
    id: CampaignId,
    name: String,
    owner_id: UserId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Campaign {
    id: CampaignId,
    name: String,
    owner_id: UserId,
    /// The caller's: `dm` or `player`.
    role: &'static str,
    created_at: Timestamp,
}

impl From<Summary> for Campaign {
    fn from(Summary { id, name, owner, role, created_at }: Summary) -> Self {
        Self { id, name, owner_id: owner, role: role_label(role), created_at }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Campaigns")]
struct List {
    campaigns: Vec<Campaign>,
}

async fn create(api: Data<Api>, me: SignedIn, payload: Payload) -> Answer {
    let Named { name: Name(name) } = body::json(payload).await?;
    let made = NewlyMade { id: CampaignId::new(clock::fresh_id()), name: name.clone(), owner_id: me.user.clone() };
    let new = NewCampaign { id: made.id.clone(), name, owner: me.user, membership: clock::fresh_id(), at: clock::now() };
    api.db.write(move |db| campaigns::create(db, &new)).await?;
    created(made)
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| campaigns::list(db, &me.user, page)).await?.ok_or_else(unknown_cursor)?;
    ok(List { campaigns: found.into_iter().map(Campaign::from).collect() })
}

async fn get(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    ok(Campaign::from(summary(&api, &campaign_of(&request)?, &me.user).await?))
}

async fn rename(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    let mut renamed = owned(&api, &campaign, &me.user).await?;
    let Named { name: Name(name) } = body::json(payload).await?;
    renamed.name = name.clone();
    let found = api.db.write(move |db| campaigns::rename(db, &campaign, &name)).await?;
    if found { ok(Campaign::from(renamed)) } else { Err(no_such_campaign()) }
}

async fn delete(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    owned(&api, &campaign, &me.user).await?;
    api.rooms.command(&campaign, Some(&me.user), Command::DeleteCampaign {}).await?;
    no_content()
}

async fn summary(api: &Api, campaign: &CampaignId, user: &UserId) -> Result<Summary, Refusal> {
    let (campaign, user) = (campaign.clone(), user.clone());
    api.db.read(move |db| campaigns::one(db, &campaign, &user)).await?.ok_or_else(no_such_campaign)
}

/// For what only the owner may do.
async fn owned(api: &Api, campaign: &CampaignId, user: &UserId) -> Result<Summary, Refusal> {
    let found = summary(api, campaign, user).await?;
    if found.owner == *user { Ok(found) } else { Err(Refusal::forbidden("Only the owner of the campaign may do this")) }
}
