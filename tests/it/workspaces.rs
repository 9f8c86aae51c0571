//! Workspaces through REST: who may know of one, be in it and change it.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use moothall::http::WorkspaceRooms;
use moothall::protocol::chat::{Answer, Command, Target};
use moothall::protocol::ids::{UserId, WorkspaceId};
use serde_json::{Value, json};

use crate::rest::{DANA, OTTO, PAUL, PIA, Said, World, names, on_both, world};
use crate::support::postgres::TestDatabase;

on_both!(
    a_workspace_is_its_members_to_read_and_its_owners_to_rename_and_delete,
    a_workspace_lists_in_pages_and_its_name_has_1_to_100_characters,
    roles_are_given_by_admins_and_the_last_owner_stays,
    members_leave_by_themselves_or_are_taken_out_by_an_admin_and_lose_everything_at_once,
    an_admin_invites_by_e_mail_and_the_invited_person_answers_once,
    invitations_to_campaigns_and_workspaces_wait_in_one_list,
    a_link_leads_into_its_workspace_as_often_as_it_says,
    an_owner_exports_what_he_may_read_and_nobody_else_exports_anything,
);

/// A workspace with Dana as its owner, Pia as an admin and Paul as a member; Otto is a stranger.
pub struct Team {
    pub id: String,
    path: String,
}

impl Team {
    pub fn at(&self, part: &str) -> String {
        format!("{}/{part}", self.path)
    }
}

impl<S, B> World<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    pub async fn team(&self) -> Team {
        let made = self.post(DANA, "/api/workspaces", json!({"name": "Guild"})).await;
        assert_eq!(made.0, 201, "{made:?}");
        let id = made.1["id"].as_str().expect("has an id").to_owned();
        assert_eq!(made.1, json!({"id": id, "name": "Guild", "ownerId": DANA}));
        let team = Team { path: format!("/api/workspaces/{id}"), id };
        for member in [PIA, PAUL] {
            self.admit(&team, member).await;
        }
        assert_eq!(self.set_role(DANA, &team, PIA, "admin").await.0, 200);
        team
    }

    pub async fn admit(&self, team: &Team, name: &str) {
        let link = self.post(DANA, &team.at("invite-links"), json!({"maxUses": 1})).await;
        let accept = format!("/api/invite-links/{}/accept", link.1["code"].as_str().expect("has a code"));
        assert_eq!(self.post(name, &accept, json!({})).await, Said(200, json!({"workspaceId": team.id, "role": "member"})));
    }

    pub async fn set_role(&self, who: &str, team: &Team, member: &str, role: &str) -> Said {
        let body = json!({"role": role}).to_string();
        self.send(who, Method::PATCH, &team.at(&format!("members/{member}")), body).await
    }

    /// What somebody does over a socket.
    pub async fn tell(&self, team: &Team, who: &str, command: Command) -> Answer {
        let done = WorkspaceRooms::command(&self.rooms, &WorkspaceId::new(team.id.as_str()), Some(&UserId::new(who)), command).await;
        done.expect("is done")
    }

    /// The id of a new message.
    pub async fn say(&self, team: &Team, who: &str, target: &Target, content: &str) -> String {
        let command = Command::Send { target: target.clone(), content: content.into(), parent_id: None };
        self.tell(team, who, command).await.message_id.expect("has an id").to_string()
    }

    pub async fn channel(&self, team: &Team, who: &str, name: &str, private: bool) -> Target {
        let made = self.post(who, &team.at("channels"), json!({"name": name, "private": private})).await;
        assert_eq!(made.0, 201, "{made:?}");
        Target::Channel(made.1["id"].as_str().expect("has an id").into())
    }

    pub async fn conversation(&self, team: &Team, who: &str, with: &[&str]) -> Target {
        let made = self.post(who, &team.at("conversations"), json!({"userIds": with})).await;
        assert!(made.0 == 200 || made.0 == 201, "{made:?}");
        Target::Dm(made.1["id"].as_str().expect("has an id").into())
    }
}

/// The path of something of a channel or a conversation.
pub fn of(target: &Target, part: &str) -> String {
    match target {
        Target::Channel(id) => format!("/api/channels/{id}/{part}"),
        Target::Dm(id) => format!("/api/conversations/{id}/{part}"),
    }
}

async fn a_workspace_is_its_members_to_read_and_its_owners_to_rename_and_delete(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    for (who, role) in [(DANA, "owner"), (PIA, "admin"), (PAUL, "member")] {
        let Said(status, workspace) = world.get(who, &team.path).await;
        let created_at = workspace["createdAt"].as_str().expect("has a time");
        let awaited = json!({"id": team.id, "name": "Guild", "ownerId": DANA, "role": role, "createdAt": created_at});
        assert_eq!((status, &workspace), (200, &awaited));
        assert_eq!(world.get(who, "/api/workspaces").await, Said(200, json!({"workspaces": [workspace]})));
    }
    assert_eq!(world.get(OTTO, "/api/workspaces").await, Said(200, json!({"workspaces": []})));
    assert_eq!(world.get(OTTO, &team.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get("", &team.path).await.code(), (401, "UNAUTHORIZED"));

    let rename = |who| world.send(who, Method::PATCH, &team.path, r#"{"name":"  Order "}"#);
    assert_eq!(rename(OTTO).await.code(), (404, "NOT_FOUND"));
    assert_eq!(rename(PAUL).await.code(), (403, "FORBIDDEN"));
    assert_eq!(rename(PIA).await.code(), (403, "FORBIDDEN"));
    assert_eq!(rename(DANA).await.1["name"], "Order");
    assert_eq!(world.get(PAUL, &team.path).await.1["name"], "Order");

    assert_eq!(world.delete(OTTO, &team.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(PIA, &team.path).await.code(), (403, "FORBIDDEN"));
    let talk = world.channel(&team, DANA, "talk", false).await;
    world.say(&team, DANA, &talk, "hello").await;
    assert_eq!(world.delete(DANA, &team.path).await.0, 204);
    assert_eq!(world.get(DANA, &team.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(DANA, &of(&talk, "messages")).await.code(), (404, "NOT_FOUND"));
}

async fn a_workspace_lists_in_pages_and_its_name_has_1_to_100_characters(database: &TestDatabase) {
    let world = world(database).await;
    for bad in [json!({}), json!({"name": "  "}), json!({"name": "x".repeat(101)}), json!({"name": "a", "b": 1})] {
        assert_eq!(world.post(DANA, "/api/workspaces", bad).await.code(), (400, "BAD_MESSAGE"));
    }
    for n in 0..3 {
        assert_eq!(world.post(DANA, "/api/workspaces", json!({"name": format!("w{n}")})).await.0, 201);
    }
    let all = names(&world.get(DANA, "/api/workspaces").await.1["workspaces"], "id");
    let first = world.get(DANA, "/api/workspaces?limit=2").await;
    assert_eq!(names(&first.1["workspaces"], "id"), all[..2]);
    let rest = world.get(DANA, &format!("/api/workspaces?limit=2&after={}", all[1])).await;
    assert_eq!(names(&rest.1["workspaces"], "id"), all[2..]);
    assert_eq!(world.get(PIA, &format!("/api/workspaces?after={}", all[1])).await.code(), (400, "BAD_MESSAGE"));
}

async fn roles_are_given_by_admins_and_the_last_owner_stays(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let Said(status, listed) = world.get(PAUL, &team.at("members")).await;
    assert_eq!(status, 200);
    assert_eq!(names(&listed["members"], "userId"), [DANA, PIA, PAUL]);
    assert_eq!(names(&listed["members"], "role"), ["owner", "admin", "member"]);
    assert_eq!(listed["members"][2]["name"], "PAUL");
    assert!(listed["members"][2]["id"].is_string() && listed["members"][2]["joinedAt"].is_string(), "{listed}");
    assert_eq!(world.get(OTTO, &team.at("members")).await.code(), (404, "NOT_FOUND"));

    assert_eq!(world.set_role(OTTO, &team, PAUL, "admin").await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.set_role(PAUL, &team, PAUL, "admin").await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.set_role(PIA, &team, OTTO, "admin").await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.set_role(PIA, &team, PAUL, "king").await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(world.set_role(PIA, &team, PAUL, "owner").await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.set_role(PIA, &team, DANA, "member").await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.set_role(DANA, &team, DANA, "member").await.code(), (409, "CONFLICT"));
    let promoted = world.set_role(PIA, &team, PAUL, "admin").await;
    assert_eq!((promoted.0, &promoted.1["role"], &promoted.1["userId"]), (200, &json!("admin"), &json!(PAUL)));

    assert_eq!(world.set_role(DANA, &team, PIA, "owner").await.0, 200);
    assert_eq!(world.get(PAUL, &team.path).await.1["ownerId"], DANA);
    assert_eq!(world.set_role(DANA, &team, DANA, "member").await.0, 200);
    assert_eq!(world.get(PAUL, &team.path).await.1["ownerId"], PIA);
}

async fn members_leave_by_themselves_or_are_taken_out_by_an_admin_and_lose_everything_at_once(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let member = |name: &str| team.at(&format!("members/{name}"));
    let public = world.channel(&team, PAUL, "public", false).await;
    let private = world.channel(&team, PAUL, "private", true).await;
    let dm = world.conversation(&team, PAUL, &[DANA]).await;
    for target in [&public, &private, &dm] {
        world.say(&team, PAUL, target, "hello").await;
        assert_eq!(world.get(PAUL, &of(target, "messages")).await.0, 200);
    }
    assert_eq!(world.delete(OTTO, &member(PAUL)).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(PAUL, &member(PIA)).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(PIA, &member(DANA)).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(DANA, &member(OTTO)).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(DANA, &member(DANA)).await.code(), (409, "CONFLICT"));
    assert_eq!(world.delete(PIA, &member(PAUL)).await.0, 204);
    for target in [&public, &private, &dm] {
        assert_eq!(world.get(PAUL, &of(target, "messages")).await.code(), (404, "NOT_FOUND"));
    }
    for part in ["members", "channels", "conversations", "search?q=hello", "export"] {
        assert_eq!(world.get(PAUL, &team.at(part)).await.code(), (404, "NOT_FOUND"), "{part}");
    }
    assert_eq!(world.get(DANA, &of(&dm, "messages")).await.1["messages"][0]["content"], "hello");

    world.admit(&team, PAUL).await;
    assert_eq!(world.get(PAUL, &of(&private, "messages")).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(PAUL, &of(&public, "messages")).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(PAUL, &member(PAUL)).await.0, 204);
    assert_eq!(names(&world.get(DANA, &team.at("members")).await.1["members"], "userId"), [DANA, PIA]);
}

async fn an_admin_invites_by_e_mail_and_the_invited_person_answers_once(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let path = team.at("invitations");
    let email = json!({"email": "OTTO@example.org"});
    assert_eq!(world.post(OTTO, &path, email.clone()).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PAUL, &path, email.clone()).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(PIA, &path, json!({"email": "nobody"})).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(world.post(PIA, &path, json!({"email": "paul@example.org"})).await.code(), (409, "CONFLICT"));
    let made = world.post(PIA, &path, email.clone()).await;
    let id = made.1["invitation"]["id"].as_str().expect("has an id");
    assert_eq!(made, Said(201, json!({"invitation": {"id": id, "email": "otto@example.org", "status": "pending"}})));
    assert_eq!(world.post(DANA, &path, email.clone()).await.0, 409);
    assert_eq!(names(&world.get(DANA, &path).await.1["invitations"], "status"), ["pending"]);
    assert_eq!(world.get(PAUL, &path).await.code(), (403, "FORBIDDEN"));

    let accept = format!("/api/invitations/{id}/accept");
    assert_eq!(world.post(PAUL, &accept, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(OTTO, &accept, json!({})).await, Said(200, json!({"workspaceId": team.id, "role": "member"})));
    assert_eq!(world.post(OTTO, &accept, json!({})).await.code(), (410, "GONE"));
    assert_eq!(world.post(OTTO, &format!("/api/invitations/{id}/decline"), json!({})).await.code(), (410, "GONE"));
    assert_eq!(names(&world.get(DANA, &path).await.1["invitations"], "status"), ["accepted"]);
    assert_eq!(world.get(OTTO, &team.path).await.1["role"], "member");
}

async fn invitations_to_campaigns_and_workspaces_wait_in_one_list(database: &TestDatabase) {
    let world = world(database).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        let kind = if n % 2 == 0 { "campaigns" } else { "workspaces" };
        let made = world.post(DANA, &format!("/api/{kind}"), json!({"name": format!("{kind} {n}")})).await;
        let path = format!("/api/{kind}/{}/invitations", made.1["id"].as_str().expect("has an id"));
        let invited = world.post(DANA, &path, json!({"email": "otto@example.org"})).await;
        ids.push(invited.1["invitation"]["id"].as_str().expect("has an id").to_owned());
    }
    let Said(_, all) = world.get(OTTO, "/api/invitations/pending").await;
    let listed = names(&all["invitations"], "id");
    assert_eq!(
        {
            let mut sorted = listed.clone();
            sorted.sort();
            sorted
        },
        {
            ids.sort();
            ids
        }
    );
    for invitation in all["invitations"].as_array().expect("is a list") {
        let (kind, other) = if invitation["campaignId"].is_string() { ("campaign", "workspace") } else { ("workspace", "campaign") };
        let name = invitation[format!("{kind}Name")].as_str().expect("has a name");
        assert!(name.starts_with(kind), "{invitation}");
        assert!(invitation[format!("{kind}Id")].is_string() && invitation.get(format!("{other}Id")).is_none(), "{invitation}");
        assert_eq!((&invitation["invitedBy"], invitation["createdAt"].is_string()), (&json!(DANA), true));
    }
    let page = |query: String| {
        let world = &world;
        async move { names(&world.get(OTTO, &format!("/api/invitations/pending?{query}")).await.1["invitations"], "id") }
    };
    assert_eq!(page("limit=3".into()).await, listed[..3]);
    assert_eq!(page(format!("limit=2&after={}", listed[0])).await, listed[1..3]);
    assert_eq!(page(format!("limit=2&before={}", listed[3])).await, listed[1..3]);
    assert_eq!(world.get(PIA, &format!("/api/invitations/pending?after={}", listed[0])).await.code(), (400, "BAD_MESSAGE"));

    for id in &listed {
        assert_eq!(world.post(PIA, &format!("/api/invitations/{id}/decline"), json!({})).await.code(), (404, "NOT_FOUND"));
        assert_eq!(world.post(OTTO, &format!("/api/invitations/{id}/decline"), json!({})).await, Said(200, json!({"success": true})));
    }
    assert_eq!(world.get(OTTO, "/api/invitations/pending").await.1, json!({"invitations": []}));
    assert_eq!(world.get(OTTO, "/api/workspaces").await.1, json!({"workspaces": []}));
}

async fn a_link_leads_into_its_workspace_as_often_as_it_says(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let path = team.at("invite-links");
    assert_eq!(world.post(PAUL, &path, json!({})).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(OTTO, &path, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PIA, &path, json!({"maxUses": 0})).await.code(), (400, "BAD_MESSAGE"));
    let Said(status, link) = world.post(PIA, &path, json!({"maxUses": 1, "expiresInHours": 1})).await;
    let code = link["code"].as_str().expect("has a code");
    assert_eq!((status, link["url"].as_str()), (201, Some(&*format!("https://play.example.org/join/{code}"))));
    let accept = format!("/api/invite-links/{code}/accept");
    assert_eq!(world.post("", &accept, json!({})).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(PIA, &accept, json!({})).await, Said(200, json!({"workspaceId": team.id, "role": "admin"})));
    assert_eq!(world.post(OTTO, &accept, json!({})).await, Said(200, json!({"workspaceId": team.id, "role": "member"})));
    assert_eq!(world.post(OTTO, &accept, json!({})).await.code(), (410, "GONE"));
}

async fn an_owner_exports_what_he_may_read_and_nobody_else_exports_anything(database: &TestDatabase) {
    let world = world(database).await;
    let team = world.team().await;
    let public = world.channel(&team, PAUL, "public", false).await;
    let private = world.channel(&team, PIA, "secret-plans", true).await;
    let (ours, theirs) = (world.conversation(&team, DANA, &[PIA]).await, world.conversation(&team, PIA, &[PAUL]).await);
    let first = world.say(&team, PAUL, &public, "one").await;
    let second = world.say(&team, PAUL, &public, "gone-words").await;
    world.say(&team, PIA, &ours, "two").await;
    world.say(&team, PIA, &private, "secret-1").await;
    world.say(&team, PIA, &theirs, "secret-2").await;
    world.tell(&team, PAUL, Command::ToggleReaction { message_id: first.as_str().into(), emoji: "👍".into() }).await;
    world.tell(&team, PAUL, Command::Delete { message_id: second.as_str().into() }).await;
    // More than is read at a time.
    for n in 0..501 {
        world.say(&team, PAUL, &public, &format!("m{n}")).await;
    }

    let path = team.at("export");
    assert_eq!(world.get("", &path).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(PAUL, &path).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.get(PIA, &path).await.code(), (403, "FORBIDDEN"));
    let Said(status, text) = world.get(DANA, &path).await;
    let text = text.as_str().expect("is more than one JSON text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(status, 200);
    assert!(!text.contains("secret") && !text.contains("gone-words"));
    let of_type = |kind: &str| lines.iter().filter(|line| line["type"] == kind).cloned().collect::<Vec<Value>>();
    assert_eq!(lines[0]["id"], json!(team.id));
    assert_eq!(of_type("workspace").len(), 1);
    assert_eq!(names(&of_type("member").into(), "userId"), [DANA, PIA, PAUL]);
    assert_eq!(names(&of_type("channel").into(), "name"), ["public"]);
    assert_eq!(of_type("conversation").len(), 1);
    let messages = of_type("message");
    let contents = names(&messages.clone().into(), "content");
    assert_eq!(contents[..3], ["one", "", "m0"]);
    assert_eq!(contents[contents.len() - 2..], ["m500", "two"]);
    assert_eq!(contents.len(), 504);
    assert_eq!(messages[0]["reactions"], json!([{"emoji": "👍", "userIds": [PAUL]}]));
    assert!(messages[1]["deletedAt"].is_string());
}
