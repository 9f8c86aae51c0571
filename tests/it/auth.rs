//! Signing up, in and out over HTTP, as the client library of Better Auth does it: statuses, bodies, codes, cookies, and who is refused.

use diesel::prelude::*;
use moothall::actors::clock;
use moothall::auth::cookie::Cookies;
use moothall::auth::password;
use moothall::on;
use moothall::protocol::time::Timestamp;
use moothall::store::accounts;
use moothall::store::db::Db;
use moothall::store::pool::{self, DatabaseUrl};
use moothall::store::schema::{invitation, invite_link, session, user};
use moothall::store::types::At;
use serde_json::{Value, json};

use crate::support::http::{Answer, Client};
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::Server;
use crate::support::ws::{Connect, Socket};

const SECRET: &str = "test-secret-0123456789abcdefghijKLMNOPQRSTUVWXYZ";
const PASSWORD: &str = "correct horse battery";
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A server whose secret and database the test knows.
struct Peer {
    server: Server,
    base: String,
    url: DatabaseUrl,
}

/// What the library expects of an answer.
trait Expect {
    fn refuses(&self, status: u16, code: &str, message: &str);
    fn refuses_with(&self, status: u16, code: &str);
    fn set_cookies(&self) -> Vec<&str>;
}

impl Expect for Answer {
    #[track_caller]
    fn refuses(&self, status: u16, code: &str, message: &str) {
        assert_eq!((self.status, self.json()), (status, json!({"message": message, "code": code})));
    }

    #[track_caller]
    fn refuses_with(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{}", self.text);
    }

    /// With their attributes.
    fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("is ASCII")).collect()
    }
}

/// Somebody with a session.
struct Person {
    id: String,
    token: String,
}

impl Person {
    fn cookie(&self) -> String {
        format!("better-auth.session_token={}", Cookies::new(SECRET, false).signed(&self.token))
    }
}

impl Peer {
    fn on(database: &TestDatabase) -> Self {
        Self::with(database, &[])
    }

    fn with(database: &TestDatabase, settings: &[(&str, &str)]) -> Self {
        let own = [("BETTER_AUTH_SECRET", SECRET), ("ALLOWED_ORIGINS", "https://app.example.org")];
        let server = Server::with(database, &[&own, settings].concat());
        Self { base: server.base(), url: DatabaseUrl::parse(&database.url()).expect("is a URL"), server }
    }

    fn db(&self) -> Db {
        pool::open_writer(&self.url).expect("opens")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        Client::new(&self.server).send(method, path, body.map(str::as_bytes), headers)
    }

    /// A call of the API that changes something, as a page of the server's own site would send it.
    fn call(&self, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/json"), ("origin", &self.base)], headers].concat();
        self.send("POST", "/api/campaigns", &headers, Some(r#"{"name":"The Sunless Vale"}"#))
    }

    /// A socket that lives on this session.
    fn socket(&self, person: &Person) -> Socket {
        let made = self.call(&[("cookie", &person.cookie())]);
        let id = made.json()["id"].as_str().expect("a campaign has an id").to_owned();
        Connect::to(&self.server).campaign(&id).header("cookie", &person.cookie()).enter().0
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("/api/auth{path}"), headers, None)
    }

    /// As a page of the server's own site would send it.
    fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let headers = [&[("content-type", "application/json"), ("origin", &self.base)], headers].concat();
        self.send("POST", &format!("/api/auth{path}"), &headers, Some(&body.to_string()))
    }

    fn sign_up(&self, name: &str) -> Person {
        let body = json!({"name": name, "email": format!("{name}@example.org"), "password": PASSWORD});
        person(&self.post("/sign-up/email", &[], body))
    }

    fn sign_in(&self, name: &str) -> Person {
        person(&self.post("/sign-in/email", &[], json!({"email": format!("{name}@example.org"), "password": PASSWORD})))
    }

    fn session_of(&self, cookie: &str) -> Answer {
        self.get("/get-session", &[("cookie", cookie)])
    }

    /// Sets when a session was made and when it ends, in milliseconds from now.
    fn age(&self, person: &Person, created_ms: i64, expires_ms: i64) {
        let at = |ms: i64| At(Timestamp::from_ms(clock::now().ms() + ms));
        let values = (session::created_at.eq(at(created_ms)), session::expires_at.eq(at(expires_ms)));
        let rows = session::table.filter(session::token.eq(&person.token));
        on!(&mut self.db(), c => diesel::update(rows).set(values).execute(c)).expect("writes");
    }

    fn sessions(&self) -> i64 {
        on!(&mut self.db(), c => session::table.count().get_result(c)).expect("reads")
    }
}

#[track_caller]
fn person(answer: &Answer) -> Person {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    let text = |value: &Value| value.as_str().expect("is text").to_owned();
    Person { id: text(&body["user"]["id"]), token: text(&body["token"]) }
}

#[track_caller]
fn assert_is_date(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    assert_eq!(Timestamp::parse(text).map(|at| at.to_string()).as_deref(), Some(text), "{value}");
}

fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[test]
fn signing_up_makes_a_user_and_a_session_with_its_cookie() {
    both(|database| {
        let peer = Peer::on(database);
        let answer = peer.post("/sign-up/email", &[], json!({"name": "Ada", "email": "Ada@Example.org", "password": PASSWORD}));
        let Person { id, token } = person(&answer);
        assert!(is_token(&id) && is_token(&token));
        let body = answer.json();
        assert_eq!(body.as_object().expect("is an object").len(), 2);
        let shown = &body["user"];
        assert_eq!((&shown["name"], &shown["email"]), (&json!("Ada"), &json!("ada@example.org")));
        assert_eq!((&shown["emailVerified"], &shown["image"]), (&json!(false), &Value::Null));
        assert_is_date(&shown["createdAt"]);
        assert_is_date(&shown["updatedAt"]);
        let signed = Cookies::new(SECRET, false).signed(&token);
        assert_eq!(answer.set_cookies(), [format!("better-auth.session_token={signed}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax")]);

        let (row, hash) = accounts::user_by_email(&mut peer.db(), "ada@example.org").expect("reads").expect("is there");
        assert!(row.id == id && password::verify(PASSWORD, &hash.expect("has a password")));
    });
}

#[test]
fn signing_in_begins_another_session() {
    both(|database| {
        let peer = Peer::on(database);
        let first = peer.sign_up("ada");
        let answer = peer.post("/sign-in/email", &[], json!({"email": "ADA@example.org", "password": PASSWORD, "callbackURL": "/"}));
        let second = person(&answer);
        assert!(second.id == first.id && second.token != first.token);
        assert_eq!(answer.json()["redirect"], false);
        assert_eq!(answer.set_cookies().len(), 1);
        for person in [&first, &second] {
            assert_eq!(peer.session_of(&person.cookie()).json()["user"]["id"], json!(first.id));
        }
    });
}

#[test]
fn a_session_that_is_not_remembered_lives_a_day_and_is_not_extended() {
    both(|database| {
        let peer = Peer::on(database);
        peer.sign_up("ada");
        let answer = peer.post("/sign-in/email", &[], json!({"email": "ada@example.org", "password": PASSWORD, "rememberMe": false}));
        let person = person(&answer);
        let dont = Cookies::new(SECRET, false).signed("true");
        assert_eq!(
            answer.set_cookies(),
            [
                format!("{}; Path=/; HttpOnly; SameSite=Lax", person.cookie()),
                format!("better-auth.dont_remember={dont}; Path=/; HttpOnly; SameSite=Lax"),
            ]
        );
        let shown = peer.session_of(&format!("{}; better-auth.dont_remember={dont}", person.cookie()));
        assert_eq!(shown.set_cookies(), [""; 0]);
        let ends = Timestamp::parse(shown.json()["session"]["expiresAt"].as_str().expect("is text")).expect("is a time");
        assert!((DAY_MS - 60_000..=DAY_MS).contains(&(ends.ms() - clock::now().ms())));
    });
}

#[test]
fn get_session_shows_session_and_user_or_null_and_always_answers_200() {
    both(|database| {
        let peer = Peer::on(database);
        let ada = peer.sign_up("ada");
        let answer = peer.get("/get-session", &[("cookie", &ada.cookie()), ("user-agent", "a browser")]);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let body = answer.json();
        let keys = |value: &Value| value.as_object().expect("is an object").keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(keys(&body), "session user");
        assert_eq!(keys(&body["session"]), "createdAt expiresAt id ipAddress token updatedAt userAgent userId");
        assert_eq!(keys(&body["user"]), "createdAt email emailVerified id image name updatedAt");
        assert_eq!((&body["session"]["token"], &body["session"]["userId"]), (&json!(ada.token), &json!(ada.id)));
        assert_eq!(body["session"]["ipAddress"], "127.0.0.1");
        ["expiresAt", "createdAt", "updatedAt"].iter().for_each(|name| assert_is_date(&body["session"][name]));

        for headers in [vec![], vec![("cookie", "better-auth.session_token=forged.x")], vec![("cookie", "theme=dark")]] {
            let answer = peer.get("/get-session", &headers);
            assert_eq!((answer.status, answer.text.as_str(), answer.set_cookies().len()), (200, "null", 0));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    });
}

#[test]
fn a_well_signed_token_that_is_dead_clears_the_cookies() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let ghost = Person { id: String::new(), token: "OincZl43HtSwxXI11CwYsGGWKRle1Gq2".to_owned() };
    let answer = peer.session_of(&ghost.cookie());
    assert_eq!((answer.status, answer.text.as_str()), (200, "null"));
    assert_eq!(answer.set_cookies(), cleared());
}

fn cleared() -> [String; 3] {
    ["session_token", "session_data", "dont_remember"].map(|name| format!("better-auth.{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"))
}

#[test]
fn signing_out_ends_the_session_and_clears_three_cookies_even_without_one() {
    both(|database| {
        let peer = Peer::on(database);
        let ada = peer.sign_up("ada");
        let mut socket = peer.socket(&ada);
        let answer = peer.post("/sign-out", &[("cookie", &ada.cookie())], json!({}));
        assert_eq!((answer.status, answer.json()), (200, json!({"success": true})));
        assert_eq!(answer.set_cookies(), cleared());
        assert_eq!(peer.sessions(), 0);
        assert_eq!(socket.closed(), (4001, "Session ended".to_owned()));

        let again = peer.send("POST", "/api/auth/sign-out", &[], None);
        assert_eq!((again.status, again.json(), again.set_cookies().len()), (200, json!({"success": true}), 3));
    });
}

#[test]
fn an_expired_session_is_none_and_its_row_goes() {
    both(|database| {
        let peer = Peer::on(database);
        let ada = peer.sign_up("ada");
        let mut socket = peer.socket(&ada);
        peer.age(&ada, -8 * DAY_MS, -1);
        assert_eq!(peer.session_of(&ada.cookie()).text, "null");
        assert_eq!(peer.sessions(), 0);
        assert_eq!(socket.closed(), (4001, "Session ended".to_owned()));
    });
}

#[test]
fn a_session_whose_end_cannot_be_read_is_not_valid() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let ada = peer.sign_up("ada");
    on!(&mut peer.db(), c => diesel::sql_query("UPDATE session SET expires_at = 'whenever'").execute(c)).expect("writes");
    assert_eq!(peer.session_of(&ada.cookie()).text, "null");
    assert_eq!(accounts::still_valid(&mut peer.db(), &["x".to_owned()]).expect("reads"), []);
}

#[test]
fn using_a_session_after_a_day_extends_it_and_sends_the_cookie_again() {
    both(|database| {
        let peer = Peer::on(database);
        let ada = peer.sign_up("ada");
        peer.age(&ada, 0, 6 * DAY_MS + 60_000);
        assert_eq!(peer.session_of(&ada.cookie()).set_cookies(), [""; 0]);

        for path in ["/api/auth/get-session", "/api/campaigns"] {
            peer.age(&ada, 0, 6 * DAY_MS - 1);
            let answer = peer.send("GET", path, &[("cookie", &ada.cookie())], None);
            assert_eq!(answer.set_cookies(), [format!("{}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax", ada.cookie())], "{path}");
            let rows = accounts::sessions_of(&mut peer.db(), &ada.id, clock::now()).expect("reads");
            let left = rows[0].expires_at.0.expect("is a time").ms() - clock::now().ms();
            assert!((7 * DAY_MS - 60_000..=7 * DAY_MS).contains(&left), "{left}");
        }
        peer.age(&ada, 0, DAY_MS);
        let dont = format!("{}; better-auth.dont_remember={}", ada.cookie(), Cookies::new(SECRET, false).signed("true"));
        assert_eq!(peer.session_of(&dont).set_cookies(), [""; 0]);
        let bearer = peer.send("GET", "/api/campaigns", &[("authorization", &format!("Bearer {}", ada.token))], None);
        assert_eq!((bearer.status, bearer.set_cookies().len()), (200, 0));
    });
}

#[test]
fn sessions_are_listed_for_a_fresh_session_only() {
    both(|database| {
        let peer = Peer::on(database);
        let ada = peer.sign_up("ada");
        peer.sign_up("bo");
        peer.get("/list-sessions", &[]).refuses(401, "UNAUTHORIZED", "Unauthorized");
        let second = peer.sign_in("ada");
        let listed = peer.get("/list-sessions", &[("cookie", &second.cookie())]).json();
        let tokens: Vec<&str> = listed.as_array().expect("is a list").iter().filter_map(|one| one["token"].as_str()).collect();
        assert_eq!(tokens, [&ada.token, &second.token]);

        peer.age(&second, -DAY_MS, 7 * DAY_MS);
        peer.get("/list-sessions", &[("cookie", &second.cookie())]).refuses(403, "SESSION_NOT_FRESH", "Session is not fresh");
    });
}

#[test]
fn revoking_takes_own_sessions_and_says_the_same_of_others() {
    both(|database| {
        let peer = Peer::on(database);
        let (ada, bo) = (peer.sign_up("ada"), peer.sign_up("bo"));
        let second = peer.sign_in("ada");
        let revoke = |token: &str| {
            let answer = peer.post("/revoke-session", &[("cookie", &ada.cookie())], json!({"token": token}));
            assert_eq!((answer.status, answer.json()), (200, json!({"status": true})));
        };
        revoke("unknown");
        revoke(&bo.token);
        assert_eq!(peer.sessions(), 3);
        revoke(&second.token);
        assert_eq!(peer.session_of(&second.cookie()).text, "null");
        assert_eq!(peer.sessions(), 2);
        peer.post("/revoke-session", &[("cookie", &ada.cookie())], json!({})).refuses_with(400, "VALIDATION_ERROR");
        for path in ["/revoke-session", "/revoke-sessions", "/revoke-other-sessions"] {
            peer.post(path, &[], json!({"token": "x"})).refuses(401, "UNAUTHORIZED", "Unauthorized");
        }
    });
}

#[test]
fn revoking_others_keeps_the_caller_and_revoking_all_does_not() {
    both(|database| {
        let peer = Peer::on(database);
        let (ada, bo) = (peer.sign_up("ada"), peer.sign_up("bo"));
        let others = [peer.sign_in("ada"), peer.sign_in("ada")];
        let (mut kept, mut sockets) = (peer.socket(&ada), others.each_ref().map(|other| peer.socket(other)));
        let answer = peer.post("/revoke-other-sessions", &[("cookie", &ada.cookie())], json!({}));
        assert_eq!((answer.status, answer.json()), (200, json!({"status": true})));
        assert!(others.iter().all(|other| peer.session_of(&other.cookie()).text == "null"));
        assert_ne!(peer.session_of(&ada.cookie()).text, "null");
        sockets.iter_mut().for_each(|socket| assert_eq!(socket.close_code(), 4001));
        kept.expect_silence();

        peer.post("/revoke-sessions", &[("cookie", &ada.cookie())], json!({}));
        assert_eq!(peer.session_of(&ada.cookie()).text, "null");
        assert_ne!(peer.session_of(&bo.cookie()).text, "null");
    });
}

#[test]
fn a_bearer_token_is_as_good_as_a_cookie_and_comes_first() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let (ada, bo) = (peer.sign_up("ada"), peer.sign_up("bo"));
    let bearer = format!("Bearer {}", bo.token);
    let me = |headers: &[(&str, &str)]| peer.call(headers);
    assert_eq!(me(&[("authorization", &bearer)]).json()["ownerId"], json!(bo.id));
    assert_eq!(me(&[("authorization", &bearer), ("cookie", &ada.cookie())]).json()["ownerId"], json!(bo.id));
    assert_eq!(me(&[("authorization", "Basic x"), ("cookie", &ada.cookie())]).json()["ownerId"], json!(ada.id));
    let refused = me(&[("authorization", "Bearer nonsense"), ("cookie", &ada.cookie())]);
    assert_eq!((refused.status, refused.json()), (401, json!({"error": "Authentication required", "code": "UNAUTHORIZED"})));
    let out = peer.send("POST", "/api/auth/sign-out", &[("authorization", &bearer)], None);
    assert_eq!((out.status, me(&[("authorization", &bearer)]).status), (200, 401));
}

#[test]
fn wrong_passwords_and_unknown_users_are_told_alike() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    peer.sign_up("ada");
    for email in ["ada@example.org", "nobody@example.org"] {
        let answer = peer.post("/sign-in/email", &[], json!({"email": email, "password": "wrong horse battery"}));
        answer.refuses(401, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password");
        assert_eq!(answer.set_cookies(), [""; 0]);
    }
    // Too short for a new password, but nothing is said about that here.
    peer.post("/sign-in/email", &[], json!({"email": "ada@example.org", "password": "x"})).refuses_with(401, "INVALID_EMAIL_OR_PASSWORD");
}

#[test]
fn fields_are_checked_before_anything_else() {
    both(|database| {
        let peer = Peer::on(database);
        let sign_in = |body: Value| peer.post("/sign-in/email", &[], body);
        let sign_up = |body: Value| peer.post("/sign-up/email", &[], body);
        let with = |name: &str, value: Value| {
            let mut body = json!({"name": "Ada", "email": "ada@example.org", "password": PASSWORD});
            body[name] = value;
            body
        };
        sign_in(with("email", json!("ada"))).refuses(400, "INVALID_EMAIL", "Invalid email");
        sign_up(with("email", json!("ada"))).refuses(400, "VALIDATION_ERROR", "[body.email] Invalid email address");
        sign_in(json!({})).refuses(
            400,
            "VALIDATION_ERROR",
            "[body.email] Invalid input: expected string, received undefined; [body.password] Invalid input: expected string, received undefined",
        );
        sign_up(with("name", json!(7))).refuses(400, "VALIDATION_ERROR", "[body.name] Invalid input: expected string, received number");
        sign_up(with("rememberMe", json!("no"))).refuses(
            400,
            "VALIDATION_ERROR",
            "[body.rememberMe] Invalid input: expected boolean, received string",
        );
        sign_up(json!([])).refuses(400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received array");
        sign_up(with("name", json!("A\0da"))).refuses_with(400, "VALIDATION_ERROR");
        sign_up(with("name", json!("x".repeat(201)))).refuses_with(400, "VALIDATION_ERROR");
        sign_up(with("password", json!("1234567"))).refuses(400, "PASSWORD_TOO_SHORT", "Password too short");
        sign_up(with("password", json!("x".repeat(129)))).refuses(400, "PASSWORD_TOO_LONG", "Password too long");
        sign_in(with("password", json!("x".repeat(129)))).refuses(400, "PASSWORD_TOO_LONG", "Password too long");
        sign_up(with("image", json!("x".repeat(70_000)))).refuses_with(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(accounts::list_users(&mut peer.db()).expect("reads").len(), 0);
    });
}

#[test]
fn a_taken_address_is_refused_whatever_its_letters_and_however_close_the_race() {
    both(|database| {
        let peer = Peer::on(database);
        let body = json!({"name": "Ada", "email": "ada@example.org", "password": PASSWORD});
        let statuses = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| peer.post("/sign-up/email", &[], body.clone()).status)).collect();
            let mut statuses: Vec<u16> = racers.into_iter().map(|racer| racer.join().expect("does not panic")).collect();
            statuses.sort_unstable();
            statuses
        });
        assert_eq!(statuses, [200, 422, 422, 422]);
        let again = peer.post("/sign-up/email", &[], json!({"name": "A", "email": "ADA@EXAMPLE.ORG", "password": PASSWORD}));
        again.refuses(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.");
        let users: i64 = on!(&mut peer.db(), c => user::table.count().get_result(c)).expect("reads");
        assert_eq!((users, peer.sessions()), (1, 1));
    });
}

#[test]
fn a_closed_server_takes_nobody() {
    let database = TestDatabase::sqlite();
    let peer = Peer::with(&database, &[("SIGN_UP", "closed")]);
    let body = json!({"name": "Ada", "email": "ada@example.org", "password": PASSWORD, "inviteCode": "x"});
    let message = "Email and password sign up is not enabled";
    peer.post("/sign-up/email", &[], body).refuses(400, "EMAIL_PASSWORD_SIGN_UP_DISABLED", message);
}

#[test]
fn an_invitation_or_a_usable_code_opens_a_server_that_takes_the_invited() {
    both(|database| {
        let peer = Peer::with(database, &[("SIGN_UP", "invited")]);
        let db = &mut peer.db();
        let later = |ms: i64| At(Timestamp::from_ms(clock::now().ms() + ms));
        let host = "INSERT INTO \"user\" (id, name, email) VALUES ('host', 'Host', 'host@example.org')";
        let room = "INSERT INTO campaign (id, name, owner_id, created_at) VALUES ('c', 'C', 'host', '2026-01-01T00:00:00.000Z')";
        for sql in [host, room] {
            on!(db, c => diesel::sql_query(sql).execute(c)).expect("writes");
        }
        for (id, email, status) in [("1", "ada@example.org", "pending"), ("2", "bo@example.org", "declined")] {
            let row = (
                invitation::id.eq(id),
                invitation::campaign_id.eq("c"),
                invitation::email.eq(email),
                invitation::status.eq(status),
                invitation::invited_by.eq("host"),
                invitation::created_at.eq(later(0)),
            );
            on!(db, c => diesel::insert_into(invitation::table).values(row).execute(c)).expect("writes");
        }
        let links = [("open", DAY_MS, None, 5), ("left", DAY_MS, Some(2), 1), ("used", DAY_MS, Some(2), 2), ("late", -1, None, 0)];
        for (code, expires_ms, max_uses, uses) in links {
            let row = (
                invite_link::code.eq(code),
                invite_link::campaign_id.eq("c"),
                invite_link::created_by.eq("host"),
                invite_link::created_at.eq(later(0)),
                invite_link::expires_at.eq(later(expires_ms)),
                invite_link::max_uses.eq(max_uses),
                invite_link::uses.eq(uses),
            );
            on!(db, c => diesel::insert_into(invite_link::table).values(row).execute(c)).expect("writes");
        }
        let sign_up = |name: &str, code: Option<&str>| {
            let mut body = json!({"name": name, "email": format!("{name}@Example.org"), "password": PASSWORD});
            code.inspect(|code| body["inviteCode"] = json!(code));
            peer.post("/sign-up/email", &[], body)
        };
        for (name, code) in [("bo", None), ("cleo", None), ("cleo", Some("used")), ("cleo", Some("late")), ("cleo", Some("unknown"))] {
            sign_up(name, code).refuses_with(400, "EMAIL_PASSWORD_SIGN_UP_DISABLED");
        }
        for (name, code) in [("ada", None), ("cleo", Some("left")), ("dana", Some("open"))] {
            assert_eq!(sign_up(name, code).status, 200, "{name}");
        }
    });
}

#[test]
fn bodies_that_are_not_json_are_refused() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let send = |content_type: &str, body: &str| peer.send("POST", "/api/auth/sign-in/email", &[("content-type", content_type)], Some(body));
    send("application/json", "{").refuses(400, "BAD_REQUEST", "Invalid JSON in request body");
    send("application/x-www-form-urlencoded", "email=a").refuses_with(415, "UNSUPPORTED_MEDIA_TYPE");
    send("text/plain", "{}").refuses_with(415, "UNSUPPORTED_MEDIA_TYPE");
    send("application/json; charset=utf-8", "[]").refuses_with(400, "VALIDATION_ERROR");
    send("application/json", "").refuses(400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received undefined");
}

#[test]
fn unknown_paths_and_methods_are_404_without_a_body() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let calls = [
        ("GET", "/nothing"),
        ("GET", "/sign-out"),
        ("POST", "/get-session"),
        ("DELETE", "/ok"),
        ("GET", "/ok/"),
        ("GET", "//ok"),
        ("GET", ""),
    ];
    for (method, path) in calls {
        let answer = peer.send(method, &format!("/api/auth{path}"), &[], None);
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{method} {path}");
    }
    assert_eq!(peer.get("/ok", &[]).json(), json!({"ok": true}));
}

#[test]
fn a_cookie_needs_a_trusted_origin_for_whatever_is_not_a_get() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let ada = peer.sign_up("ada");
    let cookie = ("cookie", &*ada.cookie());
    let post = |path: &str, headers: &[(&str, &str)]| peer.send("POST", path, headers, None);
    let message = "Missing or null Origin";
    post("/api/auth/sign-out", &[cookie]).refuses(403, "MISSING_OR_NULL_ORIGIN", message);
    post("/api/auth/sign-out", &[cookie, ("origin", "null")]).refuses(403, "MISSING_OR_NULL_ORIGIN", message);
    post("/api/auth/sign-out", &[cookie, ("origin", "https://evil.org")]).refuses(403, "INVALID_ORIGIN", "Invalid origin");
    post("/api/auth/sign-out", &[("cookie", "theme=dark")]).refuses_with(403, "MISSING_OR_NULL_ORIGIN");
    assert_eq!(peer.sessions(), 1);

    let create = |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        peer.send("POST", "/api/campaigns", &headers, Some(r#"{"name":"The Sunless Vale"}"#))
    };
    let refused = create(&[cookie, ("origin", "https://evil.org")]);
    assert_eq!((refused.status, refused.json()), (403, json!({"error": "Invalid origin", "code": "INVALID_ORIGIN"})));
    for trusted in [("origin", &*peer.base), ("origin", "https://app.example.org"), ("referer", "https://app.example.org/page?x")] {
        assert_eq!(create(&[cookie, trusted]).status, 201, "{trusted:?}");
    }
    assert_eq!(create(&[("authorization", &format!("Bearer {}", ada.token)), ("origin", "https://evil.org")]).status, 201);
    assert_eq!(peer.send("GET", "/api/campaigns", &[cookie, ("origin", "https://evil.org")], None).status, 200);
}

#[test]
fn signing_in_without_a_cookie_is_checked_when_a_browser_asks() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    peer.sign_up("ada");
    let body = json!({"email": "ada@example.org", "password": PASSWORD}).to_string();
    let sign_in = |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        peer.send("POST", "/api/auth/sign-in/email", &headers, Some(&body))
    };
    assert_eq!(sign_in(&[]).status, 200);
    assert_eq!(sign_in(&[("origin", &peer.base), ("sec-fetch-site", "same-origin")]).status, 200);
    sign_in(&[("origin", "https://evil.org")]).refuses_with(403, "INVALID_ORIGIN");
    sign_in(&[("referer", "https://evil.org/x")]).refuses_with(403, "INVALID_ORIGIN");
    sign_in(&[("sec-fetch-mode", "navigate")]).refuses_with(403, "MISSING_OR_NULL_ORIGIN");
}

#[test]
fn allowed_origins_get_cors_and_others_none() {
    let database = TestDatabase::sqlite();
    let peer = Peer::on(&database);
    let app = ("origin", "https://app.example.org");
    let preflight = |origin| peer.send("OPTIONS", "/api/auth/sign-out", &[origin, ("access-control-request-method", "POST")], None);
    let answer = preflight(app);
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.org"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, PATCH, DELETE"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, content-type"));
    assert_eq!(answer.header("vary"), Some("Origin"));
    let plain = peer.get("/get-session", &[app]);
    assert_eq!((plain.header("access-control-allow-origin"), plain.header("vary")), (Some("https://app.example.org"), Some("Origin")));
    let refused = peer.send("GET", "/api/campaigns", &[app], None);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("https://app.example.org")));

    for origin in [("origin", "https://evil.org"), ("origin", "null"), ("origin", &*peer.base)] {
        for answer in [preflight(origin), peer.get("/ok", &[origin])] {
            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{origin:?}");
        }
    }
}

#[test]
fn a_fourth_guess_within_ten_seconds_is_refused_for_that_address() {
    let database = TestDatabase::sqlite();
    let peer = Peer::with(&database, &[("AUTH_RATE_LIMIT", "on"), ("TRUSTED_PROXIES", "127.0.0.1/32")]);
    let guess = |from: &str| {
        let headers = [("x-forwarded-for", from)];
        peer.post("/sign-in/email", &headers, json!({"email": "ada@example.org", "password": "wrong horse battery"}))
    };
    for _ in 0..3 {
        guess("198.51.100.1").refuses_with(401, "INVALID_EMAIL_OR_PASSWORD");
    }
    let refused = guess("198.51.100.1");
    refused.refuses_with(429, "TOO_MANY_REQUESTS");
    let seconds: u64 = refused.header("x-retry-after").and_then(|text| text.parse().ok()).expect("is a number");
    assert!((1..=10).contains(&seconds));
    guess("198.51.100.2").refuses_with(401, "INVALID_EMAIL_OR_PASSWORD");
    assert_eq!(peer.get("/ok", &[("x-forwarded-for", "198.51.100.1")]).status, 200);
}

#[test]
fn behind_https_the_cookies_are_secure_and_no_others_are_read() {
    let database = TestDatabase::sqlite();
    let peer = Peer::with(&database, &[("BETTER_AUTH_URL", "https://play.example.org")]);
    let body = json!({"name": "Ada", "email": "ada@example.org", "password": PASSWORD});
    let headers = [("content-type", "application/json"), ("origin", "https://play.example.org")];
    let answer = peer.send("POST", "/api/auth/sign-up/email", &headers, Some(&body.to_string()));
    let ada = person(&answer);
    assert_eq!(answer.set_cookies(), [format!("__Secure-{}; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax", ada.cookie())]);
    assert_eq!(peer.session_of(&ada.cookie()).text, "null");
    assert_ne!(peer.session_of(&format!("__Secure-{}", ada.cookie())).text, "null");
}

#[test]
fn a_new_password_ends_all_sessions_of_its_user() {
    both(|database| {
        let peer = Peer::on(database);
        let (ada, bo) = (peer.sign_up("ada"), peer.sign_up("bo"));
        let hash = password::hash("another horse battery", [7; 16]);
        let set = |email: &str| accounts::set_password(&mut peer.db(), email, "an-account", &hash, clock::now()).expect("writes");
        assert_eq!(set("nobody@example.org"), None);
        assert_eq!(set("Ada@example.org").map(|gone| gone.len()), Some(1));
        assert_eq!(peer.session_of(&ada.cookie()).text, "null");
        assert_ne!(peer.session_of(&bo.cookie()).text, "null");
        let sign_in = |password: &str| peer.post("/sign-in/email", &[], json!({"email": "ada@example.org", "password": password})).status;
        assert_eq!((sign_in(PASSWORD), sign_in("another horse battery")), (401, 200));
    });
}
