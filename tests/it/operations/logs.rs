//! The log: who came and went and which routes were asked, and nothing that is nobody's business.

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, reveal_to, token, update};
use crate::support::http::{Client, PASSWORD, Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::Connect;

/// The lines that have this word in them.
fn lines<'a>(log: &'a str, word: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.split_whitespace().any(|part| part == word)).collect()
}

#[test]
fn each_connection_has_a_line_when_it_comes_and_one_with_the_code_when_it_goes() {
    let mut server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let (ana, ben) = (campaign.player(0), campaign.player(1));
    let number = |entry: &Value| entry["connectionId"].as_str().expect("a connection has an id").to_owned();
    let mut expected = Vec::new();
    let mut connect = |person: &Person, code: u16| {
        let (socket, entry) = campaign.enter(&server, person);
        expected.push((number(&entry.connected), person.id.clone(), code));
        socket
    };
    connect(&campaign.dm, 1000).leave();
    drop(connect(&campaign.dm, 1006));
    let mut removed = connect(ana, 4003);
    let mut signed_out = connect(ben, 4001);
    let mut binary = connect(&campaign.dm, 1003);
    let mut left = connect(&campaign.dm, 1001);
    campaign.remove(ana);
    assert_eq!(removed.close_code(), 4003);
    expect_status(200, ben.http.post("/api/auth/sign-out", &json!({})));
    assert_eq!(signed_out.close_code(), 4001);
    binary.send_raw(tungstenite::Message::binary(vec![1]));
    assert_eq!(binary.close_code(), 1003);
    server.ask_to_stop();
    assert_eq!(left.close_code(), 1001);
    assert_eq!(server.await_end(), Some(0));

    let log = server.log();
    let room = format!("room=campaign:{}", campaign.id);
    for (connection, user, code) in expected {
        let of = |word| {
            let found = lines(&log, word);
            let found: Vec<_> =
                found.into_iter().filter(|line| line.split(' ').any(|part| part == format!("connection={connection}"))).collect();
            assert!(found.len() == 1 && found[0].contains(" INFO "), "one info line of {connection} {word}: {found:?}\n{log}");
            found[0]
        };
        for line in [of("connect"), of("disconnect")] {
            assert!(line.contains(&format!("user={user}")) && line.contains(&room), "{line}");
        }
        assert!(of("disconnect").contains(&format!("code={code}")), "{code}: {}", of("disconnect"));
    }
}

#[test]
fn nothing_secret_and_nothing_of_a_campaign_is_in_the_log_however_much_it_tells() {
    both(|database| {
        let secret = "sesame-sesame-sesame-sesame-sesame";
        let mut server = Server::with(database, &[("RUST_LOG", "debug"), ("BETTER_AUTH_SECRET", secret), ("AUTH_RATE_LIMIT", "on")]);
        // Signing up in a row is more than the limit of an address allows, so the limit is met, too.
        server.restart_with(&[("AUTH_RATE_LIMIT", "off")]);
        let campaign = Campaign::new(&server, "Danaerys", ["Anabel"]);
        let (dm, player) = (&campaign.dm, campaign.player(0));
        let name = json!({"name": "The Drowned Cellar"});
        expect_status(200, dm.http.patch(&format!("/api/campaigns/{}", campaign.id), &name));
        let invited =
            expect_status(201, dm.http.post(&format!("/api/campaigns/{}/invitations", campaign.id), &json!({"email": "zoe@example.net"})));
        let link = expect_status(201, dm.http.post(&format!("/api/campaigns/{}/invite-links", campaign.id), &json!({})));
        campaign.post_map("grassland", &["4711,-42"]);
        let mut on_board = campaign.dm_socket(&server);
        on_board.done(reveal_to(player, &["4711,-42"]));
        on_board.done(update("4711,-42", "quicksand"));
        on_board.done(json!({"type": "session:start"}));
        let mut wolf = token("4711,-42");
        wolf["label"] = json!("Fenrir");
        on_board.done(wolf);
        on_board.refused(json!({"type": "hex:reveal", "hexKeys": "4711,-42", "targets": "Fenrir"}), "BAD_MESSAGE");
        let to = || Connect::to(&server).campaign(&campaign.id);
        to().header("cookie", &player.cookie).header("origin", &server.base()).enter().0.leave();
        to().header("sec-websocket-protocol", &format!("moothall, bearer.{}", player.token)).enter().0.leave();
        to().bearer("sesame-of-a-stranger").refused();
        let http = Client::new(&server);
        let guess = json!({"email": player.email, "password": "sesame-of-a-guess"});
        expect_status(401, http.post("/api/auth/sign-in/email", &guess));
        http.send(
            "POST",
            "/api/auth/sign-in/email",
            Some(br#"{"email": "zoe@example.net", "password": "sesame"#),
            &[("content-type", "application/json")],
        );
        http.clone().cookie(&player.cookie).get("/api/auth/get-session");
        for path in ["/api/campaigns/{}/map?as=sesame", "/api/campaigns/{}/nothing", "/nothing/{}?token=sesame", "/api/invite-links/{}"] {
            dm.http.get(&path.replace("{}", &campaign.id));
        }
        expect_status(403, player.http.post(&format!("/api/campaigns/{}/map", campaign.id), &json!({"hexes": []})));
        let session = player.sign_in_again(&server);
        expect_status(200, session.http.clone().cookie(&session.cookie).post("/api/auth/sign-out", &json!({})));
        drop(on_board);
        assert_eq!(server.terminate(), Some(0));

        // The one place of a campaign's id is a line of a connection or a room.
        let log = server.log().replace(&format!("room=campaign:{}", campaign.id), "");
        assert!(lines(&log, "connect").len() >= 3 && log.contains(" DEBUG "), "{log}");
        let signature = |cookie: &str| cookie.split('.').next_back().expect("a cookie has a signature").to_owned();
        let text = |value: &Value| value.as_str().expect("is text").to_owned();
        let mut forbidden = vec![campaign.id.clone(), text(&invited["invitation"]["id"]), text(&link["code"]), PASSWORD.to_owned()];
        for person in [dm, player, &session] {
            forbidden.extend([person.token.clone(), signature(&person.cookie), person.email.clone(), person.name.clone()]);
        }
        let words =
            ["sesame", "Drowned", "Sunless", "Fenrir", "4711", "quicksand", "grassland", "zoe@", "better-auth.session_token", "?as="];
        forbidden.extend(words.map(str::to_owned));
        for word in forbidden {
            let found: Vec<_> = log.lines().filter(|line| line.contains(&word)).collect();
            assert!(found.is_empty(), "{word} is in the log: {found:#?}");
        }
    });
}

#[test]
fn a_request_has_a_line_with_its_route_and_status() {
    let mut server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    campaign.map(&campaign.dm);
    let http = Client::new(&server);
    expect_status(401, http.get("/api/campaigns"));
    expect_status(200, http.get("/api/health"));
    http.get("/no/such/page");
    assert_eq!(server.terminate(), Some(0));
    let log = server.log();
    let has = |part: &str| assert!(log.lines().any(|line| line.contains(part)), "{part} is not in the log:\n{log}");
    has("GET /api/campaigns/{id}/map 200");
    has("GET /api/campaigns 401");
    has("POST /api/campaigns 201");
    has("POST /api/auth/sign-up/email 200");
    has("404");
    assert!(!log.contains("/api/health"), "what a container asks all the time is not told:\n{log}");
    assert!(!log.contains("/no/such/page"), "{log}");
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let mut server = Server::start(&[("LOG_FORMAT", "json")]);
    let campaign = Campaign::new(&server, "Dana", []);
    campaign.dm_socket(&server).leave();
    assert_eq!(server.terminate(), Some(0));
    let log = server.log();
    assert!(log.lines().count() >= 5, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["ts", "level", "target", "msg"] {
            assert!(line[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {line}");
        }
    }
    assert!(log.lines().any(|line| line.contains("disconnect")), "{log}");
}
