//! Phones with the OwnTracks app, in its HTTP mode: what they report is kept once, and they are told where the others are.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::http::{Answer, Client, Person, expect_status};
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::{PATIENCE, Server};

/// Points of a day: one every six minutes.
const POINTS: usize = 200;
const STEP_SECONDS: u64 = 360;

/// Somebody's phone, signed in with an app password.
struct Phone {
    http: Client,
    password_id: String,
}

impl Phone {
    fn of(server: &Server, person: &Person) -> Self {
        let made = expect_status(201, person.http.post("/api/me/app-passwords", &json!({"name": "phone"})));
        let text = |name: &str| made[name].as_str().expect("is a text").to_owned();
        let http = Client::new(server).header("authorization", &basic(&text("username").to_uppercase(), &text("password")));
        Self { http, password_id: text("id") }
    }

    fn posts(&self, body: &str) -> Answer {
        self.http.send("POST", "/api/owntracks", Some(body.as_bytes()), &[("content-type", "application/json"), ("x-limit-d", "phone")])
    }

    /// What the app is told of the others.
    fn reports(&self, message: &Value) -> Value {
        let answer = self.posts(&message.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// A circle of people who made their accounts with its codes, but for the first, who made it.
struct Family {
    path: String,
    people: Vec<Person>,
}

impl Family {
    fn new(server: &Server, names: [&str; 2]) -> Self {
        let people: Vec<Person> = names.iter().map(|name| Person::sign_up(server, name)).collect();
        let made = expect_status(201, people[0].http.post("/api/circles", &json!({"name": "Family"})));
        let path = format!("/api/circles/{}", made["id"].as_str().expect("has an id"));
        for person in &people[1..] {
            let invite = expect_status(201, people[0].http.post(&format!("{path}/invites"), &json!({})));
            let accept = format!("/api/invite-links/{}/accept", invite["code"].as_str().expect("has a code"));
            expect_status(200, person.http.post(&accept, &json!({})));
        }
        Self { path, people }
    }

    fn at(&self, part: &str) -> String {
        format!("{}/{part}", self.path)
    }

    /// Somebody's history as another member reads it.
    fn history(&self, reader: usize, of: usize) -> Vec<Value> {
        let path = self.at(&format!("history?userId={}", self.people[of].id));
        let said = expect_status(200, self.people[reader].http.get(&path));
        said["locations"].as_array().expect("is a list").clone()
    }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

/// Degrees that no time of day has in it, so that a log can be searched for them.
fn latitude(n: usize) -> f64 {
    (672_800_000 + n as i64 * 1_370) as f64 / 1e7
}

/// A message as the app on Android writes it.
fn location(tst: u64, n: usize, device: &str) -> Value {
    json!({"_type": "location", "BSSID": "b4:fb:e4:00:00:01", "SSID": "home", "acc": 12, "alt": 34, "batt": 81, "bs": 1, "conn": "w",
        "created_at": tst + 2, "lat": latitude(n), "lon": 123.4567, "m": 1, "t": "u", "tid": device.get(..2), "topic": format!("owntracks/anna/{device}"),
        "tst": tst, "vac": 4, "vel": 36, "cog": 270})
}

/// A day of posts: in order, in pairs the wrong way round, repeated, hours late in a batch and one by one, with a tablet that measures at the same
/// times, and with what the app says besides.
fn day(begin: u64) -> Vec<Value> {
    let at = |n: usize| location(begin + n as u64 * STEP_SECONDS, n, "phone");
    let mut posts = vec![
        json!({"_type": "lwt", "tst": begin}),
        json!({"_type": "waypoint", "desc": "Home", "lat": 67.28, "lon": 123.4, "rad": 50, "tst": begin}),
    ];
    posts.extend((0..60).map(at));
    posts.extend((60..100).map(|n| at(if n % 2 == 0 { n + 1 } else { n - 1 })));
    posts.extend((100..120).flat_map(|n| [at(n), at(n)]));
    // Into the tunnel at 120; whatever was measured there comes when it is over, in part at the end of the day.
    posts.extend((150..180).map(at));
    posts.push(Value::Array((120..140).map(at).chain([json!({"_type": "transition", "event": "leave", "tst": begin})]).collect()));
    posts.extend((100..110).map(|n| location(begin + n as u64 * STEP_SECONDS, POINTS + n, "tablet")));
    posts.extend((180..POINTS).map(at));
    posts.extend((140..150).rev().map(at));
    posts.push(at(150));
    posts
}

#[test]
fn a_day_of_posts_ends_with_the_right_now_the_right_history_and_a_track() {
    both(|database| {
        let server = Server::with(database, &[("RUST_LOG", "debug")]);
        let family = Family::new(&server, ["Anna", "Ben"]);
        let (anna, ben) = (Phone::of(&server, &family.people[0]), Phone::of(&server, &family.people[1]));
        assert_eq!(ben.reports(&location(seconds_now(), 0, "phone")), json!([]), "nobody else is anywhere yet");
        let begin = seconds_now() - POINTS as u64 * STEP_SECONDS;
        for post in day(begin) {
            anna.reports(&post);
        }

        let history = family.history(1, 0);
        let time = |point: &Value| point["timestamp"].as_str().expect("has a time").to_owned();
        assert!(history.is_sorted_by_key(time));
        assert_eq!(history.len(), POINTS + 10);
        let of_phone = history.iter().map(|point| point["latitude"].as_f64().expect("has one")).filter(|&l| l < latitude(POINTS));
        assert_eq!(of_phone.collect::<Vec<_>>(), (0..POINTS).map(latitude).collect::<Vec<_>>());
        assert_eq!((&history[0]["speed"], &history[0]["heading"], &history[0]["battery"]), (&json!(10.0), &json!(270.0), &json!(81.0)));

        let last = begin + (POINTS as u64 - 1) * STEP_SECONDS;
        let locations = expect_status(200, family.people[1].http.get(&family.at("locations")));
        let of_anna = locations["locations"].as_array().expect("is a list").iter().find(|one| one["userId"] == *family.people[0].id);
        assert_eq!(of_anna.expect("she shares")["latitude"], json!(latitude(POINTS - 1)));
        let seen = ben.reports(&location(seconds_now(), 1, "phone"));
        let topic = format!("owntracks/{}/moothall", family.people[0].id);
        let awaited = json!([
            {"_type": "location", "tid": "An", "topic": topic, "tst": last, "lat": latitude(POINTS - 1), "lon": 123.4567, "acc": 12, "alt": 34,
             "vel": 36, "cog": 270, "batt": 81},
            {"_type": "card", "tid": "An", "topic": topic, "name": "Anna"},
        ]);
        assert_eq!(seen, awaited);

        let path = family.at(&format!("history?format=gpx&userId={}", family.people[0].id));
        let track = family.people[1].http.send("GET", &path, None, &[]);
        assert_eq!(track.header("content-type"), Some("application/gpx+xml"));
        let track = gpx::read(track.text.as_bytes()).expect("is GPX").tracks.remove(0);
        let drawn: Vec<f64> = track.segments.iter().flat_map(|segment| &segment.points).map(|point| point.point().y()).collect();
        assert_eq!(drawn, history.iter().map(|point| point["latitude"].as_f64().expect("has one")).collect::<Vec<_>>());

        let log = server.log();
        assert!(log.contains("/api/owntracks"), "the log tells of requests");
        for secret in ["67.2", "123.4", "b4:fb"] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    });
}

#[test]
fn whatever_the_app_says_besides_is_taken_and_what_is_malformed_is_not() {
    let database = TestDatabase::sqlite();
    let server = Server::on(&database);
    let family = Family::new(&server, ["Anna", "Ben"]);
    let (anna, ben) = (Phone::of(&server, &family.people[0]), Phone::of(&server, &family.people[1]));
    ben.reports(&location(seconds_now(), 0, "phone"));
    for body in
        ["", "  \n", "[]", r#"{"_type":"encrypted","data":"AAAA"}"#, r#"{"_type":"cmd"}"#, r#"[{"_type":"steps"},{"_type":"beacon"}]"#]
    {
        let answer = anna.posts(body);
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{body:?}");
    }
    let bad = r#"{"_type":"location","tst":1,"lat":67.28,"lon":323.4567}"#;
    for body in ["{", "7", "{}", bad, r#"{"_type":"location","lat":67.28,"lon":1}"#, r#"[{"_type":"location"}]"#, "[1]", "\u{fffd}"] {
        let answer = anna.posts(body);
        assert!(
            answer.status == 400 && !answer.text.contains("323") && !answer.text.contains("67.2"),
            "{body}: {} {}",
            answer.status,
            answer.text
        );
    }
    assert!(family.history(1, 0).is_empty());
    let tomorrow = location(seconds_now() + 86_400, 1, "phone");
    assert_eq!(anna.reports(&tomorrow).as_array().map(Vec::len), Some(2));
    let taken = &family.history(1, 0)[0];
    assert!(taken["timestamp"].as_str() <= taken["receivedAt"].as_str(), "it is of the moment in which it came: {taken}");
}

#[test]
fn a_phone_signs_in_with_an_address_and_an_app_password_of_the_same_person() {
    let database = TestDatabase::sqlite();
    let mut server = Server::on(&database);
    let family = Family::new(&server, ["Anna", "Ben"]);
    let (anna, ben) = (Phone::of(&server, &family.people[0]), Phone::of(&server, &family.people[1]));
    let here = location(seconds_now(), 0, "phone").to_string();
    let person = &family.people[0];
    let made = expect_status(201, family.people[1].http.post("/api/me/app-passwords", &json!({})));
    let of_ben = made["password"].as_str().expect("is shown");
    let stranger = |header: &str| {
        let headers = [("authorization", header)];
        Client::new(&server).send("POST", "/api/owntracks", Some(here.as_bytes()), if header.is_empty() { &[] } else { &headers })
    };
    let wrong = [
        String::new(),
        format!("Bearer {}", person.token),
        "Basic !".to_owned(),
        basic(&person.email, crate::support::http::PASSWORD),
        basic(&person.email, of_ben),
    ];
    for header in &wrong {
        let answer = stranger(header);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("UNAUTHORIZED")), "{header}");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic realm=")), "{header}");
    }
    assert_eq!(stranger(&basic(&family.people[1].email, of_ben)).status, 200);
    assert_eq!(anna.posts(&here).status, 200);
    let listed = expect_status(200, person.http.get("/api/me/app-passwords"));
    assert!(listed["appPasswords"][0]["lastUsedAt"].is_string(), "{listed}");
    let revoke = person.http.send("DELETE", &format!("/api/me/app-passwords/{}", anna.password_id), None, &[]);
    assert_eq!((revoke.status, anna.posts(&here).status), (204, 401));

    server.restart_with(&[("AUTH_RATE_LIMIT", "on")]);
    let statuses: Vec<u16> = (0..5).map(|_| anna.posts(&here).status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(ben.posts(&here).status, 200, "who has a good one is not held up");
}

#[test]
fn who_stops_sharing_is_gone_from_the_answers_and_reports_to_nobody() {
    both(|database| {
        let server = Server::on(database);
        let family = Family::new(&server, ["Anna", "Ben"]);
        let (anna, ben) = (Phone::of(&server, &family.people[0]), Phone::of(&server, &family.people[1]));
        anna.reports(&location(seconds_now() - 5, 0, "phone"));
        assert_eq!(ben.reports(&location(seconds_now(), 1, "phone")).as_array().map(Vec::len), Some(2));
        let leave = family.at(&format!("members/{}", family.people[0].id));
        assert_eq!(family.people[0].http.send("DELETE", &leave, None, &[]).status, 204);
        assert_eq!(ben.reports(&location(seconds_now(), 2, "phone")), json!([]));
        assert_eq!(anna.reports(&location(seconds_now(), 3, "phone")), json!([]));
        let own = expect_status(200, family.people[0].http.get("/api/me/export"));
        assert_eq!(own["locations"].as_array().map(Vec::len), Some(1), "nothing was kept since");
    });
}

#[test]
fn points_beyond_the_retention_are_deleted_counted_and_told_without_a_place() {
    both(|database| {
        let mut server = Server::with(database, &[("LOCATION_RETENTION_DAYS", "30")]);
        let family = Family::new(&server, ["Anna", "Ben"]);
        let anna = Phone::of(&server, &family.people[0]);
        let now = seconds_now();
        let two_days = 2 * 86_400;
        let old: Vec<Value> = (0..3).map(|n| location(now - two_days - n as u64, n, "phone")).collect();
        old.iter().for_each(|post| drop(anna.reports(post)));
        let young = [location(now - 3_600, 10, "phone"), location(now, 11, "phone")];
        young.iter().for_each(|post| drop(anna.reports(post)));
        assert_eq!(family.history(1, 0).len(), 5);

        server.restart_with(&[("LOCATION_RETENTION_DAYS", "1")]);
        await_metric(&server, "moothall_locations_expired_total 3");
        let left: Vec<f64> = family.history(1, 0).iter().map(|point| point["latitude"].as_f64().expect("has one")).collect();
        assert_eq!(left, [latitude(10), latitude(11)]);
        let log = server.log();
        assert!(log.contains("3 locations of 1 circles were deleted for their age; none that is older is left"), "{log}");
        assert!(!log.contains("67.2") && !log.contains("123.4"));
    });
}

fn await_metric(server: &Server, line: &str) {
    let began = Instant::now();
    loop {
        let page = Client::new(server).send("GET", "/metrics", None, &[]).text;
        if page.lines().any(|found| found == line) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "awaited {line} of /metrics:\n{page}");
        std::thread::yield_now();
    }
}

#[test]
fn somebody_who_joined_with_a_code_has_a_cookie_and_a_phone() {
    let database = TestDatabase::sqlite();
    let mut server = Server::on(&database);
    let family = Family::new(&server, ["Anna", "Ben"]);
    let invite = expect_status(201, family.people[0].http.post(&family.at("invites"), &json!({"expiresInHours": 1})));
    let body = json!({"code": invite["code"], "name": "Cleo"}).to_string();
    let json_type = [("content-type", "application/json")];
    let elsewhere = [("content-type", "application/json"), ("origin", "https://evil.example")];
    assert_eq!(Client::new(&server).send("POST", "/api/auth/join", Some(body.as_bytes()), &elsewhere).status, 403);
    let joined = Client::new(&server).send("POST", "/api/auth/join", Some(body.as_bytes()), &json_type);
    assert_eq!(joined.status, 201, "{}", joined.text);
    let cookie = joined.cookies().into_iter().find(|cookie| cookie.contains("session_token=")).expect("sets the session's cookie");
    let me = expect_status(200, Client::new(&server).cookie(&cookie).get("/api/auth/me"));
    assert_eq!(me, joined.json()["user"]);
    assert_eq!(me["name"], "Cleo");

    let token = joined.json()["token"].as_str().expect("has a token").to_owned();
    let made = expect_status(201, Client::new(&server).bearer(&token).post("/api/me/app-passwords", &json!({})));
    let text = |name: &str| made[name].as_str().expect("is a text").to_owned();
    let phone =
        Phone { http: Client::new(&server).header("authorization", &basic(&text("username"), &text("password"))), password_id: text("id") };
    phone.reports(&location(seconds_now(), 0, "phone"));
    let seen = Phone::of(&server, &family.people[0]).reports(&location(seconds_now(), 1, "phone"));
    assert_eq!(seen[1]["name"], "Cleo");

    server.restart_with(&[("AUTH_RATE_LIMIT", "on"), ("SIGN_UP", "closed")]);
    let guess = json!({"code": "AAAABBBBCCCC", "name": "Eve"});
    let statuses: Vec<u16> = (0..11).map(|_| Client::new(&server).post("/api/auth/join", &guess).0).collect();
    assert_eq!((statuses[0], statuses[9], statuses[10]), (403, 403, 429), "{statuses:?}");
}
