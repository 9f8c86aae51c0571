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
use crate::actors::line::{ConnectionId, Line, RoomNo};
use crate::actors::parts::EncodedParts;
use crate::actors::vital::vital;
use crate::protocol::close::Close;
use crate::protocol::frame;
use crate::protocol::limits::CONNECT_TIMEOUT;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::MemberNo;

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
    /// From now on the connection hears the room. `frames` (whole WebSocket frames) come first; with `hold`, what follows waits for [`Item::Release`].
    Attach { connection: ConnectionId, member: MemberNo, leads: bool, frames: Bytes, hold: bool },
    /// The frames that a resumed connection missed; then what was held.
    Release { connection: ConnectionId, frames: Bytes },
    /// A change, for all whom it concerns.
    Parts(Arc<EncodedParts>),
    /// A frame for one connection.
    To { connection: ConnectionId, frame: Bytes },
    /// A frame for every connection of the room.
    ToAll(Bytes),
    /// The connection ends.
    Detach { connection: ConnectionId, close: Close },
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
}

#[derive(Default)]
struct RoomHere {
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
        let Some(room) = here.lines.remove(&connection).and_then(|line| line.room.get()) else { return };
        let Some(room_here) = here.rooms.get_mut(&room) else { return };
        room_here.remove(connection);
        if room_here.seats.is_empty() && room_here.waiting.is_empty() {
            here.rooms.remove(&room);
        }
    });
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let beat = Duration::from_secs(1).min(self.settings.ping_interval / 4).max(Duration::from_millis(20));
        ctx.run_interval(beat, |hub, _| vital("a hub", || hub.look_after(Instant::now())));
    }
}

impl Hub {
    /// Pings who is silent, drops who stays so, who takes nothing, and who does not finish a goodbye.
    fn look_after(&self, now: Instant) {
        for line in self.here.borrow().lines.values() {
            if line.outbox.is_overdue(now) {
                if line.outbox.is_open() {
                    self.counts.evicted();
                }
                line.outbox.drop_stalled();
                continue;
            }
            if !line.outbox.is_open() {
                continue;
            }
            if line.connect_deadline.get().is_some_and(|deadline| now > deadline) {
                line.outbox.close(Close::TryAgainLater);
                continue;
            }
            let silent = now.saturating_duration_since(line.heard_at.get());
            match line.pinged_at.get() {
                Some(pinged) if pinged > line.heard_at.get() => {
                    let is_dead = now.saturating_duration_since(pinged) > self.settings.ping_timeout;
                    line.silent.set(is_dead);
                    if is_dead {
                        line.outbox.kill();
                    }
                }
                _ if silent >= self.settings.ping_interval => {
                    line.pinged_at.set(Some(now));
                    line.outbox.send(&frame::ping(), 1);
                }
                _ => {}
            }
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
            room_here.work(room, items, &here.lines, &self.counts);
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
        let waiting = &mut here.rooms.entry(room).or_default().waiting;
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
    fn work(&mut self, room: RoomNo, items: Vec<Item>, lines: &HashMap<ConnectionId, Rc<Line>>, counts: &Counts) {
        let mut run = Run::default();
        for item in items {
            match item {
                Item::Parts(parts) => run.push(parts.largest(), Said::Parts(parts)),
                Item::ToAll(frame) => run.push(frame.len(), Said::ToAll(frame)),
                Item::To { connection, frame } => match self.seat_by_connection.get(&connection) {
                    Some(_) => run.push(frame.len(), Said::To(connection, frame)),
                    // A refusal of what it sent before it was let in.
                    None => {
                        if let Some(line) = lines.get(&connection) {
                            line.outbox.send(&frame, 1);
                        }
                    }
                },
                Item::Attach { connection, member, leads, frames, hold } => {
                    self.say(std::mem::take(&mut run), counts);
                    if let Some(line) = lines.get(&connection) {
                        line.room.set(Some(room));
                        self.attach(line, member, leads, &frames, hold);
                    }
                }
                Item::Release { connection, frames } => {
                    self.say(std::mem::take(&mut run), counts);
                    if let Some(line) = lines.get(&connection) {
                        line.outbox.feed(&frames, 1);
                        line.outbox.release();
                    }
                }
                Item::Detach { connection, close } => {
                    self.say(std::mem::take(&mut run), counts);
                    self.remove(connection);
                    if let Some(line) = lines.get(&connection) {
                        line.refuse(close);
                    }
                }
            }
            if run.bytes > WRITE_BYTES_MAX {
                self.say(std::mem::take(&mut run), counts);
            }
        }
        self.say(run, counts);
    }

    fn attach(&mut self, line: &Rc<Line>, member: MemberNo, leads: bool, frames: &Bytes, hold: bool) {
        line.connect_deadline.set(None);
        line.outbox.discard_held();
        line.outbox.feed(frames, 1);
        if hold {
            line.outbox.hold();
        } else {
            line.outbox.release();
        }
        self.remove(line.id);
        self.seat_by_connection.insert(line.id, self.seats.len());
        self.seats.push(Seat { line: line.clone(), member, leads });
    }

    fn remove(&mut self, connection: ConnectionId) {
        let Some(index) = self.seat_by_connection.remove(&connection) else { return };
        self.seats.swap_remove(index);
        if let Some(moved) = self.seats.get(index) {
            self.seat_by_connection.insert(moved.line.id, index);
        }
    }

    /// Writes a run of frames to everybody whom they concern, each connection once.
    fn say(&self, run: Run, counts: &Counts) {
        let mut told = Told::default();
        let all: Vec<&Said> = run.said.iter().collect();
        let shared: Vec<&Said> = all.iter().copied().filter(|said| !matches!(said, Said::To(..))).collect();
        let apart = self.apart(&run.said);
        apart.iter().for_each(|&index| told.put_together(&self.seats[index], &all));
        if !shared.is_empty() {
            self.say_to_the_others(&shared, &apart, &mut told);
        }
        counts.delivered(told.frames, told.bytes);
        (0..told.evicted).for_each(|_| counts.evicted());
    }

    /// The seats that get a frame of their own among these, in ascending order.
    fn apart(&self, said: &[Said]) -> Vec<usize> {
        let seat = |said: &Said| match said {
            Said::To(connection, _) => self.seat_by_connection.get(connection).copied(),
            Said::Parts(_) | Said::ToAll(_) => None,
        };
        let mut apart: Vec<usize> = said.iter().filter_map(seat).collect();
        apart.sort_unstable();
        apart.dedup();
        apart
    }

    fn say_to_the_others(&self, shared: &[&Said], apart: &[usize], told: &mut Told) {
        let mut apart = apart.iter().copied().peekable();
        let mut together = HashMap::new();
        for (index, seat) in self.seats.iter().enumerate() {
            if apart.next_if_eq(&index).is_some() {
                continue;
            }
            match shared {
                // By far the most frequent: the bytes are shared as they are.
                [one] => one.for_seat(seat).into_iter().for_each(|(bytes, frames)| told.send(seat, bytes, frames)),
                several => {
                    let heard = heard(several, seat);
                    let (bytes, frames) = &*together.entry(heard).or_insert_with(|| put_together(several, seat));
                    told.send(seat, bytes, *frames);
                }
            }
        }
    }
}

/// Frames that go out in one write per connection.
#[derive(Default)]
struct Run {
    said: Vec<Said>,
    bytes: usize,
}

impl Run {
    fn push(&mut self, bytes: usize, said: Said) {
        self.bytes += bytes;
        self.said.push(said);
    }
}

enum Said {
    Parts(Arc<EncodedParts>),
    To(ConnectionId, Bytes),
    ToAll(Bytes),
}

impl Said {
    /// What a seat hears of it.
    fn for_seat(&self, seat: &Seat) -> Option<(&Bytes, u32)> {
        match self {
            Said::Parts(parts) => parts.matching(seat.member, seat.leads).map(|index| parts.part(index)),
            Said::To(connection, frame) => (*connection == seat.line.id).then_some((frame, 1)),
            Said::ToAll(frame) => Some((frame, 1)),
        }
    }
}

/// Which part of each change a seat hears. Those who hear the same share the bytes.
fn heard(said: &[&Said], seat: &Seat) -> Vec<Option<usize>> {
    let index = |said: &&Said| match said {
        Said::Parts(parts) => parts.matching(seat.member, seat.leads),
        Said::To(..) | Said::ToAll(_) => None,
    };
    said.iter().map(index).collect()
}

fn put_together(said: &[&Said], seat: &Seat) -> (Bytes, u32) {
    let mut bytes = BytesMut::new();
    let mut frames = 0;
    for (part, count) in said.iter().filter_map(|said| said.for_seat(seat)) {
        bytes.extend_from_slice(part);
        frames += count;
    }
    (bytes.freeze(), frames)
}

#[derive(Default)]
struct Told {
    frames: u64,
    bytes: u64,
    evicted: u64,
}

impl Told {
    /// What a seat hears that gets a frame of its own among it.
    fn put_together(&mut self, seat: &Seat, said: &[&Said]) {
        if seat.line.outbox.holds() {
            return said.iter().for_each(|said| self.one_of_held(seat, said));
        }
        let (bytes, frames) = put_together(said, seat);
        self.send(seat, &bytes, frames);
    }

    /// One by one, so that the outbox can tell the answers from what the room said.
    fn one_of_held(&mut self, seat: &Seat, said: &Said) {
        let Some((bytes, frames)) = said.for_seat(seat) else { return };
        match said {
            Said::To(..) => self.answer(seat, bytes),
            Said::Parts(_) | Said::ToAll(_) => self.send(seat, bytes, frames),
        }
    }

    fn send(&mut self, seat: &Seat, bytes: &Bytes, frames: u32) {
        if !bytes.is_empty() {
            self.count(bytes, frames, seat.line.outbox.send(bytes, frames));
        }
    }

    fn answer(&mut self, seat: &Seat, frame: &Bytes) {
        self.count(frame, 1, seat.line.outbox.answer(frame));
    }

    fn count(&mut self, bytes: &Bytes, frames: u32, evicted: bool) {
        self.frames += u64::from(frames);
        self.bytes += bytes.len() as u64;
        self.evicted += u64::from(evicted);
    }
}

impl Handler<EndSessions> for Hub {
    type Result = ();

    fn handle(&mut self, EndSessions(sessions): EndSessions, _: &mut Self::Context) {
        let mut here = self.here.borrow_mut();
        let ended = here.lines.values().filter(|line| sessions.contains(&line.session.borrow().id));
        ended.for_each(|line| line.outbox.close(Close::SessionEnded));
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
            line.outbox.close(close);
        }
    }
}

impl Handler<CloseSome> for Hub {
    type Result = usize;

    fn handle(&mut self, CloseSome(count, close): CloseSome, _: &mut Self::Context) -> usize {
        let here = self.here.borrow();
        here.lines.values().filter(|line| line.outbox.is_open()).take(count).for_each(|line| line.outbox.close(close));
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
                None => line.outbox.close(Close::SessionEnded),
            }
        }
    }
}

#[cfg(test)]
mod tests;
