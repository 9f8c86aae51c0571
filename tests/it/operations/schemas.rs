//! Which databases the server takes, and which it refuses.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use moothall::on;
use moothall::store::pool::{DatabaseUrl, open_writer};
use serde_json::json;

use super::{printed, refusal};
use crate::support::http::{Client, Person, expect_status};
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::{Server, run};

fn execute(database: &TestDatabase, sql: &str) {
    let mut db = open_writer(&DatabaseUrl::parse(&database.url()).expect("is a URL")).expect("the database is there");
    on!(&mut db, c => c.batch_execute(sql)).expect("is SQL");
}

#[test]
fn migrate_goes_up_and_down_and_tells_how_things_stand() {
    both(|database| {
        let url = database.url();
        let migrate = |how: &str| printed(&run(&["migrate", how], &[("DATABASE_URL", &url)]));
        let marks = || migrate("status").lines().map(|line| line[..4].to_owned()).collect::<Vec<_>>();
        migrate("up");
        let steps = marks().len();
        assert!(steps >= 3 && marks().iter().all(|mark| mark == "[x] "), "{:?}", marks());
        migrate("down");
        assert_eq!(marks().iter().filter(|mark| *mark == "[x] ").count(), steps - 1);
    });
}

#[test]
fn with_migrate_check_an_old_schema_is_refused_and_left_as_it_is() {
    both(|database| {
        let url = database.url();
        let settings = [("DATABASE_URL", url.as_str()), ("MIGRATE", "check")];
        assert_eq!(refusal(&run(&[], &settings)).0, 78, "an empty database");
        printed(&run(&["migrate"], &settings));
        printed(&run(&["migrate", "down"], &settings));
        let before = printed(&run(&["migrate", "status"], &settings));
        let (code, reason) = refusal(&run(&[], &settings));
        assert!(code == 78 && reason.contains("moothall migrate"), "{code} {reason}");
        assert_eq!(printed(&run(&["migrate", "status"], &settings)), before);
        printed(&run(&["migrate"], &settings));
        assert_eq!(Server::with(database, &[("MIGRATE", "check")]).terminate(), Some(0));
    });
}

#[test]
fn a_schema_of_a_newer_version_is_refused_with_its_number() {
    both(|database| {
        let url = database.url();
        let settings = [("DATABASE_URL", url.as_str())];
        printed(&run(&["migrate"], &settings));
        execute(database, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000001')");
        for arguments in [&["serve"][..], &["migrate"], &["migrate", "down"]] {
            let (code, reason) = refusal(&run(arguments, &settings));
            assert!(code == 78 && reason.contains("29990101000001"), "{arguments:?}: {code} {reason}");
        }
    });
}

#[test]
fn a_table_of_somebody_else_is_refused_by_its_name() {
    both(|database| {
        let url = database.url();
        execute(database, "CREATE TABLE campaign (budget integer)");
        for arguments in [&["serve"][..], &["migrate"]] {
            let (code, reason) = refusal(&run(arguments, &[("DATABASE_URL", &url)]));
            assert!(code == 78 && reason.contains("`campaign`"), "{arguments:?}: {code} {reason}");
        }
    });
}

/// Better Auth's tables in PostgreSQL as its Drizzle adapter makes them, with a user who has a password and a session.
const BETTER_AUTH: &str = r#"
    CREATE TABLE "user" (id text PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, email_verified boolean DEFAULT false NOT NULL,
        image text, created_at timestamp DEFAULT now() NOT NULL, updated_at timestamp DEFAULT now() NOT NULL);
    CREATE TABLE session (id text PRIMARY KEY, expires_at timestamp NOT NULL, token text NOT NULL UNIQUE, created_at timestamp DEFAULT now() NOT NULL,
        updated_at timestamp NOT NULL, ip_address text, user_agent text, user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE);
    CREATE TABLE account (id text PRIMARY KEY, account_id text NOT NULL, provider_id text NOT NULL,
        user_id text NOT NULL REFERENCES "user" (id) ON DELETE CASCADE, access_token text, refresh_token text, id_token text,
        access_token_expires_at timestamp, refresh_token_expires_at timestamp, scope text, password text,
        created_at timestamp DEFAULT now() NOT NULL, updated_at timestamp NOT NULL);
    CREATE TABLE verification (id text PRIMARY KEY, identifier text NOT NULL, value text NOT NULL, expires_at timestamp NOT NULL,
        created_at timestamp DEFAULT now() NOT NULL, updated_at timestamp DEFAULT now() NOT NULL);
    CREATE TABLE invoice (id text PRIMARY KEY, user_id text NOT NULL REFERENCES "user" (id));
    INSERT INTO "user" (id, name, email, email_verified) VALUES ('theirs', 'Ada', 'ada@example.org', true);
    INSERT INTO invoice VALUES ('1', 'theirs');
    INSERT INTO session (id, expires_at, token, updated_at, user_id)
        VALUES ('s', now() AT TIME ZONE 'UTC' + interval '5 days', 'OincZl43HtSwxXI11CwYsGGWKRle1Gq2', now(), 'theirs');
    INSERT INTO account (id, account_id, provider_id, user_id, updated_at, password) VALUES ('a', 'theirs', 'credential', 'theirs', now(),
        'b4338dcd6d94c31283730ff62f230891:cb1220f2f844b31d275b9a097d9d893513af617cbdc1ee71ddbb3668df9443515109541d9ad0016168f649c7e9715196f668e866a163a04bd41be84ce04063e0')"#;

const SECRET: &str = "test-secret-0123456789abcdefghijKLMNOPQRSTUVWXYZ";
/// What Better Auth gave the user's browser with that secret.
const COOKIE: &str = "better-auth.session_token=OincZl43HtSwxXI11CwYsGGWKRle1Gq2.6rbYZWAq4VSgWgdu0GK0MFdJoSDPY%2BQZd2U%2BOgiPbuI%3D";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[test]
fn the_users_of_a_better_auth_app_come_with_their_sessions_and_passwords() {
    let database = TestDatabase::postgres();
    execute(&database, BETTER_AUTH);
    let server = Server::with(&database, &[("BETTER_AUTH_SECRET", SECRET)]);
    let with_cookie = Client::new(&server).cookie(COOKIE);
    assert_eq!(expect_status(200, with_cookie.get("/api/auth/get-session"))["user"]["id"], "theirs");
    let made = expect_status(201, with_cookie.post("/api/campaigns", &json!({"name": "The Sunless Vale"})));
    assert_eq!(made["ownerId"], "theirs");
    let body = json!({"email": "ada@example.org", "password": "correct horse battery"});
    let signed_in = expect_status(200, Client::new(&server).post("/api/auth/sign-in/email", &body));
    assert_eq!(signed_in["user"]["id"], "theirs");
    Person::sign_up(&server, "Bo");
    drop(server);
    // Going down again leaves the app what is the app's.
    let url = database.url();
    (0..3).for_each(|_| drop(printed(&run(&["migrate", "down"], &[("DATABASE_URL", &url)]))));
    let mut db = PgConnection::establish(&url).expect("PostgreSQL is up");
    let sql = r#"SELECT count(*) FROM "user" JOIN session ON user_id = "user".id JOIN account ON account.user_id = "user".id"#;
    let rows: Count = diesel::sql_query(sql).get_result(&mut db).expect("is SQL");
    assert_eq!(rows.count, 3, "two sessions of theirs, one of ours");
}
