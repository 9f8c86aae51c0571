//! A session at the wire: who is let in, what is said first, what is acknowledged and refused, who sees what.

use serde_json::json;
use tungstenite::Message;

use crate::support::campaign::{Campaign, mode, plain, reveal, reveal_to, token, update};
use crate::support::http::{Person, expect_status};
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::Server;
use crate::support::ws::Connect;

#[test]
fn a_stranger_is_told_why_in_the_order_origin_session_room_membership() {
    let server = Server::on(&TestDatabase::sqlite());
    let campaign = Campaign::new(&server, "Dana", []);
    let stranger = Person::sign_up(&server, "Sam");
    let to = || Connect::to(&server);
    let cases = [
        (to().header("origin", "https://evil.example"), "FORBIDDEN", 4003, "Forbidden origin"),
        (to(), "UNAUTHORIZED", 4001, "Unauthorized"),
        (to().campaign(&campaign.id).bearer("nonsense"), "UNAUTHORIZED", 4001, "Unauthorized"),
        // What is sent first counts alone: a good cookie does not mend a bad bearer.
        (to().campaign(&campaign.id).bearer("nonsense").header("cookie", &campaign.dm.cookie), "UNAUTHORIZED", 4001, "Unauthorized"),
        (to().person(&stranger), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().person(&stranger).campaign(""), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().person(&stranger).campaign(&campaign.id).campaign(&campaign.id), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().person(&stranger).campaign(&campaign.id).query("circleId", "x"), "BAD_MESSAGE", 4002, "Missing campaignId"),
        (to().person(&stranger).campaign(&campaign.id), "FORBIDDEN", 4003, "Not a member"),
        (to().person(&stranger).campaign("no-such-campaign"), "FORBIDDEN", 4003, "Not a member"),
    ];
    for (connect, code, close, reason) in cases {
        let (error, came, text) = connect.refused();
        assert_eq!((error["code"].as_str(), error["message"].as_str(), came, text.as_str()), (Some(code), Some(reason), close, reason));
    }
}

#[test]
fn a_bearer_a_subprotocol_and_a_cookie_each_let_a_member_in() {
    let server = Server::on(&TestDatabase::sqlite());
    let campaign = Campaign::new(&server, "Dana", []);
    let to = || Connect::to(&server).campaign(&campaign.id);
    to().person(&campaign.dm).enter();
    to().header("cookie", &campaign.dm.cookie).header("origin", &server.base()).enter();
    let (socket, _) = to().header("sec-websocket-protocol", &format!("moothall, bearer.{}", campaign.dm.token)).enter();
    assert_eq!(socket.protocol.as_deref(), Some("moothall"));
}

#[test]
fn the_first_frames_carry_one_seq_and_tell_the_role() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        for (person, role) in [(&campaign.dm, "dm"), (campaign.player(0), "player")] {
            let (_, entry) = campaign.enter(&server, person);
            let connected = &entry.connected;
            assert_eq!((&connected["role"], &connected["userId"], &connected["resumed"]), (&json!(role), &json!(person.id), &json!(false)));
            assert!(connected["connectionId"].is_string() && connected["epoch"].is_string() && connected["pingInterval"].is_u64());
            assert!(entry.state.iter().all(|frame| frame["seq"] == connected["seq"]), "one seq in {entry:?}");
            assert_eq!((&entry.session()["status"], &entry.session()["broadcastMode"]), (&json!("waiting"), &json!("immediate")));
            assert_eq!(entry.session().get("visibility").is_some(), role == "dm");
        }
    });
}

#[test]
fn messages_that_are_not_text_in_utf_8_of_bearable_size_end_the_connection() {
    let server = Server::with(&TestDatabase::sqlite(), &[("MAX_MESSAGE_BYTES", "4096")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let too_big = Message::text(format!("{{\"type\":\"{}\"}}", "a".repeat(5000)));
    for (message, code, reason) in [(Message::binary(vec![1, 2, 3]), 1003, "Text frames only"), (too_big, 1009, "Message too big")] {
        let mut socket = campaign.dm_socket(&server);
        socket.send_raw(message);
        assert_eq!(socket.closed(), (code, reason.to_owned()));
    }
}

#[test]
fn a_session_goes_through_its_states_and_refuses_the_others() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
        for refused in ["session:pause", "session:resume", "session:end"] {
            dm.refused(plain(refused), "INVALID_STATE");
        }
        for (command, status) in [
            ("session:start", "active"),
            ("session:pause", "paused"),
            ("session:resume", "active"),
            ("session:end", "ended"),
            ("session:start", "active"),
        ] {
            let ack = dm.done(plain(command));
            let seen = ana.expect("session:statusChanged");
            assert_eq!((&seen["status"], &seen["seq"]), (&json!(status), &ack["seq"]));
        }
        let error = ana.refused(plain("session:end"), "FORBIDDEN");
        assert_eq!(error["message"], "Action 'session:end' is restricted to the DM");
    });
}

#[test]
fn a_targeted_reveal_sends_the_other_players_nothing() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        campaign.post_map("forest", &["0,0", "1,0"]);
        let (mut dm, mut ana, mut ben) =
            (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)), campaign.socket(&server, campaign.player(1)));
        dm.done(reveal_to(campaign.player(0), &["0,0"]));
        assert_eq!(ana.expect("hex:revealed")["terrain"], json!([{"key": "0,0", "terrain": "forest"}]));
        dm.done(plain("session:start"));
        ben.expect("session:statusChanged");
        assert_eq!(campaign.map(campaign.player(1))["hexes"], json!([]));
    });
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
fn frames_are_checked_json_type_fields_role_state() {
    let server = Server::on(&TestDatabase::sqlite());
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut ana = campaign.socket(&server, campaign.player(0));
    ana.send_raw(Message::text("{"));
    assert_eq!(ana.expect("error")["code"], "BAD_JSON");
    ana.refused(plain("no:such"), "BAD_MESSAGE");
    ana.refused(reveal(&["00,1"]), "BAD_MESSAGE");
    ana.refused(reveal(&["0,1"]), "FORBIDDEN");
    ana.refused(plain("session:pause"), "FORBIDDEN");
    let mut dm = campaign.dm_socket(&server);
    let mut named = token("0,0");
    named["label"] = json!("a\u{0}b");
    dm.refused(named, "BAD_MESSAGE");
    dm.send(&json!({"type": "session:start", "id": ""}));
    assert_eq!(dm.expect("error")["code"], "BAD_MESSAGE");
    dm.expect_silence();
}

#[test]
fn staged_changes_are_invisible_until_they_are_published_as_one_change() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
        dm.refused(plain("broadcast:publish"), "INVALID_STATE");
        dm.done(mode("staged"));
        assert_eq!(ana.expect("dm:preparing")["preparing"], true);
        dm.done(update("0,0", "swamp"));
        dm.done(reveal(&["0,0"]));
        dm.done(token("0,0"));
        dm.done(json!({"type": "staged:undo", "index": 2}));
        dm.refused(json!({"type": "staged:undo", "index": 2}), "NOT_FOUND");
        assert_eq!(campaign.map(campaign.player(0))["hexes"], json!([]));
        let ack = dm.done(plain("broadcast:publish"));
        let revealed = ana.expect("hex:revealed");
        assert_eq!((&revealed["seq"], &revealed["terrain"]), (&ack["seq"], &json!([{"key": "0,0", "terrain": "swamp"}])));
        ana.expect_silence();
    });
}

#[test]
fn signing_out_and_being_removed_end_the_connections_at_once() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (mut ana, mut ben) = (campaign.socket(&server, campaign.player(0)), campaign.socket(&server, campaign.player(1)));
        expect_status(200, campaign.player(0).http.post("/api/auth/sign-out", &json!({})));
        assert_eq!(ana.closed(), (4001, "Session ended".to_owned()));
        campaign.remove(campaign.player(1));
        assert_eq!(ben.closed(), (4003, "Removed".to_owned()));
    });
}
