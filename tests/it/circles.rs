//! Circles over real sockets: who stops sharing is gone from every way out at once, and what was acknowledged is there after a crash.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::messaging_slow::narrow_stream;
use crate::support::events::{Events, Heard};
use crate::support::http::{Client, Person, expect_status};
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::Server;
use crate::support::socketio::Poll;
use crate::support::ws::{Came, Connect, Cursor, Entry, Socket};

/// Sealed positions that no kernel takes for a client that does not read: they have 4 MB, and more was never taken than 2.
const FLOOD: usize = 700;
/// Commands that are sent before their answers are read.
const PIPELINED: usize = 50;
/// Degrees with these digits are looked for in all that comes out.
const SECRET: &str = "7310294";

struct Family {
    id: String,
    path: String,
    people: Vec<Person>,
}

impl Family {
    fn new<const N: usize>(server: &Server, names: [&str; N]) -> Self {
        let owner = Person::sign_up(server, names[0]);
        let made = expect_status(201, owner.http.post("/api/circles", &json!({"name": "Family"})));
        let id = made["id"].as_str().expect("has an id").to_owned();
        let mut family = Self { path: format!("/api/circles/{id}"), id, people: vec![owner] };
        for name in &names[1..] {
            let person = Person::sign_up(server, name);
            family.admit(&person);
            family.people.push(person);
        }
        family
    }

    fn admit(&self, person: &Person) {
        let invite = expect_status(201, self.people[0].http.post(&self.at("invites"), &json!({})));
        let accept = format!("/api/invite-links/{}/accept", invite["code"].as_str().expect("has a code"));
        expect_status(200, person.http.post(&accept, &json!({})));
    }

    fn at(&self, part: &str) -> String {
        format!("{}/{part}", self.path)
    }

    fn connect(&self, server: &Server, who: usize) -> Connect {
        Connect::to(server).circle(&self.id).person(&self.people[who])
    }

    fn enter(&self, server: &Server, who: usize) -> (Socket, Entry) {
        self.connect(server, who).enter()
    }

    /// A member who asked for positions.
    fn subscriber(&self, server: &Server, who: usize) -> Socket {
        let mut socket = self.enter(server, who).0;
        socket.done(subscribe());
        socket
    }

    fn listener(&self, server: &Server, who: usize) -> Events {
        let mut events = Events::enter(server, &self.people[who]);
        events.done(subscribe());
        events
    }

    /// All that this member can read of another through REST and the app.
    fn all_that_is_read(&self, server: &Server, reader: usize, of: usize) -> String {
        let reader = &self.people[reader];
        let history = self.at(&format!("history?userId={}", self.people[of].id));
        let mut paths = vec![self.path.clone(), self.at("members"), self.at("locations"), "/api/me/export".to_owned()];
        paths.extend(["json", "gpx", "geojson"].map(|format| format!("{history}&format={format}")));
        let mut all: String = paths.iter().map(|path| reader.http.send("GET", path, None, &[]).text).collect();
        let made = expect_status(201, reader.http.post("/api/me/app-passwords", &json!({"name": "phone"})));
        let text = |name: &str| made[name].as_str().expect("is a text").to_owned();
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", text("username"), text("password"))));
        let phone = Client::new(server).header("authorization", &basic);
        let answer = phone.send("POST", "/api/owntracks", Some(br#"{"_type":"lwt","tst":1}"#), &[("content-type", "application/json")]);
        assert_eq!(answer.status, 200, "{}", answer.text);
        all.push_str(&answer.text);
        all
    }

    /// Where the others are, as a new subscriber is told it first.
    fn first_told(&self, server: &Server, who: usize) -> Vec<Value> {
        let mut socket = self.enter(server, who).0;
        socket.done(subscribe());
        positions(socket.until_pong())
    }
}

fn positions(frames: Vec<Value>) -> Vec<Value> {
    frames.into_iter().filter(|frame| frame["type"] == "location:broadcast").collect()
}

fn subscribe() -> Value {
    json!({"type": "location:subscribe"})
}

fn sharing(enabled: bool) -> Value {
    json!({"type": "sharing:set", "enabled": enabled})
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis() as u64
}

fn update_at(ms: u64, latitude: f64) -> Value {
    json!({"type": "location:update", "latitude": latitude, "longitude": 123.456_789, "accuracy": 5, "timestamp": ms})
}

fn update(latitude: f64) -> Value {
    update_at(now_ms(), latitude)
}

/// A latitude that has the secret digits, and its own at the end.
fn secret(n: usize) -> f64 {
    format!("47.{SECRET}{n:04}").parse().expect("is a number")
}

fn sealed(ciphertext: &str) -> Value {
    json!({"type": "location:update", "ciphertext": ciphertext, "nonce": "bm9uY2U=", "keyVersion": 1})
}

/// That somebody shares nothing any more.
fn is_end_of(frame: &Value, person: &Person) -> bool {
    frame["type"] == "sharing:changed" && frame["userId"] == person.id.as_str() && frame["enabled"] == false
}

/// Reads up to and with the end of somebody's sharing.
fn until_end_of(socket: &mut Socket, person: &Person) -> Vec<Value> {
    socket.drain_until(|frame| is_end_of(frame, person))
}

fn until_end_of_io(events: &mut Events, person: &Person) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        heard.push(events.next());
        if is_end_of(&heard[heard.len() - 1], person) {
            return heard;
        }
    }
}

/// A thread that writes down all that comes until a text with `last` in it.
fn follow(
    name: &'static str,
    last: &'static str,
    mut read: impl FnMut() -> Vec<String> + Send + 'static,
) -> JoinHandle<(&'static str, Vec<String>)> {
    thread::spawn(move || {
        let mut texts = Vec::new();
        loop {
            texts.extend(read());
            if texts.iter().rev().take(20).any(|text| text.contains(last)) {
                return (name, texts);
            }
        }
    })
}

fn read_raw(socket: &mut Socket) -> Vec<String> {
    match socket.came() {
        Came::Frame(frame) => vec![frame.to_string()],
        other => panic!("awaited a frame; {other:?} came"),
    }
}

fn read_io(events: &mut Events) -> Vec<String> {
    match events.hear() {
        Heard::Event(event) => vec![event.to_string()],
        other => panic!("awaited an event; {other:?} came"),
    }
}

/// Sends so many commands and reads their answers, some at a time.
fn pipeline(socket: &mut Socket, commands: impl Iterator<Item = Value>) -> Vec<Value> {
    let commands: Vec<Value> = commands.collect();
    let mut answers = Vec::new();
    for (at, batch) in commands.chunks(PIPELINED).enumerate() {
        let ids: Vec<Value> = (0..batch.len()).map(|n| json!(format!("piped-{}-{at}-{n}", now_ms()))).collect();
        for (command, id) in batch.iter().zip(&ids) {
            let mut command = command.clone();
            command["id"] = id.clone();
            socket.send(&command);
        }
        answers.extend(ids.iter().map(|id| socket.answer_to(id)));
    }
    answers
}

#[test]
fn who_stops_sharing_is_gone_from_every_way_out() {
    both(|database| {
        let server = Server::with(database, &[("RATE_LIMITS", "off"), ("RUST_LOG", "debug")]);
        let family = Family::new(&server, ["Ben", "Anna", "Raw", "Io", "Poll", "Slow", "Lost"]);
        let anna = &family.people[1];
        // It is the last that everybody hears.
        const LAST: &str = "bGFzdCBvZiBhbGw";

        let (mut ben, mut phone) = (family.enter(&server, 0).0, family.enter(&server, 1).0);
        phone.done(update(secret(1)));
        let mut raw = family.subscriber(&server, 2);
        let mut io = family.listener(&server, 3);
        let poll = Poll::open(&server);
        poll.say(&format!("40{}", json!({"token": family.people[4].token})));
        poll.say(r#"42["location:subscribe",{}]"#);
        let mut slow = family.connect(&server, 5).open_over(narrow_stream(&server), "/ws");
        slow.entry();
        slow.done(subscribe());
        let mut polled = Vec::new();
        while !polled.iter().any(|packet: &String| packet.contains(SECRET)) {
            polled.extend(poll.read(1));
        }
        // Two who are away when it happens.
        let (mut lost, entry) = family.enter(&server, 6);
        lost.done(subscribe());
        let mut lost_io = family.listener(&server, 6);
        lost_io.expect("location:broadcast");
        let (cursor, ticket): (Cursor, _) = (entry.cursor(), lost_io.ticket.clone());
        lost.leave();
        drop(lost_io);

        let (go, may_read): (Sender<()>, _) = channel();
        let mut waits = Some(may_read);
        let watching = [
            follow("raw", LAST, move || read_raw(&mut raw)),
            follow("socket.io", LAST, move || read_io(&mut io)),
            follow("polling", LAST, move || poll.read(1)),
            follow("slow", LAST, move || {
                if let Some(may_read) = waits.take() {
                    may_read.recv().expect("the test goes on");
                }
                // Who takes nothing for some seconds is dropped, as may happen on a busy machine: he hears nothing more.
                match slow.came() {
                    Came::Frame(frame) => vec![frame.to_string()],
                    Came::Closed(..) | Came::Reset => vec![format!("gone before {LAST}")],
                }
            }),
        ];

        // The slow one falls behind, so that positions wait for him.
        let noise = "A".repeat(5_400);
        pipeline(&mut ben, (0..FLOOD).map(|_| sealed(&noise)));
        phone.done(update(secret(2)));
        // Another device of hers goes on and on while she stops.
        let stops = AtomicBool::new(false);
        let mut tablet = family.enter(&server, 1).0;
        thread::scope(|scope| {
            let tablet = scope.spawn(|| {
                for n in (100..9_000).take_while(|_| !stops.load(Ordering::Acquire)) {
                    tablet.done(update(secret(n)));
                }
                tablet.done(update(secret(9_999)))
            });
            while family.all_that_is_read(&server, 0, 1).matches(SECRET).count() < 30 {}
            phone.done(sharing(false));
            let read = [0, 6].map(|reader| family.all_that_is_read(&server, reader, 1));
            stops.store(true, Ordering::Release);
            assert!(read.iter().all(|read| !read.contains(SECRET)), "{read:?}");
            assert_eq!(tablet.join().expect("the tablet runs")["stored"], false);
        });

        // Who comes back is told nothing of her, nor who comes anew.
        let (mut back, _) = family.connect(&server, 6).since(&cursor).enter();
        back.done(subscribe());
        let told: String = back.until_pong().iter().map(Value::to_string).collect();
        let (mut back_io, recovered) = Events::again(&server, &family.people[6], &ticket);
        assert!(recovered);
        back_io.done(subscribe());
        let told_io: String = back_io.unheard().iter().map(Value::to_string).collect();
        let anew: String = family.first_told(&server, 6).iter().map(Value::to_string).collect();
        for told in [&told, &told_io, &anew] {
            assert!(told.contains(&noise) && !told.contains(SECRET), "{told}");
        }

        ben.done(sealed(&format!("{LAST}=")));
        go.send(()).expect("the slow one waits");
        for watcher in watching {
            let (name, texts) = watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let is_end = |text: &String| text.contains("sharing:changed") && text.contains(&anna.id) && text.contains("\"enabled\":false");
            let is_gone = |text: &String| text.starts_with("gone");
            let end = texts.iter().position(|text| is_end(text) || is_gone(text));
            let end = end.unwrap_or_else(|| panic!("{name} is told that she stopped"));
            assert!(texts[end..].iter().all(|text| !text.contains(SECRET)), "{name} is told where she was");
            if name == "slow" {
                assert!(texts.len() < FLOOD, "he was behind: {} frames", texts.len());
                // All of it waited for him, and what waited is gone.
                assert!(texts.iter().all(|text| !text.contains(&secret(2).to_string())), "{name} is told where she was");
            }
        }
        assert!(!server.log().contains(SECRET) && !server.log().contains("123.456"));
    });
}

#[test]
fn who_shares_until_a_time_is_gone_when_it_comes() {
    both(|database| {
        let server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let family = Family::new(&server, ["Ben", "Anna", "Cleo"]);
        let anna = &family.people[1];
        let (mut raw, mut io) = (family.subscriber(&server, 0), family.listener(&server, 2));
        let mut phone = family.enter(&server, 1).0;
        let until = now_ms() + 2_000;
        phone.done(json!({"type": "sharing:set", "enabled": true, "until": until}));
        phone.done(update(secret(1)));
        let (heard, heard_io) = (until_end_of(&mut raw, anna), until_end_of_io(&mut io, anna));
        assert!(now_ms() >= until);
        for heard in [heard, heard_io] {
            assert_eq!(positions(heard).len(), 1);
        }
        until_end_of(&mut phone, anna);
        assert_eq!(phone.done(update(secret(2)))["stored"], false);
        assert!(!family.all_that_is_read(&server, 0, 1).contains(SECRET));
        assert_eq!(family.first_told(&server, 2), Vec::<Value>::new());
        phone.done(sharing(true));
        phone.done(update(48.5));
        for heard in [raw.drain_until(|frame| frame["latitude"] == 48.5), positions(vec![io.expect("sharing:changed"), io.next()])] {
            assert!(!json!(heard).to_string().contains(SECRET), "{heard:?}");
        }
    });
}

#[test]
fn who_is_taken_out_is_gone_and_hears_nothing_more() {
    both(|database| {
        let server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let family = Family::new(&server, ["Ben", "Anna", "Cleo"]);
        let anna = &family.people[1];
        let (mut ben, mut cleo) = (family.subscriber(&server, 0), family.listener(&server, 2));
        let (mut phone, mut tablet) = (family.subscriber(&server, 1), family.listener(&server, 1));
        phone.done(update(secret(1)));
        expect_status(204, family.people[0].http.delete(&family.at(&format!("members/{}", anna.id))));
        assert_eq!(phone.close_code(), 4003);
        ben.done(update(48.25));
        tablet.refused(update(secret(2)), "INVALID_STATE");
        assert!(!json!(tablet.unheard()).to_string().contains("48.25"));
        for heard in [until_end_of(&mut ben, anna), until_end_of_io(&mut cleo, anna)] {
            assert_eq!(positions(heard).len(), 1);
        }
        assert_eq!(ben.expect("user:offline")["userId"], anna.id.as_str());
        assert!(!family.all_that_is_read(&server, 2, 1).contains(SECRET));
        assert_eq!(positions(family.first_told(&server, 2)).len(), 1, "Ben's");
        expect_status(404, anna.http.get(&family.at("locations")));
        let (_, code, _) = family.connect(&server, 1).refused();
        assert_eq!(code, 4003);

        // Who comes again is where he is then, not where he was.
        family.admit(anna);
        assert_eq!(family.first_told(&server, 2).len(), 1);
        let mut phone = family.enter(&server, 1).0;
        phone.done(update(49.5));
        assert_eq!(family.first_told(&server, 2).len(), 2);
        assert!(!json!(family.first_told(&server, 2)).to_string().contains(SECRET));
    });
}

#[test]
fn who_is_seen_approximately_is_seen_so_on_every_way_out() {
    both(|database| {
        let mut server = Server::with(database, &[("RATE_LIMITS", "off"), ("RUST_LOG", "debug")]);
        let family = Family::new(&server, ["Ben", "Anna", "Cleo"]);
        let mut phone = family.enter(&server, 1).0;
        let begin = now_ms();
        // Before anybody watches, and exactly.
        phone.done(update_at(begin, secret(1)));
        phone.done(json!({"type": "sharing:set", "enabled": true, "precision": "approximate"}));
        let (mut raw, mut io) = (family.enter(&server, 0).0, family.listener(&server, 2));
        raw.send(&subscribe());
        for n in 2..6 {
            phone.done(update_at(begin + n, secret(n as usize)));
        }
        phone.done(update_at(begin + 6, 48.0));
        let is_last = |frame: &Value| frame["latitude"] == 48.0;
        let heard = positions(raw.drain_until(is_last));
        let mut heard_io = vec![io.next()];
        while !is_last(&heard_io[heard_io.len() - 1]) {
            heard_io.push(io.next());
        }
        for heard in [&heard, &positions(heard_io)] {
            assert!(heard.len() > 1 && heard[0]["latitude"] == 47.73 && heard[0]["longitude"] == 123.46, "{heard:?}");
            assert!(heard.iter().all(|frame| frame["accuracy"].as_f64() >= Some(1_000.0)));
            assert!(!json!(heard).to_string().contains("47.731") && !json!(heard).to_string().contains("123.456"));
        }
        phone.done(update_at(begin + 7, secret(7)));
        for again in [false, true] {
            if again {
                server.restart();
            }
            let read = family.all_that_is_read(&server, 0, 1);
            assert!(read.contains("47.73") && !read.contains("47.731") && !read.contains("123.456"), "{read}");
            let told = family.first_told(&server, 2);
            assert_eq!((told.len(), &told[0]["latitude"]), (1, &json!(47.73)));
            assert!(!json!(told).to_string().contains("123.456"));
        }
        assert!(!server.log().contains(SECRET) && !server.log().contains("123.456"));
    });
}

#[test]
fn a_raw_connection_is_of_one_circle_and_its_members() {
    let database = TestDatabase::sqlite();
    let server = Server::on(&database);
    let family = Family::new(&server, ["Ben", "Anna"]);
    let other = Family::new(&server, ["Otto"]);
    for (who, role) in [(0, "owner"), (1, "member")] {
        let (mut socket, entry) = family.enter(&server, who);
        assert_eq!((&entry.connected["role"], &entry.connected["resumed"]), (&json!(role), &json!(false)));
        assert_eq!(entry.state.len(), 1);
        socket.send(&json!({"type": "ping", "id": "p"}));
        assert_eq!(socket.next()["type"], "pong");
    }
    for connect in [family.connect(&server, 0).query("campaignId", "x"), Connect::to(&server).circle(&family.id)] {
        let mut socket = connect.open();
        assert!((4000..5000).contains(&socket.close_code()));
    }
    for id in [family.id.as_str(), "00000000-0000-4000-8000-000000000000", "x"] {
        let (error, code, _) = Connect::to(&server).circle(id).person(&other.people[0]).refused();
        assert_eq!((code, &error["type"]), (4003, &json!("error")), "{error}");
    }
    let mut socket = family.enter(&server, 1).0;
    socket.refused(
        json!({"type": "location:update", "latitude": 91.2345, "longitude": 8, "accuracy": 5, "timestamp": now_ms()}),
        "BAD_MESSAGE",
    );
    socket.refused(json!({"type": "sharing:set", "enabled": false, "circleId": other.id}), "NOT_FOUND");
    socket.done(json!({"type": "sharing:set", "enabled": false, "circleId": family.id}));
    socket.refused(json!({"type": "message:send"}), "BAD_MESSAGE");
    let mut otto = Events::enter(&server, &other.people[0]);
    otto.refused(json!({"type": "sharing:set", "enabled": false, "circleId": family.id}), "NOT_FOUND");
}

#[test]
fn who_tells_too_often_where_he_is_is_slowed_down_over_all_his_devices() {
    let database = TestDatabase::sqlite();
    let server = Server::on(&database);
    let family = Family::new(&server, ["Ben", "Anna"]);
    let (mut phone, mut tablet) = (family.enter(&server, 0).0, Events::enter(&server, &family.people[0]));
    let begin = now_ms();
    for n in 0..30 {
        let mut command = update_at(begin + 2 * n, 47.5);
        command["id"] = json!(format!("{n}"));
        phone.send(&command);
    }
    let answers: Vec<Value> = (0..30).map(|n| phone.answer_to(&json!(format!("{n}")))).collect();
    let done = answers.iter().filter(|answer| answer["type"] == "ack").count();
    let numbers: Vec<u64> = (0..10).map(|n| tablet.emit(&update_at(begin + 100 + n, 47.5))).collect();
    let others: Vec<Value> = numbers.into_iter().map(|number| tablet.answer_to(number)).collect();
    let others_done = others.iter().filter(|answer| answer["success"] == true).count();
    // Five more a second.
    let refilled = ((now_ms() - begin) / 200) as usize + 1;
    assert!(done >= 20 && done + others_done <= 20 + refilled, "{done} and {others_done} in {refilled}");
    let refused = answers.iter().filter(|answer| answer["type"] == "error");
    let refused = refused.chain(others.iter().filter(|answer| answer["success"] == false).map(|answer| &answer["error"]));
    let codes: BTreeSet<&str> = refused.clone().filter_map(|error| error["code"].as_str()).collect();
    assert_eq!(codes, BTreeSet::from(["RATE_LIMITED"]));
    assert!(refused.clone().all(|error| error["retryAfter"].as_u64() >= Some(1)), "{answers:?}");
    // It is nobody else's.
    family.enter(&server, 1).0.done(update(47.5));
}

#[test]
fn after_a_crash_everybody_is_where_it_was_acknowledged() {
    both(|database| {
        let mut server = Server::with(database, &[("RATE_LIMITS", "off"), ("RUST_LOG", "debug")]);
        let family = Family::new(&server, ["Ben", "Anna", "Cleo", "Dora", "Emil"]);
        let mut sockets: Vec<Socket> = (0..4).map(|who| family.enter(&server, who).0).collect();
        let begin = now_ms();
        sockets[0].done(update(48.25));
        let seal = "c2VhbGVkIGFuZCB1bnJlYWQ=";
        sockets[1].done(sealed(seal));
        sockets[2].done(update(secret(1)));
        sockets[2].done(sharing(false));
        // Points that are on their way when it crashes: those that were acknowledged are there, and perhaps some more.
        let point = |n: u64| update_at(begin - 1_000 + n, 50.0 + n as f64 / 1_000.0);
        pipeline(&mut sockets[3], (0..200).map(point));
        (200..300).for_each(|n| sockets[3].send(&point(n)));
        server.kill9();
        server.restart();

        let told = family.first_told(&server, 4);
        let of = |who: usize| told.iter().find(|frame| frame["userId"] == family.people[who].id.as_str());
        assert_eq!(of(0).map(|frame| &frame["latitude"]), Some(&json!(48.25)));
        assert_eq!(of(1).map(|frame| &frame["payload"]["ciphertext"]), Some(&json!(seal)));
        assert_eq!(of(2), None);
        let last = of(3).and_then(|frame| frame["latitude"].as_f64()).expect("she is somewhere");
        assert!(last >= 50.199, "{last}");
        let history = expect_status(200, family.people[4].http.get(&family.at(&format!("history?userId={}", family.people[3].id))));
        let latitudes: Vec<f64> =
            history["locations"].as_array().expect("is a list").iter().filter_map(|at| at["latitude"].as_f64()).collect();
        assert!(latitudes.len() >= 200 && latitudes.is_sorted() && latitudes.last() == Some(&last), "{}", latitudes.len());
        let locations = expect_status(200, family.people[4].http.get(&family.at("locations")));
        assert_eq!(locations["locations"].as_array().map(Vec::len), Some(3));
        assert!(!family.all_that_is_read(&server, 4, 2).contains(SECRET));
        let log = server.log();
        assert!(["48.25", "123.456", SECRET, seal, "50.199"].iter().all(|secret| !log.contains(secret)), "{log}");
    });
}

#[test]
fn who_polls_is_told_all_that_waited_and_of_each_the_newest() {
    let database = TestDatabase::sqlite();
    let server = Server::with(&database, &[("RATE_LIMITS", "off")]);
    let family = Family::new(&server, ["Ben", "Anna", "Cleo", "Dora", "Emil", "Fay", "Gus"]);
    let poll = Poll::open(&server);
    poll.say(&format!("40{}", json!({"token": family.people[0].token})));
    let mut movers: Vec<Socket> = (1..7).map(|who| family.enter(&server, who).0).collect();
    poll.say(r#"421["location:subscribe",{}]"#);
    while !poll.read(1).iter().any(|packet| packet.starts_with("431")) {}
    let begin = now_ms();
    for at in 0..3 {
        for (n, mover) in movers.iter_mut().enumerate() {
            mover.done(update_at(begin + at, 50.0 + at as f64 + n as f64 / 100.0));
        }
    }
    let mut answers = Vec::new();
    let is_told = |answers: &[String], n: usize| answers.iter().any(|text| text.contains(&json!(52.0 + n as f64 / 100.0).to_string()));
    while !(0..movers.len()).all(|n| is_told(&answers, n)) {
        answers.push(poll.get().text);
    }
    assert!(answers.len() < movers.len(), "{answers:?}");
    assert!(answers.iter().all(|text| !text.contains("\"latitude\":50") && !text.contains("\"latitude\":51")), "{answers:?}");
}
