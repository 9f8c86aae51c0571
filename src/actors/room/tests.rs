//! The shell of a room with a real journal, a real hub and real sockets, around rules that can be told to fail.

use std::time::Duration;

use actix::{Actor, Addr};
use bytes::BytesMut;
use diesel::connection::SimpleConnection;
use diesel::{ExpressionMethods, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;
use crate::actors::executor::DbExecutor;
use crate::actors::hub::{self, HubSettings, Hubs};
use crate::actors::line::{Line, Socket, Voice};
use crate::actors::lobby::Lobby;
use crate::actors::outbox::Outbox;
use crate::actors::parts::texts_for;
use crate::cluster::node;
use crate::protocol::hex::HexKey;
use crate::protocol::ids::CampaignId;
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::Row;
use crate::rooms::kernel::{
    Arrival, Asked, Audience, Change, Company, ConnectionKey, Decision, Effects, Member, MemberNo, Moment, Part, Request, RoomLogic,
};
use crate::rooms::members::MemberSet;
use crate::store::db::{Db, on};
use crate::store::journal::{self, DomainRows, Missed};
use crate::store::pool::{self, DatabaseUrl};
use crate::store::types::At;
use crate::store::{migrate, schema};

/// How long a frame may take on a busy machine before a test gives up.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// A room that adds up. Everybody whose id begins with `u` and a digit is a member.
struct Sum {
    total: i64,
    /// What the journal's total was when it was looked up last.
    durable: i64,
}

enum Question {
    /// The total as it was decided.
    Total,
    /// The total that the journal has.
    Durable,
}

struct Wave;

#[derive(Clone, Copy, Serialize)]
enum Command {
    Add(i64),
    /// Adds the total that the journal has.
    AddAgain,
    /// Deciding it panics.
    Undecidable,
    /// It can be decided, but not applied.
    Inapplicable,
    /// Its row offends a foreign key.
    Unwritable,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message {
    Total { total: i64 },
    Added { by: i64 },
    Online { users: Vec<String> },
    Waved { by: String },
}

#[derive(Clone, Default, Serialize)]
struct Sums {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
}

/// A row that cannot be written.
struct BadRow;

impl RoomLogic for Sum {
    type Command = Command;
    type Event = Command;
    type Message = Message;
    type Answer = Sums;
    type Row = BadRow;
    type Query = Question;
    type Signal = Wave;
    type Lookup = ();
    type Found = i64;
    type Company = Online;

    fn decide(&self, _: Moment<'_>, _: Option<&Member>, command: &Command) -> Result<Decision<Command, Sums>, Rejection> {
        assert!(!matches!(command, Command::Undecidable), "a rule has a fault");
        Ok(Decision { event: Some(*command), answer: Sums::default() })
    }

    fn apply(&mut self, _: Moment<'_>, _: Option<&Member>, event: Command) -> Effects<Message, BadRow> {
        let (by, rows) = match event {
            Command::Add(by) => (by, Vec::new()),
            Command::AddAgain => (self.durable, Vec::new()),
            Command::Unwritable => (0, vec![BadRow]),
            Command::Undecidable | Command::Inapplicable => panic!("a rule has a fault"),
        };
        self.total += by;
        Effects { parts: vec![Part { to: Audience::All, frames: vec![Message::Added { by }] }], rows, ..Effects::default() }
    }

    fn member(&self, user: &UserId) -> Option<Member> {
        let no = user.as_str().strip_prefix('u')?.parse().ok()?;
        Some(Member { no: MemberNo(no), user: user.clone(), name: user.as_str().into(), leads: false })
    }

    fn role(&self, _: &Member) -> &'static str {
        "player"
    }

    fn joined_seq(&self, _: MemberNo) -> i64 {
        0
    }

    fn members_len(&self) -> usize {
        4
    }

    fn view(&self, _: &Member, _: &Online) -> Vec<Message> {
        vec![Message::Total { total: self.total }]
    }

    fn presence_rows(&self, _: Moment<'_>, _: &Member, _: bool) -> Vec<BadRow> {
        Vec::new()
    }

    fn resumable(missed: Vec<String>) -> Option<Vec<String>> {
        Some(missed)
    }

    fn ask(&self, _: Timestamp, _: &Online, _: &Member, question: &Question) -> Result<Asked<Self>, Rejection> {
        match question {
            Question::Total => {
                Ok(Asked::Known { answer: Sums { total: Some(self.total) }, frames: vec![Message::Total { total: self.total }] })
            }
            Question::Durable => Ok(Asked::LookUp(())),
        }
    }

    fn tell(&self, _: &Member, _: &Question, found: i64) -> Result<Sums, Rejection> {
        Ok(Sums { total: Some(found) })
    }

    fn wants(&self, command: &Command) -> Option<()> {
        matches!(command, Command::AddAgain).then_some(())
    }

    fn learn(&mut self, found: i64) {
        self.durable = found;
    }

    fn latest(message: &Message) -> Option<String> {
        matches!(message, Message::Online { .. }).then(|| "online".to_owned())
    }
}

/// Who is here: told to all whenever it changes, and when the room was loaded anew.
#[derive(Default)]
struct Online {
    connections: BTreeMap<u32, u32>,
    owed: bool,
}

impl Company<Sum> for Online {
    fn connect(&mut self, _: &Sum, member: &Member, _: ConnectionKey, _: Arrival, _: Timestamp) -> Change<Message> {
        let count = self.connections.entry(member.no.0).or_default();
        *count += 1;
        self.owed = true;
        Change { presence_changed: *count == 1, parts: Vec::new() }
    }

    fn disconnect(&mut self, _: &Sum, member: MemberNo, _: ConnectionKey, _: Timestamp) -> Change<Message> {
        let count = self.connections.get_mut(&member.0).expect("was counted");
        *count -= 1;
        let last = *count == 0;
        self.connections.retain(|_, count| *count > 0);
        self.owed = true;
        Change { presence_changed: last, parts: Vec::new() }
    }

    fn signal(&mut self, _: &Sum, by: &Member, _: ConnectionKey, signal: Wave, _: Timestamp) -> Result<Vec<Part<Message>>, Rejection> {
        let Wave = signal;
        Ok(vec![Part { to: Audience::All, frames: vec![Message::Waved { by: by.user.to_string() }] }])
    }

    fn room_changed(&mut self, _: &Sum, _: Timestamp) -> Vec<Part<Message>> {
        Vec::new()
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.owed.then(Timestamp::default)
    }

    fn due(&mut self, _: &Sum, _: Timestamp) -> Vec<Part<Message>> {
        self.owed = false;
        let users = self.connections.keys().map(|no| format!("u{no}")).collect();
        vec![Part { to: Audience::All, frames: vec![Message::Online { users }] }]
    }
}

/// Its total is the sum of what the journal says was added.
impl StoredRoom for Sum {
    fn exists(_: &mut Db, _: &RoomId) -> diesel::QueryResult<bool> {
        Ok(true)
    }

    fn read(db: &mut Db, room: &RoomId) -> diesel::QueryResult<Option<Self>> {
        let Missed::Events(rows) = journal::events_after(db, room, 0, usize::MAX)? else { return Ok(None) };
        let texts = rows.iter().flat_map(|row| texts_for(&row.parts, MemberNo(0), false).expect("the journal holds JSON"));
        let total = texts.map(|text| serde_json::from_str::<Value>(&text).expect("is JSON")["by"].as_i64().expect("a number")).sum();
        Ok(Some(Self { total, durable: 0 }))
    }

    fn look_up(db: &mut Db, room: &RoomId, (): ()) -> diesel::QueryResult<i64> {
        Ok(Self::read(db, room)?.map_or(0, |sum| sum.total))
    }

    fn domain_rows(_: &RoomId, rows: Vec<BadRow>) -> DomainRows {
        if rows.is_empty() {
            return DomainRows::None;
        }
        let everyone = Visibility::Everyone { except: MemberSet::new() };
        let fog = Row::Fog(HexKey::new(0, 0).expect("is on the map"), Some(everyone));
        DomainRows::Campaign(CampaignId::new("no such campaign"), vec![fog])
    }
}

/// An SQLite file with all that stands between it and the sockets.
struct World {
    url: DatabaseUrl,
    context: Arc<RoomContext>,
    lobby: Addr<Lobby>,
    hubs: Arc<Hubs>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().expect("the temporary folder can be written");
        let url = DatabaseUrl::Sqlite(folder.path().join("test.db"));
        let mut db = pool::open_writer(&url).expect("SQLite opens");
        migrate::up(&mut db).expect("an empty database can be migrated");
        (0..4).for_each(|n| add_user(&mut db, &format!("u{n}")));
        let node: Arc<str> = node::register(&mut db, "test:1", "hash").expect("registers").into();
        let writer = DbExecutor::writer(url.clone());
        let counts = Arc::new(Counts::default());
        let database = Database::new(DbExecutor::pooled(pool::pool(&url, 2), 2), writer.clone(), counts.clone());
        let context = Arc::new(RoomContext {
            database,
            journal: Journal::new(node.clone(), vec![writer], counts.clone()).start(),
            node,
            counts: counts.clone(),
            ping_interval: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(60),
            draining: AtomicBool::new(false),
        });
        let settings = HubSettings { ping_interval: Duration::from_secs(25), ping_timeout: Duration::from_secs(20) };
        let lobby = Lobby::new(1, context.clone()).start();
        Self { url, context, lobby, hubs: Hubs::new(settings, counts), _folder: folder }
    }

    fn room(&self, name: &str, no: u64) -> TestRoom {
        let id = RoomId::campaign(&CampaignId::new(name));
        let room = Room::<Sum>::new(id.clone(), RoomNo(no), self.context.clone(), self.lobby.clone().recipient()).start();
        TestRoom { id, room, hub: self.hubs.here() }
    }

    fn db(&self) -> Db {
        pool::open_writer(&self.url).expect("SQLite opens")
    }

    /// Keeps everybody from writing until it is let go.
    fn lock(&self) -> Lock {
        let mut db = self.db();
        on!(&mut db, c => c.batch_execute("BEGIN IMMEDIATE")).expect("nobody holds the lock for long");
        Lock(db)
    }
}

struct Lock(Db);

impl Lock {
    fn release(mut self) {
        on!(&mut self.0, c => c.batch_execute("ROLLBACK")).expect("it was begun");
    }
}

fn add_user(db: &mut Db, id: &str) {
    use schema::user::dsl as d;
    let now = At(clock::now());
    let row = (
        d::id.eq(id),
        d::name.eq(id),
        d::email.eq(format!("{id}@example.org")),
        d::email_verified.eq(false),
        d::created_at.eq(now),
        d::updated_at.eq(now),
    );
    on!(db, c => diesel::insert_into(d::user).values(row).execute(c)).expect("a new user");
}

struct TestRoom {
    id: RoomId,
    room: Addr<Room<Sum>>,
    hub: HubRef,
}

impl TestRoom {
    /// Brings a user in, over a real socket.
    async fn join(&self, user: &str) -> Peer {
        self.join_since(user, None).await
    }

    async fn join_since(&self, user: &str, since: Option<Cursor>) -> Peer {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has a free port");
        let ours = std::net::TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let (server_side, _) = listener.accept().expect("somebody connects");
        [&ours, &server_side].into_iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket takes its options"));
        let line = Line::new(ConnectionId::next(), Voice::Socket(Socket::new(Outbox::new(server_side, 1 << 20))));
        let connection = line.id;
        hub::register(line);
        let join = Join { connection, hub: self.hub.clone(), user: UserId::new(user), since };
        self.room.send(join).await.expect("the room lives").expect("it is not on its way out");
        let stream = tokio::net::TcpStream::from_std(ours).expect("the socket is non-blocking");
        Peer { connection, room: self.room.clone(), stream, read: BytesMut::new() }
    }

    /// What the journal has: every `seq` with what it added. Holes fail.
    fn history(&self, world: &World) -> Vec<i64> {
        let Missed::Events(rows) = journal::events_after(&mut world.db(), &self.id, 0, usize::MAX).expect("can be read") else {
            panic!("the journal has holes")
        };
        assert!(rows.iter().map(|row| row.seq).eq(1..=rows.len() as i64), "seq counts without holes");
        assert!(rows.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch), "epoch never falls");
        let by = |text: &String| serde_json::from_str::<Value>(text).expect("is JSON")["by"].as_i64().expect("a number");
        rows.iter().map(|row| by(&texts_for(&row.parts, MemberNo(0), false).expect("is JSON")[0])).collect()
    }
}

struct Peer {
    connection: ConnectionId,
    room: Addr<Room<Sum>>,
    stream: tokio::net::TcpStream,
    read: BytesMut,
}

impl Peer {
    /// Returns when the room has decided the command, or put it off.
    async fn send(&self, id: &str, command: Command) {
        let id = CommandId::parse(id);
        self.ask(id, Request::Command(command)).await;
    }

    async fn ask(&self, id: Option<CommandId>, request: Request<Sum>) {
        self.room.send(Order { connection: self.connection, tag: None, id, request }).await.expect("the room lives");
    }

    /// The next frame that is not about presence.
    async fn next(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if !is_presence(&frame) {
                return frame;
            }
        }
    }

    /// What is here already, without what is about presence.
    async fn heard(&mut self) -> Vec<Value> {
        let mut some = [0; 4096];
        while let Ok(length @ 1..) = self.stream.try_read(&mut some) {
            self.read.extend_from_slice(&some[..length]);
        }
        let mut frames = Vec::new();
        while !self.read.is_empty() {
            frames.push(self.frame().await);
        }
        frames.retain(|frame| !is_presence(frame));
        frames
    }

    async fn frame(&mut self) -> Value {
        loop {
            if let Some(length) = self.read.get(1).copied().map(usize::from) {
                // Frames of a server are not masked.
                let (head, length) = match length {
                    126 if self.read.len() >= 4 => (4, usize::from(u16::from_be_bytes([self.read[2], self.read[3]]))),
                    126 => (4, usize::MAX / 2),
                    short => (2, short),
                };
                if self.read.len() >= head + length {
                    let frame = self.read.split_to(head + length);
                    assert_eq!(frame[0], 0x81, "awaited a text frame; {frame:?} came");
                    return serde_json::from_slice(&frame[head..]).expect("a text frame holds JSON");
                }
            }
            let more = tokio::time::timeout(FRAME_TIMEOUT, self.stream.read_buf(&mut self.read)).await;
            let more = more.expect("awaited a frame; none came").expect("the socket can be read");
            assert!(more > 0, "awaited a frame; the connection ended");
        }
    }

    /// `connected` and what it is shown: the epoch, the head and the total.
    async fn entered(&mut self) -> (Cursor, i64) {
        let (connected, total) = (self.next().await, self.next().await);
        assert_eq!((&connected["type"], &connected["resumed"], &total["type"]), (&json!("connected"), &json!(false), &json!("total")));
        (cursor_of(&connected), total["total"].as_i64().expect("a number"))
    }

    async fn expect(&mut self, frames: &[Value]) {
        for expected in frames {
            let frame = self.next().await;
            let told: Value = expected.as_object().expect("is an object").keys().map(|key| (key.clone(), frame[key].clone())).collect();
            assert_eq!(told, *expected, "{frame} came");
        }
    }
}

fn is_presence(frame: &Value) -> bool {
    frame["type"] == "online"
}

fn cursor_of(connected: &Value) -> Cursor {
    let epoch = connected["epoch"].as_str().and_then(|epoch| epoch.parse().ok()).expect("an epoch of ours is a number");
    Cursor { seq: connected["seq"].as_i64().expect("a number"), epoch }
}

fn added(by: i64, seq: i64) -> Value {
    json!({"type": "added", "by": by, "seq": seq})
}

fn ack(id: &str, seq: i64) -> Value {
    json!({"type": "ack", "id": id, "seq": seq})
}

fn refused(id: &str, code: &str) -> Value {
    json!({"type": "error", "id": id, "code": code})
}

fn epoch() -> Value {
    json!({"type": "epoch"})
}

#[actix::test]
async fn a_command_that_cannot_be_decided_is_answered_internal_and_the_room_goes_on() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    assert_eq!(peer.entered().await.1, 0);
    peer.send("a", Command::Add(5)).await;
    peer.send("b", Command::Undecidable).await;
    peer.send("c", Command::Add(2)).await;
    peer.expect(&[added(5, 1), ack("a", 1), refused("b", "INTERNAL"), added(2, 2), ack("c", 2)]).await;
    // It is the same incarnation: nobody was told of another one, and a newcomer finds it.
    assert_eq!(room.join("u1").await.entered().await.1, 7);
}

#[actix::test]
async fn a_panic_while_applying_costs_the_state_and_neither_the_connections_nor_what_was_acknowledged() {
    let world = World::new();
    let room = world.room("one", 1);
    let (mut peer, mut other) = (room.join("u0").await, room.join("u1").await);
    let (before, _) = peer.entered().await;
    other.entered().await;
    peer.send("a", Command::Add(5)).await;
    peer.expect(&[added(5, 1), ack("a", 1)]).await;
    peer.send("b", Command::Inapplicable).await;
    peer.expect(&[refused("b", "INTERNAL")]).await;
    let told = peer.next().await;
    assert_eq!(told["type"], "epoch");
    assert_ne!(told["epoch"], before.epoch.to_string());
    other.expect(&[added(5, 1), epoch()]).await;
    peer.send("a", Command::Add(5)).await;
    peer.send("c", Command::Add(1)).await;
    peer.expect(&[ack("a", 1), added(1, 2), ack("c", 2)]).await;
    other.expect(&[added(1, 2)]).await;
    assert_eq!(room.history(&world), [5, 1]);
    assert_eq!(room.join("u2").await.entered().await.1, 6);
}

#[actix::test]
async fn those_who_wait_when_a_room_panics_are_answered_and_their_ids_tell_what_became_of_it() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    peer.entered().await;
    let lock = world.lock();
    peer.send("a", Command::Add(5)).await;
    let (answer, answered) = tokio::sync::oneshot::channel();
    let ask = Ask { by: Some(UserId::new("u1")), command: Command::Add(3), answer };
    assert!(room.room.send(ask).await.expect("the room lives").is_ok());
    peer.send("b", Command::Inapplicable).await;
    peer.expect(&[refused("b", "INTERNAL"), refused("a", "STORAGE_UNAVAILABLE")]).await;
    assert!(answered.await.expect("whoever asks is answered").is_err());
    lock.release();
    // What of it became durable is shown before the new epoch; the rest has never been.
    let mut shown = Vec::new();
    loop {
        let frame = peer.next().await;
        match frame["type"].as_str() {
            Some("epoch") => break,
            _ => shown.push(frame["by"].as_i64().expect("an addition")),
        }
    }
    assert_eq!(shown, room.history(&world));
    peer.send("a", Command::Add(5)).await;
    let frame = peer.next().await;
    if frame["type"] == "added" {
        peer.expect(&[json!({"type": "ack", "id": "a"})]).await;
    } else {
        assert_eq!((&frame["type"], &frame["id"]), (&json!("ack"), &json!("a")));
    }
    assert_eq!(room.history(&world).iter().filter(|&&by| by == 5).count(), 1);
}

#[actix::test]
async fn a_commit_that_cannot_be_written_costs_only_its_own_room() {
    let world = World::new();
    let (bad, good) = (world.room("bad", 1), world.room("good", 2));
    let (mut sick, mut well) = (bad.join("u0").await, good.join("u1").await);
    sick.entered().await;
    well.entered().await;
    // Behind the lock both rooms' commits come into one batch.
    let lock = world.lock();
    well.send("first", Command::Add(1)).await;
    sick.send("a", Command::Add(10)).await;
    sick.send("b", Command::Unwritable).await;
    sick.send("c", Command::Add(20)).await;
    well.send("second", Command::Add(2)).await;
    lock.release();
    well.expect(&[added(1, 1), ack("first", 1), added(2, 2), ack("second", 2)]).await;
    sick.expect(&[added(10, 1), ack("a", 1), refused("b", "STORAGE_UNAVAILABLE"), refused("c", "STORAGE_UNAVAILABLE"), epoch()]).await;
    sick.send("c", Command::Add(20)).await;
    sick.expect(&[added(20, 2), ack("c", 2)]).await;
    well.send("third", Command::Add(3)).await;
    well.expect(&[added(3, 3), ack("third", 3)]).await;
    assert_eq!((bad.history(&world), good.history(&world)), (vec![10, 20], vec![1, 2, 3]));
}

#[actix::test]
async fn commands_are_decided_while_a_commit_is_pending_and_told_when_all_before_them_is_durable() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    peer.entered().await;
    let lock = world.lock();
    for n in 1..=3 {
        // Each returns when the room has decided it.
        peer.send(&n.to_string(), Command::Add(n)).await;
    }
    // A newcomer meanwhile is shown the state that the three make, but not before they are durable.
    let mut newcomer = room.join("u1").await;
    assert!(room.history(&world).is_empty());
    assert_eq!(peer.heard().await, [] as [Value; 0], "nothing is told before it is durable");
    assert_eq!(newcomer.heard().await, [] as [Value; 0], "not even to a newcomer");
    lock.release();
    for n in 1..=3 {
        peer.expect(&[added(n, n), ack(&n.to_string(), n)]).await;
    }
    let (cursor, total) = newcomer.entered().await;
    assert_eq!((cursor.seq, total), (3, 6));
    peer.send("4", Command::Add(4)).await;
    newcomer.expect(&[added(4, 4)]).await;
}

#[actix::test]
async fn a_room_that_lost_its_ownership_writes_nothing_and_recovers_with_its_clients() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    let (before, _) = peer.entered().await;
    peer.send("a", Command::Add(5)).await;
    peer.expect(&[added(5, 1), ack("a", 1)]).await;
    // Another incarnation takes the room; it wrote nothing.
    journal::acquire(&mut world.db(), &room.id, &world.context.node).expect("can be taken");
    peer.send("b", Command::Add(7)).await;
    peer.expect(&[refused("b", "STORAGE_UNAVAILABLE")]).await;
    let told = peer.next().await;
    assert!(told["type"] == "epoch" && told["epoch"] != json!(before.epoch.to_string()), "{told}");
    peer.send("b", Command::Add(7)).await;
    peer.expect(&[added(7, 2), ack("b", 2)]).await;
    assert_eq!(room.history(&world), [5, 7]);
}

#[actix::test]
async fn a_resume_that_is_under_way_when_the_state_is_lost_is_done_again() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    let (cursor, _) = peer.entered().await;
    peer.send("a", Command::Add(5)).await;
    peer.expect(&[added(5, 1), ack("a", 1)]).await;
    // Neither returns before the room has handled it; what was missed is read behind both.
    let (joining, _) = tokio::join!(room.join_since("u1", Some(cursor)), peer.send("b", Command::Inapplicable));
    let mut resuming = joining;
    let connected = resuming.next().await;
    assert_eq!((&connected["type"], &connected["resumed"]), (&json!("connected"), &json!(true)));
    resuming.expect(&[added(5, 1)]).await;
    peer.send("c", Command::Add(1)).await;
    let frame = resuming.next().await;
    let frame = if frame["type"] == "epoch" { resuming.next().await } else { frame };
    assert_eq!((&frame["by"], &frame["seq"]), (&json!(1), &json!(2)));
}

#[actix::test]
async fn who_left_while_the_state_was_lost_is_not_listed_as_present() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    let leaver = room.join("u1").await;
    peer.entered().await;
    let lock = world.lock();
    peer.send("b", Command::Inapplicable).await;
    room.room.send(Leave { connection: leaver.connection }).await.expect("the room lives");
    lock.release();
    peer.expect(&[refused("b", "INTERNAL"), epoch()]).await;
    loop {
        let frame = peer.frame().await;
        if is_presence(&frame) && frame["users"] == json!(["u0"]) {
            break;
        }
    }
}

#[actix::test]
async fn what_reads_the_database_reads_all_that_was_asked_before_it() {
    let world = World::new();
    let room = world.room("one", 1);
    let mut peer = room.join("u0").await;
    peer.entered().await;
    let lock = world.lock();
    peer.send("a", Command::Add(2)).await;
    peer.ask(CommandId::parse("b"), Request::Query(Question::Total)).await;
    peer.ask(CommandId::parse("c"), Request::Query(Question::Durable)).await;
    peer.ask(None, Request::Signal(Wave)).await;
    assert!(peer.heard().await.is_empty(), "nothing is said before it is durable");
    lock.release();
    peer.expect(&[json!({"type": "added", "by": 2}), ack("a", 1), json!({"type": "total", "total": 2})]).await;
    peer.expect(&[json!({"type": "ack", "id": "b", "seq": 1, "total": 2}), json!({"type": "waved", "by": "u0"})]).await;
    peer.expect(&[json!({"type": "ack", "id": "c", "seq": 1, "total": 2})]).await;
    peer.send("d", Command::AddAgain).await;
    peer.send("e", Command::Add(1)).await;
    peer.expect(&[json!({"type": "added", "by": 2}), ack("d", 2), json!({"type": "added", "by": 1}), ack("e", 3)]).await;
}
