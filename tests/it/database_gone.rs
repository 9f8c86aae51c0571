//! The database goes away while a session runs, and comes back: nobody is shown what was not stored, and nobody has to come again.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::{Value, json};

use crate::support::campaign::{Campaign, plain, reveal, update};
use crate::support::fold::View;
use crate::support::http::{Client, PASSWORD};
use crate::support::postgres::{Postgres, Sync, TestDatabase};
use crate::support::server::Server;
use crate::support::ws::{Entry, FRAME_TIMEOUT, Socket};

/// How long a state of the database may take to be noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(30);

fn ready(server: &Server) -> (u16, Value) {
    Client::new(server).get("/api/ready")
}

fn await_ready(server: &Server, status: u16) -> Value {
    let began = Instant::now();
    loop {
        let (came, body) = ready(server);
        if came == status {
            return body;
        }
        assert!(began.elapsed() < NOTICED_WITHIN, "awaited {status} of /api/ready; {came} came with {body}");
        std::thread::yield_now();
    }
}

fn numbered(id: &str, mut command: Value) -> Value {
    command["id"] = json!(id);
    command
}

/// Sends the command, again and again, until it is acknowledged: what a client does whose command was answered `STORAGE_UNAVAILABLE`.
fn insist(socket: &mut Socket, command: &Value) -> Value {
    let began = Instant::now();
    loop {
        let answer = socket.command(command.clone());
        if answer["type"] == "ack" {
            return answer;
        }
        assert!(answer["code"] == "STORAGE_UNAVAILABLE" || answer["code"] == "BUSY", "{answer}");
        assert!(began.elapsed() < FRAME_TIMEOUT, "awaited the ack of {command}; the last answer was {answer}");
    }
}

/// A member of a running session with what it has been told so far.
struct Watcher {
    socket: Socket,
    view: View,
    epoch: String,
    epochs: usize,
    seqs: Vec<u64>,
}

impl Watcher {
    fn new((socket, entry): (Socket, Entry)) -> Self {
        Self { view: View::of(&entry), epoch: entry.cursor().epoch, epochs: 0, seqs: vec![entry.cursor().seq], socket }
    }

    /// Takes in what came up to now.
    fn catch_up(&mut self) -> Vec<Value> {
        let frames = self.socket.until_pong();
        for frame in &frames {
            self.view.apply(frame);
            if let Some(seq) = frame["seq"].as_u64().filter(|_| frame["type"] != "ack") {
                self.seqs.push(seq);
            }
            if frame["type"] == "epoch" {
                let epoch = frame["epoch"].as_str().expect("an epoch is a text").to_owned();
                assert_ne!(epoch, self.epoch, "an epoch is told when it changes");
                self.epoch = epoch;
                self.epochs += 1;
            }
        }
        frames
    }

    /// Takes in what comes, up to this change.
    fn catch_up_to(&mut self, seq: &Value) -> Vec<Value> {
        let mut frames = self.catch_up();
        while self.seqs.last().copied() < seq.as_u64() {
            frames.extend(self.catch_up());
        }
        frames
    }

    fn expect_rising(&self) {
        assert!(self.seqs.windows(2).all(|pair| pair[0] <= pair[1]), "frames come in order: {:?}", self.seqs);
    }
}

/// A fresh connection is told what the old one has folded.
fn expect_same_as_fresh(server: &Server, campaign: &Campaign, watcher: &Watcher, person: &crate::support::http::Person) {
    let (_, entry) = campaign.enter(server, person);
    let mut folded = watcher.view.clone();
    folded.terrain.clear();
    assert_eq!(View::of(&entry), folded, "a view equals the fold of its frames");
    assert_eq!(entry.cursor().epoch, watcher.epoch);
}

#[test]
fn a_session_outlives_its_database() {
    let postgres = Postgres::start(Sync::Off);
    let server = Server::with(&TestDatabase::Postgres(postgres.database()), &[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Morgan", ["Ann", "Bo"]);
    let mut dm = Watcher::new(campaign.enter(&server, &campaign.dm));
    let mut players: Vec<_> = (0..2).map(|n| Watcher::new(campaign.enter(&server, campaign.player(n)))).collect();
    dm.socket.done(plain("session:start"));
    let shown = dm.socket.done(reveal(&["0,0", "1,0"]));
    dm.catch_up();
    players.iter_mut().for_each(|player| drop(player.catch_up_to(&shown["seq"])));

    postgres.stop();
    let lost = numbered("lost", update("0,0", "swamp"));
    dm.socket.refused(lost.clone(), "STORAGE_UNAVAILABLE");
    // The room has lost its state with it; it answers all the same.
    dm.socket.refused(numbered("lost-too", reveal(&["2,0"])), "STORAGE_UNAVAILABLE");
    assert_eq!(await_ready(&server, 503)["missing"], json!(["database"]));
    let credentials = json!({"email": campaign.dm.email, "password": PASSWORD});
    assert_eq!(Client::new(&server).post("/api/auth/sign-in/email", &credentials).0, 503);
    assert_eq!(campaign.dm.http.get("/api/campaigns").0, 503);
    assert_eq!(Client::new(&server).get("/api/health").0, 200);
    for watcher in players.iter_mut().chain([&mut dm]) {
        assert_eq!(watcher.catch_up(), [] as [Value; 0], "nobody is shown anything");
    }

    postgres.start_again();
    await_ready(&server, 200);
    let first = insist(&mut dm.socket, &lost);
    assert_eq!(insist(&mut dm.socket, &lost), first, "an id is done once");
    insist(&mut dm.socket, &numbered("lost-too", reveal(&["2,0"])));
    let last = insist(&mut dm.socket, &numbered("after", plain("session:pause")));
    for watcher in players.iter_mut().chain([&mut dm]) {
        let frames = watcher.catch_up_to(&last["seq"]);
        let changed = |key: &str| frames.iter().filter(|frame| frame.to_string().contains(&format!("\"{key}\""))).count();
        assert_eq!((changed("hex:updated"), changed("hex:revealed"), changed("session:statusChanged")), (1, 1, 1), "{frames:?}");
        assert!(watcher.epochs >= 1, "the new epoch is told");
        watcher.expect_rising();
    }
    expect_same_as_fresh(&server, &campaign, &dm, &campaign.dm);
    expect_same_as_fresh(&server, &campaign, &players[0], campaign.player(0));
}

#[test]
fn connections_that_the_database_cuts_off_cost_no_acknowledged_command() {
    let postgres = Postgres::start(Sync::Off);
    let url = postgres.database();
    let server = Server::with(&TestDatabase::Postgres(url.clone()), &[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Morgan", ["Ann"]);
    let mut dm = Watcher::new(campaign.enter(&server, &campaign.dm));
    let mut player = Watcher::new(campaign.enter(&server, campaign.player(0)));
    dm.socket.done(plain("session:start"));
    let mut admin = PgConnection::establish(&url).expect("PostgreSQL is up");
    let mut seqs = Vec::new();
    for round in 0..20 {
        let commands: Vec<Value> = (0..10).map(|n| numbered(&format!("{round}-{n}"), reveal(&[&format!("{round},{n}")]))).collect();
        commands.iter().for_each(|command| dm.socket.send(command));
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin.batch_execute(cut).expect("a superuser may end connections");
        for command in &commands {
            let answer = dm.socket.answer_to(&command["id"]);
            let settled = insist(&mut dm.socket, command);
            if answer["type"] == "ack" {
                assert_eq!(settled, answer, "an acknowledged command is not done again");
            }
            seqs.push(settled["seq"].as_u64().expect("an ack has a seq"));
        }
    }
    let mut once = seqs.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 200, "every command took one seq");
    player.catch_up_to(&json!(once.last()));
    player.expect_rising();
    let shown: Vec<u64> = player.seqs.iter().copied().filter(|seq| once.contains(seq)).collect();
    assert_eq!(shown, once, "every change is shown once");
    assert_eq!(player.view.revealed.len(), 200);
    dm.catch_up();
    expect_same_as_fresh(&server, &campaign, &dm, &campaign.dm);
    expect_same_as_fresh(&server, &campaign, &player, campaign.player(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_changes_and_nothing_else_until_there_is_room() {
    let server = Server::start(&[("RATE_LIMITS", "off")]);
    let campaign = Campaign::new(&server, "Morgan", ["Ann"]);
    let mut dm = Watcher::new(campaign.enter(&server, &campaign.dm));
    let mut player = Watcher::new(campaign.enter(&server, campaign.player(0)));
    dm.socket.done(plain("session:start"));
    let shown = dm.socket.done(reveal(&["0,0"]));
    dm.catch_up();
    player.catch_up_to(&shown["seq"]);

    server.limit_file_size(Some(1));
    let lost = numbered("lost", update("0,0", "swamp"));
    dm.socket.refused(lost.clone(), "STORAGE_UNAVAILABLE");
    dm.socket.refused(numbered("lost-too", reveal(&["1,0"])), "STORAGE_UNAVAILABLE");
    assert_eq!(await_ready(&server, 503)["missing"], json!(["database"]));
    assert_eq!(campaign.dm.http.get("/api/campaigns").0, 200, "what is there can be read");
    for watcher in [&mut player, &mut dm] {
        assert_eq!(watcher.catch_up(), [] as [Value; 0], "nobody is shown anything");
    }

    server.limit_file_size(None);
    await_ready(&server, 200);
    let first = insist(&mut dm.socket, &lost);
    assert_eq!(insist(&mut dm.socket, &lost), first, "an id is done once");
    let last = insist(&mut dm.socket, &numbered("lost-too", reveal(&["1,0"])));
    for watcher in [&mut player, &mut dm] {
        watcher.catch_up_to(&last["seq"]);
        watcher.expect_rising();
    }
    expect_same_as_fresh(&server, &campaign, &dm, &campaign.dm);
    expect_same_as_fresh(&server, &campaign, &player, campaign.player(0));
}
