//! Commands and their answers: ids and repeats, the order of the checks, the order of the answers.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::campaign::{Campaign, mode, plain, reveal, token, update};
use crate::support::http::expect_status;
use crate::support::postgres::both;
use crate::support::server::Server;

fn under(id: &str, mut command: Value) -> Value {
    command["id"] = json!(id);
    command
}

#[test]
fn the_same_id_is_done_once_also_after_kill_9_and_other_content_is_refused() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        let mut command = token("0,0");
        command["id"] = json!("make-the-wolf");
        let mut dm = campaign.dm_socket(&server);
        let ack = dm.done(command.clone());
        assert!(ack["tokenId"].is_string());
        assert_eq!(dm.done(command.clone()), ack);
        server.restart();
        let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
        assert_eq!(entry.frame("token:state")["tokens"].as_array().map(Vec::len), Some(1));
        assert_eq!(dm.done(command.clone()), ack);
        command["label"] = json!("Bear");
        dm.refused(command, "ID_REUSED");
        dm.expect_silence();
    });
}

#[test]
fn an_id_counts_for_its_user_on_all_his_connections_and_for_nobody_else() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let (mut dm, mut other_tab) = (campaign.dm_socket(&server), campaign.dm_socket(&server));
        let ack = dm.done(under("x", plain("session:start")));
        assert_eq!(other_tab.done(under("x", plain("session:start"))), ack);
        other_tab.refused(under("x", plain("session:end")), "ID_REUSED");
        let mut ana = campaign.socket(&server, campaign.player(0));
        let mine = ana.command(under("x", plain("session:end")));
        assert_eq!(mine["code"], "FORBIDDEN");
    });
}

#[test]
fn a_refused_command_is_judged_anew() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        let mut dm = campaign.dm_socket(&server);
        dm.refused(under("pause", plain("session:pause")), "INVALID_STATE");
        dm.refused(under("pause", plain("session:pause")), "INVALID_STATE");
        // Its id was not used up: other content may take it.
        dm.done(under("pause", plain("session:start")));
        dm.refused(under("later", plain("session:resume")), "INVALID_STATE");
        server.restart();
        let mut dm = campaign.dm_socket(&server);
        dm.done(plain("session:pause"));
        dm.done(under("later", plain("session:resume")));
    });
}

#[test]
fn contents_are_compared_after_parsing_and_defaults() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    let ack = dm.done(under("wolf", token("0,0")));
    let mut the_same = under("wolf", token("0,0"));
    the_same["visible"] = json!(true);
    the_same["ownerId"] = json!(null);
    assert_eq!(dm.done(the_same), ack);
    dm.send_raw(Message::text(
        r##"{ "tokenType":"npc", "color":"#aa0011","icon":"\u0077","label":"Wolf", "hexKey":"0,0","id":"wolf","type":"token:create"}"##,
    ));
    assert_eq!(dm.answer_to(&json!("wolf")), ack);
    assert_eq!(campaign.map(&campaign.dm)["tokens"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_changes_nothing_is_acknowledged_with_the_current_seq_and_nobody_is_told() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
    let seq = dm.done(reveal(&["0,0"]))["seq"].clone();
    dm.expect("hex:revealed");
    ana.expect("hex:revealed");
    for command in [reveal(&["0,0"]), mode("immediate"), under("again", reveal(&["0,0", "0,0"]))] {
        assert_eq!(dm.done(command)["seq"], seq);
    }
    let next = dm.done(reveal(&["1,1"]))["seq"].clone();
    assert_eq!(next, json!(seq.as_u64().expect("a number") + 1));
    // An id of what changed nothing is remembered, too.
    assert_eq!(dm.done(under("again", reveal(&["0,0", "0,0"])))["seq"], seq);
    dm.refused(under("again", reveal(&["7,7"])), "ID_REUSED");
    assert_eq!(ana.expect("hex:revealed")["seq"], next);
}

#[test]
fn without_an_id_there_is_no_ack_and_a_pong_echoes_it() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    dm.send(&plain("session:start"));
    dm.expect("session:statusChanged");
    dm.send(&plain("session:start"));
    let error = dm.expect("error");
    assert_eq!((&error["code"], error.get("id")), (&json!("INVALID_STATE"), None));
    dm.expect_silence();
    dm.send(&json!({"type": "ping", "id": "7"}));
    let pong = dm.expect("pong");
    assert_eq!((&pong["id"], pong.get("seq")), (&json!("7"), None));
}

#[test]
fn answers_come_in_the_order_in_which_the_commands_were_sent() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        let mut dm = campaign.dm_socket(&server);
        let command = |n: usize| match n % 4 {
            0 => plain("session:resume"),
            1 => reveal(&["0,0"]),
            _ => update("0,0", ["swamp", "water", "coast"][n % 3]),
        };
        (0..150).for_each(|n| dm.send(&under(&n.to_string(), command(n))));
        let mut last = 0;
        for n in 0..150 {
            let answer = loop {
                let frame = dm.next_of_room();
                if frame.get("id").is_some() {
                    break frame;
                }
            };
            assert_eq!(answer["id"], json!(n.to_string()));
            let seq = answer["seq"].as_u64().unwrap_or(last);
            assert!(seq >= last, "{answer} after {last}");
            last = seq;
        }
    });
}

#[test]
fn frames_are_checked_json_type_fields_role_state() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut ana = campaign.socket(&server, campaign.player(0));
    for (text, code) in [
        ("{", "BAD_JSON"),
        ("", "BAD_JSON"),
        (r#"{"type":"no:such""#, "BAD_JSON"),
        ("[]", "BAD_MESSAGE"),
        ("7", "BAD_MESSAGE"),
        (r#"{"type":7}"#, "BAD_MESSAGE"),
        (r#"{"type":"no:such"}"#, "BAD_MESSAGE"),
        (r#"{"type":"hex:reveal","hexKeys":["00,1"],"targets":"all"}"#, "BAD_MESSAGE"),
        (r#"{"type":"hex:reveal","hexKeys":[],"targets":"all"}"#, "BAD_MESSAGE"),
        (r#"{"type":"hex:reveal","hexKeys":["0,1"]}"#, "BAD_MESSAGE"),
        (r#"{"type":"hex:reveal","hexKeys":["0,1"],"targets":"all"}"#, "FORBIDDEN"),
        (r#"{"type":"session:pause"}"#, "FORBIDDEN"),
    ] {
        ana.send_raw(Message::text(text));
        let error = ana.expect("error");
        assert_eq!((&error["code"], error.get("id")), (&json!(code), None), "{text}");
    }
    let mut dm = campaign.dm_socket(&server);
    // Of two faults, the field's is told and the id comes back.
    dm.refused(under("x", json!({"type": "hex:update", "changes": [{"key": "0,0", "terrain": "Not a slug"}]})), "BAD_MESSAGE");
    dm.refused(under("x", json!({"type": "staged:undo", "index": -1})), "BAD_MESSAGE");
    dm.refused(under("x", json!({"type": "staged:undo", "index": 0})), "NOT_FOUND");
    dm.refused(json!({"type": "hex:reveal", "hexKeys": ["0,0"], "targets": {"playerIds": [campaign.dm.id]}}), "NOT_FOUND");
    dm.expect_silence();
}

#[test]
fn an_id_is_a_string_of_1_to_64_characters() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    for id in [json!(""), json!(7), json!(null), json!(["x"]), json!("x".repeat(65)), json!("a\u{0}b")] {
        dm.send(&json!({"type": "ping", "id": id}));
        let error = dm.expect("error");
        assert_eq!((&error["code"], error.get("id")), (&json!("BAD_MESSAGE"), None), "{id}");
    }
    for id in ["x", "ü"].map(|one| one.repeat(64)) {
        dm.send(&json!({"type": "ping", "id": id}));
        assert_eq!(dm.expect("pong")["id"], json!(id));
    }
}

#[test]
fn a_string_with_u_0000_is_refused_wherever_it_stands() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    let nul = "a\u{0}b";
    let with = |name: &str| {
        let mut command = token("0,0");
        command[name] = json!(nul);
        command
    };
    for command in [
        with("label"),
        with("icon"),
        with("ownerId"),
        with("hexKey"),
        json!({"type": nul}),
        json!({"type": "token:delete", "tokenId": nul}),
        json!({"type": "token:update", "tokenId": "x", "updates": {"label": nul}}),
        json!({"type": "staged:undo", "changeId": nul}),
        json!({"type": "hex:reveal", "hexKeys": ["0,0"], "targets": {"playerIds": [nul]}}),
        json!({"type": "hex:update", "changes": [{"key": "0,0", "terrain": nul}]}),
    ] {
        dm.refused(command, "BAD_MESSAGE");
    }
    dm.expect_silence();
    expect_status(400, campaign.dm.http.post("/api/campaigns", &json!({"name": nul})));
    expect_status(400, campaign.dm.http.patch(&format!("/api/campaigns/{}", campaign.id), &json!({"name": nul})));
    let hexes = json!({"hexes": [{"key": "0,0", "terrain": nul}]});
    expect_status(400, campaign.dm.http.post(&format!("/api/campaigns/{}/map", campaign.id), &hexes));
    let (error, code, _) = campaign.connect(&server, &campaign.dm).query("circleId", "%00").refused();
    assert_eq!((&error["code"], code), (&json!("BAD_MESSAGE"), 4002));
    assert_eq!(crate::support::ws::Connect::to(&server).person(&campaign.dm).campaign("a%00b").refused().1, 4003);
}
