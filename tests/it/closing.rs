//! How connections end: with which code and reason, and that the client learns them even while it is still sending.

use std::sync::Barrier;
use std::thread;

use moothall::protocol::frame::{Opcode, client_frame};
use serde_json::json;
use tungstenite::Message;

use crate::support::campaign::{Campaign, plain};
use crate::support::http::{Person, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::{Came, Socket};

const MASK: [u8; 4] = [7, 77, 177, 9];
/// What each of the connections that are closed while they send has on the way.
const PIPELINED: usize = 16;

/// A frame that is not the last of its message.
fn unfinished(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(opcode, payload, MASK).to_vec();
    frame[0] &= 0x7f;
    frame
}

fn last_fragment(payload: &[u8]) -> Vec<u8> {
    client_frame(Opcode::Continuation, payload, MASK).to_vec()
}

/// The header of a text frame that declares this many bytes.
fn header(declared: u64) -> Vec<u8> {
    [&[0x81, 0xff][..], &declared.to_be_bytes(), &MASK].concat()
}

#[test]
fn messages_that_are_not_text_in_utf_8_of_bearable_size_end_the_connection() {
    let server = Server::start(&[("MAX_MESSAGE_BYTES", "4096")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let cases: [(Vec<u8>, u16, &str); 7] = [
        (client_frame(Opcode::Binary, &[1, 2, 3], MASK).to_vec(), 1003, "Text frames only"),
        (client_frame(Opcode::Text, b"{\"type\":\"ping\xff\"}", MASK).to_vec(), 1007, "Invalid UTF-8"),
        // A character that is cut in two and never finished.
        ([unfinished(Opcode::Text, b"\"\xe2\x82"), last_fragment(b"\"")].concat(), 1007, "Invalid UTF-8"),
        (client_frame(Opcode::Text, &[b' '; 4097], MASK).to_vec(), 1009, "Message too big"),
        // The header alone tells.
        (header(1 << 20), 1009, "Message too big"),
        (header(1 << 40), 1009, "Message too big"),
        // Fragments count together.
        ([unfinished(Opcode::Text, &[b' '; 4000]), last_fragment(&[b' '; 97])].concat(), 1009, "Message too big"),
    ];
    for (bytes, code, reason) in cases {
        let mut socket = campaign.dm_socket(&server);
        socket.send_bytes(&bytes);
        assert_eq!(socket.closed(), (code, reason.to_owned()));
    }
}

#[test]
fn a_message_may_come_in_fragments_with_pings_between_them() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    let text = json!({"type": "ping", "id": "ü"}).to_string();
    let (first, rest) = text.as_bytes().split_at(text.find('ü').expect("stands there") + 1);
    let ping = client_frame(Opcode::Ping, b"there?", MASK);
    let empty = unfinished(Opcode::Continuation, b"");
    dm.send_bytes(&[unfinished(Opcode::Text, first), ping.to_vec(), empty, last_fragment(rest)].concat());
    assert_eq!(dm.expect("pong")["id"], "ü");
}

#[test]
#[cfg(target_os = "linux")]
fn a_frame_that_declares_a_tebibyte_costs_no_memory() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    // What the first connections cost is not the question.
    let mut sockets: Vec<Socket> = (0..4).map(|_| campaign.dm_socket(&server)).collect();
    sockets.iter_mut().for_each(Socket::expect_silence);
    let before = server.resident_bytes();
    let socket = &mut sockets[0];
    socket.send_bytes(&header(1 << 40));
    let mebibyte = vec![0x5a; 1 << 20];
    (0..64).for_each(|_| socket.send_bytes(&mebibyte));
    sockets[1].expect_silence();
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 20, "the server grew by {grown} bytes");
}

#[test]
fn signing_out_ends_the_connections_of_that_session_and_no_other() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let ana = campaign.player(0);
        let phone = ana.sign_in_again(&server);
        let mut tabs = [campaign.socket(&server, ana), campaign.socket(&server, ana)];
        let mut on_phone = campaign.socket(&server, &phone);
        expect_status(200, ana.http.post("/api/auth/sign-out", &json!({})));
        for tab in &mut tabs {
            assert_eq!(tab.closed(), (4001, "Session ended".to_owned()));
        }
        on_phone.expect_silence();
        let (error, code, _) = campaign.connect(&server, ana).refused();
        assert_eq!((&error["code"], code), (&json!("UNAUTHORIZED"), 4001));
    });
}

#[test]
fn revoking_the_other_sessions_ends_their_connections() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let ana = campaign.player(0);
    let phone = ana.sign_in_again(&server);
    let (mut here, mut on_phone) = (campaign.socket(&server, ana), campaign.socket(&server, &phone));
    expect_status(200, ana.http.post("/api/auth/revoke-other-sessions", &json!({})));
    assert_eq!(on_phone.closed(), (4001, "Session ended".to_owned()));
    here.expect_silence();
}

#[test]
fn being_removed_ends_all_ones_connections_and_lets_nobody_back_in() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (ana, ben) = (campaign.player(0), campaign.player(1));
        let mut tabs = [campaign.socket(&server, ana), campaign.socket(&server, ana)];
        let mut other = campaign.socket(&server, ben);
        campaign.remove(ana);
        for tab in &mut tabs {
            assert_eq!(tab.closed(), (4003, "Removed".to_owned()));
        }
        other.expect_silence();
        let (error, code, reason) = campaign.connect(&server, ana).refused();
        assert_eq!((&error["code"], code, reason.as_str()), (&json!("FORBIDDEN"), 4003, "Not a member"));
    });
}

#[test]
fn a_deleted_campaign_ends_its_connections() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
    expect_status(204, campaign.dm.http.delete(&format!("/api/campaigns/{}", campaign.id)));
    assert_eq!((dm.close_code(), ana.close_code()), (4003, 4003));
}

#[test]
fn the_oldest_connection_goes_when_a_user_opens_too_many() {
    let server = Server::start(&[("CONNECTIONS_PER_USER", "2")]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    let ana = campaign.player(0);
    let mut sockets: Vec<Socket> = (0..3).map(|_| campaign.socket(&server, ana)).collect();
    assert_eq!(sockets[0].closed(), (4029, "Too many connections".to_owned()));
    sockets[1].expect_silence();
    sockets[2].expect_silence();
    dm.expect_silence();
}

#[test]
fn who_sends_too_fast_is_told_when_to_go_on_and_is_closed_when_he_does_not_listen() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    let ping = Message::text(json!({"type": "ping", "id": "p"}).to_string());
    (0..400).for_each(|_| dm.send_raw(ping.clone()));
    let mut answers = Vec::new();
    let closed = loop {
        match dm.came() {
            Came::Frame(frame) if frame["type"] != "player:presence" => answers.push(frame),
            Came::Frame(_) => {}
            Came::Closed(code, reason) => break (code, reason),
            Came::Reset => panic!("awaited a close frame; the connection was reset"),
        }
    };
    assert_eq!(closed, (4029, "Too many messages".to_owned()));
    let pongs = answers.iter().filter(|frame| frame["type"] == "pong").count();
    assert!(pongs >= 200, "a burst of 200 is let through: {pongs}");
    let refused: Vec<_> = answers.iter().filter(|frame| frame["type"] == "error").collect();
    assert!(!refused.is_empty());
    for error in refused {
        assert_eq!((&error["code"], &error["id"]), (&json!("RATE_LIMITED"), &json!("p")));
        assert!(error["retryAfter"].as_u64().is_some_and(|seconds| seconds >= 1), "{error}");
    }
}

/// Between two refusals some frames are let through: that is no listening.
#[test]
fn who_goes_on_too_fast_without_a_pause_is_closed_in_the_end() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    let ping = Message::text(json!({"type": "ping"}).to_string());
    for _ in 0..20_000 {
        dm.send_raw(ping.clone());
        match dm.came() {
            Came::Frame(_) => {}
            Came::Closed(code, _) => return assert_eq!(code, 4029),
            Came::Reset => panic!("awaited a close frame; the connection was reset"),
        }
    }
    panic!("20,000 frames at full speed did not end the connection");
}

/// Sends and reads without a pause until the server closes.
fn chatter(mut socket: Socket) -> Came {
    let ping = Message::text(json!({"type": "ping"}).to_string());
    (0..PIPELINED).for_each(|_| socket.send_raw(ping.clone()));
    loop {
        match socket.came() {
            Came::Frame(frame) if frame["type"] == "pong" => socket.send_raw(ping.clone()),
            Came::Frame(_) => {}
            end => return end,
        }
    }
}

#[test]
fn a_hundred_clients_that_are_still_sending_learn_that_their_session_ended() {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    for _ in 0..10 {
        let ana = campaign.player(0).sign_in_again(&server);
        let sockets: Vec<Socket> = (0..10).map(|_| campaign.socket(&server, &ana)).collect();
        let all_talk = Barrier::new(11);
        let ends = thread::scope(|scope| {
            let talk = |socket| {
                let all_talk = &all_talk;
                scope.spawn(move || {
                    all_talk.wait();
                    chatter(socket)
                })
            };
            let threads: Vec<_> = sockets.into_iter().map(talk).collect();
            all_talk.wait();
            expect_status(200, ana.http.post("/api/auth/sign-out", &json!({})));
            threads.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect::<Vec<_>>()
        });
        for end in ends {
            assert!(matches!(&end, Came::Closed(4001, reason) if reason == "Session ended"), "{end:?}");
        }
    }
}

#[test]
fn a_hundred_clients_that_are_still_sending_learn_that_their_message_was_too_big() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let some = vec![0x5a; 512 * 1024];
    for _ in 0..100 {
        let mut socket = campaign.dm_socket(&server);
        socket.send_bytes(&header(1 << 40));
        socket.send_bytes(&some);
        assert_eq!(socket.closed(), (1009, "Message too big".to_owned()));
    }
}

#[test]
fn a_clients_own_goodbye_is_answered_with_its_code() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    for (payload, answer) in [(vec![], (1005, String::new())), (vec![0x0b, 0xb8], (3000, String::new()))] {
        let mut ana = campaign.socket(&server, campaign.player(0));
        ana.send_bytes(&client_frame(Opcode::Close, &payload, MASK));
        assert_eq!(ana.closed(), answer);
    }
    dm.done(plain("session:start"));
}

#[test]
fn nothing_but_a_websocket_is_served_at_the_sockets_path() {
    let server = Server::start(&[]);
    let person = Person::sign_up(&server, "Ana");
    let (status, _) = person.http.get("/ws?campaignId=x");
    assert_eq!(status, 400);
}
