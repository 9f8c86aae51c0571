//! Rooms that are unloaded when nobody needs them. Rooms that panic are tested where rules can be made to panic: in `actors::room`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, mode, plain, reveal, reveal_to, token, update};
use crate::support::fold::View;
use crate::support::http::{Client, expect_status};
use crate::support::postgres::both;
use crate::support::server::Server;

/// Longer than any unloading takes.
const UNLOADED_WITHIN: Duration = Duration::from_secs(30);

fn await_unloaded(server: &Server) {
    let began = Instant::now();
    while expect_status(200, Client::new(server).get("/api/ws-status"))["rooms"] != 0 {
        assert!(began.elapsed() < UNLOADED_WITHIN, "awaited that the room is unloaded");
        std::thread::yield_now();
    }
}

#[test]
fn an_idle_room_is_unloaded_and_its_next_users_find_it_as_it_was() {
    both(|database| {
        let server = Server::with(database, &[("ROOM_IDLE", "100ms")]);
        let campaign = Campaign::new(&server, "Morgan", ["Ann", "Bo"]);
        let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
        dm.done(plain("session:start"));
        dm.done(update("0,0", "forest"));
        dm.done(reveal(&["0,0", "1,0"]));
        dm.done(reveal_to(campaign.player(1), &["5,5"]));
        dm.done(token("1,0"));
        dm.done(plain("session:pause"));
        dm.done(mode("staged"));
        let last = dm.done(update("0,0", "swamp"));
        let mut view = View::of(&entry);
        dm.until_pong().iter().for_each(|frame| view.apply(frame));
        dm.leave();
        await_unloaded(&server);

        let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
        assert_eq!(entry.connected["seq"], last["seq"]);
        view.terrain.clear();
        assert_eq!(View::of(&entry), view);
        assert_eq!(entry.session()["status"], "paused");
        dm.done(plain("broadcast:publish"));
        assert_eq!(campaign.map_as(campaign.player(0))["hexes"][0]["terrain"], "swamp");
    });
}

#[test]
fn who_comes_while_a_room_is_being_unloaded_is_let_in() {
    let server = Server::start(&[("ROOM_IDLE", "1ms"), ("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Morgan", ["Ann", "Bo"]);
    let heads: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let (server, campaign) = (&server, &campaign);
        let come_and_go = move |hex: i32| -> Vec<u64> {
            let visit = |n: i32| {
                let mut socket = campaign.dm_socket(server);
                let ack = socket.done(update(&format!("{hex},{n}"), "forest"));
                socket.leave();
                ack["seq"].as_u64().expect("an ack has a seq")
            };
            (0..60).map(visit).collect()
        };
        let visitors: Vec<_> = (0..2).map(|hex| scope.spawn(move || come_and_go(hex))).collect();
        // REST asks the same rooms.
        for n in 0..60 {
            let path = format!("/api/campaigns/{}/invitations", campaign.id);
            expect_status(201, campaign.dm.http.post(&path, &json!({"email": format!("guest-{n}@example.org")})));
        }
        visitors.into_iter().map(|visitor| visitor.join().expect("every visitor is let in")).collect()
    });
    let mut seqs: Vec<u64> = heads.concat();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 120, "every change has a seq of its own");
    let map = campaign.map(&campaign.dm);
    assert_eq!(map["hexes"].as_array().map(Vec::len), Some(120));
    assert!(map["seq"].as_u64() >= seqs.last().copied(), "{}", Value::from(seqs));
}
