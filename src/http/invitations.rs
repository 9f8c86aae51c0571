//! Invitations by e-mail: a DM of a campaign or an admin of a workspace makes them, the invited person answers them.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use diesel::QueryResult;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, Joined, Success, campaign_of, created, ok, require_dm};
use crate::http::body;
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::http::workspace_access::{require_admin, workspace_of};
use crate::protocol::campaign::command::Command;
use crate::protocol::chat::command as chat;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, InvitationId, UserId, WorkspaceId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns;
use crate::store::campaigns::invitations::{self as to_campaigns, InvitationRow};
use crate::store::db::Db;
use crate::store::workspaces::invitations as to_workspaces;
use crate::store::workspaces::{self, pending};

pub fn routes(routes: &mut Routes) {
    let tag = "invitations";
    routes.call(tag, Method::POST, "/api/campaigns/{id}/invitations", invite, "Invite somebody by e-mail address; by a DM", |call| {
        call.takes::<Invite>().gives::<Made>(201, "It waits for an answer").refuses(&[403, 404, 409, 503])
    });
    routes.call(tag, Method::GET, "/api/campaigns/{id}/invitations", list, "The invitations of a campaign; for DMs", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[403, 404])
    });
    routes.call(
        tag,
        Method::POST,
        "/api/workspaces/{id}/invitations",
        invite_to_workspace,
        "Invite somebody by e-mail address; by an admin",
        |call| call.takes::<Invite>().gives::<Made>(201, "It waits for an answer").refuses(&[403, 404, 409, 503]),
    );
    routes.call(
        tag,
        Method::GET,
        "/api/workspaces/{id}/invitations",
        list_of_workspace,
        "The invitations of a workspace; for admins",
        |call| call.pages().gives::<List>(200, "A page of them").refuses(&[403, 404]),
    );
    routes.call(tag, Method::GET, "/api/invitations/pending", pending, "The invitations that wait for the caller's answer", |call| {
        call.pages().gives::<Pending>(200, "A page of them")
    });
    routes.call(tag, Method::POST, "/api/invitations/{id}/accept", accept, "Accept an invitation; by the invited person", |call| {
        call.gives::<Joined>(200, "The caller is a member").refuses(&[404, 410, 503])
    });
    routes.call(tag, Method::POST, "/api/invitations/{id}/decline", decline, "Decline an invitation; by the invited person", |call| {
        call.gives::<Success>(200, "It is declined").refuses(&[404, 410, 503])
    });
}

/// An e-mail address in lower case. What stands in it is for mail servers to judge; here it has one `@` with something on both sides, no
/// spaces, and at most 254 characters.
struct Email(String);

impl Email {
    const CHARS_MAX: usize = 254;

    fn parse(text: &str) -> Option<Self> {
        let email = text.trim().to_lowercase();
        let (local, domain) = email.split_once('@')?;
        let has_host = !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.');
        let is_plain = !email.chars().any(|c| c.is_whitespace() || c.is_control());
        let fits = email.chars().take(Self::CHARS_MAX + 1).count() <= Self::CHARS_MAX;
        (!local.is_empty() && has_host && is_plain && fits).then_some(Self(email))
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("is not an e-mail address"))
    }
}

impl JsonSchema for Email {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "email", "maxLength": Self::CHARS_MAX})
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invite {
    email: Email,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Invitation {
    id: InvitationId,
    email: String,
    /// `pending`, `accepted` or `declined`.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitationMade")]
struct Made {
    invitation: Invitation,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invitations")]
struct List {
    invitations: Vec<Invitation>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Received {
    id: InvitationId,
    #[serde(flatten)]
    to: InvitedTo,
    invited_by: UserId,
    invited_by_name: String,
    created_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum InvitedTo {
    Campaign { campaign_id: CampaignId, campaign_name: String },
    Workspace { workspace_id: WorkspaceId, workspace_name: String },
}

impl From<pending::Received> for Received {
    fn from(received: pending::Received) -> Self {
        match received {
            pending::Received::Campaign(invitation) => Self {
                id: invitation.id,
                to: InvitedTo::Campaign { campaign_id: invitation.campaign, campaign_name: invitation.campaign_name },
                invited_by: invitation.invited_by,
                invited_by_name: invitation.invited_by_name,
                created_at: invitation.created_at,
            },
            pending::Received::Workspace(invitation) => Self {
                id: invitation.id,
                to: InvitedTo::Workspace { workspace_id: invitation.workspace, workspace_name: invitation.workspace_name },
                invited_by: invitation.invited_by,
                invited_by_name: invitation.invited_by_name,
                created_at: invitation.created_at,
            },
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PendingInvitations")]
struct Pending {
    invitations: Vec<Received>,
}

async fn invite(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let Invite { email: Email(email) } = body::json(payload).await?;
    let (of, whose) = (campaign.clone(), email.clone());
    // The room knows its members by id, not by address.
    if api.db.read(move |db| campaigns::has_member_with_email(db, &of, &whose)).await? {
        return Err(member_already());
    }
    let done = api.rooms.command(&campaign, Some(&me.user), Command::Invite { email: email.clone() }).await?;
    made(done.invitation_id, email)
}

async fn invite_to_workspace(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let workspace = workspace_of(&request)?;
    require_admin(&api, &workspace, &me.user).await?;
    let Invite { email: Email(email) } = body::json(payload).await?;
    let (of, whose) = (workspace.clone(), email.clone());
    if api.db.read(move |db| workspaces::has_member_with_email(db, &of, &whose)).await? {
        return Err(member_already());
    }
    let done = api.workspaces.command(&workspace, Some(&me.user), chat::Command::Invite { email: email.clone() }).await?;
    made(done.invitation_id, email)
}

fn member_already() -> Refusal {
    Refusal::new(ErrorCode::Conflict, "Somebody with this e-mail address is a member already")
}

fn made(id: Option<InvitationId>, email: String) -> Answer {
    let id = id.ok_or_else(Rejection::internal)?;
    created(Made { invitation: Invitation { id, email, status: "pending".into(), created_at: None } })
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    listed(api.db.read(move |db| to_campaigns::of_campaign(db, &campaign, page)).await?)
}

async fn list_of_workspace(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let workspace = workspace_of(&request)?;
    require_admin(&api, &workspace, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    listed(api.db.read(move |db| to_workspaces::of_workspace(db, &workspace, page)).await?)
}

fn listed(found: Option<Vec<InvitationRow>>) -> Answer {
    let invitation =
        |InvitationRow { id, email, status, created_at }: InvitationRow| Invitation { id, email, status, created_at: Some(created_at) };
    ok(List { invitations: found.ok_or_else(unknown_cursor)?.into_iter().map(invitation).collect() })
}

async fn pending(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let page = Params::of(&request)?.page_by_id()?;
    let email = me.email.to_lowercase();
    let found = api.db.read(move |db| pending::pending_for(db, &email, page)).await?.ok_or_else(unknown_cursor)?;
    ok(Pending { invitations: found.into_iter().map(Received::from).collect() })
}

async fn accept(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let Open { id: invitation_id, to, email } = open_invitation(&api, &me, &request).await?;
    let (user, name) = (me.user.clone(), me.name);
    match to {
        To::Campaign(campaign) => {
            api.rooms.command(&campaign, None, Command::AcceptInvitation { invitation_id, user, name, email }).await?;
            ok(Joined::campaign(&api, campaign, &me.user).await?)
        }
        To::Workspace(workspace) => {
            api.workspaces.command(&workspace, None, chat::Command::AcceptInvitation { invitation_id, user, name, email }).await?;
            ok(Joined::workspace(&api, workspace, &me.user).await?)
        }
    }
}

async fn decline(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let Open { id: invitation_id, to, email } = open_invitation(&api, &me, &request).await?;
    match to {
        To::Campaign(campaign) => {
            api.rooms.command(&campaign, None, Command::DeclineInvitation { invitation_id, user: me.user, email }).await?;
        }
        To::Workspace(workspace) => {
            api.workspaces.command(&workspace, None, chat::Command::DeclineInvitation { invitation_id, user: me.user, email }).await?;
        }
    }
    ok(Success { success: true })
}

/// An invitation that waits for the caller's answer.
struct Open {
    id: InvitationId,
    to: To,
    email: String,
}

enum To {
    Campaign(CampaignId),
    Workspace(WorkspaceId),
}

/// The invitation that the path names, if it is for the caller and not answered.
async fn open_invitation(api: &Api, me: &SignedIn, request: &HttpRequest) -> Result<Open, Refusal> {
    let id = InvitationId::new(path_id(request, "id", "invitation")?);
    let email = me.email.to_lowercase();
    let (which, whose) = (id.clone(), email.clone());
    match api.db.read(move |db| where_to(db, &which, &whose)).await? {
        None => Err(Refusal::not_found("invitation")),
        Some((_, false)) => Err(Refusal::new(ErrorCode::Gone, "The invitation was answered already")),
        Some((to, true)) => Ok(Open { id, to, email }),
    }
}

/// Where an invitation leads, and whether it waits for an answer.
fn where_to(db: &mut Db, id: &InvitationId, email: &str) -> QueryResult<Option<(To, bool)>> {
    if let Some(invited) = to_campaigns::invited(db, id, email)? {
        return Ok(Some((To::Campaign(invited.campaign), invited.is_pending)));
    }
    let invited = to_workspaces::invited(db, id, email)?;
    Ok(invited.map(|invited| (To::Workspace(invited.workspace), invited.is_pending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_in_lower_case_and_has_one_at_sign_with_something_around_it() {
        assert_eq!(Email::parse(" Ada@Example.ORG ").map(|email| email.0).as_deref(), Some("ada@example.org"));
        let long = format!("{}@a.b", "x".repeat(251));
        for bad in ["", "ada", "@example.org", "ada@", "a@b@c", "a b@c.d", "ada@.org", "ada@org.", "a\n@b.c", &long] {
            assert!(Email::parse(bad).is_none(), "{bad:?}");
        }
    }
}
