//! Circles through REST: who may know of one, join it with a code, and see where whom was.

use std::time::Duration;

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use diesel::prelude::*;
use futures_util::future::join_all;
use moothall::actors::clock;
use moothall::http::CircleRooms;
use moothall::protocol::circle::command::{KeyVersion, Point, Position, Precision, Sealed};
use moothall::protocol::circle::{Answer, Command};
use moothall::protocol::ids::{CircleId, UserId};
use moothall::protocol::time::Timestamp;
use moothall::store::db::{Db, on};
use moothall::store::pool::{self, DatabaseUrl};
use moothall::store::schema;
use serde_json::{Value, json};

use crate::rest::{DANA, OTTO, PAUL, PIA, Said, World, names, on_both, world};
use crate::support::postgres::TestDatabase;

on_both!(
    a_circle_is_its_members_to_read_and_its_owners_to_rename_and_delete,
    a_code_makes_one_account_however_many_try_it_at_once,
    a_code_that_cannot_be_used_says_not_why_and_leaves_nothing_behind,
    who_has_an_account_joins_with_a_code_and_keeps_it,
    the_members_are_listed_with_what_they_share_and_leave_or_are_taken_out,
    where_somebody_is_or_was_is_shown_while_he_shares_and_as_exactly_as_he_wants,
    a_history_is_cut_to_its_span_and_comes_whole_however_long_it_is,
    what_is_sealed_is_passed_on_as_it_came_and_only_in_json,
    everything_of_ones_own_is_exported_and_deleted_wherever_one_was,
    an_app_password_is_shown_once_and_revoked_by_its_owner,
);

/// A circle of Dana, who made it, Pia and Paul; Otto is a stranger.
struct Family {
    id: String,
    path: String,
}

impl Family {
    fn at(&self, part: &str) -> String {
        format!("{}/{part}", self.path)
    }
}

impl<S, B> World<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    async fn circle(&self, name: &str) -> Family {
        let made = self.post(DANA, "/api/circles", json!({"name": name})).await;
        assert_eq!(made.0, 201, "{made:?}");
        let id = made.1["id"].as_str().expect("has an id").to_owned();
        assert_eq!(made.1, json!({"id": id, "name": name, "ownerId": DANA}));
        Family { path: format!("/api/circles/{id}"), id }
    }

    async fn family(&self) -> Family {
        let family = self.circle("Family").await;
        for member in [PIA, PAUL] {
            self.admit_to(&family, member).await;
        }
        family
    }

    async fn code(&self, family: &Family) -> String {
        let made = self.post(DANA, &family.at("invites"), json!({})).await;
        assert_eq!(made.0, 201, "{made:?}");
        made.1["code"].as_str().expect("has a code").to_owned()
    }

    async fn admit_to(&self, family: &Family, who: &str) {
        let accept = format!("/api/invite-links/{}/accept", self.code(family).await);
        assert_eq!(self.post(who, &accept, json!({})).await, Said(200, json!({"circleId": family.id, "role": "member"})));
    }

    /// What somebody does over a socket.
    async fn does(&self, family: &Family, who: &str, command: Command) -> Answer {
        let done = CircleRooms::command(&self.rooms, &CircleId::new(family.id.as_str()), Some(&UserId::new(who)), command).await;
        done.expect("is done")
    }

    async fn is_at(&self, family: &Family, who: &str, at: Timestamp, latitude: f64) -> Option<bool> {
        self.does(family, who, Command::Locate { device: "phone".into(), point: Point::Plain(position(at, latitude)) }).await.stored
    }

    async fn shares(&self, family: &Family, who: &str, enabled: bool, precision: Option<Precision>) {
        self.does(family, who, Command::SetSharing { enabled, until: None, precision }).await;
    }

    /// The latitudes of a history, oldest first.
    async fn latitudes(&self, who: &str, family: &Family, query: &str) -> Vec<f64> {
        let said = self.get(who, &family.at(&format!("history?{query}"))).await;
        assert_eq!(said.0, 200, "{said:?}");
        said.1["locations"].as_array().expect("is a list").iter().map(|point| point["latitude"].as_f64().expect("has one")).collect()
    }

    /// What each member shares, as somebody sees it.
    async fn sharing(&self, who: &str, family: &Family) -> Vec<Value> {
        let said = self.get(who, &family.at("members")).await;
        said.1["members"].as_array().expect("is a list").iter().map(|member| member["sharing"].clone()).collect()
    }

    async fn text(&self, who: &str, path: &str) -> String {
        let said = self.get(who, path).await;
        assert_eq!(said.0, 200, "{said:?}");
        said.1.as_str().map_or_else(|| said.1.to_string(), str::to_owned)
    }
}

fn position(at: Timestamp, latitude: f64) -> Position {
    let (altitude, speed) = (Some(34.5), Some(1.25));
    Position { latitude, longitude: 13.40495, accuracy: 8.0, timestamp: at, altitude, speed, heading: None, battery: Some(80.0) }
}

/// So many seconds before now, to the second.
fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_ms(clock::now().ms() / 1_000 * 1_000).minus(Duration::from_secs(seconds))
}

fn open(database: &TestDatabase) -> Db {
    pool::open_writer(&DatabaseUrl::parse(&database.url()).expect("is a URL")).expect("the database is there")
}

fn users(database: &TestDatabase) -> i64 {
    on!(&mut open(database), c => schema::user::table.count().get_result(c)).expect("the database answers")
}

fn points(database: &TestDatabase) -> i64 {
    on!(&mut open(database), c => schema::location::table.count().get_result(c)).expect("the database answers")
}

async fn a_circle_is_its_members_to_read_and_its_owners_to_rename_and_delete(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.family().await;
    for (who, role) in [(DANA, "owner"), (PIA, "member"), (PAUL, "member")] {
        let Said(status, circle) = world.get(who, &family.path).await;
        let created_at = circle["createdAt"].as_str().expect("has a time");
        let awaited = json!({"id": family.id, "name": "Family", "ownerId": DANA, "role": role, "createdAt": created_at});
        assert_eq!((status, &circle), (200, &awaited));
        assert_eq!(world.get(who, "/api/circles").await, Said(200, json!({"circles": [circle]})));
    }
    assert_eq!(world.get(OTTO, "/api/circles").await, Said(200, json!({"circles": []})));
    for part in ["", "/members", "/locations", "/history", "/history?userId=dana"] {
        let path = format!("{}{part}", family.path);
        assert_eq!(world.get(OTTO, &path).await.code(), (404, "NOT_FOUND"), "{part}");
        assert_eq!(world.get("", &path).await.code(), (401, "UNAUTHORIZED"), "{part}");
    }
    assert_eq!(world.post(OTTO, &family.at("invites"), json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(OTTO, &family.at("members/pia")).await.code(), (404, "NOT_FOUND"));

    let rename = |who| world.send(who, Method::PATCH, &family.path, r#"{"name":"  Home "}"#);
    assert_eq!(rename(OTTO).await.code(), (404, "NOT_FOUND"));
    assert_eq!(rename(PIA).await.code(), (403, "FORBIDDEN"));
    assert_eq!(rename(DANA).await.1["name"], "Home");
    assert_eq!(world.get(PAUL, &family.path).await.1["name"], "Home");

    world.is_at(&family, PIA, ago(5), 52.5).await;
    assert_eq!(world.delete(PIA, &family.path).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(DANA, &family.path).await.0, 204);
    assert_eq!(world.get(DANA, &family.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(points(database), 0);
}

async fn a_code_makes_one_account_however_many_try_it_at_once(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.circle("Family").await;
    let code = world.code(&family).await;
    let typed = format!(" {}-{}", code[..4].to_lowercase(), &code[4..]);
    let valid = json!({"valid": true, "code": code});
    assert_eq!(world.post("", "/api/invites/validate", json!({"code": typed})).await, Said(200, valid));

    let before = users(database);
    let tries = (0..8).map(|n| world.post("", "/api/auth/join", json!({"code": typed, "name": format!("Kid {n}")})));
    let (joined, refused): (Vec<Said>, Vec<Said>) = join_all(tries).await.into_iter().partition(|said| said.0 == 201);
    assert_eq!((joined.len(), refused.len()), (1, 7), "{refused:?}");
    refused.iter().for_each(|said| assert_eq!(said.code(), (410, "GONE")));
    assert_eq!(users(database), before + 1, "of the others nothing is left");
    assert_eq!(world.post("", "/api/invites/validate", json!({"code": code})).await, Said(200, json!({"valid": false})));

    let (token, user) = (joined[0].1["token"].as_str().expect("has a token"), &joined[0].1["user"]);
    assert_eq!(world.get(token, "/api/auth/me").await, Said(200, user.clone()));
    assert_eq!(world.get(token, "/api/circles").await.1["circles"][0]["role"], "member");
    let members = world.get(DANA, &family.at("members")).await.1;
    assert_eq!(names(&members["members"], "name"), ["DANA", user["name"].as_str().expect("has a name")]);
}

async fn a_code_that_cannot_be_used_says_not_why_and_leaves_nothing_behind(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.circle("Family").await;
    let used = world.code(&family).await;
    assert_eq!(world.post("", "/api/auth/join", json!({"code": used, "name": "Kid"})).await.0, 201);
    let expired = world.code(&family).await;
    on!(&mut open(database), c => {
        use schema::circle_invite as d;
        diesel::update(d::table.find(&expired)).set(d::expires_at.eq(moothall::store::types::At(ago(1)))).execute(c)
    })
    .expect("is written");
    let before = users(database);
    let mut said = Vec::new();
    for code in [used.as_str(), expired.as_str(), "NEVERWASNONE", "", &"A".repeat(10_000)] {
        assert_eq!(world.post("", "/api/invites/validate", json!({"code": code})).await, Said(200, json!({"valid": false})));
        said.push(world.post("", "/api/auth/join", json!({"code": code, "name": "Kid"})).await);
    }
    assert!(said.iter().all(|one| one.code() == (410, "GONE") && *one == said[0]), "{said:?}");
    for body in [json!({"code": used}), json!({"name": "Kid"}), json!({"code": used, "name": " "}), json!({"code": 1, "name": "Kid"})] {
        assert_eq!(world.post("", "/api/auth/join", body.clone()).await.code(), (400, "BAD_MESSAGE"), "{body}");
    }
    for hours in [0, 8_761] {
        assert_eq!(world.post(DANA, &family.at("invites"), json!({"expiresInHours": hours})).await.code(), (400, "BAD_MESSAGE"));
    }
    assert_eq!(users(database), before);
}

async fn who_has_an_account_joins_with_a_code_and_keeps_it(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.circle("Family").await;
    let accept = format!("/api/invite-links/{}/accept", world.code(&family).await);
    assert_eq!(world.post(DANA, &accept, json!({})).await, Said(200, json!({"circleId": family.id, "role": "owner"})));
    assert_eq!(world.post(PIA, &accept, json!({})).await, Said(200, json!({"circleId": family.id, "role": "member"})));
    assert_eq!(world.post(PAUL, &accept, json!({})).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.get(PIA, "/api/auth/me").await, Said(200, json!({"id": PIA, "name": "PIA"})));
    assert_eq!(world.get("", "/api/auth/me").await.code(), (401, "UNAUTHORIZED"));
}

async fn the_members_are_listed_with_what_they_share_and_leave_or_are_taken_out(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.family().await;
    world.shares(&family, PIA, false, Some(Precision::Approximate)).await;
    let (on, off) = (json!({"enabled": true, "until": null}), json!({"enabled": false, "until": null}));
    let own = |mut sharing: Value, precision: &str| {
        sharing["precision"] = json!(precision);
        sharing
    };
    assert_eq!(world.sharing(DANA, &family).await, [own(on.clone(), "exact"), off.clone(), on.clone()]);
    assert_eq!(world.sharing(PIA, &family).await, [on.clone(), own(off, "approximate"), on]);

    assert_eq!(world.delete(PIA, &family.at("members/paul")).await.code(), (403, "FORBIDDEN"));
    assert_eq!(world.delete(PIA, &family.at("members/pia")).await.0, 204);
    assert_eq!(world.get(PIA, &family.path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(DANA, &family.at("members/otto")).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(DANA, &family.at("members/paul")).await.0, 204);
    assert_eq!(names(&world.get(DANA, &family.at("members")).await.1["members"], "userId"), [DANA]);
}

async fn where_somebody_is_or_was_is_shown_while_he_shares_and_as_exactly_as_he_wants(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.family().await;
    let (then, now) = (ago(60), ago(5));
    for (at, latitude) in [(now, 52.52437), (then, 52.31111), (now, 1.0)] {
        assert_eq!(world.is_at(&family, PIA, at, latitude).await, Some(true));
    }
    let Said(status, list) = world.get(PAUL, &family.at("locations")).await;
    let received_at = &list["locations"][0]["receivedAt"];
    let exact = json!({"userId": PIA, "senderId": PIA, "senderName": "PIA", "circleId": family.id, "latitude": 52.52437, "longitude": 13.40495,
        "accuracy": 8.0, "timestamp": now, "altitude": 34.5, "speed": 1.25, "battery": 80.0, "receivedAt": received_at});
    assert_eq!((status, &list), (200, &json!({"locations": [exact]})));
    let of_pia = "userId=pia";
    assert_eq!(world.latitudes(PAUL, &family, of_pia).await, [52.31111, 52.52437]);

    world.shares(&family, PIA, true, Some(Precision::Approximate)).await;
    let coarse = &world.get(PAUL, &family.at("locations")).await.1["locations"][0];
    assert_eq!((&coarse["latitude"], &coarse["longitude"], &coarse["accuracy"]), (&json!(52.52), &json!(13.4), &json!(1_000.0)));
    assert!(coarse.get("altitude").is_none() && coarse.get("speed").is_none(), "{coarse}");
    assert_eq!(world.latitudes(PAUL, &family, of_pia).await, [52.31, 52.52]);
    for format in ["gpx", "geojson"] {
        let file = world.text(PAUL, &family.at(&format!("history?{of_pia}&format={format}"))).await;
        assert!(file.contains("52.31") && !file.contains("52.311") && !file.contains("13.404") && !file.contains("34.5"), "{file}");
    }
    assert_eq!(world.get(PIA, &family.at("locations")).await.1["locations"][0]["latitude"], 52.52437);
    assert_eq!(world.latitudes(PIA, &family, "").await, [52.31111, 52.52437], "one's own is exact");

    world.shares(&family, PIA, false, None).await;
    assert_eq!(world.get(PAUL, &family.at("locations")).await, Said(200, json!({"locations": []})));
    for format in ["json", "gpx", "geojson"] {
        let file = world.text(PAUL, &family.at(&format!("history?{of_pia}&format={format}"))).await;
        assert!(!file.contains("52.") && !file.contains("13."), "{file}");
    }
    assert_eq!(world.latitudes(PIA, &family, "").await.len(), 2, "one's own stays");
    assert_eq!(world.is_at(&family, PIA, ago(1), 53.0).await, Some(false));

    world.shares(&family, PIA, true, None).await;
    assert_eq!(
        world.get(PAUL, &family.at("locations")).await,
        Said(200, json!({"locations": []})),
        "where she was before is not where she is"
    );
}

async fn a_history_is_cut_to_its_span_and_comes_whole_however_long_it_is(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.family().await;
    let begin = ago(10_000);
    // More than is read at a time, and two devices that measure at the same times.
    let moments: Vec<Timestamp> = (0..600).map(|n| begin.plus(Duration::from_secs(n))).collect();
    let located = moments.iter().flat_map(|&at| ["phone", "watch"].map(|device| (device, at))).map(|(device, at)| {
        let point = Point::Plain(position(at, 50.0));
        world.does(&family, PIA, Command::Locate { device: device.into(), point })
    });
    join_all(located).await;
    assert_eq!(world.latitudes(PAUL, &family, "userId=pia").await.len(), 1_200);
    let (from, to) = (moments[10], moments[20]);
    assert_eq!(world.latitudes(PAUL, &family, &format!("userId=pia&from={from}&to={to}")).await.len(), 20);
    let own = world.get(PIA, &family.at("history")).await.1;
    let order: Vec<(String, String)> = own["locations"]
        .as_array()
        .expect("is a list")
        .iter()
        .map(|point| (point["timestamp"].as_str().expect("has a time").to_owned(), point["device"].as_str().expect("has one").to_owned()))
        .collect();
    assert_eq!(order.len(), 1_200);
    assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] != pair[1]), "each once, in order");
    let gpx = gpx::read(world.text(PAUL, &family.at("history?userId=pia&format=gpx")).await.as_bytes()).expect("is GPX");
    assert_eq!(gpx.tracks[0].segments[0].points.len(), 1_200);
    assert_eq!(gpx.tracks[0].name.as_deref(), Some("PIA"));

    for (query, status) in [("userId=otto", 404), ("from=yesterday", 400), ("format=kml", 400), ("userId=a&userId=b", 400)] {
        assert_eq!(world.get(PAUL, &family.at(&format!("history?{query}"))).await.0, status, "{query}");
    }
}

async fn what_is_sealed_is_passed_on_as_it_came_and_only_in_json(database: &TestDatabase) {
    let world = world(database).await;
    let family = world.family().await;
    let sealed = Sealed { ciphertext: "c2VjcmV0".into(), nonce: "bm9uY2U=".into(), key_version: KeyVersion::Number(3) };
    world.does(&family, PIA, Command::Locate { device: String::new(), point: Point::Sealed(sealed) }).await;
    let payload = json!({"ciphertext": "c2VjcmV0", "nonce": "bm9uY2U=", "keyVersion": 3});
    assert_eq!(world.get(PAUL, &family.at("locations")).await.1["locations"][0]["payload"], payload);
    assert_eq!(world.get(PAUL, &family.at("history?userId=pia")).await.1["locations"][0]["payload"], payload);
    for format in ["gpx", "geojson"] {
        let file = world.text(PAUL, &family.at(&format!("history?userId=pia&format={format}"))).await;
        assert!(!file.contains("c2Vj"), "{file}");
    }
}

async fn everything_of_ones_own_is_exported_and_deleted_wherever_one_was(database: &TestDatabase) {
    let world = world(database).await;
    let (home, club) = (world.family().await, world.circle("Club & Co").await);
    world.admit_to(&club, PIA).await;
    for (family, who, latitude) in [(&home, PIA, 50.5), (&club, PIA, 51.5), (&home, PAUL, 60.5)] {
        assert_eq!(world.is_at(family, who, ago(5), latitude).await, Some(true));
    }
    assert_eq!(world.delete(PIA, &club.at("members/pia")).await.0, 204);

    let export = world.get(PIA, "/api/me/export").await.1;
    assert_eq!(export["user"], json!({"id": PIA, "name": "PIA", "email": "pia@example.org"}));
    let listed = json!([{"id": home.id, "name": "Family", "isMember": true}, {"id": club.id, "name": "Club & Co", "isMember": false}]);
    assert_eq!(export["circles"], listed);
    let latitudes: Vec<_> = export["locations"].as_array().expect("is a list").iter().map(|point| point["latitude"].clone()).collect();
    assert_eq!(latitudes, [json!(50.5), json!(51.5)]);
    let gpx = gpx::read(world.text(PIA, "/api/me/export?format=gpx").await.as_bytes()).expect("is GPX");
    let names: Vec<_> = gpx.tracks.iter().map(|track| track.name.as_deref().unwrap_or_default()).collect();
    assert_eq!(names, ["Family", "Club & Co"]);
    let geojson = world.get(PIA, "/api/me/export?format=geojson").await.1;
    assert_eq!(geojson["features"][1]["geometry"], json!({"type": "Point", "coordinates": [13.40495, 51.5, 34.5]}));

    assert_eq!(world.delete(PIA, "/api/me/locations").await.0, 204);
    assert_eq!(world.get(PIA, "/api/me/export").await.1["locations"], json!([]));
    assert_eq!(names_of_the_located(&world.get(DANA, &home.at("locations")).await), ["paul"]);
    assert_eq!(points(database), 1, "the rows are gone, of him alone");
    assert_eq!(world.get(PIA, "/api/me/export?format=kml").await.code(), (400, "BAD_MESSAGE"));
}

fn names_of_the_located(said: &Said) -> Vec<String> {
    said.1["locations"].as_array().expect("is a list").iter().map(|one| one["userId"].as_str().expect("has one").to_owned()).collect()
}

async fn an_app_password_is_shown_once_and_revoked_by_its_owner(database: &TestDatabase) {
    let world = world(database).await;
    let made = world.post(PIA, "/api/me/app-passwords", json!({"name": "My phone"})).await;
    assert_eq!(made.0, 201, "{made:?}");
    let (id, password) = (made.1["id"].as_str().expect("has an id"), made.1["password"].as_str().expect("is shown"));
    assert_eq!((password.chars().count(), &made.1["username"]), (32, &json!("pia@example.org")));
    let listed = json!({"id": id, "name": "My phone", "createdAt": made.1["createdAt"], "lastUsedAt": null});
    assert_eq!(world.get(PIA, "/api/me/app-passwords").await, Said(200, json!({"appPasswords": [listed]})));
    assert_eq!(world.get(PAUL, "/api/me/app-passwords").await, Said(200, json!({"appPasswords": []})));
    let stored: Vec<String> =
        on!(&mut open(database), c => schema::app_password::table.select(schema::app_password::hash).load(c)).expect("answers");
    assert!(stored.len() == 1 && stored[0].len() == 64 && stored[0] != password, "{stored:?}");

    let path = format!("/api/me/app-passwords/{id}");
    assert_eq!(world.delete(PAUL, &path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.delete(PIA, &path).await.0, 204);
    assert_eq!(world.delete(PIA, &path).await.code(), (404, "NOT_FOUND"));
    assert_eq!(world.post(PIA, "/api/me/app-passwords", json!({})).await.1["name"], Value::Null);
}
