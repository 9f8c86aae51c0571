//! The bounds that a client can run into: what just fits is done, what is one more is refused.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::campaign::{Campaign, mode, plain, reveal, token, update};
use crate::support::server::Server;
use crate::support::ws::{Came, Socket};

const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Commands that are on the way at once: below what a connection may have waiting.
const PIPELINED: usize = 100;

/// A `ping` of exactly so many bytes.
fn ping_of(bytes: usize) -> Message {
    let text = json!({"type": "ping"}).to_string();
    Message::text(format!("{text}{}", " ".repeat(bytes - text.len())))
}

fn keys(count: i32) -> Vec<String> {
    (0..count).map(|n| format!("{},{}", n % 1000, n / 1000)).collect()
}

/// Sends all of them, some on the way at once, and expects every one to be done.
fn do_all(socket: &mut Socket, commands: impl Iterator<Item = Value>) {
    let commands: Vec<(Value, Value)> = commands.enumerate().map(|(n, command)| (json!(format!("n{n}")), command)).collect();
    for chunk in commands.chunks(PIPELINED) {
        for (id, command) in chunk {
            let mut command = command.clone();
            command["id"] = id.clone();
            socket.send(&command);
        }
        for (id, _) in chunk {
            let answer = socket.answer_to(id);
            assert_eq!(answer["type"], "ack", "{answer}");
        }
    }
}

#[test]
fn a_frame_of_256_kib_is_read_and_one_of_a_byte_more_is_not() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    dm.send_raw(ping_of(MESSAGE_BYTES_MAX));
    dm.expect("pong");
    dm.send_raw(ping_of(MESSAGE_BYTES_MAX + 1));
    assert_eq!(dm.closed(), (1009, "Message too big".to_owned()));
}

#[test]
fn a_command_names_at_most_2000_hexes() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let (mut dm, mut ana) = (campaign.dm_socket(&server), campaign.socket(&server, campaign.player(0)));
    let named = |kind: &str, count: i32| json!({"type": kind, "hexKeys": keys(count), "targets": "all"});
    let changed = |count: i32| {
        let changes: Vec<_> = keys(count).into_iter().map(|key| json!({"key": key, "terrain": "swamp"})).collect();
        json!({"type": "hex:update", "changes": changes})
    };
    for command in [named("hex:reveal", 2001), named("hex:hide", 2001), changed(2001), named("hex:reveal", 0), changed(0)] {
        dm.refused(command, "BAD_MESSAGE");
    }
    dm.done(changed(2000));
    dm.done(named("hex:reveal", 2000));
    assert_eq!(ana.expect("hex:revealed")["terrain"].as_array().map(Vec::len), Some(2000));
    dm.done(named("hex:hide", 2000));
    assert_eq!(ana.expect("hex:hidden")["hexKeys"].as_array().map(Vec::len), Some(2000));
}

#[test]
fn at_most_500_changes_can_be_staged() {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    dm.done(mode("staged"));
    keys(500).iter().for_each(|key| drop(dm.done(update(key, "swamp"))));
    dm.refused(update("0,9", "swamp"), "TOO_LARGE");
    // What changes nothing needs no place.
    dm.done(update("0,0", "swamp"));
    dm.done(json!({"type": "staged:undo", "index": 0}));
    dm.done(update("0,9", "swamp"));
    dm.refused(reveal(&["0,0"]), "TOO_LARGE");
    let ack = dm.done(plain("broadcast:publish"));
    assert_eq!(ack["skipped"], json!([]));
    assert_eq!(campaign.map(&campaign.dm)["hexes"].as_array().map(Vec::len), Some(500));
}

#[test]
fn a_campaign_has_at_most_2000_tokens() {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    do_all(&mut dm, keys(2000).iter().map(|key| token(key)));
    dm.refused(token("0,9"), "TOO_LARGE");
    let some = campaign.map(&campaign.dm)["tokens"][0]["id"].clone();
    dm.done(json!({"type": "token:delete", "tokenId": some}));
    dm.done(token("0,9"));
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_hear_on() {
    let server = Server::start(&[("RATE_LIMITS", "off"), ("SEND_QUEUE_BYTES", "64KiB")]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    let (mut stalled, entry) = campaign.enter(&server, campaign.player(0));
    dm.done(json!({"type": "hex:reveal", "hexKeys": keys(1000), "targets": "all"}));
    // Until the buffers of both kernels are full, which may be many MB: the stalled client is told 45 kB each time.
    for n in 0..2_000 {
        let changes: Vec<_> = keys(1000).into_iter().map(|key| json!({"key": key, "terrain": format!("t{n}")})).collect();
        dm.done(json!({"type": "hex:update", "changes": changes}));
        if dm.until_pong_with_presence().iter().any(|frame| frame["type"] == "player:left") {
            break;
        }
        assert!(n < 1_999, "the stalled client is still there");
    }
    let end = loop {
        match stalled.came() {
            Came::Frame(_) => {}
            end => break end,
        }
    };
    assert!(matches!(&end, Came::Reset) || matches!(&end, Came::Closed(4008, reason) if reason == "Too slow"), "{end:?}");
    let (_, again) = campaign.connect(&server, campaign.player(0)).since(&entry.cursor()).enter();
    assert_eq!(again.connected["type"], "connected");
}
