//! Presence: who is told that somebody came or went, and that it is true however a connection ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::{Value, json};

use crate::support::campaign::{Campaign, plain};
use crate::support::http::{Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::Socket;

/// The next `player:joined` or `player:left`: whether he came, and who it is.
fn next_coming(socket: &mut Socket) -> (bool, String) {
    loop {
        let frame = socket.next();
        let user = || frame["userId"].as_str().expect("it names a user").to_owned();
        match frame["type"].as_str() {
            Some("player:joined") => return (true, user()),
            Some("player:left") => return (false, user()),
            _ => assert_eq!(frame.get("seq").filter(|_| frame["type"] == "player:presence"), None, "presence is not numbered"),
        }
    }
}

fn came(person: &Person) -> (bool, String) {
    (true, person.id.clone())
}

fn left(person: &Person) -> (bool, String) {
    (false, person.id.clone())
}

/// Who is on a list, by name.
fn by_name(players: &Value) -> BTreeMap<String, bool> {
    let players = players.as_array().expect("players are a list");
    let name = |player: &Value| player["name"].as_str().expect("a player has a name").to_owned();
    players.iter().map(|player| (name(player), player["online"] == true)).collect()
}

/// Reads on until a list says this; how many lists came.
fn await_list<const N: usize>(socket: &mut Socket, expected: [(&str, bool); N]) -> u32 {
    let expected = expected.map(|(name, online)| (name.to_owned(), online)).into();
    let mut lists = 0;
    loop {
        lists += 1;
        if by_name(&socket.expect("player:presence")["players"]) == expected {
            return lists;
        }
    }
}

#[test]
fn only_the_first_connection_and_the_last_disconnection_are_told_and_only_to_others() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (ana_is, ben_is) = (campaign.player(0), campaign.player(1));
        let mut dm = campaign.dm_socket(&server);
        let laptop = campaign.socket(&server, ana_is);
        assert_eq!(next_coming(&mut dm), came(ana_is));
        let mut phone = campaign.socket(&server, ana_is);
        laptop.leave();
        let ben = campaign.socket(&server, ben_is);
        assert_eq!(next_coming(&mut dm), came(ben_is));
        assert_eq!(next_coming(&mut phone), came(ben_is));
        ben.leave();
        assert_eq!(next_coming(&mut dm), left(ben_is));
        phone.leave();
        assert_eq!(next_coming(&mut dm), left(ana_is));
    });
}

#[test]
fn the_list_holds_all_members_and_comes_at_most_once_a_second() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let mut dm = campaign.dm_socket(&server);
    let start = Instant::now();
    let mut lists = await_list(&mut dm, [("Dana", true), ("Ana", false), ("Ben", false)]);
    for _ in 0..20 {
        campaign.socket(&server, campaign.player(0)).leave();
    }
    let (_ben, entry) = campaign.enter(&server, campaign.player(1));
    let players = by_name(&entry.session()["connectedPlayers"]);
    assert_eq!((players.len(), players["Ben"], players["Dana"]), (3, true, true));
    lists += await_list(&mut dm, [("Dana", true), ("Ana", false), ("Ben", true)]);
    let seconds = start.elapsed().as_secs();
    assert!(u64::from(lists) <= seconds + 2, "{lists} lists in {seconds} s");
}

#[test]
fn however_a_connection_ends_its_user_leaves() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let ana = campaign.player(0);
    let mut dm = campaign.dm_socket(&server);
    let ends: [fn(Socket); 3] = [
        Socket::leave,
        // A process that was killed: the kernel closes its sockets.
        drop,
        // A reset.
        |socket| socket2::SockRef::from(socket.socket.get_ref()).set_linger(Some(Duration::ZERO)).expect("a socket takes its options"),
    ];
    for end in ends {
        let socket = campaign.socket(&server, ana);
        assert_eq!(next_coming(&mut dm), came(ana));
        end(socket);
        assert_eq!(next_coming(&mut dm), left(ana));
    }
    let phone = ana.sign_in_again(&server);
    let _signed_out = campaign.socket(&server, &phone);
    assert_eq!(next_coming(&mut dm), came(ana));
    expect_status(200, phone.http.post("/api/auth/sign-out", &json!({})));
    assert_eq!(next_coming(&mut dm), left(ana));
    await_list(&mut dm, [("Dana", true), ("Ana", false)]);
}

#[test]
fn a_client_that_answers_no_ping_is_dropped_and_leaves_and_one_that_does_stays() {
    let server = Server::start(&[("PING_INTERVAL", "200ms"), ("PING_TIMEOUT", "200ms")]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
    assert_eq!(entry.connected["pingInterval"], 200);
    let start = Instant::now();
    // A lid that was closed: the connection is there, nobody reads it.
    let _silent = campaign.socket(&server, campaign.player(0));
    assert_eq!(next_coming(&mut dm), came(campaign.player(0)));
    assert_eq!(next_coming(&mut dm), left(campaign.player(0)));
    assert!(start.elapsed() >= Duration::from_millis(400), "it had its time");
    dm.done(plain("session:start"));
}

#[test]
fn who_becomes_a_member_or_ceases_to_be_one_is_on_the_list_or_off_it() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    await_list(&mut dm, [("Dana", true)]);
    let ana = Person::sign_up(&server, "Ana");
    campaign.admit(&ana);
    await_list(&mut dm, [("Dana", true), ("Ana", false)]);
    let mut socket = campaign.socket(&server, &ana);
    assert_eq!(next_coming(&mut dm), came(&ana));
    await_list(&mut dm, [("Dana", true), ("Ana", true)]);
    campaign.remove(&ana);
    assert_eq!(socket.close_code(), 4003);
    assert_eq!(next_coming(&mut dm), left(&ana));
    await_list(&mut dm, [("Dana", true)]);
}

#[test]
fn joins_and_leaves_of_a_session_are_in_its_log() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let ana = campaign.player(0);
        let mut dm = campaign.dm_socket(&server);
        dm.done(plain("session:start"));
        campaign.socket(&server, ana).leave();
        assert_eq!(next_coming(&mut dm), came(ana));
        assert_eq!(next_coming(&mut dm), left(ana));
        // Rows are written in the order of the changes: after this one they are there.
        dm.done(plain("session:pause"));
        let sessions = expect_status(200, ana.http.get(&format!("/api/campaigns/{}/sessions", campaign.id)));
        let id = sessions["sessions"][0]["id"].as_str().expect("there is a session");
        let events = expect_status(200, ana.http.get(&format!("/api/sessions/{id}/events")));
        let told = |event: &Value| (event["eventType"].as_str().map(str::to_owned), event["seq"].as_u64());
        let events: Vec<_> = events["events"].as_array().expect("a list").iter().map(told).collect();
        let seq = events[0].1.expect("an event has a seq");
        let expected = [("session_start", seq), ("player_join", seq), ("player_leave", seq), ("session_pause", seq + 1)];
        assert_eq!(events, expected.map(|(kind, seq)| (Some(kind.to_owned()), Some(seq))));
    });
}

/// Members who never connect, written where the server will find them.
fn add_crowd(server: &mut Server, campaign: &Campaign, count: u32) {
    server.terminate();
    let path = server.data_dir().join("moothall.db");
    let mut database = SqliteConnection::establish(path.to_str().expect("is UTF-8")).expect("the server has left its database");
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let users = format!(
        "{numbers} INSERT INTO \"user\" (id, name, email) SELECT 'crowd-' || i, 'Crowd ' || i, 'crowd-' || i || '@example.org' FROM n"
    );
    let members = format!(
        "{numbers} INSERT INTO campaign_member (id, campaign_id, user_id, role, member_no, joined_at) \
         SELECT 'crowd-' || i, '{}', 'crowd-' || i, 'player', 1000 + i, '2026-01-28T01:02:03.456Z' FROM n",
        campaign.id
    );
    database.batch_execute(&format!("{users}; {members}")).expect("the rows fit the tables");
    drop(database);
    server.restart();
}

/// The next frame about presence of a large room.
fn next_news(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.next();
        if frame["type"].as_str().is_some_and(|kind| kind.starts_with("player:")) {
            return frame;
        }
    }
}

#[test]
fn a_room_of_more_than_200_members_is_told_changes_and_only_newcomers_get_a_list_of_who_is_there() {
    let mut server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let ana = campaign.player(0);
    add_crowd(&mut server, &campaign, 300);
    let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
    assert_eq!(by_name(&entry.session()["connectedPlayers"]).len(), 302);
    assert_eq!(by_name(&next_news(&mut dm)["players"]), BTreeMap::from([("Dana".to_owned(), true)]));
    assert_eq!(next_news(&mut dm)["joined"][0]["name"], "Dana");

    let (mut socket, entry) = campaign.enter(&server, ana);
    let both_here = BTreeMap::from([("Dana".to_owned(), true), ("Ana".to_owned(), true)]);
    assert_eq!(by_name(&socket.expect("player:presence")["players"]), both_here);
    let changes = next_news(&mut dm);
    assert_eq!((&changes["type"], &changes["joined"]), (&json!("player:changes"), &json!([{"userId": ana.id, "name": "Ana"}])));
    assert_eq!((&changes["left"], changes.get("seq")), (&json!([]), None));

    socket.leave();
    let changes = next_news(&mut dm);
    assert_eq!((&changes["type"], &changes["left"], &changes["joined"]), (&json!("player:changes"), &json!([ana.id]), &json!([])));

    let (mut socket, resumed) = campaign.connect(&server, ana).since(&entry.cursor()).enter();
    assert!(resumed.resumed());
    assert_eq!(by_name(&socket.expect("player:presence")["players"]), both_here);
    assert_eq!(next_news(&mut dm)["joined"][0]["name"], "Ana");
}
