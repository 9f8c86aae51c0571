//! Going down: everybody is told, nothing that was acknowledged is lost, and it does not take long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, mode, plain, reveal, token, update};
use crate::support::fold::View;
use crate::support::http::Client;
use crate::support::postgres::both;
use crate::support::server::{Server, run};
use crate::support::ws::{Came, Connect};

const RESTARTING: (u16, &str) = (1001, "Server restarting");

#[test]
fn on_sigterm_sockets_are_told_to_come_back_and_what_was_acknowledged_is_there_afterwards() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let mut player = campaign.socket(&server, campaign.player(0));
        let mut dm = campaign.dm_socket(&server);
        let first = dm.done(update("-1,0", "forest"));
        for n in 0..40 {
            let mut command = update(&format!("{n},0"), "swamp");
            command["id"] = json!(n.to_string());
            dm.send(&command);
        }
        server.ask_to_stop();
        let mut acknowledged = BTreeSet::from(["-1,0".to_owned()]);
        let mut head = first["seq"].as_u64().expect("is a number");
        let ended = loop {
            match dm.came() {
                Came::Frame(frame) if frame["type"] == "ack" => {
                    acknowledged.insert(format!("{},0", frame["id"].as_str().expect("has an id")));
                    head = head.max(frame["seq"].as_u64().expect("has a seq"));
                }
                Came::Frame(_) => {}
                Came::Closed(code, reason) => break (code, reason),
                Came::Reset => panic!("awaited a close frame"),
            }
        };
        assert_eq!((ended.0, ended.1.as_str()), RESTARTING);
        let ended = player.closed();
        assert_eq!((ended.0, ended.1.as_str()), RESTARTING);
        assert_eq!(server.await_end(), Some(0));

        server.restart();
        let map = campaign.map(&campaign.dm);
        let stored: BTreeSet<String> = keys(&map["hexes"]);
        assert!(stored.is_superset(&acknowledged), "lost: {:?}", acknowledged.difference(&stored));
        assert!(map["seq"].as_u64().is_some_and(|seq| seq >= head), "{} is below {head}", map["seq"]);
    });
}

fn keys(hexes: &Value) -> BTreeSet<String> {
    hexes.as_array().expect("is a list").iter().map(|hex| hex["key"].as_str().expect("is a key").to_owned()).collect()
}

#[test]
fn while_it_goes_down_it_says_so_to_whoever_asks() {
    let mut server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    // Does not answer the goodbye, which is waited for.
    let silent = campaign.dm_socket(&server);
    let mut told = campaign.dm_socket(&server);
    let began = Instant::now();
    server.ask_to_stop();
    assert_eq!(told.closed().0, 1001);
    let (status, body) = Client::new(&server).get("/api/ready");
    assert_eq!((status, &body["missing"]), (503, &json!(["draining"])));
    let ended = Connect::to(&server).campaign(&campaign.id).person(&campaign.dm).open().closed();
    assert_eq!((ended.0, ended.1.as_str()), RESTARTING);
    let port = server.port().to_string();
    assert_eq!(run(&["healthcheck"], &[("PORT", &port)]).status.code(), Some(1));
    assert_eq!(server.await_end(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "longer than SHUTDOWN_TIMEOUT: {:?}", began.elapsed());
    drop(silent);
}

#[test]
fn who_does_not_leave_is_cut_off_at_the_shutdown_timeout() {
    let mut server = Server::start(&[("SHUTDOWN_TIMEOUT", "100ms")]);
    let campaign = Campaign::new(&server, "Dana", []);
    let silent = campaign.dm_socket(&server);
    let began = Instant::now();
    assert_eq!(server.terminate(), Some(0));
    assert!(server.log().contains("not every socket was closed in time"), "{}", server.log());
    // Far below the 10 s of the default; the processor may be busy.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(silent);
}

#[test]
fn a_server_that_was_stopped_or_killed_starts_again_at_once() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        for (terrain, stop) in [("forest", stop_cleanly as fn(&mut Server)), ("swamp", Server::kill9), ("coast", stop_cleanly)] {
            stop(&mut server);
            server.restart();
            // The room is taken over at once: nobody waits for the lease of the process that is gone.
            campaign.dm_socket(&server).done(update("0,0", terrain));
        }
    });
}

#[test]
fn after_a_stop_everybody_sees_what_he_or_she_saw_before() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let people = [&campaign.dm, campaign.player(0)];
        let mut seen = people.map(|person| {
            let (socket, entry) = campaign.enter(&server, person);
            (socket, View::with_map(&entry, &campaign.map(person)))
        });
        for command in [
            update("0,0", "forest"),
            update("1,0", "swamp"),
            reveal(&["0,0"]),
            token("0,0"),
            token("1,0"),
            plain("session:start"),
            mode("staged"),
            reveal(&["1,0"]),
        ] {
            seen[0].0.done(command);
        }
        // The mode is the last that a player is told of.
        let [(dm_socket, dm_view), (player_socket, player_view)] = &mut seen;
        dm_socket.until_pong().iter().for_each(|frame| dm_view.apply(frame));
        player_socket.drain_until(|frame| frame["type"] == "dm:preparing").iter().for_each(|frame| player_view.apply(frame));
        stop_cleanly(&mut server);
        server.restart();
        for (person, (_, view)) in people.iter().zip(&seen) {
            let (_, entry) = campaign.enter(&server, person);
            assert_eq!(View::with_map(&entry, &campaign.map(person)), *view, "{}", person.name);
        }
        assert_eq!((seen[0].1.staged.len(), seen[0].1.tokens.len(), seen[1].1.tokens.len()), (1, 2, 1));
    });
}

fn stop_cleanly(server: &mut Server) {
    assert_eq!(server.terminate(), Some(0));
}
