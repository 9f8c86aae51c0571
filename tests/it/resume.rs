//! Resuming: a client that comes back with its cursor gets exactly what it missed, or the whole state where that cannot be proven.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::campaign::{Campaign, hide, hide_from, mode, plain, reveal, reveal_to, token, update};
use crate::support::fold::{View, advance};
use crate::support::http::Person;
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::ws::{Cursor, Entry, Socket};

/// A connection that goes away and comes back, and the state that it folded from its frames.
struct Client<'a> {
    campaign: &'a Campaign,
    person: &'a Person,
    socket: Option<Socket>,
    cursor: Cursor,
    view: View,
    /// The `seq` of each frame of the room that was not part of a whole state, in order.
    seqs: Vec<u64>,
    resumes: usize,
}

impl<'a> Client<'a> {
    fn enter(campaign: &'a Campaign, server: &Server, person: &'a Person) -> Self {
        let (socket, entry) = campaign.enter(server, person);
        let view = View::with_map(&entry, &campaign.map(person));
        Self { campaign, person, socket: Some(socket), cursor: entry.cursor(), view, seqs: Vec::new(), resumes: 0 }
    }

    /// Reads what is there and cuts the connection.
    fn drop_out(&mut self) {
        self.read();
        self.socket = None;
    }

    fn come_back(&mut self, server: &Server) {
        let (socket, entry) = self.campaign.connect(server, self.person).since(&self.cursor).enter();
        if entry.resumed() {
            self.resumes += 1;
            self.cursor.epoch = entry.cursor().epoch;
        } else {
            self.view = View::with_map(&entry, &self.campaign.map(self.person));
            self.cursor = entry.cursor();
        }
        self.socket = Some(socket);
    }

    /// Folds in what the room said up to now.
    fn read(&mut self) {
        let frames = self.socket.as_mut().expect("is connected").until_pong();
        for frame in frames {
            advance(&mut self.cursor, &frame);
            self.view.apply(&frame);
            self.seqs.extend(frame["seq"].as_u64());
        }
    }

    /// What was folded equals what a fresh connection is told.
    fn expect_fresh_view(&mut self, server: &Server) {
        self.read();
        let (_, entry) = self.campaign.enter(server, self.person);
        assert_eq!(self.view, View::with_map(&entry, &self.campaign.map(self.person)), "of {}", self.person.name);
    }
}

/// Where the room is.
fn head(campaign: &Campaign, server: &Server, person: &Person) -> Cursor {
    campaign.enter(server, person).1.cursor()
}

fn resume(campaign: &Campaign, server: &Server, person: &Person, cursor: &Cursor) -> (Socket, Entry) {
    campaign.connect(server, person).since(cursor).enter()
}

fn expect_refused_resume(campaign: &Campaign, server: &Server, person: &Person, cursor: &Cursor) {
    let (mut socket, entry) = resume(campaign, server, person, cursor);
    assert!(!entry.resumed(), "the cursor {cursor:?} is not to be believed: {entry:?}");
    assert_eq!(entry.connected["seq"], entry.session()["seq"]);
    socket.expect_silence();
}

fn seqs_and_types(frames: &[Value]) -> Vec<(u64, String)> {
    let of =
        |frame: &Value| (frame["seq"].as_u64().expect("a frame of the room has a seq"), frame["type"].as_str().expect("a text").to_owned());
    frames.iter().map(of).collect()
}

#[test]
fn exactly_the_missed_frames_follow_in_order_each_once_and_then_the_presence() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (ana, ben) = (campaign.player(0), campaign.player(1));
        let mut dm = campaign.dm_socket(&server);
        dm.done(reveal(&["0,0"]));
        let cursor = head(&campaign, &server, ana);
        let first = dm.done(plain("session:start"))["seq"].as_u64().expect("a number");
        dm.done(reveal_to(ben, &["1,1"]));
        dm.done(update("0,0", "swamp"));
        dm.done(reveal_to(ana, &["2,2"]));
        dm.done(token("2,2"));
        let (mut socket, entry) = resume(&campaign, &server, ana, &cursor);
        assert!(entry.resumed());
        assert_eq!(entry.connected["seq"], json!(first + 4));
        let missed = socket.until_pong();
        let expected = [(0, "session:statusChanged"), (2, "hex:updated"), (3, "hex:revealed"), (4, "token:created")];
        assert_eq!(seqs_and_types(&missed), expected.map(|(n, kind)| (first + n, kind.to_owned())));
        // In a second connection's view nothing was missed, and that is a resume, too.
        let (mut again, entry) = resume(&campaign, &server, ana, &Cursor { seq: first + 4, ..cursor.clone() });
        assert!(entry.resumed());
        again.expect_silence();
        // What comes next comes to both.
        dm.done(plain("session:pause"));
        assert_eq!(socket.expect("session:statusChanged")["seq"], json!(first + 5));
        assert_eq!(again.expect("session:statusChanged")["seq"], json!(first + 5));
    });
}

#[test]
fn a_resume_is_followed_by_who_is_here() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
    let ana = campaign.player(0);
    let first = campaign.socket(&server, ana);
    let cursor = head(&campaign, &server, ana);
    let _ben = campaign.socket(&server, campaign.player(1));
    first.leave();
    let (mut socket, entry) = resume(&campaign, &server, ana, &cursor);
    assert!(entry.resumed());
    let players = socket.expect("player:presence")["players"].clone();
    let online: Vec<(&Value, &Value)> =
        players.as_array().expect("a list").iter().map(|player| (&player["name"], &player["online"])).collect();
    let expected = [("Dana", false), ("Ana", true), ("Ben", true)].map(|(name, online)| (json!(name), json!(online)));
    assert_eq!(online, expected.each_ref().map(|(name, online)| (name, online)));
}

#[test]
fn a_cursor_that_proves_nothing_gets_the_whole_state() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let ana = campaign.player(0);
        let mut dm = campaign.dm_socket(&server);
        dm.done(plain("session:start"));
        let good = head(&campaign, &server, ana);
        dm.done(plain("session:pause"));
        let epoch: i64 = good.epoch.parse().expect("epochs are numbers here");
        for epoch in ["".to_owned(), "nonsense".to_owned(), (epoch - 1_000_000).to_string(), (epoch + 1_000_000).to_string()] {
            expect_refused_resume(&campaign, &server, ana, &Cursor { epoch, ..good.clone() });
        }
        expect_refused_resume(&campaign, &server, ana, &Cursor { seq: good.seq + 2, ..good.clone() });
        let (_, entry) = campaign.connect(&server, ana).query("since", &good.seq.to_string()).enter();
        assert!(!entry.resumed(), "no epoch, no resume");
        let (_, entry) = campaign.connect(&server, ana).query("since", "-1").query("epoch", &good.epoch).enter();
        assert!(!entry.resumed());
        assert!(resume(&campaign, &server, ana, &good).1.resumed());
    });
}

#[test]
fn a_cursor_at_zero_resumes_for_who_was_there_from_the_start() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        let (mut dm, entry) = campaign.enter(&server, &campaign.dm);
        assert_eq!(entry.cursor().seq, 0);
        dm.done(plain("session:start"));
        dm.done(plain("session:pause"));
        let (mut socket, resumed) = resume(&campaign, &server, &campaign.dm, &entry.cursor());
        assert!(resumed.resumed());
        let missed = socket.until_pong();
        assert_eq!(missed.iter().map(|frame| &frame["seq"]).collect::<Vec<_>>(), [&json!(1), &json!(2)]);
    });
}

#[test]
fn who_became_a_member_in_the_gap_gets_the_whole_state() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", []);
        let mut dm = campaign.dm_socket(&server);
        dm.done(reveal(&["0,0"]));
        let before = head(&campaign, &server, &campaign.dm);
        dm.done(reveal(&["1,1"]));
        let ana = Person::sign_up(&server, "Ana");
        campaign.admit(&ana);
        dm.done(reveal(&["2,2"]));
        expect_refused_resume(&campaign, &server, &ana, &before);
        // So also who was a member before, left and came back.
        let between = head(&campaign, &server, &ana);
        campaign.remove(&ana);
        dm.done(reveal(&["3,3"]));
        campaign.admit(&ana);
        expect_refused_resume(&campaign, &server, &ana, &between);
    });
}

#[test]
fn a_gap_in_which_something_was_shown_and_hidden_again_is_not_told() {
    both(|database| {
        let server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let (ana, ben) = (campaign.player(0), campaign.player(1));
        let mut dm = campaign.dm_socket(&server);
        dm.done(reveal(&["8,8"]));
        let wolf = dm.done(token("8,8"))["tokenId"].clone();
        let step = |to: &str| json!({"type": "token:move", "tokenId": wolf, "toHexKey": to});
        let here = |person| head(&campaign, &server, person);

        let cursors = [here(ana), here(ben)];
        dm.done(reveal_to(ana, &["0,0"]));
        dm.done(hide_from(ana, &["0,0"]));
        expect_refused_resume(&campaign, &server, ana, &cursors[0]);
        // Ben was told neither.
        assert!(resume(&campaign, &server, ben, &cursors[1]).1.resumed());

        let cursor = here(ana);
        dm.done(update("8,8", "swamp"));
        dm.done(hide(&["8,8"]));
        expect_refused_resume(&campaign, &server, ana, &cursor);

        dm.done(reveal(&["8,8", "9,9"]));
        let cursor = here(ana);
        dm.done(step("9,9"));
        dm.done(step("5,5"));
        expect_refused_resume(&campaign, &server, ana, &cursor);
        // A hide that follows nothing shown tells where fog is, which is known.
        let cursor = here(ana);
        dm.done(hide(&["9,9"]));
        let (mut socket, entry) = resume(&campaign, &server, ana, &cursor);
        assert!(entry.resumed());
        assert_eq!(socket.expect("hex:hidden")["hexKeys"], json!(["9,9"]));
        // Nor is a token that went before it came back.
        let cursor = here(ana);
        dm.done(hide(&["8,8"]));
        dm.done(reveal(&["8,8"]));
        assert!(resume(&campaign, &server, ana, &cursor).1.resumed());
    });
}

#[test]
fn more_than_a_mebibyte_is_not_sent_again() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", ["Ana"]);
    let mut dm = campaign.dm_socket(&server);
    let of_dm = head(&campaign, &server, &campaign.dm);
    let of_ana = head(&campaign, &server, campaign.player(0));
    for n in 0..20 {
        let terrain = format!("{}-{n}", "a".repeat(28));
        let changes: Vec<_> = (0..1000).map(|q| json!({"key": format!("{q},0"), "terrain": terrain})).collect();
        dm.done(json!({"type": "hex:update", "changes": changes}));
    }
    expect_refused_resume(&campaign, &server, &campaign.dm, &of_dm);
    // She saw none of it, so she missed nothing.
    let (mut ana, entry) = resume(&campaign, &server, campaign.player(0), &of_ana);
    assert!(entry.resumed());
    ana.expect_silence();
}

#[test]
fn a_cursor_outlives_restarts_orderly_and_not() {
    both(|database| {
        let mut server = Server::on(database);
        let campaign = Campaign::new(&server, "Dana", ["Ana"]);
        let ana = campaign.player(0);
        let mut dm = campaign.dm_socket(&server);
        dm.done(plain("session:start"));
        let old = head(&campaign, &server, ana);
        dm.done(reveal(&["0,0"]));
        server.terminate();
        server.restart();
        let mut dm = campaign.dm_socket(&server);
        let seq = dm.done(reveal(&["1,1"]))["seq"].as_u64().expect("a number");
        server.restart();
        let (mut socket, entry) = resume(&campaign, &server, ana, &old);
        assert!(entry.resumed());
        assert_ne!(entry.cursor().epoch, old.epoch);
        let kind = "hex:revealed".to_owned();
        assert_eq!(seqs_and_types(&socket.until_pong()), [(seq - 1, kind.clone()), (seq, kind)]);
        // At the head nothing was missed, whichever epoch it was heard in.
        assert!(resume(&campaign, &server, ana, &Cursor { seq, ..entry.cursor() }).1.resumed());
        // An old epoch cannot have seen what a later one wrote.
        expect_refused_resume(&campaign, &server, ana, &Cursor { seq, ..old });
    });
}

/// Answers are not part of the state: they come also when a resume turns into a fresh start.
#[test]
fn a_command_sent_before_a_resume_is_refused_is_answered_all_the_same() {
    let server = Server::start(&[]);
    let campaign = Campaign::new(&server, "Dana", []);
    let mut dm = campaign.dm_socket(&server);
    dm.done(plain("session:start"));
    let head = head(&campaign, &server, &campaign.dm);
    let epoch: i64 = head.epoch.parse().expect("epochs are numbers here");
    let wrong = Cursor { epoch: (epoch + 1_000_000).to_string(), ..head };
    for n in 0..30 {
        let mut socket = campaign.connect(&server, &campaign.dm).since(&wrong).open();
        let ping = format!("ping-{n}");
        let command = format!("command-{n}");
        socket.send(&json!({"type": "hex:update", "changes": [{"key": "0,0", "terrain": format!("t{n}")}], "id": command}));
        socket.send(&json!({"type": "ping", "id": ping}));
        let mut awaited = vec![json!(ping), json!(command)];
        while !awaited.is_empty() {
            let frame = socket.next();
            awaited.retain(|id| frame.get("id") != Some(id));
        }
    }
}

#[test]
fn a_resume_in_a_stream_of_commands_has_neither_hole_nor_repeat() {
    both(|database| {
        let server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let campaign = Campaign::new(&server, "Dana", []);
        let mut client = Client::enter(&campaign, &server, &campaign.dm);
        let start = client.cursor.seq;
        let mut dm = campaign.dm_socket(&server);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..600).for_each(|n| drop(dm.done(update("0,0", ["swamp", "water"][n % 2]))));
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                client.drop_out();
                client.come_back(&server);
            }
        });
        client.read();
        assert_eq!(client.seqs, (start + 1..=start + 600).collect::<Vec<_>>());
        assert!(client.resumes > 3, "{} resumes", client.resumes);
        client.expect_fresh_view(&server);
    });
}

/// The next number below `n`, as an unimportant generator has it.
fn below(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % n
}

/// Some command of a DM, most of which will be done.
fn some_command(random: &mut u64, tokens: &[Value], players: [&Person; 2]) -> Value {
    let key = |random: &mut u64| format!("{},{}", below(random, 4), below(random, 2));
    let keys = [key(random), key(random)];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let player = players[below(random, 2) as usize];
    let token_id = tokens.get(below(random, tokens.len().max(1) as u64) as usize).cloned().unwrap_or(json!("none"));
    match below(random, 14) {
        0 | 1 => reveal_to(player, &keys),
        2 => reveal(&keys),
        3 => hide_from(player, &keys),
        4 => hide(&keys),
        5 | 6 => update(keys[0], ["swamp", "water", "unknown"][below(random, 3) as usize]),
        7 => token(keys[0]),
        8 | 9 => json!({"type": "token:move", "tokenId": token_id, "toHexKey": keys[1]}),
        10 => json!({"type": "token:update", "tokenId": token_id, "updates": {"visible": below(random, 2) == 0, "ownerId": player.id}}),
        11 => json!({"type": "token:delete", "tokenId": token_id}),
        12 => mode(["staged", "immediate"][below(random, 2) as usize]),
        _ => plain(["broadcast:publish", "session:start", "session:pause", "session:resume"][below(random, 4) as usize]),
    }
}

#[test]
fn what_a_client_folded_from_its_frames_equals_what_a_fresh_one_is_told() {
    both(|database| {
        let mut server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let campaign = Campaign::new(&server, "Dana", ["Ana", "Ben"]);
        let players = [campaign.player(0), campaign.player(1)];
        let mut clients = [&campaign.dm, players[0], players[1]].map(|person| Client::enter(&campaign, &server, person));
        let mut random = 20_260_128;
        let mut tokens = Vec::new();
        for round in 0..30 {
            let mut dm = campaign.dm_socket(&server);
            let away = below(&mut random, 3) as usize;
            clients[away].drop_out();
            for _ in 0..12 {
                let answer = dm.command(some_command(&mut random, &tokens, players));
                tokens.extend(answer.get("tokenId").cloned());
            }
            if round % 10 == 9 {
                clients.iter_mut().filter(|client| client.socket.is_some()).for_each(Client::drop_out);
                server.restart();
                clients.iter_mut().for_each(|client| client.come_back(&server));
            } else {
                clients[away].come_back(&server);
            }
            clients.iter_mut().for_each(|client| client.expect_fresh_view(&server));
        }
        assert!(clients.iter().all(|client| client.resumes > 2), "resumes: {:?}", clients.each_ref().map(|client| client.resumes));
    });
}
