//! REST over real rooms and a real database, without sockets: every call as a DM, a player, an outsider and nobody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::{Actor, Addr};
use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::{App, test, web};
use diesel::prelude::*;
use moothall::actors::clock;
use moothall::actors::counts::Counts;
use moothall::actors::executor::{Database, DbExecutor};
use moothall::actors::journal::Journal;
use moothall::actors::lobby::{Lobby, Rooms};
use moothall::actors::registry::Registry;
use moothall::actors::room::RoomContext;
use moothall::auth::hashing::Hasher;
use moothall::auth::state::{AuthSettings, AuthState, SignUp};
use moothall::cluster::node;
use moothall::http::{self, Api, Readiness, all_routes};
use moothall::protocol::campaign::command::{BroadcastMode, Command, Targets, TerrainAt};
use moothall::protocol::campaign::token::TokenType;
use moothall::protocol::hex::{HexKey, Terrain};
use moothall::protocol::ids::{CampaignId, RoomId, UserId};
use moothall::rooms::campaign::Campaign;
use moothall::store::db::on;
use moothall::store::pool::{self, DatabaseUrl};
use moothall::store::types::At;
use moothall::store::{migrate, schema};
use serde_json::{Value, json};

use crate::support::postgres::TestDatabase;

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[actix_web::test] async fn $name() { super::$name(&super::TestDatabase::sqlite()).await })*
        }
        mod postgres {
            $(#[actix_web::test] async fn $name() { super::$name(&super::TestDatabase::postgres()).await })*
        }
    };
}

pub(crate) use on_both;

on_both!(
    a_campaign_is_its_members_to_read_and_its_owners_to_rename_and_delete,
    a_name_has_1_to_100_characters,
    members_are_listed_to_members_and_taken_out_by_a_dm_or_by_themselves,
    an_invitation_is_made_by_a_dm_and_answered_once_by_whom_it_is_for,
    a_declined_invitation_makes_nobody_a_member,
    an_invite_link_works_as_often_as_it_says,
    a_player_reads_the_hexes_and_tokens_that_he_sees_and_nothing_of_the_others,
    a_map_is_posted_by_a_dm_and_well_formed,
    a_map_file_of_each_format_is_taken,
    the_log_shows_a_player_what_he_was_shown_and_still_sees,
    pages_of_the_log_hold_every_event_once_and_never_end_inside_a_seq,
    lists_page_by_id_in_both_directions,
    every_failure_is_json_with_a_code,
    the_process_says_how_it_is,
    every_call_of_the_specification_is_served_and_asks_for_a_session_as_it_says,
);

const PEOPLE: [&str; 4] = ["dana", "pia", "paul", "otto"];
pub(crate) const DANA: &str = "dana";
pub(crate) const PIA: &str = "pia";
pub(crate) const PAUL: &str = "paul";
pub(crate) const OTTO: &str = "otto";

/// REST with its rooms. Whoever is of [`PEOPLE`] has a session; the token is the name.
pub(crate) struct World<S> {
    app: S,
    pub(crate) rooms: Rooms,
    readiness: Arc<Readiness>,
}

struct Parts {
    api: web::Data<Api>,
    auth: web::Data<AuthState>,
    rooms: Rooms,
    readiness: Arc<Readiness>,
}

fn parts(database: &TestDatabase) -> Parts {
    let url = DatabaseUrl::parse(&database.url()).expect("is a URL");
    let mut db = pool::open_writer(&url).expect("SQLite opens");
    migrate::up(&mut db).expect("migrates");
    PEOPLE.iter().for_each(|name| add_person(&mut db, name));
    let node: Arc<str> = node::register(&mut db, "test:1", "hash").expect("registers").into();
    drop(db);
    let writer: Addr<DbExecutor> = DbExecutor::writer(url.clone());
    let readers = DbExecutor::pooled(pool::pool(&url, 2), 2);
    let counts = Arc::new(Counts::default());
    let database = Database::new(readers.clone(), if database.is_postgres() { readers } else { writer.clone() }, counts.clone());
    let journal = Journal::new(node.clone(), vec![writer], counts.clone()).start();
    let context = RoomContext {
        database: database.clone(),
        journal,
        node,
        counts: counts.clone(),
        ping_interval: Duration::from_secs(25),
        idle_timeout: Duration::from_secs(60),
        draining: AtomicBool::new(false),
    };
    let rooms = Rooms::new(Lobby::new(1, Arc::new(context)).start(), Arc::new(Registry::new(20)));
    let readiness = Arc::new(Readiness::default());
    let mut api = Api::new(database.clone(), Arc::new(rooms.clone()), counts, readiness.clone());
    api.upload_bytes_max = 64 * 1024;
    api.base_url = Some("https://play.example.org/".into());
    let settings = AuthSettings {
        secret: "test-secret-0123456789abcdefghijKLMNOPQRSTUVWXYZ".into(),
        base_url: None,
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        sign_up: SignUp::Open,
        rate_limit: false,
    };
    let auth = AuthState::new(settings, database, Hasher::new(1), Arc::new(|_| {}));
    Parts { api: web::Data::new(api), auth: web::Data::new(auth), rooms, readiness }
}

fn add_person(db: &mut moothall::store::db::Db, name: &str) {
    use schema::{session, user};
    let now = clock::now();
    let person = (
        user::id.eq(name),
        user::name.eq(name.to_uppercase()),
        user::email.eq(format!("{name}@example.org")),
        user::email_verified.eq(true),
        user::created_at.eq(At(now)),
        user::updated_at.eq(At(now)),
    );
    on!(&mut *db, c => diesel::insert_into(user::table).values(person).execute(c)).expect("a user");
    let signed_in = (
        session::id.eq(format!("session-{name}")),
        session::expires_at.eq(At(now.plus(Duration::from_secs(7 * 24 * 3600)))),
        session::token.eq(name),
        session::created_at.eq(At(now)),
        session::updated_at.eq(At(now)),
        session::user_id.eq(name),
    );
    on!(&mut *db, c => diesel::insert_into(session::table).values(signed_in).execute(c)).expect("a session");
}

pub(crate) async fn world(
    database: &TestDatabase,
) -> World<impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error>> {
    let Parts { api, auth, rooms, readiness } = parts(database);
    let app = App::new().app_data(api).app_data(auth).configure(moothall::auth::http::configure).configure(http::configure);
    World { app: test::init_service(app).await, rooms, readiness }
}

/// The answer's status and its body, as JSON or as a JSON string when it is none.
#[derive(Debug, PartialEq)]
pub(crate) struct Said(pub(crate) u16, pub(crate) Value);

impl Said {
    pub(crate) fn code(&self) -> (u16, &str) {
        assert!(self.1["error"].is_string(), "{self:?}");
        (self.0, self.1["code"].as_str().unwrap_or(""))
    }

    pub(crate) fn text(&self) -> String {
        self.1.to_string()
    }
}

impl<S, B> World<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    pub(crate) async fn send(&self, who: &str, method: Method, path: &str, body: impl Into<web::Bytes>) -> Said {
        let request = test::TestRequest::with_uri(path).method(method).set_payload(body);
        let request = if who.is_empty() { request } else { request.insert_header(("authorization", format!("Bearer {who}"))) };
        match test::try_call_service(&self.app, request.to_request()).await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body = test::read_body(answer).await;
                let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
                Said(status, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
            }
            Err(error) => {
                let answer = error.error_response();
                let status = answer.status().as_u16();
                let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap_or_default();
                Said(status, serde_json::from_slice(&body).unwrap_or_default())
            }
        }
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> Said {
        self.send(who, Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, who: &str, path: &str, body: Value) -> Said {
        self.send(who, Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn delete(&self, who: &str, path: &str) -> Said {
        self.send(who, Method::DELETE, path, "").await
    }

    /// Dana's campaign, with Pia and Paul as its players.
    async fn campaign(&self) -> Table {
        let made = self.post(DANA, "/api/campaigns", json!({"name": "Dragons"})).await;
        assert_eq!(made.0, 201, "{made:?}");
        let id = made.1["id"].as_str().expect("has an id").to_owned();
        let table = Table { path: format!("/api/campaigns/{id}"), id };
        let link = self.post(DANA, &table.at("invite-links"), json!({})).await;
        let accept = format!("/api/invite-links/{}/accept", link.1["code"].as_str().expect("has a code"));
        for player in [PIA, PAUL] {
            assert_eq!(self.post(player, &accept, json!({})).await, Said(200, json!({"campaignId": table.id, "role": "player"})));
        }
        table
    }

    /// What a DM does over the socket.
    async fn command(&self, table: &Table, command: Command) {
        let room = RoomId::campaign(&CampaignId::new(table.id.as_str()));
        self.rooms.command::<Campaign>(&room, Some(UserId::new(DANA)), command).await.expect("is done");
    }

    /// Pia sees a forest, Paul a hill, everybody a meadow; the rest is secret.
    async fn played(&self) -> Table {
        let table = self.campaign().await;
        self.command(&table, Command::StartSession {}).await;
        let hexes = [("0,0", "meadow"), ("1,0", "pia-forest"), ("2,0", "paul-hill"), ("3,0", "secret-lair")];
        let hexes: Vec<Value> = hexes.iter().map(|(key, terrain)| json!({"key": key, "terrain": terrain})).collect();
        assert_eq!(self.post(DANA, &table.at("map"), json!({"hexes": hexes})).await, Said(200, json!({"ok": true})));
        let only = |name: &str| Targets::Players(vec![UserId::new(name)]);
        self.command(&table, Command::Reveal { hex_keys: vec![key(0, 0)], targets: Targets::All }).await;
        self.command(&table, Command::Reveal { hex_keys: vec![key(1, 0)], targets: only(PIA) }).await;
        self.command(&table, Command::Reveal { hex_keys: vec![key(2, 0)], targets: only(PAUL) }).await;
        self.command(&table, token("open", 0, true)).await;
        self.command(&table, token("secret-invisible", 0, false)).await;
        self.command(&table, token("secret-in-fog", 3, true)).await;
        self.command(&table, Command::SetMode { mode: BroadcastMode::Staged }).await;
        self.command(&table, Command::Reveal { hex_keys: vec![key(3, 0)], targets: Targets::All }).await;
        let staged = vec![TerrainAt { key: key(0, 0), terrain: Terrain::parse("secret-staged").expect("is one"), terrain_variant: 0 }];
        self.command(&table, Command::UpdateTerrain { changes: staged }).await;
        table
    }
}

struct Table {
    id: String,
    path: String,
}

impl Table {
    fn at(&self, part: &str) -> String {
        format!("{}/{part}", self.path)
    }
}

fn key(q: i32, r: i32) -> HexKey {
    HexKey::new(q, r).expect("in range")
}

fn token(label: &str, q: i32, visible: bool) -> Command {
    let (icon, color) = ("x".to_owned(), "#000000".to_owned());
    Command::CreateToken { hex_key: key(q, 0), label: label.into(), icon, color, token_type: TokenType::Npc, owner_id: None, visible }
}

pub(crate) fn names(list: &Value, field: &str) -> Vec<String> {
    list.as_array().expect("is a list").iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

async fn a_campaign_is_its_members_to_read_and_its_owners_to_rename_and_delete(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    for (who, role) in [(DANA, "dm"), (PIA, "player")] {
        let Said(status, campaign) = world.get(who, &table.path).await;
        assert_eq!((status, campaign["role"].as_str(), campaign["ownerId"].as_str()), (200, Some(role), Some(DANA)));
        let Said(_, list) = world.get(who, "/api/campaigns").await;
        assert_eq!(list["campaigns"], json!([campaign]));
    }
    assert_eq!(world.get(OTTO, "/api/campaigns").await, Said(200, json!({"campaigns": []})));
    assert_eq!(world.get(OTTO, &table.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get("", &table.path).await.code(), (401, "UNAUTHORIZED"));

    let rename = |who| world.send(who, Method::PATCH, &table.path, r#"{"name":"  Wyverns "}"#);
    assert_eq!(rename("").await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(rename(OTTO).await.code(), (404, "NOT_FOUND"));
    assert_eq!(rename(PIA).await.code(), (403, "FORBIDDEN"));
    assert_eq!(rename(DANA).await.1["name"], "Wyverns");
    assert_eq!(world.get(PIA, &table.path).await.1["name"], "Wyverns");

    assert_eq!(world.delete(OTTO, &table.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(PIA, &table.path).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(DANA, &table.path).await.0, 204);
    assert_eq!(world.get(DANA, &table.path).await.code(), (404, "NOT_FOUND"));
}

async fn a_name_has_1_to_100_characters(database: &TestDatabase) {
    let world = world(database).await;
    for bad in [json!({}), json!({"name": "  "}), json!({"name": "x".repeat(101)}), json!({"name": 1}), json!({"name": "a", "b": 1})] {
        let said = world.post(DANA, "/api/campaigns", bad).await;
        assert_eq!(said.code(), (400, "BAD_MESSAGE"));
    }
    assert_eq!(world.post(DANA, "/api/campaigns", json!({"name": "é".repeat(100)})).await.0, 201);
}

async fn members_are_listed_to_members_and_taken_out_by_a_dm_or_by_themselves(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let members = table.at("members");
    let listed = world.get(PIA, &members).await;
    assert_eq!(names(&listed.1["members"], "userId"), [DANA, PIA, PAUL]);
    assert_eq!(world.get(OTTO, &members).await.code(), (404, "NOT_FOUND"));

    let of = |name: &str| table.at(&format!("members/{name}"));
    assert_eq!(world.delete(OTTO, &of(PIA)).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete("", &of(PIA)).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.delete(PIA, &of(PAUL)).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(DANA, &of(OTTO)).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(DANA, &of(DANA)).await.0, 409);
    assert_eq!(world.delete(PIA, &of(PIA)).await.0, 204);
    assert_eq!(world.delete(DANA, &of(PAUL)).await.0, 204);
    assert_eq!(world.get(PIA, &table.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(names(&world.get(DANA, &members).await.1["members"], "userId"), [DANA]);
}

async fn an_invitation_is_made_by_a_dm_and_answered_once_by_whom_it_is_for(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let path = table.at("invitations");
    let email = json!({"email": "OTTO@example.org"});
    assert_eq!(world.post("", &path, email.clone()).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &path, email.clone()).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PIA, &path, email.clone()).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(DANA, &path, json!({"email": "nobody"})).await.code(), (400, "BAD_MESSAGE"));
    let made = world.post(DANA, &path, email.clone()).await;
    let id = made.1["invitation"]["id"].as_str().expect("has an id");
    assert_eq!(made, Said(201, json!({"invitation": {"id": id, "email": "otto@example.org", "status": "pending"}})));
    assert_eq!(world.post(DANA, &path, email.clone()).await.0, 409);
    assert_eq!(world.post(DANA, &path, json!({"email": "pia@example.org"})).await.code(), (409, "CONFLICT"));

    assert_eq!(names(&world.get(DANA, &path).await.1["invitations"], "status"), ["pending"]);
    assert_eq!(world.get(PIA, &path).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"));
    let Said(_, pending) = world.get(OTTO, "/api/invitations/pending").await;
    assert_eq!((&pending["invitations"][0]["campaignName"], &pending["invitations"][0]["invitedBy"]), (&json!("Dragons"), &json!(DANA)));
    assert_eq!(world.get(PIA, "/api/invitations/pending").await.1, json!({"invitations": []}));

    let accept = format!("/api/invitations/{id}/accept");
    assert_eq!(world.post(PIA, &accept, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post("", &accept, json!({})).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &accept, json!({})).await, Said(200, json!({"campaignId": table.id, "role": "player"})));
    assert_eq!(world.post(OTTO, &accept, json!({})).await.code(), (410, "GONE"));
    assert_eq!(world.post(OTTO, &format!("/api/invitations/{id}/decline"), json!({})).await.code(), (410, "GONE"));
    assert_eq!(names(&world.get(DANA, &path).await.1["invitations"], "status"), ["accepted"]);
}

async fn a_declined_invitation_makes_nobody_a_member(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let made = world.post(DANA, &table.at("invitations"), json!({"email": "otto@example.org"})).await;
    let decline = format!("/api/invitations/{}/decline", made.1["invitation"]["id"].as_str().expect("has an id"));
    assert_eq!(world.post(PIA, &decline, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(OTTO, &decline, json!({})).await, Said(200, json!({"success": true})));
    assert_eq!(world.get(OTTO, &table.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(DANA, &table.at("invitations"), json!({"email": "otto@example.org"})).await.0, 201);
}

async fn an_invite_link_works_as_often_as_it_says(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let path = table.at("invite-links");
    assert_eq!(world.post(PIA, &path, json!({})).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(OTTO, &path, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post("", &path, json!({})).await.code(), (401, "UNAUTHORIZED"));
    let wrong = [json!({"maxUses": 0}), json!({"maxUses": 10_001}), json!({"expiresInHours": 8_761}), json!({"expiresInHours": 0.5})];
    for bad in wrong {
        assert_eq!(world.post(DANA, &path, bad).await.code(), (400, "BAD_MESSAGE"));
    }
    let Said(status, link) = world.post(DANA, &path, json!({"maxUses": 1, "expiresInHours": 1})).await;
    let code = link["code"].as_str().expect("has a code");
    assert_eq!((status, code.len(), link["url"].as_str()), (201, 32, Some(&*format!("https://play.example.org/join/{code}"))));
    let accept = format!("/api/invite-links/{code}/accept");
    assert_eq!(world.post("", &accept, json!({})).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &accept, json!({})).await.0, 200);
    assert_eq!(world.post(OTTO, &accept, json!({})).await.code(), (410, "GONE"));
    assert_eq!(world.post(OTTO, "/api/invite-links/unknown/accept", json!({})).await.code(), (404, "NOT_FOUND"));
}

async fn a_player_reads_the_hexes_and_tokens_that_he_sees_and_nothing_of_the_others(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.played().await;
    let Said(status, all) = world.get(DANA, &table.at("map")).await;
    assert_eq!((status, all["hexes"].as_array().map(Vec::len), all["tokens"].as_array().map(Vec::len)), (200, Some(4), Some(3)));
    assert!(all["epoch"].is_string() && all["seq"].as_i64() > Some(0), "{all}");
    for (who, other) in [(PIA, "paul-"), (PAUL, "pia-")] {
        let map = world.get(who, &table.at("map")).await;
        assert_eq!(names(&map.1["hexes"], "terrain").len(), 2);
        assert_eq!(names(&map.1["tokens"], "label"), ["open"]);
        assert_eq!((&map.1["gridWidth"], &map.1["gridHeight"]), (&all["gridWidth"], &all["gridHeight"]));
        let export = world.get(who, &table.at("map/export?format=hexjson")).await;
        assert_eq!(export.1["hexes"].as_array().map(Vec::len), Some(2), "{export:?}");
        for said in [&map, &export] {
            assert!(!said.text().contains("secret") && !said.text().contains(other), "{said:?}");
        }
        let as_player = world.get(DANA, &table.at(&format!("map?as={who}"))).await;
        assert_eq!(as_player, map);
    }
    assert_eq!(world.get(PIA, &table.at("map?as=paul")).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.get(DANA, &table.at("map?as=otto")).await.code(), (404, "NOT_FOUND"));
    for part in ["map", "map?as=pia", "map/export"] {
        assert_eq!(world.get(OTTO, &table.at(part)).await.code(), (404, "NOT_FOUND"));
        assert_eq!(world.get("", &table.at(part)).await.code(), (401, "UNAUTHORIZED"));
    }
    assert_eq!(world.get(PIA, &table.at("map/export?format=png")).await.code(), (400, "BAD_MESSAGE"));
}

async fn a_map_is_posted_by_a_dm_and_well_formed(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let map = json!({"hexes": [{"key": "0,0", "terrain": "forest", "terrainVariant": 2}]});
    assert_eq!(world.post("", &table.at("map"), map.clone()).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.post(OTTO, &table.at("map"), map.clone()).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PIA, &table.at("map"), map.clone()).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.post(DANA, &table.at("map"), map.clone()).await.0, 200);
    assert_eq!(world.get(DANA, &table.at("map")).await.1["hexes"], map["hexes"]);
    let bad = world.post(DANA, &table.at("map"), json!({"hexes": [{"key": "0,0", "terrain": "Forest"}]})).await;
    assert_eq!(bad.code(), (400, "BAD_MESSAGE"));
    assert!(bad.text().contains("hexes[0].terrain"), "{bad:?}");
}

async fn a_map_file_of_each_format_is_taken(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.campaign().await;
    let import = |who, format: &str, file: String| {
        let path = table.at(&format!("map/import?format={format}"));
        let world = &world;
        async move { world.send(who, Method::POST, &path, file).await }
    };
    let hexjson = json!({"version": 1, "name": "m", "gridWidth": 2, "gridHeight": 1, "hexSize": 40, "orientation": "flat",
        "hexes": [{"q": 0, "r": 0, "terrain": "forest", "terrainVariant": 0}, {"q": 1, "r": 0, "terrain": "water", "terrainVariant": 0}]})
    .to_string();
    assert_eq!(import("", "hexjson", hexjson.clone()).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(import(OTTO, "hexjson", hexjson.clone()).await.code(), (404, "NOT_FOUND"));
    assert_eq!(import(PIA, "hexjson", hexjson.clone()).await.code(), (403, "FORBIDDEN"));
    assert_eq!(import(DANA, "hexjson", hexjson.clone()).await, Said(200, json!({"hexes": 2, "skipped": []})));
    assert_eq!(world.get(DANA, &table.at("map/export")).await.1["hexes"].as_array().map(Vec::len), Some(2));

    let text = "0101 forest\n0102 dark water\nabcd\n";
    let said = import(DANA, "text-mapper", text.into()).await;
    assert_eq!((said.0, &said.1["hexes"]), (200, &json!(2)), "{said:?}");
    let tiled = r#"<?xml version="1.0"?><map version="1.10" orientation="hexagonal" renderorder="right-down" width="2" height="1" tilewidth="10"
        tileheight="10" hexsidelength="5" staggeraxis="x" staggerindex="odd"><tileset firstgid="1" name="t" tilewidth="10" tileheight="10"
        tilecount="2" columns="2"><tile id="0" type="forest"/></tileset><layer id="1" name="l" width="2" height="1"><data encoding="csv">1,2</data>
        </layer></map>"#;
    let said = import(DANA, "tiled", tiled.into()).await;
    assert_eq!((said.0, &said.1["hexes"]), (200, &json!(2)), "{said:?}");

    assert_eq!(import(DANA, "png", String::new()).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(world.post(DANA, &table.at("map/import"), json!({})).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(import(DANA, "hexjson", "not json".into()).await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(import(DANA, "hexjson", " ".repeat(65 * 1024)).await.code(), (413, "TOO_LARGE"));
}

async fn the_log_shows_a_player_what_he_was_shown_and_still_sees(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.played().await;
    let Said(status, listed) = world.get(DANA, &table.at("sessions")).await;
    assert_eq!((status, listed["sessions"][0]["status"].as_str()), (200, Some("active")));
    let path = format!("/api/sessions/{}/events", listed["sessions"][0]["id"].as_str().expect("has an id"));
    let all = world.get(DANA, &path).await;
    assert_eq!(listed["sessions"][0]["events"].as_u64(), all.1["events"].as_array().map(|events| events.len() as u64));
    assert!(all.text().contains("secret-in-fog"));
    for (who, mine, other) in [(PIA, "pia-forest", "paul-"), (PAUL, "paul-hill", "pia-")] {
        let said = world.get(who, &path).await;
        let text = said.text();
        assert!(text.contains(mine) && text.contains("meadow"), "{text}");
        assert!(!text.contains("secret") && !text.contains(other) && !text.contains("3,0"), "{text}");
        let count = world.get(who, &table.at("sessions")).await.1["sessions"][0]["events"].clone();
        assert_eq!(count.as_u64(), said.1["events"].as_array().map(|events| events.len() as u64));
        let Said(_, lines) = world.get(who, &format!("{path}?format=ndjson")).await;
        let lines =
            lines.as_str().expect("is text").lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect::<Vec<Value>>();
        assert_eq!(Some(&lines), said.1["events"].as_array());
    }
    world.command(&table, Command::SetMode { mode: BroadcastMode::Immediate }).await;
    world.command(&table, Command::Hide { hex_keys: vec![key(1, 0)], targets: Targets::All }).await;
    assert!(!world.get(PIA, &path).await.text().contains("pia-forest"));
    assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(OTTO, &table.at("sessions")).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get("", &path).await.code(), (401, "UNAUTHORIZED"));
    assert_eq!(world.get(PIA, "/api/sessions/unknown/events").await.code(), (404, "NOT_FOUND"));
}

async fn pages_of_the_log_hold_every_event_once_and_never_end_inside_a_seq(database: &TestDatabase) {
    let world = world(database).await;
    let table = world.played().await;
    // Two staged changes become two events of one seq.
    world.command(&table, Command::Publish {}).await;
    world.command(&table, token("last", 0, true)).await;
    let Said(_, listed) = world.get(DANA, &table.at("sessions")).await;
    let path = format!("/api/sessions/{}/events", listed["sessions"][0]["id"].as_str().expect("has an id"));
    let Said(_, whole) = world.get(DANA, &path).await;
    let whole = whole["events"].as_array().expect("is a list");
    let seqs = |events: &[Value]| events.iter().map(|event| event["seq"].as_i64().expect("has a seq")).collect::<Vec<_>>();
    assert!(seqs(whole).is_sorted());
    assert!(seqs(whole).windows(2).any(|pair| pair[0] == pair[1]), "{whole:?}");
    for limit in 1..=whole.len() + 1 {
        let (mut forward, mut after) = (Vec::new(), i64::MIN);
        loop {
            let Said(_, page) = world.get(DANA, &format!("{path}?limit={limit}&after={after}")).await;
            let page = page["events"].as_array().expect("is a list").clone();
            let Some(last) = seqs(&page).last().copied() else { break };
            let distinct: BTreeSet<i64> = seqs(&page).into_iter().collect();
            assert!(page.len() <= limit || distinct.len() == 1, "{limit}: {page:?}");
            after = last;
            forward.extend(page);
        }
        assert_eq!(&forward, whole, "{limit}");
        let (mut backward, mut before) = (Vec::new(), i64::MAX);
        loop {
            let Said(_, page) = world.get(DANA, &format!("{path}?limit={limit}&before={before}")).await;
            let page = page["events"].as_array().expect("is a list").clone();
            let Some(first) = seqs(&page).first().copied() else { break };
            before = first;
            backward.splice(0..0, page);
        }
        assert_eq!(&backward, whole, "{limit}");
    }
}

async fn lists_page_by_id_in_both_directions(database: &TestDatabase) {
    let world = world(database).await;
    for n in 0..5 {
        world.post(DANA, "/api/campaigns", json!({"name": format!("c{n}")})).await;
    }
    let Said(_, all) = world.get(DANA, "/api/campaigns").await;
    let ids = names(&all["campaigns"], "id");
    let page = |query: String| {
        let world = &world;
        async move { names(&world.get(DANA, &format!("/api/campaigns?{query}")).await.1["campaigns"], "id") }
    };
    assert_eq!(page("limit=2".into()).await, ids[..2]);
    assert_eq!(page(format!("limit=2&after={}", ids[1])).await, ids[2..4]);
    assert_eq!(page(format!("limit=2&before={}", ids[4])).await, ids[2..4]);
    assert_eq!(page(format!("after={}&before={}", ids[0], ids[3])).await, ids[1..3]);
    for query in ["limit=0", "limit=201", "limit=x", "after=unknown", "before=%00"] {
        assert_eq!(world.get(DANA, &format!("/api/campaigns?{query}")).await.code(), (400, "BAD_MESSAGE"), "{query}");
    }
}

async fn every_failure_is_json_with_a_code(database: &TestDatabase) {
    let world = world(database).await;
    for path in ["/api", "/api/", "/api/nothing", "/api/campaigns/a/b/c"] {
        assert_eq!(world.get(DANA, path).await.code(), (404, "NOT_FOUND"), "{path}");
    }
    assert_eq!(world.send(DANA, Method::PUT, "/api/campaigns", "{}").await.code(), (404, "NOT_FOUND"));
    let post = |body: &'static str| world.send(DANA, Method::POST, "/api/campaigns", body);
    assert_eq!(post("{\"name\":").await.code(), (400, "BAD_JSON"));
    assert_eq!(post("[]").await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(post("{\"name\":\"a\\u0000\"}").await.code(), (400, "BAD_MESSAGE"));
    assert_eq!(world.send(DANA, Method::POST, "/api/campaigns", vec![b' '; 8 * 1024 * 1024 + 1]).await.code(), (413, "TOO_LARGE"));
    assert_eq!(world.get(DANA, "/api/campaigns/%00").await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get("stranger", "/api/campaigns").await.code(), (401, "UNAUTHORIZED"));
}

async fn the_process_says_how_it_is(database: &TestDatabase) {
    let world = world(database).await;
    assert_eq!(world.get("", "/api/health").await, Said(200, json!({"status": "ok"})));
    assert_eq!(world.get("", "/api/ready").await.0, 200);
    assert_eq!(world.get("", "/api/ws-status").await, Said(200, json!({"connections": 0, "rooms": 0})));
    world.readiness.set_writes_fail(true);
    assert_eq!(world.get("", "/api/ready").await.0, 200, "the database takes writes again");
    world.readiness.set_bus_lost(true);
    world.readiness.set_draining();
    assert_eq!(world.get("", "/api/ready").await, Said(503, json!({"status": "unavailable", "missing": ["redis", "draining"]})));
    for (peer, header, status) in
        [("127.0.0.1:9", "x-other", 200), ("127.0.0.1:9", "x-forwarded-for", 404), ("192.0.2.1:9", "x-other", 404)]
    {
        let request =
            test::TestRequest::with_uri("/metrics").peer_addr(peer.parse().expect("is an address")).insert_header((header, "::1"));
        assert_eq!(test::call_service(&world.app, request.to_request()).await.status().as_u16(), status, "{peer} {header}");
    }
}

async fn every_call_of_the_specification_is_served_and_asks_for_a_session_as_it_says(database: &TestDatabase) {
    let world = world(database).await;
    let Said(status, document) = world.get("", "/api/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let mut calls = 0;
    for (path, operations) in document["paths"].as_object().expect("has paths") {
        for (method, operation) in operations.as_object().expect("has operations") {
            calls += 1;
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("is a method");
            let said = world.send("", method, &path.replace(['{', '}'], ""), "").await;
            let wants_session = operation["security"] != json!([]);
            // Without a body there is nothing to do for who needs no session.
            let wants_body = operation["requestBody"].is_object();
            assert_eq!(
                said.0,
                if wants_session {
                    401
                } else if wants_body {
                    400
                } else {
                    200
                },
                "{path}"
            );
        }
    }
    assert_eq!(calls, all_routes().described().count());
    let Said(status, document) = world.get("", "/api/asyncapi.json").await;
    assert_eq!((status, &document["asyncapi"]), (200, &json!("3.0.0")));
}
