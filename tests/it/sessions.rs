//! A session at the wire: who is let in, what is said first, its states, who is told of a reveal.

use serde_json::json;

use crate::support::campaign::{Campaign, plain, reveal_to};
use crate::support::http::Person;
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::Connect;

#[test]
fn a_stranger_is_told_why_in_the_order_origin_session_room_membership() {
    let server = Server::start(&[]);
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
    let server = Server::start(&[]);
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
