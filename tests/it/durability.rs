//! Kill -9 in the middle of the work: nothing that was acknowledged is lost, nothing is done twice.
//!
//! A dungeon master sends commands with several on their way; the server is killed, started again, and what was not answered is sent again. The
//! model is the campaign's own rules, fed with the commands in the order of their `seq`. `KILL_ROUNDS` sets how often.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use moothall::protocol::campaign::{Body, decode};
use moothall::protocol::ids::{CampaignId, RoomId, UserId};
use moothall::protocol::time::Timestamp;
use moothall::rooms::campaign::Campaign as Model;
use moothall::rooms::campaign::presence::Presence;
use moothall::rooms::kernel::{Moment, RoomLogic};
use moothall::store::campaign::load_campaign;
use moothall::store::journal::{Missed, events_after};
use moothall::store::pool::{self, DatabaseUrl};
use serde_json::{Value, json};

use crate::support::campaign::{Campaign, hide, hide_from, mode, plain, reveal, reveal_to, update};
use crate::support::fold::{View, advance};
use crate::support::http::Person;
use crate::support::postgres::{TestDatabase, both};
use crate::support::server::Server;
use crate::support::ws::{Came, Cursor, FRAME_TIMEOUT, Socket};

/// Commands of one round; the kill comes somewhere among them.
const COMMANDS: usize = 1_000;
/// Commands on their way at a time.
const WINDOW: usize = 12;

/// splitmix64: enough to wander, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

/// A member's connection, and what it has been told.
struct Client {
    person: Person,
    socket: Socket,
    view: View,
    cursor: Cursor,
}

impl Client {
    fn enter(server: &Server, campaign: &Campaign, person: &Person) -> Self {
        let (socket, entry) = campaign.enter(server, person);
        let view = View::with_map(&entry, &campaign.map(person));
        Self { person: person.clone(), socket, view, cursor: entry.cursor() }
    }

    fn fold(&mut self, frame: &Value) {
        self.view.apply(frame);
        advance(&mut self.cursor, frame);
    }

    /// Takes in what came up to now.
    fn catch_up(&mut self) {
        self.socket.until_pong().iter().for_each(|frame| self.fold(frame));
    }

    /// Takes in what a server that is dead has sent.
    fn read_to_end(&mut self) {
        while let Came::Frame(frame) = self.socket.came() {
            self.fold(&frame);
        }
    }

    /// Comes again with its cursor; true when the server still had what was missed.
    fn come_again(&mut self, server: &Server, campaign: &Campaign) -> bool {
        let (socket, entry) = campaign.connect(server, &self.person).since(&self.cursor).enter();
        self.socket = socket;
        if entry.resumed() {
            self.cursor.epoch = entry.cursor().epoch;
            self.catch_up();
            assert_eq!(self.cursor.seq.max(entry.cursor().seq), entry.cursor().seq, "no missed frame is newer than `connected`");
        } else {
            (self.view, self.cursor) = (View::with_map(&entry, &campaign.map(&self.person)), entry.cursor());
        }
        entry.resumed()
    }
}

/// A command that was sent, and its last answer.
struct Sent {
    command: Value,
    answer: Option<Value>,
}

/// The rules without a server: they say what must have become of every command.
struct Rules {
    model: Model,
    dm: UserId,
    head: u64,
    /// Commands that changed something.
    changes: u64,
    made: u64,
}

impl Rules {
    /// The command must have had this answer.
    fn follow(&mut self, command: &Value, answer: &Value) {
        let decoded = decode(&command.to_string()).unwrap_or_else(|_| panic!("the test sends whole commands: {command}"));
        let Body::Command(decoded) = decoded.body else { panic!("the test sends commands: {command}") };
        self.made += 1;
        let made = format!("made-{}", self.made);
        let fresh = answer["tokenId"].as_str().unwrap_or(&made);
        let at = Moment { now: Timestamp::from_ms(0), fresh, seq: self.head as i64 + 1 };
        let by = self.model.member(&self.dm).expect("the dungeon master is a member");
        match self.model.decide(at, Some(&by), &decoded) {
            Ok(decision) => {
                self.head += u64::from(decision.event.is_some());
                self.changes += u64::from(decision.event.is_some());
                if let Some(event) = decision.event {
                    self.model.apply(at, Some(&by), event);
                }
                assert_eq!((&answer["type"], &answer["seq"]), (&json!("ack"), &json!(self.head)), "for {command}; {answer} came");
            }
            Err(rejection) => {
                let expected = (json!("error"), json!(rejection.code.as_str()));
                assert_eq!((&answer["type"], &answer["code"]), (&expected.0, &expected.1), "for {command}; {answer} came");
            }
        }
    }

    /// What a member who comes now must be told, without what the test cannot know.
    fn expect_view(&self, user: &str, state: &[Value]) {
        let member = self.model.member(&UserId::new(user)).expect("is a member");
        let view = self.model.view(&member, &Presence::default());
        let expected: Vec<Value> =
            view.iter().map(|message| comparable(serde_json::to_value(message).expect("messages are JSON"))).collect();
        let told: Vec<Value> = state.iter().cloned().map(comparable).collect();
        assert_eq!(told, expected);
    }
}

fn comparable(mut message: Value) -> Value {
    let fields = message.as_object_mut().expect("a message is an object");
    for unknown in ["seq", "connectedPlayers", "sessionId", "startedAt"] {
        fields.remove(unknown);
    }
    for change in fields.get_mut("changes").and_then(Value::as_array_mut).into_iter().flatten() {
        change["id"].take();
    }
    for list in ["tokens", "revealedHexes"] {
        if let Some(list) = fields.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(Value::to_string);
        }
    }
    message
}

/// What one database saw.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    acknowledged: usize,
    refused: usize,
    /// Not answered before the kill, and of these already carried out.
    unanswered: usize,
    carried_out: usize,
    resumed: usize,
    reconnected: usize,
}

struct Play<'a> {
    server: Server,
    campaign: Campaign,
    database: &'a TestDatabase,
    rules: Rules,
    dm: Client,
    players: Vec<Client>,
    dice: Dice,
    tokens: Vec<String>,
    sent: usize,
    figures: Figures,
}

impl<'a> Play<'a> {
    fn start(database: &'a TestDatabase, seed: u64) -> Self {
        let server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let campaign = Campaign::new(&server, "Morgan", ["Ann", "Bo"]);
        let dm = Client::enter(&server, &campaign, &campaign.dm);
        let players = campaign.players.iter().map(|player| Client::enter(&server, &campaign, player)).collect();
        let mut db = pool::open_reader(&url(database)).expect("the database is there");
        let stored = load_campaign(&mut db, &CampaignId::new(campaign.id.as_str())).expect("can be read").expect("there is the campaign");
        let (head, id) = (dm.cursor.seq, UserId::new(campaign.dm.id.as_str()));
        let rules = Rules { model: Model::from_stored(stored), dm: id, head, changes: 0, made: 0 };
        let (tokens, figures) = (Vec::new(), Figures::default());
        Self { server, campaign, database, rules, dm, players, dice: Dice(seed), tokens, sent: 0, figures }
    }

    fn key(&mut self) -> String {
        format!("{},{}", self.dice.roll(12), self.dice.roll(12))
    }

    fn player(&mut self) -> Person {
        let n = self.dice.roll(2);
        self.campaign.player(n).clone()
    }

    fn token(&mut self) -> String {
        let newest = self.tokens.len().min(20);
        if newest == 0 { "no-token".to_owned() } else { self.tokens[self.tokens.len() - 1 - self.dice.roll(newest)].clone() }
    }

    fn command(&mut self) -> Value {
        let (key, other, token) = (self.key(), self.key(), self.token());
        let label = format!("Wolf {}", self.sent);
        let mut command = match self.dice.roll(40) {
            0..5 => reveal(&[&key, &other]),
            5..9 => reveal_to(&self.player(), &[&key, &other]),
            9..11 => hide(&[&key]),
            11..14 => hide_from(&self.player(), &[&key, &other]),
            14..20 => update(&key, ["forest", "water", "swamp", "unknown"][self.dice.roll(4)]),
            20..23 => {
                json!({"type": "token:create", "hexKey": key, "label": label, "icon": "w", "color": "#aa0011", "tokenType": "npc"})
            }
            23 => {
                let owner = self.player().id;
                json!({"type": "token:create", "hexKey": key, "label": label, "icon": "w", "color": "#00aa11", "tokenType": "pc",
                       "ownerId": owner, "visible": false})
            }
            24..28 => json!({"type": "token:move", "tokenId": token, "toHexKey": key}),
            28..30 => json!({"type": "token:update", "tokenId": token, "updates": {"label": label, "visible": self.dice.roll(2) == 0}}),
            30 => json!({"type": "token:delete", "tokenId": token}),
            31 => mode("staged"),
            32 => mode("immediate"),
            33 => plain("broadcast:publish"),
            34..36 => json!({"type": "staged:undo", "index": self.dice.roll(6)}),
            36 => plain("session:start"),
            37 => plain("session:pause"),
            38 => plain("session:resume"),
            _ => plain(["session:end", "session:pause", "session:resume"][self.dice.roll(3)]),
        };
        self.sent += 1;
        command["id"] = json!(format!("c{}", self.sent));
        command
    }

    /// Sends commands, a window of them at a time, and follows the answers. Those that were not answered when `kill_after` were sent come back.
    fn send(&mut self, count: usize, kill_after: Option<usize>) -> VecDeque<Sent> {
        let mut waiting: VecDeque<Sent> = VecDeque::new();
        for n in 0..count {
            let command = self.command();
            self.dm.socket.send(&command);
            waiting.push_back(Sent { command, answer: None });
            if kill_after == Some(n) {
                // From not at all to longer than a commit takes.
                let later = Instant::now() + Duration::from_micros(self.dice.roll(4_000) as u64);
                while Instant::now() < later {
                    std::hint::spin_loop();
                }
                self.server.kill9();
                // Every other time the last answers are lost on the way.
                while self.figures.kills.is_multiple_of(2)
                    && let Came::Frame(frame) = self.dm.socket.came()
                {
                    self.take(frame, &mut waiting);
                }
                return waiting;
            }
            while waiting.len() >= WINDOW {
                self.take_next(&mut waiting);
            }
            if n % 100 == 0 {
                self.players.iter_mut().for_each(Client::catch_up);
            }
        }
        while !waiting.is_empty() {
            self.take_next(&mut waiting);
        }
        waiting
    }

    fn take_next(&mut self, waiting: &mut VecDeque<Sent>) {
        let frame = self.dm.socket.next();
        self.take(frame, waiting);
    }

    fn take(&mut self, frame: Value, waiting: &mut VecDeque<Sent>) {
        if frame["type"] != "ack" && frame["type"] != "error" {
            return self.dm.fold(&frame);
        }
        let sent = waiting.pop_front().expect("an answer has a command");
        assert_eq!(frame["id"], sent.command["id"], "answers come in the order of the commands");
        self.settle(&sent.command, &frame);
    }

    fn settle(&mut self, command: &Value, answer: &Value) {
        self.rules.follow(command, answer);
        if let Some(token) = answer["tokenId"].as_str() {
            self.tokens.push(token.to_owned());
        }
        match answer["type"] == "ack" {
            true => self.figures.acknowledged += 1,
            false => self.figures.refused += 1,
        }
    }

    fn round(&mut self) {
        let kill_after = 100 + self.dice.roll(COMMANDS - 200);
        let unanswered = self.send(COMMANDS, Some(kill_after));
        self.figures.kills += 1;
        self.figures.unanswered += unanswered.len();
        let acknowledged_head = self.rules.head;
        self.players.iter_mut().for_each(Client::read_to_end);
        self.server.restart();

        let head = self.head_without_holes();
        assert!(head >= acknowledged_head, "what was acknowledged up to {acknowledged_head} is there; the head is {head}");
        let resumed = [&mut self.dm].into_iter().chain(&mut self.players).map(|client| client.come_again(&self.server, &self.campaign));
        self.figures.resumed += resumed.filter(|&resumed| resumed).count();
        self.figures.reconnected += 1 + self.players.len();
        self.send_again(unanswered, head);
        self.compare();
        self.send(COMMANDS - kill_after, None);
        self.compare();
        assert_eq!(self.head_without_holes(), self.rules.head, "nothing was done twice");
    }

    /// Sends again what was not answered, all of it, and then once more: the second answers are those of the first.
    fn send_again(&mut self, unanswered: VecDeque<Sent>, head: u64) {
        let mut again: Vec<Sent> = unanswered.into();
        for sent in &mut again {
            self.dm.socket.send(&sent.command);
        }
        for sent in &mut again {
            sent.answer = Some(self.dm.socket.answer_to(&sent.command["id"]));
        }
        let acknowledged = |sent: &&Sent| sent.answer.as_ref().is_some_and(|answer| answer["type"] == "ack");
        for sent in again.iter().filter(acknowledged) {
            assert_eq!(Some(self.dm.socket.command(sent.command.clone())), sent.answer, "an id is done once");
        }
        self.dm.catch_up();
        // What was carried out before the kill comes first, in its order; the rest was judged after it.
        let seq = |sent: &Sent| sent.answer.as_ref().and_then(|answer| answer["seq"].as_u64()).filter(|&seq| seq <= head);
        let (mut before, after): (Vec<Sent>, Vec<Sent>) = again.into_iter().partition(|sent| seq(sent).is_some());
        before.sort_by_key(|sent| seq(sent));
        self.figures.carried_out += before.len();
        for Sent { command, answer } in before.into_iter().chain(after) {
            self.settle(&command, &answer.expect("was answered"));
        }
    }

    /// The room's head, as the journal has it: every `seq` from 1, the epochs never falling.
    fn head_without_holes(&self) -> u64 {
        let mut db = pool::open_reader(&url(self.database)).expect("the database is there");
        let room = RoomId::campaign(&CampaignId::new(self.campaign.id.as_str()));
        let Missed::Events(rows) = events_after(&mut db, &room, 0, usize::MAX).expect("can be read") else {
            panic!("the journal has holes")
        };
        assert!(rows.iter().map(|row| row.seq).eq(1..=rows.len() as i64));
        assert!(rows.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
        rows.len() as u64
    }

    /// What the clients have folded, what newcomers are told, what the map says and what the rules say is the same.
    fn compare(&mut self) {
        self.dm.catch_up();
        for client in &mut self.players {
            // The room's threads tell each in their own time: what the dungeon master has been answered may still be on its way to a player.
            let (fresh, entry) = self.campaign.enter(&self.server, &client.person);
            let newest = View::with_map(&entry, &self.campaign.map(&client.person));
            let deadline = Instant::now() + FRAME_TIMEOUT;
            while client.view != newest && Instant::now() < deadline {
                client.catch_up();
            }
            self.rules.expect_view(&client.person.id, &entry.state);
            assert_eq!(client.view, newest, "a view equals the fold of its frames");
            fresh.leave();
        }
        let (fresh, entry) = self.campaign.enter(&self.server, &self.campaign.dm);
        let map = self.campaign.map(&self.campaign.dm);
        self.rules.expect_view(&self.campaign.dm.id, &entry.state);
        assert_eq!(self.dm.view, View::with_map(&entry, &map));
        assert_eq!(entry.cursor().seq, self.rules.head);
        let terrain = |list: &Value| -> BTreeMap<String, String> {
            let hexes = list.as_array().expect("a map has hexes").iter();
            hexes.map(|hex| (hex["key"].to_string(), hex["terrain"].to_string())).filter(|(_, terrain)| terrain != "\"unknown\"").collect()
        };
        let expected = serde_json::to_value(self.rules.model.board().hexes()).expect("hexes are JSON");
        assert_eq!(terrain(&map["hexes"]), terrain(&expected));
        fresh.leave();
    }
}

fn url(database: &TestDatabase) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url()).expect("is a URL")
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged_and_does_nothing_twice() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_128);
    both(|database| {
        let began = Instant::now();
        let mut play = Play::start(database, seed);
        for round in 0..rounds {
            eprintln!("round {round}, seed {seed}");
            play.round();
        }
        assert!(play.figures.resumed > 0, "cursors outlive a restart: {:?}", play.figures);
        assert!(play.figures.acknowledged > rounds * COMMANDS / 3, "most commands are carried out: {:?}", play.figures);
        eprintln!("{} {:?}, {} changes, {:?}", database.name(), play.figures, play.rules.changes, began.elapsed());
    });
}
