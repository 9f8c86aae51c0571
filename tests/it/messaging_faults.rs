//! Team messaging when the server is killed, and when its database is away: nothing that was acknowledged is lost, nothing is there twice.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::support::events::{Events, Heard};
use crate::support::fold::advance;
use crate::support::http::{Client, Person};
use crate::support::postgres::{Postgres, Sync, TestDatabase, both};
use crate::support::server::Server;
use crate::support::team::{Channel, Team};
use crate::support::ws::{Came, Cursor, FRAME_TIMEOUT, Socket};

const ROUNDS: usize = 4;
/// Messages that are on their way when the server is killed.
const IN_FLIGHT: usize = 60;

fn command(channel: &Channel, id: &str) -> Value {
    let mut command = channel.say(id);
    command["id"] = json!(id);
    command
}

/// What is told of a message: its id, its `sequence`, the `seq` of the change.
fn told(answer: &Value) -> (Value, Value, Value) {
    (answer["messageId"].clone(), answer["sequence"].clone(), answer["seq"].clone())
}

/// Somebody on a raw WebSocket, who hears every message once.
struct Listener {
    person: Person,
    socket: Socket,
    cursor: Cursor,
    heard: Vec<(u64, String)>,
}

impl Listener {
    fn enter(server: &Server, team: &Team, person: &Person) -> Self {
        let (socket, entry) = team.enter(server, person);
        Self { person: person.clone(), socket, cursor: entry.cursor(), heard: Vec::new() }
    }

    fn hear(&mut self, frame: &Value) {
        advance(&mut self.cursor, frame);
        if frame["type"] == "message:new" {
            let content = frame["content"].as_str().expect("is a text").to_owned();
            self.heard.push((frame["sequence"].as_u64().expect("a message has a sequence"), content));
        }
    }

    /// Hears all up to so many messages.
    fn hear_up_to(&mut self, count: usize) {
        while self.heard.len() < count {
            let frame = self.socket.next();
            self.hear(&frame);
        }
    }

    fn hear_to_the_end(&mut self) {
        while let Came::Frame(frame) = self.socket.came() {
            self.hear(&frame);
        }
    }

    /// Comes again with its cursor, which a crash does not spoil.
    fn come_again(&mut self, server: &Server, team: &Team) {
        let (socket, entry) = team.connect(server, &self.person).since(&self.cursor).enter();
        assert!(entry.resumed(), "a cursor outlives a crash: {:?} {entry:?}", self.cursor);
        self.cursor.epoch = entry.cursor().epoch;
        self.socket = socket;
    }
}

#[test]
fn a_kill_loses_no_acknowledged_message_and_none_is_there_twice() {
    both(|database| {
        let mut server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let channel = team.channel("talk");
        let mut listener = Listener::enter(&server, &team, &team.owner);
        let mut acknowledged: HashMap<String, (Value, Value, Value)> = HashMap::new();
        let mut lost_on_the_way = 0;
        for round in 0..ROUNDS {
            let ids = |name: &str| -> Vec<String> { (0..IN_FLIGHT).map(|n| format!("{name}-{round}-{n}")).collect() };
            let (raw_ids, io_ids) = (ids("raw"), ids("io"));
            let mut raw = team.socket(&server, team.person(0));
            let mut io = team.events(&server, team.person(1));
            let mut numbers = BTreeMap::new();
            for (one, other) in raw_ids.iter().zip(&io_ids) {
                raw.send(&command(&channel, one));
                numbers.insert(io.emit(&command(&channel, other)), other.clone());
            }
            // One more answer each round before the end: the kill comes at another moment every time.
            for id in raw_ids.iter().take(1 + round * 15) {
                let answer = raw.answer_to(&json!(id));
                assert_eq!(answer["type"], "ack", "{answer}");
                acknowledged.insert(id.clone(), told(&answer));
            }
            server.kill9();
            while let Came::Frame(frame) = raw.came() {
                if frame["type"] == "ack" {
                    acknowledged.insert(frame["id"].as_str().expect("an ack has an id").to_owned(), told(&frame));
                }
            }
            loop {
                match io.hear() {
                    Heard::Answer(number, answer) => {
                        assert_eq!(answer["success"], true, "{answer}");
                        acknowledged.insert(numbers[&number].clone(), told(&answer));
                    }
                    Heard::Event(_) => {}
                    Heard::Gone => break,
                }
            }
            listener.hear_to_the_end();
            server.restart();

            lost_on_the_way += raw_ids.iter().chain(&io_ids).filter(|id| !acknowledged.contains_key(*id)).count();
            listener.come_again(&server, &team);
            let mut raw = team.socket(&server, team.person(0));
            let (mut io, _) = Events::again(&server, team.person(1), &io.ticket);
            // All of it again: what was acknowledged is answered as it was, the rest is done.
            for (one, other) in raw_ids.iter().zip(&io_ids) {
                for (id, answer) in [(one, raw.done(command(&channel, one))), (other, io.done(command(&channel, other)))] {
                    let known = acknowledged.entry(id.clone()).or_insert_with(|| told(&answer));
                    assert_eq!(*known, told(&answer), "{id} is acknowledged as it was");
                }
            }
            let stored = channel.messages_after(&team.owner, 0);
            assert_eq!(stored.len(), 2 * IN_FLIGHT * (round + 1), "each message is there once");
            for (n, message) in stored.iter().enumerate() {
                assert_eq!(message["sequence"], n + 1);
                let (id, sequence, _) = &acknowledged[message["content"].as_str().expect("is a text")];
                assert_eq!((&message["id"], &message["sequence"]), (id, sequence), "what was acknowledged is what is stored");
            }
            listener.hear_up_to(stored.len());
            let stored = stored.iter().map(|message| (message["sequence"].as_u64(), message["content"].as_str()));
            assert!(stored.eq(listener.heard.iter().map(|(sequence, content)| (Some(*sequence), Some(content.as_str())))));
        }
        eprintln!("{}: {lost_on_the_way} messages were not answered before a kill", database.name());
        assert!(lost_on_the_way > 0, "the kills came in the midst of it");
    });
}

#[test]
fn a_planned_restart_costs_no_client_its_place() {
    both(|database| {
        let mut server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
        let channel = team.channel("talk");
        let mut listener = Listener::enter(&server, &team, &team.owner);
        let mut events = team.events(&server, team.person(1));
        let mut ann = team.socket(&server, team.person(0));
        ann.done(command(&channel, "one"));
        ann.done(command(&channel, "two"));
        // The second one is still on its way to him.
        assert_eq!(events.expect("message:new")["content"], "one");
        let ticket = events.ticket.clone();
        assert_eq!(server.terminate(), Some(0));
        listener.hear_to_the_end();
        server.restart();

        let mut ann = team.socket(&server, team.person(0));
        ann.done(command(&channel, "three"));
        let (mut events, recovered) = Events::again(&server, team.person(1), &ticket);
        assert!(recovered, "what it takes to recover outlives a planned restart");
        for content in ["two", "three"] {
            assert_eq!(events.expect("message:new")["content"], content);
        }
        listener.come_again(&server, &team);
        listener.hear_up_to(3);
        let again = Events::again(&server, team.person(1), &ticket).1;
        assert!(again, "a connection that lives is taken over by its ticket");
        assert!(matches!(events.hear(), Heard::Gone), "the older connection has ended");
    });
}

#[test]
fn messages_wait_for_a_database_that_is_away_and_the_same_id_tells() {
    let postgres = Postgres::start(Sync::Off);
    let server = Server::with(&TestDatabase::Postgres(postgres.database()), &[("RATE_LIMITS", "off")]);
    let team = Team::new(&server, "Dana", ["Ann", "Bo"]);
    let channel = team.channel("talk");
    let (mut raw, mut io) = (team.socket(&server, team.person(0)), team.events(&server, team.person(1)));
    let mut listener = Listener::enter(&server, &team, &team.owner);
    let kept = raw.done(command(&channel, "kept"));
    listener.hear_up_to(1);

    postgres.stop();
    raw.refused(command(&channel, "raw"), "STORAGE_UNAVAILABLE");
    io.refused(command(&channel, "io"), "STORAGE_UNAVAILABLE");
    raw.refused(channel.typing("message:getOlder"), "STORAGE_UNAVAILABLE");
    assert_eq!(Client::new(&server).get("/api/health").0, 200);
    raw.send(&json!({"type": "ping"}));
    raw.drain_until(|frame| frame["type"] == "pong");

    postgres.start_again();
    let began = std::time::Instant::now();
    let mut insist = |id: &str, raw_first: bool| loop {
        let answer = if raw_first { raw.command(command(&channel, id)) } else { io.call(&command(&channel, id)) };
        if answer["type"] == "ack" || answer["success"] == true {
            return told(&answer);
        }
        let code = if raw_first { &answer["code"] } else { &answer["error"]["code"] };
        assert!(code == "STORAGE_UNAVAILABLE" || code == "BUSY", "{answer}");
        assert!(began.elapsed() < FRAME_TIMEOUT, "awaited the ack of {id}; the last answer was {answer}");
    };
    let (first, second) = (insist("raw", true), insist("io", false));
    assert_eq!((insist("raw", true), insist("io", false)), (first.clone(), second.clone()), "an id is done once");
    assert_eq!(insist("kept", true), told(&kept), "what was acknowledged before is known");
    listener.hear_up_to(3);
    listener.socket.until_pong();
    let ticket = io.ticket.clone();
    drop(io);
    let last = raw.done(command(&channel, "last"));
    let (mut io, recovered) = Events::again(&server, team.person(1), &ticket);
    assert!(recovered, "the room's new epoch is known to who was there");
    assert!(
        std::iter::repeat_with(|| io.next())
            .find(|event| event["type"] == "message:new")
            .is_some_and(|event| event["id"] == last["messageId"])
    );
    listener.hear_up_to(4);
    let stored: Vec<_> = channel.messages_after(&team.owner, 0);
    let contents: Vec<_> = stored.iter().map(|message| message["content"].as_str().expect("is a text")).collect();
    assert_eq!(contents, ["kept", "raw", "io", "last"]);
    assert_eq!((first.1, second.1), (json!(2), json!(3)));
    assert!(listener.heard.iter().map(|(_, content)| content.as_str()).eq(contents));
}
