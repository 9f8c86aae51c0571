//! Ten thousand messages of two people at once, sent again at random, over connections that break at random: each is there once, and everybody
//! hears all of them in order. `STORM_SEED` sets the seed, `STORM_MESSAGES` how many each of the two sends.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::events::{Events, Heard};
use crate::support::http::Person;
use crate::support::postgres::both;
use crate::support::server::Server;
use crate::support::team::{Channel, Team};
use crate::support::ws::{Came, Cursor, Socket};

/// Answers that a sender waits for at a time.
const WINDOW: usize = 64;
/// The listeners hear how the senders come on, once in so many messages.
const STEP: usize = 200;

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

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

/// Where all of it happens.
struct Stage<'a> {
    server: &'a Server,
    team: &'a Team,
    channel: &'a Channel,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transport {
    Raw,
    SocketIo,
}

impl Transport {
    fn other(self) -> Self {
        if self == Self::Raw { Self::SocketIo } else { Self::Raw }
    }
}

/// A connection over either transport.
enum Line {
    Raw { socket: Box<Socket>, cursor: Cursor },
    SocketIo { events: Box<Events>, ids: HashMap<u64, String> },
}

enum Told {
    Event(Value),
    Answer(String, Value),
    Gone,
}

impl Line {
    fn fresh(stage: &Stage<'_>, person: &Person, transport: Transport) -> Self {
        match transport {
            Transport::Raw => {
                let (socket, entry) = stage.team.enter(stage.server, person);
                Self::Raw { cursor: entry.cursor(), socket: Box::new(socket) }
            }
            Transport::SocketIo => Self::SocketIo { events: Box::new(stage.team.events(stage.server, person)), ids: HashMap::new() },
        }
    }

    /// Comes again where it was; false when it has to begin anew.
    fn again(self, stage: &Stage<'_>, person: &Person) -> (Self, bool) {
        match self {
            Self::Raw { socket, mut cursor } => {
                drop(socket);
                let (socket, entry) = stage.team.connect(stage.server, person).since(&cursor).enter();
                if !entry.resumed() {
                    cursor = entry.cursor();
                }
                cursor.epoch = entry.cursor().epoch;
                (Self::Raw { socket: Box::new(socket), cursor }, entry.resumed())
            }
            Self::SocketIo { events, .. } => {
                let ticket = events.ticket.clone();
                drop(events);
                let (events, recovered) = Events::again(stage.server, person, &ticket);
                (Self::SocketIo { events: Box::new(events), ids: HashMap::new() }, recovered)
            }
        }
    }

    fn send(&mut self, channel: &Channel, id: &str) {
        let mut command = channel.say(id);
        command["id"] = json!(id);
        match self {
            Self::Raw { socket, .. } => socket.send(&command),
            Self::SocketIo { events, ids } => drop(ids.insert(events.emit(&command), id.to_owned())),
        }
    }

    fn hear(&mut self) -> Told {
        match self {
            Self::Raw { socket, cursor } => match socket.came() {
                Came::Frame(frame) if frame["type"] == "ack" || frame["type"] == "error" => {
                    let id = frame["id"].as_str().unwrap_or_else(|| panic!("an answer has an id: {frame}")).to_owned();
                    Told::Answer(id, frame)
                }
                Came::Frame(frame) => {
                    crate::support::fold::advance(cursor, &frame);
                    Told::Event(frame)
                }
                Came::Closed(..) | Came::Reset => Told::Gone,
            },
            Self::SocketIo { events, ids } => match events.hear() {
                Heard::Event(event) => Told::Event(event),
                Heard::Answer(number, answer) => Told::Answer(ids.remove(&number).expect("was emitted"), answer),
                Heard::Gone => Told::Gone,
            },
        }
    }

    /// Events that came while an answer was awaited: this client has got them.
    fn unheard(&mut self) -> Vec<Value> {
        match self {
            Self::Raw { .. } => Vec::new(),
            Self::SocketIo { events, .. } => events.unheard(),
        }
    }

    /// What was said in the channel after `sequence`, asked for in the way of this transport.
    fn fetch(&mut self, stage: &Stage<'_>, person: &Person, sequence: u64) -> Vec<Value> {
        let Self::SocketIo { events, .. } = self else { return stage.channel.messages_after(person, sequence) };
        let (mut messages, mut before) = (Vec::new(), None);
        loop {
            let mut older = json!({"type": "message:getOlder", "targetId": stage.channel.id, "targetType": "channel", "limit": 200});
            if let Some(before) = before {
                older["cursor"] = json!(before);
            }
            let mut page = events.done(older);
            let Value::Array(mut more) = page["messages"].take() else { panic!("a page has messages: {page}") };
            more.retain(|message| message["sequence"].as_u64() > Some(sequence));
            let is_last = page["hasMore"] == false || more.len() < 200;
            more.append(&mut messages);
            messages = more;
            if is_last {
                return messages;
            }
            before = Some(page["nextCursor"].as_u64().expect("there is more"));
        }
    }
}

/// What one client has heard of the channel: every message, in order, each once.
#[derive(Default)]
struct Record {
    /// The ids of the messages and their contents, the first of `sequence` 1.
    heard: Vec<(String, String)>,
    /// Up to here it was fetched: what is heard of it besides was said meanwhile.
    fetched: u64,
}

impl Record {
    fn last(&self) -> u64 {
        self.heard.len() as u64
    }

    fn hear(&mut self, event: &Value) {
        if event["type"] == "message:new" && event["sequence"].as_u64() > Some(self.fetched) {
            self.take(event);
        }
    }

    fn take(&mut self, message: &Value) {
        assert_eq!(message["sequence"].as_u64(), Some(self.last() + 1), "the next message, and no other: {message}");
        let text = |name: &str| message[name].as_str().expect("is a text").to_owned();
        self.heard.push((text("id"), text("content")));
    }

    fn fetch(&mut self, messages: &[Value]) {
        messages.iter().for_each(|message| self.take(message));
        self.fetched = self.last();
    }
}

#[derive(Debug, Default)]
struct Figures {
    duplicates: usize,
    resumed: usize,
    anew: usize,
    elsewhere: usize,
    dropped: usize,
}

/// Somebody with a connection that breaks.
struct Client<'a> {
    stage: &'a Stage<'a>,
    person: &'a Person,
    transport: Transport,
    line: Option<Line>,
    record: Record,
    dice: Dice,
    figures: Figures,
}

impl<'a> Client<'a> {
    fn new(stage: &'a Stage<'a>, person: &'a Person, transport: Transport, seed: u64) -> Self {
        let line = Some(Line::fresh(stage, person, transport));
        Self { stage, person, transport, line, record: Record::default(), dice: Dice(seed), figures: Figures::default() }
    }

    fn line(&mut self) -> &mut Line {
        self.line.as_mut().expect("is connected")
    }

    /// The connection breaks, and another takes its place: mostly where the first was.
    fn come_again(&mut self) {
        let mut line = self.line.take().expect("is connected");
        line.unheard().iter().for_each(|event| self.record.hear(event));
        let (line, resumed) = match self.dice.one_in(5) {
            true => {
                drop(line);
                (Line::fresh(self.stage, self.person, self.transport), false)
            }
            false => line.again(self.stage, self.person),
        };
        let line = self.line.insert(line);
        if resumed {
            self.figures.resumed += 1;
        } else {
            self.record.fetch(&line.fetch(self.stage, self.person, self.record.last()));
            self.figures.anew += 1;
        }
    }
}

/// What was acknowledged: the message's id, its `sequence`, and the `seq` of the change.
type Acknowledged = HashMap<String, (String, u64, u64)>;

struct Player<'a> {
    client: Client<'a>,
    name: &'static str,
    acknowledged: Acknowledged,
    /// Sent and not answered yet.
    open: BTreeSet<usize>,
    /// Ids that another connection may have brought first.
    overtaken: HashSet<String>,
    progress: Vec<Sender<()>>,
}

impl Player<'_> {
    fn id(&self, n: usize) -> String {
        format!("{}-{n}", self.name)
    }

    fn settle(&mut self, id: String, answer: &Value) {
        assert!(answer["success"] == true || answer["type"] == "ack", "awaited that {id} is done; {answer} came");
        let number = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("awaited {name}; {answer} came"));
        let told = (answer["messageId"].as_str().expect("is a text").to_owned(), number("sequence"), number("seq"));
        let (_, n) = id.rsplit_once('-').expect("is an id of ours");
        self.open.remove(&n.parse().expect("is an id of ours"));
        match self.acknowledged.get(&id) {
            Some(known) => assert_eq!(*known, told, "{id} is acknowledged as it was"),
            None => {
                self.acknowledged.insert(id, told);
                if self.acknowledged.len().is_multiple_of(STEP) {
                    // A listener that has heard everything listens no more.
                    for progress in &self.progress {
                        let _ = progress.send(());
                    }
                }
            }
        }
    }

    fn play(mut self, count: usize) -> (Acknowledged, HashSet<String>, Record, Figures) {
        let (mut sent, mut awaited) = (0, 0);
        while sent < count || awaited > 0 {
            while sent < count && awaited < WINDOW {
                self.send(sent);
                (sent, awaited) = (sent + 1, awaited + 1);
                if self.client.dice.one_in(12) {
                    let any = self.any(sent);
                    self.send(any);
                    awaited += 1;
                    self.client.figures.duplicates += 1;
                }
            }
            let gone = match self.client.line().hear() {
                Told::Answer(id, answer) => {
                    self.settle(id, &answer);
                    awaited -= 1;
                    false
                }
                Told::Event(event) => {
                    self.client.record.hear(&event);
                    false
                }
                Told::Gone => {
                    self.client.figures.dropped += 1;
                    true
                }
            };
            if gone || self.client.dice.one_in(250) {
                self.client.come_again();
                // What was not answered is sent again, and something that was.
                let mut again: Vec<usize> = self.open.iter().copied().collect();
                again.push(self.any(sent));
                again.iter().for_each(|&n| self.send(n));
                awaited = again.len();
                self.client.figures.duplicates += awaited;
            }
            if self.client.dice.one_in(400) {
                self.elsewhere(sent);
            }
        }
        while self.client.record.last() < self.acknowledged.values().map(|(_, sequence, _)| *sequence).max().unwrap_or(0) {
            self.listen_once();
        }
        (self.acknowledged, self.overtaken, self.client.record, self.client.figures)
    }

    fn listen_once(&mut self) {
        match self.client.line().hear() {
            Told::Event(event) => self.client.record.hear(&event),
            Told::Answer(id, answer) => self.settle(id, &answer),
            Told::Gone => self.client.come_again(),
        }
    }

    /// Something that was sent before, more often of late.
    fn any(&mut self, sent: usize) -> usize {
        let among = if self.client.dice.one_in(3) { sent } else { sent.min(WINDOW) };
        sent - 1 - self.client.dice.roll(among)
    }

    fn send(&mut self, n: usize) {
        let id = self.id(n);
        if !self.acknowledged.contains_key(&id) {
            self.open.insert(n);
        }
        let channel = self.client.stage.channel;
        self.client.line().send(channel, &id);
    }

    /// Sends some of it again over another connection, of the other transport.
    fn elsewhere(&mut self, sent: usize) {
        let mut other = Line::fresh(self.client.stage, self.client.person, self.client.transport.other());
        let ids: Vec<String> = (0..8)
            .map(|_| {
                let n = self.any(sent);
                self.id(n)
            })
            .collect();
        ids.iter().for_each(|id| other.send(self.client.stage.channel, id));
        self.overtaken.extend(ids.iter().filter(|id| !self.acknowledged.contains_key(*id)).cloned());
        self.client.figures.elsewhere += ids.len();
        let mut awaited = ids.len();
        while awaited > 0 {
            match other.hear() {
                Told::Answer(id, answer) => {
                    // Its own connection will be answered too.
                    let was_open = self.open.clone();
                    self.settle(id, &answer);
                    self.open = was_open;
                    awaited -= 1;
                }
                Told::Event(_) => {}
                Told::Gone => panic!("the other connection was dropped"),
            }
        }
    }
}

/// Hears all `count` messages, over a connection that breaks and sometimes stays away for a while.
fn listen(mut client: Client<'_>, count: u64, progress: &Receiver<()>) -> (Record, Figures) {
    while client.record.last() < count {
        let gone = match client.line().hear() {
            Told::Event(event) => {
                client.record.hear(&event);
                false
            }
            Told::Answer(id, _) => panic!("a listener asks for nothing; {id} was answered"),
            Told::Gone => {
                client.figures.dropped += 1;
                true
            }
        };
        if gone || client.dice.one_in(300) {
            if client.dice.one_in(2) {
                // Until somebody has come on, or all have done.
                while progress.try_recv().is_ok() {}
                let _ = progress.recv();
            }
            client.come_again();
        }
    }
    (client.record, client.figures)
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn ten_thousand_messages_with_duplicates_and_disconnects_are_each_there_once_and_in_order() {
    let seed = setting("STORM_SEED", 20_260_128) as u64;
    let each = setting("STORM_MESSAGES", 5_000);
    both(|database| {
        eprintln!("seed {seed}, twice {each} messages");
        let server = Server::with(database, &[("RATE_LIMITS", "off")]);
        let team = Team::new(&server, "Dana", ["Ann", "Bo", "Cy"]);
        let channel = team.channel("storm");
        let stage = Stage { server: &server, team: &team, channel: &channel };
        let began = Instant::now();
        let (progress, progresses): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let players = [(0, "a", Transport::Raw), (1, "b", Transport::SocketIo)].map(|(n, name, transport)| Player {
            client: Client::new(&stage, team.person(n), transport, seed + n as u64),
            name,
            acknowledged: HashMap::new(),
            open: BTreeSet::new(),
            overtaken: HashSet::new(),
            progress: progress.clone(),
        });
        drop(progress);
        let listeners = [Transport::Raw, Transport::SocketIo].map(|transport| Client::new(&stage, team.person(2), transport, seed + 9));
        let (played, listened) = thread::scope(|scope| {
            let listening: Vec<_> = listeners
                .into_iter()
                .zip(progresses)
                .map(|(client, progress)| scope.spawn(move || listen(client, 2 * each as u64, &progress)))
                .collect();
            let playing: Vec<_> = players.into_iter().map(|player| scope.spawn(move || player.play(each))).collect();
            let played: Vec<_> = playing.into_iter().map(|thread| thread.join().expect("a sender is told the truth")).collect();
            let listened: Vec<_> = listening.into_iter().map(|thread| thread.join().expect("a listener hears everything")).collect();
            (played, listened)
        });
        let took = began.elapsed();

        let stored = channel.messages_after(&team.owner, 0);
        let mut truth = Record::default();
        truth.fetch(&stored);
        assert_eq!(truth.heard.len(), 2 * each, "there are as many messages as ids");
        let mut acknowledged = 0;
        for (n, (answers, overtaken, record, figures)) in played.into_iter().enumerate() {
            eprintln!("sender {n}: {figures:?}");
            acknowledged += answers.len();
            for (id, (message, sequence, _)) in &answers {
                assert_eq!(truth.heard[*sequence as usize - 1], (message.clone(), id.clone()), "what was acknowledged is what is stored");
            }
            let mut in_order: Vec<(usize, u64)> = answers
                .iter()
                .filter(|(id, _)| !overtaken.contains(*id))
                .map(|(id, (_, sequence, _))| (id[2..].parse().expect("is an id of ours"), *sequence))
                .collect();
            in_order.sort_unstable();
            assert!(in_order.is_sorted_by(|one, next| one.1 < next.1), "a client's commands are carried out in the order sent");
            assert!(record.heard == truth.heard[..record.heard.len()], "a sender hears what is stored");
            assert!(figures.resumed > 0 && figures.duplicates > each / 20, "the storm blew: {figures:?}");
        }
        assert_eq!(acknowledged, 2 * each);
        for (record, figures) in listened {
            eprintln!("listener: {figures:?}");
            assert!(record.heard == truth.heard, "a listener hears what is stored");
            assert!(figures.resumed > 0, "the storm blew: {figures:?}");
        }
        eprintln!("{} took {took:?}", database.name());
    });
}
