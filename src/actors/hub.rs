//! Hub: one actor per worker thread, with that thread's members of every room.
//!
//! A room sends one message per hub, with the frames already encoded; the hub writes the shared bytes to its members' outboxes. What arrives within one
//! turn of the thread is put together, so that a burst of changes costs a connection one write. The hub also looks after what an actor cannot:
//! a connection whose socket takes no bytes is dropped from here.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use bytes::{Bytes, BytesMut};

use crate::actors::counts::Counts;
use crate::actors::line::{ConnectionId, Line};
use crate::actors::parts::EncodedParts;
use crate::protocol::close::Close;
use crate::protocol::frame;
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::MemberNo;

/// Bytes that are put together for one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Items that rooms may have sent to a hub before it has worked on them; beyond, rooms answer `BUSY`.
pub const BACKLOG_MAX: usize = 65_536;

/// A room as the hubs know it: a number that is never given twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomNo(pub u64);

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
        ctx.run_interval(beat, |hub, _| hub.look_after(Instant::now()));
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
        self.flush();
    }
}

impl RoomHere {
    fn work(&mut self, room: RoomNo, items: Vec<Item>, lines: &HashMap<ConnectionId, Rc<Line>>, counts: &Counts) {
        let mut run = Run::default();
        for item in items {
            match item {
                Item::Parts(parts) => {
                    run.bytes += parts.largest();
                    run.said.push(Said::Parts(parts));
                    if run.bytes > WRITE_BYTES_MAX {
                        self.say(std::mem::take(&mut run), counts);
                    }
                }
                Item::ToAll(frame) => run.said.push(Said::ToAll(frame)),
                Item::To { connection, frame } => {
                    run.direct.insert(connection);
                    run.said.push(Said::To(connection, frame));
                }
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
        if run.said.is_empty() {
            return;
        }
        let mut told = Told::default();
        let mut together = HashMap::new();
        for seat in &self.seats {
            match &run.said[..] {
                [Said::Parts(parts)] => {
                    if let Some(index) = parts.matching(seat.member, seat.leads) {
                        let (bytes, frames) = parts.part(index);
                        told.send(seat, bytes, frames);
                    }
                }
                [Said::To(connection, frame)] => {
                    if *connection == seat.line.id {
                        told.answer(seat, frame);
                    }
                }
                said if seat.line.outbox.holds() => told.one_by_one(seat, said),
                said if run.direct.contains(&seat.line.id) => {
                    let (bytes, frames) = put_together(said, &heard(said, seat), Some(seat.line.id));
                    told.send(seat, &bytes, frames);
                }
                said => {
                    let heard = heard(said, seat);
                    let (bytes, frames) = &*together.entry(heard).or_insert_with_key(|heard| put_together(said, heard, None));
                    told.send(seat, bytes, *frames);
                }
            }
        }
        counts.delivered(told.frames, told.bytes);
        (0..told.evicted).for_each(|_| counts.evicted());
    }
}

/// Frames that go out in one write per connection.
#[derive(Default)]
struct Run {
    said: Vec<Said>,
    /// Who gets a frame of his or her own among them.
    direct: HashSet<ConnectionId>,
    bytes: usize,
}

enum Said {
    Parts(Arc<EncodedParts>),
    To(ConnectionId, Bytes),
    ToAll(Bytes),
}

/// Which part of each change a seat hears. Those who hear the same share the bytes.
fn heard(said: &[Said], seat: &Seat) -> Vec<Option<u16>> {
    let index = |said: &Said| match said {
        Said::Parts(parts) => parts.matching(seat.member, seat.leads).map(|index| index as u16),
        Said::To(..) | Said::ToAll(_) => None,
    };
    said.iter().map(index).collect()
}

fn put_together(said: &[Said], heard: &[Option<u16>], connection: Option<ConnectionId>) -> (Bytes, u32) {
    let mut bytes = BytesMut::new();
    let mut frames = 0;
    for (said, heard) in said.iter().zip(heard) {
        match (said, heard) {
            (Said::Parts(parts), Some(index)) => {
                let (part, count) = parts.part(usize::from(*index));
                bytes.extend_from_slice(part);
                frames += count;
            }
            (Said::To(to, frame), _) if Some(*to) == connection => {
                bytes.extend_from_slice(frame);
                frames += 1;
            }
            (Said::ToAll(frame), _) => {
                bytes.extend_from_slice(frame);
                frames += 1;
            }
            _ => {}
        }
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

    /// So that the outbox can tell the answers from what the room said.
    fn one_by_one(&mut self, seat: &Seat, said: &[Said]) {
        for said in said {
            match said {
                Said::Parts(parts) => {
                    if let Some(index) = parts.matching(seat.member, seat.leads) {
                        let (bytes, frames) = parts.part(index);
                        self.send(seat, bytes, frames);
                    }
                }
                Said::To(connection, frame) if *connection == seat.line.id => self.answer(seat, frame),
                Said::To(..) => {}
                Said::ToAll(frame) => self.send(seat, frame, 1),
            }
        }
    }
}

impl Handler<EndSessions> for Hub {
    type Result = ();

    fn handle(&mut self, EndSessions(sessions): EndSessions, _: &mut Self::Context) {
        let here = self.here.borrow();
        let ended = here.lines.values().filter(|line| sessions.contains(&line.session.borrow().id));
        ended.for_each(|line| line.outbox.close(Close::SessionEnded));
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
