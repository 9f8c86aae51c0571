//! Tokens: who may do what to them, and to whom they appear and disappear.

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, hide, hide_from, plain, reveal, reveal_to, token};
use crate::support::http::{Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::Socket;

fn create(dm: &mut Socket, command: Value) -> String {
    dm.done(command)["tokenId"].as_str().expect("the ack of a token:create has its id").to_owned()
}

fn owned(key: &str, owner: &Person) -> Value {
    let mut command = token(key);
    command["ownerId"] = json!(owner.id);
    command
}

fn moved(id: &str, to: &str) -> Value {
    json!({"type": "token:move", "tokenId": id, "toHexKey": to})
}

fn updated(id: &str, updates: Value) -> Value {
    json!({"type": "token:update", "tokenId": id, "updates": updates})
}

fn deleted(id: &str) -> Value {
    json!({"type": "token:delete", "tokenId": id})
}

/// Something that all are told: whoever hears it next was told nothing before.
fn expect_nothing_more(dm: &mut Socket, others: &mut [&mut Socket]) {
    let ack = dm.done(plain("session:start"));
    for other in &mut *others {
        assert_eq!(other.expect("session:statusChanged")["seq"], ack["seq"]);
    }
    dm.done(plain("session:end"));
    others.iter_mut().for_each(|other| drop(other.expect("session:statusChanged")));
}

#[test]
fn a_player_moves_his_own_token_while_the_session_is_active_and_no_other() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
        let own = create(&mut dm, owned("0,0", campaign.player(0)));
        let bens = create(&mut dm, owned("0,1", campaign.player(1)));
        let nobodys = create(&mut dm, token("0,2"));
        ana.refused(moved(&own, "1,0"), "INVALID_STATE");
        dm.done(plain("session:start"));
        ana.done(moved(&own, "1,0"));
        for forbidden in [&bens, &nobodys, "no-such-token"] {
            let error = ana.refused(moved(forbidden, "1,0"), "FORBIDDEN");
            assert_eq!(error["message"], "Action 'token:move' is restricted to the DM");
        }
        dm.done(plain("session:pause"));
        ana.refused(moved(&own, "2,0"), "INVALID_STATE");
        // The role comes before the state.
        ana.refused(moved(&bens, "2,0"), "FORBIDDEN");
        dm.done(moved(&own, "3,0"));
        dm.done(plain("session:resume"));
        ana.done(moved(&own, "4,0"));
        dm.done(plain("session:end"));
        ana.refused(moved(&own, "5,0"), "INVALID_STATE");
        dm.refused(moved("no-such-token", "5,0"), "NOT_FOUND");
    });
}

#[test]
fn a_player_dresses_up_his_own_token_but_only_the_dm_hides_it_or_gives_it_away() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
    let own = create(&mut dm, owned("0,0", campaign.player(0)));
    let bens = create(&mut dm, owned("0,1", campaign.player(1)));
    ana.done(updated(&own, json!({"label": "Ana the Bold", "icon": "⚔", "color": "#00ff00"})));
    dm.expect("token:created");
    dm.expect("token:created");
    assert_eq!(dm.expect("token:updated")["updates"], json!({"label": "Ana the Bold", "icon": "⚔", "color": "#00ff00"}));
    for updates in [json!({"visible": false}), json!({"ownerId": null}), json!({"label": "x", "visible": true})] {
        ana.refused(updated(&own, updates), "FORBIDDEN");
    }
    ana.refused(updated(&bens, json!({"label": "x"})), "FORBIDDEN");
    ana.refused(deleted(&own), "FORBIDDEN");
    ana.refused(token("0,0"), "FORBIDDEN");
    dm.refused(updated(&own, json!({"ownerId": "nobody"})), "NOT_FOUND");
    dm.refused(updated("no-such-token", json!({"label": "x"})), "NOT_FOUND");
    dm.refused(deleted("no-such-token"), "NOT_FOUND");
    let mut strangers = token("0,0");
    strangers["ownerId"] = json!("nobody");
    dm.refused(strangers, "NOT_FOUND");
}

#[test]
fn a_token_is_made_of_fields_within_their_bounds() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    let with = |name: &str, value: Value| {
        let mut command = token("0,0");
        command[name] = value;
        command
    };
    for (name, value) in [
        ("label", json!("")),
        ("label", json!("ü".repeat(65))),
        ("icon", json!("")),
        ("icon", json!("🐺".repeat(17))),
        ("color", json!("red")),
        ("color", json!("#12345")),
        ("tokenType", json!("pet")),
        ("hexKey", json!("0, 0")),
        ("hexKey", json!("10000,0")),
        ("hexKey", json!("-0,0")),
        ("visible", json!("yes")),
    ] {
        let error = dm.refused(with(name, value.clone()), "BAD_MESSAGE");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(name)), "{error} names {name}");
    }
    // Lengths count characters.
    for (name, value) in [("label", json!("ü".repeat(64))), ("icon", json!("🐺".repeat(16))), ("hexKey", json!("-9999,9999"))] {
        dm.done(with(name, value));
    }
}

#[test]
fn a_token_appears_and_disappears_with_what_is_seen_of_its_hex() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let ana_is = campaign.player(0);
        let (mut dm, mut ana, mut ben) =
            (campaign.dm_socket(&server), campaign.socket(&server, ana_is), campaign.socket(&server, campaign.player(1)));
        dm.done(reveal_to(ana_is, &["0,0", "0,1"]));
        ana.expect("hex:revealed");
        let wolf = create(&mut dm, token("5,5"));
        // In from the fog, about in the light, out into the fog.
        let ack = dm.done(moved(&wolf, "0,0"));
        let created = ana.expect("token:created");
        assert_eq!((&created["seq"], &created["token"]["id"], &created["token"]["hexKey"]), (&ack["seq"], &json!(wolf), &json!("0,0")));
        dm.done(moved(&wolf, "0,1"));
        let step = ana.expect("token:moved");
        assert_eq!((&step["fromHexKey"], &step["toHexKey"], &step["movedBy"]), (&json!("0,0"), &json!("0,1"), &json!(campaign.dm.id)));
        dm.done(moved(&wolf, "5,5"));
        assert_eq!(ana.expect("token:deleted")["tokenId"], json!(wolf));
        // Of one change, hex frames come first.
        let ack = dm.done(reveal_to(ana_is, &["5,5"]));
        let (hex, token) = (ana.expect("hex:revealed"), ana.expect("token:created"));
        assert_eq!((&hex["seq"], &token["seq"]), (&ack["seq"], &ack["seq"]));
        dm.done(hide_from(ana_is, &["5,5"]));
        ana.expect("hex:hidden");
        ana.expect("token:deleted");
        expect_nothing_more(&mut dm, &mut [&mut ana, &mut ben]);
    });
}

#[test]
fn a_token_appears_and_disappears_with_its_visibility_and_its_owner() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let (ana_is, ben_is) = (campaign.player(0), campaign.player(1));
    let (mut dm, mut ana, mut ben) = (campaign.dm_socket(&server), campaign.socket(&server, ana_is), campaign.socket(&server, ben_is));
    dm.done(reveal_to(ana_is, &["0,0"]));
    ana.expect("hex:revealed");
    let mut unseen = token("0,0");
    unseen["visible"] = json!(false);
    let spy = create(&mut dm, unseen);
    dm.done(updated(&spy, json!({"visible": true})));
    assert_eq!(ana.expect("token:created")["token"]["visible"], true);
    dm.done(updated(&spy, json!({"label": "Spy"})));
    assert_eq!(ana.expect("token:updated")["updates"], json!({"label": "Spy"}));
    dm.done(updated(&spy, json!({"visible": false})));
    ana.expect("token:deleted");
    // An owner sees his own, in fog and invisible.
    dm.done(updated(&spy, json!({"ownerId": ben_is.id})));
    let created = ben.expect("token:created");
    assert_eq!((&created["token"]["ownerId"], &created["token"]["visible"]), (&json!(ben_is.id), &json!(false)));
    dm.done(moved(&spy, "9,9"));
    ben.expect("token:moved");
    dm.done(updated(&spy, json!({"ownerId": ana_is.id})));
    ben.expect("token:deleted");
    ana.expect("token:created");
    dm.done(updated(&spy, json!({"ownerId": null})));
    ana.expect("token:deleted");
    // Who could not see it is not told that it is gone.
    dm.done(deleted(&spy));
    expect_nothing_more(&mut dm, &mut [&mut ana, &mut ben]);
}

#[test]
fn who_connects_is_told_the_tokens_that_he_sees_and_rest_says_the_same() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let mut dm = campaign.dm_socket(&server);
    dm.done(reveal(&["0,0"]));
    let seen = create(&mut dm, token("0,0"));
    create(&mut dm, token("1,1"));
    let bens = create(&mut dm, owned("2,2", campaign.player(1)));
    let mut unseen = token("0,0");
    unseen["visible"] = json!(false);
    create(&mut dm, unseen);
    let ids = |tokens: &Value| -> Vec<String> {
        let mut ids: Vec<_> =
            tokens.as_array().expect("a list").iter().map(|token| token["id"].as_str().expect("a text").to_owned()).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    for (person, expected) in [(campaign.player(0), vec![seen.clone()]), (campaign.player(1), vec![seen.clone(), bens.clone()])] {
        let (_, entry) = campaign.enter(&server, person);
        let expected = sorted(expected);
        assert_eq!(ids(&entry.frame("token:state")["tokens"]), expected);
        assert_eq!(ids(&campaign.map(person)["tokens"]), expected);
        assert_eq!(campaign.map_as(person), campaign.map(person));
    }
    assert_eq!(campaign.map(&campaign.dm)["tokens"].as_array().map(Vec::len), Some(4));
    dm.done(hide(&["0,0"]));
    assert_eq!(campaign.map(campaign.player(0))["tokens"], json!([]));
}

#[test]
fn the_tokens_of_who_is_removed_belong_to_nobody_and_he_cannot_be_named_any_more() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let mut dm = campaign.dm_socket(&server);
        create(&mut dm, owned("0,0", campaign.player(0)));
        campaign.remove(campaign.player(0));
        dm.refused(owned("0,0", campaign.player(0)), "NOT_FOUND");
        dm.refused(reveal_to(campaign.player(0), &["0,0"]), "NOT_FOUND");
        // Back again, as a newcomer.
        campaign.admit(campaign.player(0));
        let (_, entry) = campaign.enter(&server, campaign.player(0));
        assert_eq!(entry.frame("token:state")["tokens"], json!([]));
        expect_status(200, campaign.player(0).http.get(&format!("/api/campaigns/{}/map", campaign.id)));
    });
}
