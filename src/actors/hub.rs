//! Hub: one actor per worker thread, with that thread's members of every room.
//!
//! A room sends one message per hub, with the frames already encoded; the hub writes the shared bytes to its members' outboxes. What arrives within one
//! turn of the thread is put together, so that a burst of changes costs a connection one write. The hub also looks after what an actor cannot:
//! a connection whose socket takes no bytes is dropped from here.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use bytes::{Bytes, BytesMut};

use crate::actors::counts::Counts;
use crate::actors::line::{ConnectionId, Heard, Line, RoomNo, Socket, Speaker, Voice, answer_frame};
use crate::actors::parts::{EncodedParts, Frames, encode_one};
use crate::actors::speech::{Entry, Reply};
use crate::actors::vital::vital;
use crate::protocol::close::Close;
use crate::protocol::frame;
use crate::protocol::ids::RoomId;
use crate::protocol::limits::CONNECT_TIMEOUT;
use crate::protocol::session::Epoch;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::{MemberNo, Topic};

/// Bytes that are put together for one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Items that rooms may have sent to a hub before it has worked on them; beyond, rooms answer `BUSY`.
pub const BACKLOG_MAX: usize = 65_536;

/// How a room reaches the hub of a connection.
#[derive(Clone)]
pub struct HubRef {
    /// One per thread.
    pub index: usize,
    pub addr: Addr<Hub>,
    backlog: Arc<AtomicUsize>,
}

impl HubRef {
    /// Hands over what a room has to say. The hub never waits, so its mailbox is emptied as fast as the thread runs; [`HubRef::is_behind`] is the bound.
    pub fn tell(&self, room: RoomNo, items: Vec<Item>) {
        self.backlog.fetch_add(items.len(), Ordering::Relaxed);
        self.addr.do_send(FromRoom { room, items });
    }

    pub fn is_behind(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > BACKLOG_MAX
    }
}

/// What a room says through a hub, in the order in which it is to be heard.
pub enum Item {
    /// From now on the connection hears the room. Its entry comes first; with `hold`, which has an empty one, what follows waits for [`Item::Release`].
    /// Of `left` it hears nothing before it asks.
    Attach { connection: ConnectionId, member: MemberNo, leads: bool, left: Vec<Topic>, entry: Box<Entry>, hold: bool },
    /// What a resumed connection missed; then what was held.
    Release { connection: ConnectionId, entry: Box<Entry> },
    /// A change, for all whom it concerns.
    Parts(Arc<EncodedParts>),
    /// Frames for one connection. With a name they give way to newer ones of that name, as those of [`Item::Parts`] do.
    To { connection: ConnectionId, latest: Option<(Arc<str>, Option<Topic>)>, frames: Frames },
    /// The answer to what a connection asked.
    Answer { connection: ConnectionId, reply: Box<Reply> },
    /// For every connection: the room's history has a new name.
    Epoch(i64),
    /// The connection is not in the room, or not any more.
    Detach { connection: ConnectionId, room: RoomId, close: Close },
}

#[derive(Message)]
#[rtype(result = "()")]
pub struct FromRoom {
    room: RoomNo,
    items: Vec<Item>,
}

/// Ends the connections that live on these sessions.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct EndSessions(pub Arc<HashSet<String>>);

/// Ends one connection.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CloseOne(pub ConnectionId, pub Close);

/// The user of this connection has become a member of a room.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Welcome(pub ConnectionId, pub RoomId);

/// Ends up to this many connections, if there are as many; answers how many are left.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CloseSome(pub usize, pub Close);

/// The sessions that the hub's connections live on: (session id, when it ends).
#[derive(Message)]
#[rtype(result = "Vec<(String, Timestamp)>")]
pub struct ListSessions;

/// What was read again of sessions: when each ends. Those that are not there have ended.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct SessionsRead {
    pub asked: Arc<Vec<String>>,
    pub valid_until: Arc<HashMap<String, Timestamp>>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

struct Seat {
    line: Rc<Line>,
    member: MemberNo,
    leads: bool,
    /// Topics that the connection has left.
    left: Vec<Topic>,
}

impl Seat {
    /// Which part of a change it hears.
    fn hears(&self, parts: &EncodedParts) -> Option<usize> {
        let index = parts.matching(self.member, self.leads)?;
        let has_left = !self.left.is_empty() && parts.part(index).topic.is_some_and(|topic| self.left.contains(&topic));
        (!has_left).then_some(index)
    }

    fn hear(&mut self, topic: Topic, on: bool) {
        self.left.retain(|left| *left != topic);
        if !on {
            self.left.push(topic);
        }
    }
}

struct RoomHere {
    no: RoomNo,
    seats: Vec<Seat>,
    seat_by_connection: HashMap<ConnectionId, usize>,
    waiting: Vec<Item>,
}

/// A thread's connections. Shared between its hub and its connection actors, which live on the same thread.
#[derive(Default)]
struct Here {
    lines: HashMap<ConnectionId, Rc<Line>>,
    rooms: HashMap<RoomNo, RoomHere>,
    /// Sessions that ended a moment ago: a connection may have been let in on one just before.
    ended: VecDeque<(Instant, Arc<HashSet<String>>)>,
}

pub struct Hub {
    here: Rc<RefCell<Here>>,
    dirty: Vec<RoomNo>,
    flushing: bool,
    settings: HubSettings,
    backlog: Arc<AtomicUsize>,
    counts: Arc<Counts>,
}

#[derive(Clone, Copy, Debug)]
pub struct HubSettings {
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
}

/// All hubs of the process.
pub struct Hubs {
    settings: HubSettings,
    counts: Arc<Counts>,
    started: std::sync::Mutex<Vec<HubRef>>,
}

impl Hubs {
    pub fn new(settings: HubSettings, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self { settings, counts, started: Default::default() })
    }

    pub fn all(&self) -> Vec<HubRef> {
        self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The hub of this thread, started at its first use.
    pub fn here(&self) -> HubRef {
        HERE.with(|slot| {
            if let Some(local) = &*slot.borrow() {
                return local.hub.clone();
            }
            let here = Rc::new(RefCell::new(Here::default()));
            let backlog = Arc::new(AtomicUsize::new(0));
            let actor = Hub {
                here: here.clone(),
                dirty: Vec::new(),
                flushing: false,
                settings: self.settings,
                backlog: backlog.clone(),
                counts: self.counts.clone(),
            };
            let mut started = self.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let hub = HubRef { index: started.len(), addr: actor.start(), backlog };
            started.push(hub.clone());
            *slot.borrow_mut() = Some(Local { hub: hub.clone(), here });
            hub
        })
    }
}

struct Local {
    hub: HubRef,
    here: Rc<RefCell<Here>>,
}

thread_local! {
    static HERE: RefCell<Option<Local>> = const { RefCell::new(None) };
}

fn with_here<T>(work: impl FnOnce(&mut Here) -> T) -> Option<T> {
    HERE.with(|slot| slot.borrow().as_ref().map(|local| work(&mut local.here.borrow_mut())))
}

/// Makes a connection of this thread known to its hub.
pub fn register(line: Rc<Line>) {
    with_here(|here| here.lines.insert(line.id, line));
}

/// True when the session has ended since a connection's credentials can have been judged: it was told to all who were there then.
pub fn has_just_ended(session: &str) -> bool {
    with_here(|here| here.ended.iter().any(|(_, sessions)| sessions.contains(session))).unwrap_or(false)
}

/// Forgets a connection that has ended.
pub fn unregister(connection: ConnectionId) {
    with_here(|here| {
        let Some(line) = here.lines.remove(&connection) else { return };
        let rooms = line.rooms.take();
        rooms.into_iter().for_each(|room| here.remove(room, connection));
    });
}

/// A client can take again what waited for that.
pub fn catch_up(connection: ConnectionId) {
    let line = with_here(|here| here.lines.get(&connection).cloned()).flatten();
    if let Some(line) = line {
        line.catch_up();
    }
}

/// The connection leaves a room by its own will; it lives on.
pub fn leave(connection: ConnectionId, room: RoomNo) {
    with_here(|here| {
        let Some(line) = here.lines.get(&connection).cloned() else { return };
        line.rooms.borrow_mut().retain(|known| *known != room);
        line.forget_latest(room, None);
        here.remove(room, connection);
    });
}

impl Here {
    fn remove(&mut self, room: RoomNo, connection: ConnectionId) {
        let Some(room_here) = self.rooms.get_mut(&room) else { return };
        room_here.remove(connection);
        if room_here.seats.is_empty() && room_here.waiting.is_empty() {
            self.rooms.remove(&room);
        }
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let beat = Duration::from_secs(1).min(self.settings.ping_interval / 4).max(Duration::from_millis(20));
        ctx.run_interval(beat, |hub, _| vital("a hub", || hub.look_after(Instant::now())));
    }
}

impl Hub {
    /// Pings who is silent, drops who stays so, who takes nothing, and who does not finish a goodbye. The sessions of Engine.IO see to that themselves.
    fn look_after(&self, now: Instant) {
        // A client that is dropped here may take its line away.
        let lines: Vec<Rc<Line>> = self.here.borrow().lines.values().cloned().collect();
        for line in lines {
            if let Voice::Socket(socket) = &line.voice {
                self.look_after_socket(&line, socket, now);
            }
            line.catch_up();
        }
    }

    fn look_after_socket(&self, line: &Line, socket: &Socket, now: Instant) {
        let outbox = &socket.outbox;
        if outbox.is_overdue(now) {
            if outbox.is_open() {
                self.counts.evicted();
            }
            return outbox.drop_stalled();
        }
        if !outbox.is_open() {
            return;
        }
        if line.connect_deadline.get().is_some_and(|deadline| now > deadline) {
            return outbox.close(Close::TryAgainLater);
        }
        let silent = now.saturating_duration_since(socket.heard_at.get());
        match socket.pinged_at.get() {
            Some(pinged) if pinged > socket.heard_at.get() => {
                let is_dead = now.saturating_duration_since(pinged) > self.settings.ping_timeout;
                socket.silent.set(is_dead);
                if is_dead {
                    outbox.kill();
                }
            }
            _ if silent >= self.settings.ping_interval => {
                socket.pinged_at.set(Some(now));
                outbox.send(&frame::ping(), 1);
            }
            _ => {}
        }
    }

    fn flush(&mut self) {
        self.flushing = false;
        let mut here = self.here.borrow_mut();
        let here = &mut *here;
        for room in self.dirty.drain(..) {
            let Some(room_here) = here.rooms.get_mut(&room) else { continue };
            let items = std::mem::take(&mut room_here.waiting);
            self.backlog.fetch_sub(items.len(), Ordering::Relaxed);
            room_here.work(items, &here.lines, &self.counts);
            if room_here.seats.is_empty() {
                here.rooms.remove(&room);
            }
        }
    }
}

impl Handler<FromRoom> for Hub {
    type Result = ();

    fn handle(&mut self, FromRoom { room, items }: FromRoom, ctx: &mut Self::Context) {
        let mut here = self.here.borrow_mut();
        let waiting = &mut here.rooms.entry(room).or_insert_with(|| RoomHere::new(room)).waiting;
        if waiting.is_empty() {
            self.dirty.push(room);
        }
        waiting.extend(items);
        if !std::mem::replace(&mut self.flushing, true) {
            ctx.notify(Flush);
        }
    }
}

impl Handler<Flush> for Hub {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {
        vital("a hub", || self.flush());
    }
}

impl RoomHere {
    fn new(no: RoomNo) -> Self {
        Self { no, seats: Vec::new(), seat_by_connection: HashMap::new(), waiting: Vec::new() }
    }

    fn work(&mut self, items: Vec<Item>, lines: &HashMap<ConnectionId, Rc<Line>>, counts: &Counts) {
        let mut run = Run::default();
        for item in items {
            match item {
                Item::Parts(parts) => {
                    run.has_latest |= parts.has_latest();
                    run.push(parts.largest(), Said::Parts(parts));
                }
                Item::Epoch(epoch) => run.push(0, Said::Epoch(epoch, Frames::of(&[Epoch { epoch: epoch.to_string() }], None))),
                Item::To { connection, latest: None, frames } => run.push(frames.wire().len(), Said::To(connection, frames)),
                Item::To { connection, latest: Some((name, topic)), frames } => {
                    self.say(std::mem::take(&mut run), counts);
                    if let Some(&seat) = self.seat_by_connection.get(&connection) {
                        self.seats[seat].line.say_latest(self.no, topic, &name, &frames);
                    }
                }
                Item::Answer { connection, reply } => self.answer(connection, *reply, &mut run, lines, counts),
                Item::Attach { connection, member, leads, left, entry, hold } => {
                    self.say(std::mem::take(&mut run), counts);
                    if let Some(line) = lines.get(&connection) {
                        let seat = Seat { line: line.clone(), member, leads, left };
                        self.attach(seat, &entry, hold);
                    }
                }
                Item::Release { connection, entry } => {
                    self.say(std::mem::take(&mut run), counts);
                    if let Some(line) = lines.get(&connection) {
                        release(self.no, line, &entry);
                    }
                }
                Item::Detach { connection, room: id, close } => {
                    self.say(std::mem::take(&mut run), counts);
                    self.remove(connection);
                    if let Some(line) = lines.get(&connection) {
                        line.leave(self.no, &id, close);
                    }
                }
            }
            if run.bytes > WRITE_BYTES_MAX {
                self.say(std::mem::take(&mut run), counts);
            }
        }
        self.say(run, counts);
    }

    fn answer(&mut self, connection: ConnectionId, reply: Reply, run: &mut Run, lines: &HashMap<ConnectionId, Rc<Line>>, counts: &Counts) {
        let hears = reply.outcome.as_ref().ok().and_then(|done| done.hears);
        if let Some((topic, on)) = hears {
            self.say(std::mem::take(run), counts);
            if let Some(&seat) = self.seat_by_connection.get(&connection) {
                self.seats[seat].hear(topic, on);
                if !on {
                    self.seats[seat].line.forget_latest(self.no, Some(topic));
                }
            }
        }
        if reply.is_unasked() {
            return;
        }
        match (self.seat_by_connection.contains_key(&connection), lines.get(&connection)) {
            (true, _) => run.push(0, Said::Answer(connection, reply)),
            // A refusal of what it sent before it was let in.
            (false, Some(line)) => line.answer(&reply),
            (false, None) => {}
        }
    }

    fn attach(&mut self, seat: Seat, entry: &Entry, hold: bool) {
        let line = seat.line.clone();
        line.connect_deadline.set(None);
        line.rooms.borrow_mut().push(self.no);
        self.remove(line.id);
        self.seat_by_connection.insert(line.id, self.seats.len());
        self.seats.push(seat);
        match &line.voice {
            Voice::Socket(socket) => {
                socket.outbox.discard_held();
                if hold {
                    socket.outbox.hold();
                } else {
                    socket.outbox.feed(&entry_frames(entry), 1);
                    socket.outbox.release();
                }
            }
            Voice::Session(session) => session.enter(self.no, entry, hold),
        }
    }

    fn remove(&mut self, connection: ConnectionId) {
        let Some(index) = self.seat_by_connection.remove(&connection) else { return };
        let seat = self.seats.swap_remove(index);
        // Its line forgets the room too, once: it may be coming in anew.
        let mut rooms = seat.line.rooms.borrow_mut();
        if let Some(at) = rooms.iter().position(|room| *room == self.no) {
            rooms.swap_remove(at);
        }
        if let Some(moved) = self.seats.get(index) {
            self.seat_by_connection.insert(moved.line.id, index);
        }
    }

    /// Writes a run of frames to everybody whom they concern, each raw WebSocket once.
    fn say(&self, run: Run, counts: &Counts) {
        let mut told = Told::default();
        let all: Vec<&Said> = run.said.iter().collect();
        let shared: Vec<&Said> = all.iter().copied().filter(|said| said.is_shared()).collect();
        let apart = self.apart(&run.said);
        for &index in &apart {
            match &self.seats[index] {
                slow if run.has_latest && slow.line.is_slow() => told.tell_slow(self.no, slow, &all),
                seat => told.tell(self.no, seat, &all),
            }
        }
        if !shared.is_empty() {
            self.say_to_the_others(&shared, run.has_latest, &apart, &mut told);
        }
        told.count(counts);
    }

    /// The seats that get something of their own among these, in ascending order.
    fn apart(&self, said: &[Said]) -> Vec<usize> {
        let seat = |said: &Said| said.addressee().and_then(|connection| self.seat_by_connection.get(&connection).copied());
        let mut apart: Vec<usize> = said.iter().filter_map(seat).collect();
        apart.sort_unstable();
        apart.dedup();
        apart
    }

    fn say_to_the_others<'a>(&self, shared: &[&'a Said], has_latest: bool, apart: &[usize], told: &mut Told<'a>) {
        let mut apart = apart.iter().copied().peekable();
        let mut together = HashMap::new();
        for (index, seat) in self.seats.iter().enumerate() {
            if apart.next_if_eq(&index).is_some() {
                continue;
            }
            match (&seat.line.voice, shared) {
                _ if has_latest && seat.line.is_slow() => told.tell_slow(self.no, seat, shared),
                (Voice::Session(_), _) => told.tell(self.no, seat, shared),
                // By far the most frequent: the bytes are shared as they are.
                (Voice::Socket(socket), [one]) => {
                    if let Some(frames) = one.for_seat(seat) {
                        told.send(socket, frames.wire(), frames.len());
                    }
                }
                (Voice::Socket(socket), several) => {
                    let heard = heard(several, seat);
                    let (bytes, frames) = &*together.entry(heard).or_insert_with(|| put_together(several, seat));
                    told.send(socket, bytes, *frames);
                }
            }
        }
    }
}

/// `connected`, then the state.
fn entry_frames(entry: &Entry) -> Bytes {
    let mut frames = BytesMut::from(&encode_one(&entry.connected, None)[..]);
    frames.extend_from_slice(entry.frames.wire());
    frames.freeze()
}

fn release(room: RoomNo, line: &Line, entry: &Entry) {
    match &line.voice {
        Voice::Socket(socket) => {
            socket.outbox.feed(&entry_frames(entry), 1);
            socket.outbox.release();
        }
        Voice::Session(session) => session.release(room, entry),
    }
}

/// What goes out in one write per raw WebSocket.
#[derive(Default)]
struct Run {
    said: Vec<Said>,
    bytes: usize,
    /// Of some of it only the newest counts.
    has_latest: bool,
}

impl Run {
    fn push(&mut self, bytes: usize, said: Said) {
        self.bytes += bytes;
        self.said.push(said);
    }
}

enum Said {
    Parts(Arc<EncodedParts>),
    Epoch(i64, Frames),
    To(ConnectionId, Frames),
    Answer(ConnectionId, Reply),
}

impl Said {
    fn is_shared(&self) -> bool {
        matches!(self, Said::Parts(_) | Said::Epoch(..))
    }

    /// The one connection that it is for.
    fn addressee(&self) -> Option<ConnectionId> {
        match self {
            Said::To(connection, _) | Said::Answer(connection, _) => Some(*connection),
            Said::Parts(_) | Said::Epoch(..) => None,
        }
    }

    /// The frames that a seat hears of it. An answer is none: each transport has its own form of it.
    fn for_seat(&self, seat: &Seat) -> Option<&Frames> {
        match self {
            Said::Parts(parts) => seat.hears(parts).map(|index| &parts.part(index).frames),
            Said::Epoch(_, frames) => Some(frames),
            Said::To(connection, frames) => (*connection == seat.line.id).then_some(frames),
            Said::Answer(..) => None,
        }
    }
}

/// Which part of each change a seat hears. Those who hear the same share the bytes.
fn heard(said: &[&Said], seat: &Seat) -> Vec<Option<usize>> {
    let index = |said: &&Said| match said {
        Said::Parts(parts) => seat.hears(parts),
        Said::Epoch(..) | Said::To(..) | Said::Answer(..) => None,
    };
    said.iter().map(index).collect()
}

fn put_together(said: &[&Said], seat: &Seat) -> (Bytes, u32) {
    let mut bytes = BytesMut::new();
    let mut count = 0;
    for said in said {
        if let Said::Answer(connection, reply) = said
            && *connection == seat.line.id
            && let Some(frame) = answer_frame(reply)
        {
            bytes.extend_from_slice(&frame);
            count += 1;
        } else if let Some(frames) = said.for_seat(seat) {
            bytes.extend_from_slice(frames.wire());
            count += frames.len();
        }
    }
    (bytes.freeze(), count)
}

#[derive(Default)]
struct Told<'a> {
    frames: u64,
    bytes: u64,
    evicted: u64,
    /// Room for what one seat hears.
    heard: Vec<Heard<'a>>,
}

impl<'a> Told<'a> {
    /// What a seat hears, one transport or the other.
    fn tell(&mut self, room: RoomNo, seat: &Seat, said: &[&'a Said]) {
        match &seat.line.voice {
            // One by one, so that the outbox can tell the answers from what the room said.
            Voice::Socket(socket) if socket.outbox.holds() => said.iter().for_each(|said| self.one_of_held(socket, seat, said)),
            Voice::Socket(socket) => {
                let (bytes, frames) = put_together(said, seat);
                self.send(socket, &bytes, frames);
            }
            Voice::Session(session) => self.tell_session(room, &**session, seat, said),
        }
    }

    /// What of a change only the newest counts a slow reader gets later, or something newer in its place.
    fn tell_slow(&mut self, room: RoomNo, seat: &Seat, said: &[&'a Said]) {
        for &said in said {
            let part = if let Said::Parts(parts) = said { seat.hears(parts).map(|index| parts.part(index)) } else { None };
            match part.and_then(|part| Some((part, part.latest.as_ref()?))) {
                Some((part, _)) if part.frames.is_empty() => {}
                Some((part, name)) => {
                    let evicted = seat.line.say_latest(room, part.topic, name, &part.frames);
                    self.add(&part.frames, evicted);
                }
                None => self.tell(room, seat, &[said]),
            }
        }
    }

    fn one_of_held(&mut self, socket: &Socket, seat: &Seat, said: &Said) {
        match said {
            Said::Parts(_) | Said::Epoch(..) => {
                if let Some(frames) = said.for_seat(seat) {
                    self.send(socket, frames.wire(), frames.len());
                }
            }
            Said::To(..) | Said::Answer(..) => {
                let (bytes, frames) = put_together(&[said], seat);
                if !bytes.is_empty() {
                    let evicted = socket.outbox.answer(&bytes);
                    self.counted(bytes.len(), frames, evicted);
                }
            }
        }
    }

    /// What follows on each other without an answer in between is said together.
    fn tell_session(&mut self, room: RoomNo, session: &dyn Speaker, seat: &Seat, said: &[&'a Said]) {
        for &said in said {
            match said {
                Said::Parts(parts) => self.heard.push(Heard { frames: said.for_seat(seat), seq: parts.seq }),
                Said::To(..) => self.heard.extend(said.for_seat(seat).map(|frames| Heard { frames: Some(frames), seq: None })),
                Said::Epoch(epoch, _) => {
                    self.say_heard(room, session);
                    session.epoch(room, *epoch);
                }
                Said::Answer(connection, reply) if *connection == seat.line.id => {
                    self.say_heard(room, session);
                    session.answer(reply);
                }
                Said::Answer(..) => {}
            }
        }
        self.say_heard(room, session);
    }

    fn say_heard(&mut self, room: RoomNo, session: &dyn Speaker) {
        if self.heard.is_empty() {
            return;
        }
        let evicted = session.say(room, &self.heard);
        let heard = self.heard.iter().filter_map(|heard| heard.frames);
        let (bytes, frames) = heard.fold((0, 0), |(bytes, count), frames| (bytes + frames.wire().len(), count + frames.len()));
        self.counted(bytes, frames, evicted);
        self.heard.clear();
    }

    fn send(&mut self, socket: &Socket, bytes: &Bytes, frames: u32) {
        if !bytes.is_empty() {
            self.counted(bytes.len(), frames, socket.outbox.send(bytes, frames));
        }
    }

    fn add(&mut self, frames: &Frames, evicted: bool) {
        self.counted(frames.wire().len(), frames.len(), evicted);
    }

    fn counted(&mut self, bytes: usize, frames: u32, evicted: bool) {
        self.frames += u64::from(frames);
        self.bytes += bytes as u64;
        self.evicted += u64::from(evicted);
    }

    fn count(self, counts: &Counts) {
        counts.delivered(self.frames, self.bytes);
        (0..self.evicted).for_each(|_| counts.evicted());
    }
}

impl Handler<EndSessions> for Hub {
    type Result = ();

    fn handle(&mut self, EndSessions(sessions): EndSessions, _: &mut Self::Context) {
        let mut here = self.here.borrow_mut();
        let ended = here.lines.values().filter(|line| sessions.contains(&line.session.borrow().id));
        ended.for_each(|line| line.close(Close::SessionEnded));
        let now = Instant::now();
        while here.ended.front().is_some_and(|(at, _)| now.duration_since(*at) > CONNECT_TIMEOUT) {
            here.ended.pop_front();
        }
        here.ended.push_back((now, sessions));
    }
}

impl Handler<CloseOne> for Hub {
    type Result = ();

    fn handle(&mut self, CloseOne(connection, close): CloseOne, _: &mut Self::Context) {
        if let Some(line) = self.here.borrow().lines.get(&connection) {
            line.close(close);
        }
    }
}

impl Handler<Welcome> for Hub {
    type Result = ();

    fn handle(&mut self, Welcome(connection, room): Welcome, _: &mut Self::Context) {
        if let Some(line) = self.here.borrow().lines.get(&connection)
            && let Voice::Session(session) = &line.voice
        {
            session.welcome(&room);
        }
    }
}

impl Handler<CloseSome> for Hub {
    type Result = usize;

    fn handle(&mut self, CloseSome(count, close): CloseSome, _: &mut Self::Context) -> usize {
        let here = self.here.borrow();
        here.lines.values().filter(|line| line.is_open()).take(count).for_each(|line| line.close(close));
        here.lines.len()
    }
}

impl Handler<ListSessions> for Hub {
    type Result = Vec<(String, Timestamp)>;

    fn handle(&mut self, _: ListSessions, _: &mut Self::Context) -> Self::Result {
        let here = self.here.borrow();
        let sessions = here.lines.values().map(|line| line.session.borrow());
        sessions.filter(|session| !session.id.is_empty()).map(|session| (session.id.clone(), session.expires_at)).collect()
    }
}

impl Handler<SessionsRead> for Hub {
    type Result = ();

    fn handle(&mut self, SessionsRead { asked, valid_until }: SessionsRead, _: &mut Self::Context) {
        let asked: HashSet<&str> = asked.iter().map(String::as_str).collect();
        for line in self.here.borrow().lines.values() {
            let mut session = line.session.borrow_mut();
            if !asked.contains(session.id.as_str()) {
                continue;
            }
            match valid_until.get(&session.id) {
                Some(&expires_at) => session.expires_at = expires_at,
                None => line.close(Close::SessionEnded),
            }
        }
    }
}

#[cfg(test)]
mod tests;
