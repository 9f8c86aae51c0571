//! Invitations by e-mail: a DM makes them, the invited person answers them.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::auth::session::SignedIn;
use crate::http::Api;
use crate::http::access::{Answer, Joined, campaign_of, created, ok, require_dm};
use crate::http::body;
use crate::http::query::{Params, path_id, unknown_cursor};
use crate::http::refusal::Refusal;
use crate::http::routes::Routes;
use crate::protocol::campaign::command::Command;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CampaignId, InvitationId, UserId};
use crate::protocol::time::Timestamp;
use crate::store::campaigns::has_member_with_email;
use crate::store::campaigns::invitations::{self, InvitationRow, ReceivedInvitation};

pub fn routes(routes: &mut Routes) {
    let tag = "invitations";
    routes.call(tag, Method::POST, "/api/campaigns/{id}/invitations", invite, "Invite somebody by e-mail address; by a DM", |call| {
        call.takes::<Invite>().gives::<Made>(201, "It waits for an answer").refuses(&[403, 404, 409, 503])
    });
    routes.call(tag, Method::GET, "/api/campaigns/{id}/invitations", list, "The invitations of a campaign; for DMs", |call| {
        call.pages().gives::<List>(200, "A page of them").refuses(&[403, 404])
    });
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
    campaign_id: CampaignId,
    campaign_name: String,
    invited_by: UserId,
    invited_by_name: String,
    created_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PendingInvitations")]
struct Pending {
    invitations: Vec<Received>,
}

#[derive(Serialize, JsonSchema)]
struct Success {
    success: bool,
}

async fn invite(api: Data<Api>, me: SignedIn, request: HttpRequest, payload: Payload) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let Invite { email: Email(email) } = body::json(payload).await?;
    let (of, whose) = (campaign.clone(), email.clone());
    // The room knows its members by id, not by address.
    if api.db.read(move |db| has_member_with_email(db, &of, &whose)).await? {
        return Err(Refusal::new(ErrorCode::Conflict, "Somebody with this e-mail address is a member already"));
    }
    let done = api.rooms.command(&campaign, Some(&me.user), Command::Invite { email: email.clone() }).await?;
    let id = done.invitation_id.ok_or_else(Rejection::internal)?;
    created(Made { invitation: Invitation { id, email, status: "pending".into(), created_at: None } })
}

async fn list(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let campaign = campaign_of(&request)?;
    require_dm(&api, &campaign, &me.user).await?;
    let page = Params::of(&request)?.page_by_id()?;
    let found = api.db.read(move |db| invitations::of_campaign(db, &campaign, page)).await?.ok_or_else(unknown_cursor)?;
    let invitation =
        |InvitationRow { id, email, status, created_at }: InvitationRow| Invitation { id, email, status, created_at: Some(created_at) };
    ok(List { invitations: found.into_iter().map(invitation).collect() })
}

async fn pending(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let page = Params::of(&request)?.page_by_id()?;
    let email = me.email.to_lowercase();
    let found = api.db.read(move |db| invitations::pending_for(db, &email, page)).await?.ok_or_else(unknown_cursor)?;
    let received = |invitation: ReceivedInvitation| Received {
        id: invitation.id,
        campaign_id: invitation.campaign,
        campaign_name: invitation.campaign_name,
        invited_by: invitation.invited_by,
        invited_by_name: invitation.invited_by_name,
        created_at: invitation.created_at,
    };
    ok(Pending { invitations: found.into_iter().map(received).collect() })
}

async fn accept(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let (invitation_id, campaign, email) = open_invitation(&api, &me, &request).await?;
    let command = Command::AcceptInvitation { invitation_id, user: me.user.clone(), name: me.name, email };
    api.rooms.command(&campaign, None, command).await?;
    ok(Joined::read(&api, campaign, &me.user).await?)
}

async fn decline(api: Data<Api>, me: SignedIn, request: HttpRequest) -> Answer {
    let (invitation_id, campaign, email) = open_invitation(&api, &me, &request).await?;
    api.rooms.command(&campaign, None, Command::DeclineInvitation { invitation_id, user: me.user, email }).await?;
    ok(Success { success: true })
}

/// The invitation that the path names, if it is for the caller and not answered.
async fn open_invitation(api: &Api, me: &SignedIn, request: &HttpRequest) -> Result<(InvitationId, CampaignId, String), Refusal> {
    let id = InvitationId::new(path_id(request, "id", "invitation")?);
    let email = me.email.to_lowercase();
    let (which, whose) = (id.clone(), email.clone());
    let found = api.db.read(move |db| invitations::invited(db, &which, &whose)).await?;
    match found {
        None => Err(Refusal::not_found("invitation")),
        Some(invited) if !invited.is_pending => Err(Refusal::new(ErrorCode::Gone, "The invitation was answered already")),
        Some(invited) => Ok((id, invited.campaign, email)),
    }
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
