//! The queue of staged changes: who sees it, what it is judged against, what publishing does, what it outlives.

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, hide, mode, plain, reveal, reveal_to, token, update};
use crate::support::http::{Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::{Entry, Socket};

fn undo_at(index: usize) -> Value {
    json!({"type": "staged:undo", "index": index})
}

fn undo(id: &Value) -> Value {
    json!({"type": "staged:undo", "changeId": id})
}

fn to_both(keys: &[&str], people: [&Person; 2]) -> Value {
    json!({"type": "hex:reveal", "hexKeys": keys, "targets": {"playerIds": people.map(|person| &person.id)}})
}

fn staged(entry: &Entry) -> &Vec<Value> {
    entry.frame("staged:changes")["changes"].as_array().expect("the queue is a list")
}

/// The names of the commands in the queue, as a DM who connects is told.
fn queue(campaign: &Campaign, server: &Server) -> Vec<String> {
    let (_, entry) = campaign.enter(server, &campaign.dm);
    staged(&entry).iter().map(|item| item["type"].as_str().expect("an item has a type").to_owned()).collect()
}

/// In staged mode, after `dm:preparing`.
fn prepare(dm: &mut Socket, others: &mut [&mut Socket]) {
    dm.done(mode("staged"));
    dm.expect("dm:preparing");
    others.iter_mut().for_each(|other| assert_eq!(other.expect("dm:preparing")["preparing"], true));
}

#[test]
fn staged_changes_are_invisible_until_they_are_published_as_one_change() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let ana_is = campaign.player(0);
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, ana_is));
        dm.refused(plain("broadcast:publish"), "INVALID_STATE");
        dm.done(plain("session:start"));
        dm.expect("session:statusChanged");
        ana.expect("session:statusChanged");
        prepare(&mut dm, &mut [&mut ana]);
        dm.done(update("0,0", "swamp"));
        dm.done(reveal(&["0,0"]));
        dm.done(token("0,0"));
        campaign.post_map("water", &["1,1"]);
        // Nothing by REST, nothing for who connects, nothing in the log.
        let map = campaign.map(ana_is);
        assert_eq!((&map["hexes"], &map["tokens"], &map["gridWidth"]), (&json!([]), &json!([]), &json!(0)));
        let (_, entry) = campaign.enter(&server, ana_is);
        assert_eq!(entry.session()["revealedHexes"], json!([]));
        let events = events(&campaign, ana_is);
        assert!(events.iter().all(|event| !event["eventType"].as_str().expect("a text").starts_with("hex")), "{events:?}");
        // The DM keeps the published state, with the queue beside it.
        let (_, entry) = campaign.enter(&server, &campaign.dm);
        assert_eq!((&entry.session()["visibility"], &entry.frame("token:state")["tokens"]), (&json!({}), &json!([])));
        let items = staged(&entry);
        let types: Vec<&Value> = items.iter().map(|item| &item["type"]).collect();
        assert_eq!(types, ["hex:update", "hex:reveal", "token:create", "map:replace"]);
        assert_eq!(items[1]["data"], json!({"hexKeys": ["0,0"], "targets": "all"}));
        assert_eq!(items[3]["data"], json!({"hexes": 1}));
        assert!(items.iter().all(|item| item["id"].is_string() && item["description"].is_string()));
        dm.done(undo_at(3));
        let ack = dm.done(plain("broadcast:publish"));
        assert_eq!(ack["skipped"], json!([]));
        let (revealed, created) = (ana.expect("hex:revealed"), ana.expect("token:created"));
        assert_eq!((&revealed["seq"], &created["seq"]), (&ack["seq"], &ack["seq"]));
        assert_eq!(revealed["terrain"], json!([{"key": "0,0", "terrain": "swamp"}]));
        dm.done(plain("session:pause"));
        ana.expect("session:statusChanged");
        assert_eq!(queue(&campaign, &server), [""; 0]);
    });
}

/// The events of the only session, as this person may see them.
fn events(campaign: &Campaign, person: &Person) -> Vec<Value> {
    let sessions = expect_status(200, person.http.get(&format!("/api/campaigns/{}/sessions", campaign.id)));
    let id = sessions["sessions"][0]["id"].as_str().expect("there is a session");
    let events = expect_status(200, person.http.get(&format!("/api/sessions/{id}/events")));
    events["events"].as_array().expect("events are a list").clone()
}

#[test]
fn a_player_receives_the_difference_of_a_publish_and_no_more() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let (ana_is, ben_is) = (campaign.player(0), campaign.player(1));
    let (mut dm, mut ana, mut ben) = (campaign.dm_socket(&server), campaign.socket(&server, ana_is), campaign.socket(&server, ben_is));
    dm.done(reveal_to(ana_is, &["0,0"]));
    ana.expect("hex:revealed");
    dm.expect("hex:revealed");
    prepare(&mut dm, &mut [&mut ana, &mut ben]);
    // Shown and hidden again, hidden and shown again: no difference.
    dm.done(reveal(&["5,5"]));
    dm.done(hide(&["5,5"]));
    dm.done(hide(&["0,0"]));
    dm.done(reveal_to(ana_is, &["0,0"]));
    // A terrain that Ana sees, one that she does not.
    dm.done(update("0,0", "forest"));
    dm.done(update("0,0", "desert"));
    dm.done(update("7,7", "coast"));
    dm.done(reveal_to(ben_is, &["1,1"]));
    let ack = dm.done(plain("broadcast:publish"));
    let told = ana.expect("hex:updated");
    assert_eq!((&told["seq"], &told["changes"]), (&ack["seq"], &json!([{"key": "0,0", "terrain": "desert"}])));
    let told = ben.expect("hex:revealed");
    assert_eq!((&told["hexKeys"], told.get("targets")), (&json!(["1,1"]), None));
    dm.done(plain("session:start"));
    ana.expect("session:statusChanged");
    ben.expect("session:statusChanged");
}

#[test]
fn staged_commands_are_judged_with_the_queue_on_top_and_immediate_ones_without_it() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
        prepare(&mut dm, &mut [&mut ana]);
        let wolf = dm.done(token("0,0"))["tokenId"].clone();
        let step = |to: &str| json!({"type": "token:move", "tokenId": wolf, "toHexKey": to});
        let seq = dm.done(step("1,1"))["seq"].clone();
        // It stands there already: nothing is queued.
        assert_eq!(dm.done(step("1,1"))["seq"], seq);
        dm.done(reveal(&["1,1"]));
        let seq = dm.done(reveal(&["2,2"]))["seq"].clone();
        assert_eq!(dm.done(reveal(&["1,1", "2,2"]))["seq"], seq);
        assert_eq!(queue(&campaign, &server), ["token:create", "token:move", "hex:reveal", "hex:reveal"]);
        dm.done(mode("immediate"));
        dm.refused(step("0,0"), "NOT_FOUND");
        dm.done(reveal(&["2,2"]));
        dm.done(plain("broadcast:publish"));
        assert_eq!(ana.expect("dm:preparing")["preparing"], false);
        assert_eq!(ana.expect("hex:revealed")["hexKeys"], json!(["2,2"]));
        assert_eq!(ana.expect("hex:revealed")["hexKeys"], json!(["1,1"]));
        let created = ana.expect("token:created");
        assert_eq!((&created["token"]["id"], &created["token"]["hexKey"]), (&wolf, &json!("1,1")));
        ana.expect_silence();
    });
}

#[test]
fn what_no_longer_applies_is_skipped_and_who_is_left_gets_the_rest() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (ana_is, ben_is) = (campaign.player(0), campaign.player(1));
        let (mut dm, mut ben) = (campaign.dm_socket(&server), campaign.socket(&server, ben_is));
        let wolf = dm.done(token("9,9"))["tokenId"].clone();
        prepare_after_token(&mut dm, &mut ben);
        dm.done(reveal_to(ana_is, &["0,0"]));
        dm.done(to_both(&["1,1"], [ana_is, ben_is]));
        dm.done(json!({"type": "token:move", "tokenId": wolf, "toHexKey": "1,1"}));
        dm.done(mode("immediate"));
        dm.done(json!({"type": "token:delete", "tokenId": wolf}));
        campaign.remove(ana_is);
        let (_, entry) = campaign.enter(&server, &campaign.dm);
        let items = staged(&entry).clone();
        assert_eq!(items.len(), 3);
        let ack = dm.done(plain("broadcast:publish"));
        let skipped = ack["skipped"].as_array().expect("the ack lists what was skipped");
        assert_eq!(skipped.iter().map(|item| &item["id"]).collect::<Vec<_>>(), [&items[0]["id"], &items[2]["id"]]);
        assert!(skipped.iter().all(|item| item["reason"].as_str().is_some_and(|reason| !reason.is_empty())), "{skipped:?}");
        assert_eq!(ben.expect("dm:preparing")["preparing"], false);
        assert_eq!(ben.expect("hex:revealed")["hexKeys"], json!(["1,1"]));
        ben.expect_silence();
        assert_eq!(queue(&campaign, &server), [""; 0]);
    });
}

fn prepare_after_token(dm: &mut Socket, other: &mut Socket) {
    dm.expect("token:created");
    prepare(dm, &mut [other]);
}

#[test]
fn the_queue_outlives_the_mode_the_session_its_dm_and_the_server() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let mut dm = campaign.dm_socket(&server);
        dm.done(plain("session:start"));
        dm.done(mode("staged"));
        dm.done(update("0,0", "swamp"));
        dm.done(reveal(&["0,0"]));
        let expected = ["hex:update", "hex:reveal"];
        dm.done(mode("immediate"));
        assert_eq!(queue(&campaign, &server), expected);
        dm.done(plain("session:end"));
        assert_eq!(queue(&campaign, &server), expected);
        dm.leave();
        assert_eq!(queue(&campaign, &server), expected);
        server.restart();
        assert_eq!(queue(&campaign, &server), expected);
        server.terminate();
        server.restart();
        assert_eq!(queue(&campaign, &server), expected);
        assert_eq!(campaign.map(campaign.player(0))["hexes"], json!([]));
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
        dm.done(plain("broadcast:publish"));
        assert_eq!(ana.expect("hex:revealed")["terrain"], json!([{"key": "0,0", "terrain": "swamp"}]));
    });
}

#[test]
fn a_change_is_undone_by_its_place_or_its_id() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
    prepare(&mut dm, &mut [&mut ana]);
    for (n, terrain) in ["swamp", "water", "coast"].into_iter().enumerate() {
        dm.done(update(&format!("{n},0"), terrain));
        dm.expect("staged:changes");
    }
    let mut other_tab = campaign.dm_socket(&server);
    dm.done(undo_at(0));
    let left = other_tab.expect("staged:changes")["changes"].clone();
    assert_eq!(left[0]["data"]["changes"][0]["terrain"], "water");
    dm.done(undo(&left[1]["id"]));
    let left = other_tab.expect("staged:changes")["changes"].clone();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["data"]["changes"][0]["terrain"]), (Some(1), &json!("water")));
    dm.refused(undo_at(1), "NOT_FOUND");
    dm.refused(undo(&json!("no-such-change")), "NOT_FOUND");
    dm.refused(json!({"type": "staged:undo"}), "BAD_MESSAGE");
    ana.refused(undo_at(0), "FORBIDDEN");
    dm.done(undo_at(0));
    dm.refused(plain("broadcast:publish"), "INVALID_STATE");
    // A player heard of none of it.
    dm.done(plain("session:start"));
    ana.expect("session:statusChanged");
}

#[test]
fn players_go_on_while_changes_are_staged() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let ana_is = campaign.player(0);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, ana_is));
    let mut own = token("0,0");
    own["ownerId"] = json!(ana_is.id);
    let own = dm.done(own)["tokenId"].clone();
    dm.done(plain("session:start"));
    dm.done(mode("staged"));
    dm.done(json!({"type": "token:move", "tokenId": own, "toHexKey": "9,9"}));
    ana.done(json!({"type": "token:move", "tokenId": own, "toHexKey": "1,0"}));
    let kinds: Vec<String> = ana.until_pong().iter().map(|frame| frame["type"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(kinds, ["token:created", "session:statusChanged", "dm:preparing", "token:moved"]);
    let ack = dm.done(plain("broadcast:publish"));
    let moved = ana.expect("token:moved");
    assert_eq!((&moved["seq"], &moved["fromHexKey"], &moved["toHexKey"]), (&ack["seq"], &json!("1,0"), &json!("9,9")));
}
