//! A connection: what rooms say, in the form of one client, and where that client is in each of them.

mod saying;

pub use saying::done_body;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use diesel::QueryResult;
use tokio::sync::oneshot;

use saying::cost_to_hold;

use crate::actors::bucket::{Bucket, Strikes};
use crate::actors::engineio::upper::Gone;
use crate::actors::engineio::wire::{Ending, Wire};
use crate::actors::hub::{self, HubRef};
use crate::actors::line::{ConnectionId, Line, LineSession, RoomNo, Voice};
use crate::actors::lobby::AnyRoom;
use crate::actors::parts::Frames;
use crate::actors::room::{Cursor, Join};
use crate::actors::speech::Tag;
use crate::auth::random;
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{RoomId, RoomKind, UserId};
use crate::protocol::limits::{COMMANDS_BURST, COMMANDS_PER_SECOND};
use crate::protocol::socketio::{Event, Namespace, connected, disconnect};
use crate::protocol::time::Timestamp;
use crate::store::chat::workspaces_of;
use crate::store::circle::circles_of;
use crate::store::db::Db;
use crate::transport::socketio::Shared;
use crate::transport::socketio::client::{Client, say};
use crate::transport::socketio::gather::Gather;
use crate::transport::socketio::left::Left;
use crate::transport::socketio::offsets::{Offsets, Position};
use crate::transport::socketio::recovery::Kept;

/// Bytes of what rooms say that may wait while a connection is being recovered.
const HELD_BYTES_MAX: usize = 1024 * 1024;
/// Rooms that a connection is brought into at the same time when it begins: each may have to be loaded, and somebody who is in thousands must not keep the
/// database from everybody else.
const ROOMS_AT_A_TIME: usize = 16;
/// Characters of the mark that tells the offsets of one connection from those of another.
const MARK_CHARS: usize = 6;

/// Who the client is.
pub struct Identity {
    pub user: UserId,
    pub session: String,
    pub expires_at: Timestamp,
}

/// A client that comes back, and where it was in each room.
pub struct Returning {
    pub pid: String,
    /// With the offsets of what it has got.
    pub kept: Kept,
    positions: Vec<(RoomId, Position)>,
}

impl Returning {
    /// `None` when it cannot be told where it was. An offset of another connection is none: of this one it has got nothing.
    pub fn new(mut kept: Kept, pid: String, offset: Option<&str>) -> Option<Self> {
        let count = offset.and_then(|offset| offset.strip_prefix(mark(&pid))?.strip_prefix('-'));
        let positions = kept.offsets.rewind(match count {
            Some(count) => count.parse().ok()?,
            None => 0,
        })?;
        Some(Self { pid, kept, positions })
    }
}

fn mark(pid: &str) -> &str {
    pid.get(..MARK_CHARS).unwrap_or(pid)
}

pub struct Connection {
    pub id: ConnectionId,
    pub shared: Arc<Shared>,
    pub user: UserId,
    pub wire: Rc<Wire>,
    hub: HubRef,
    client: Weak<Client>,
    pub state: RefCell<State>,
    me: Weak<Connection>,
}

pub struct State {
    phase: Phase,
    sid: String,
    /// Without one the connection cannot be recovered, and events carry no offset.
    pid: Option<String>,
    offsets: Offsets,
    /// Of a client that comes back and has not been told that it is: what it takes to come back again, if it is lost meanwhile.
    came_back_with: Option<Kept>,
    pub places: Vec<Place>,
    /// Channels and conversations that it has left and does not hear.
    pub left: Left,
    /// Rooms that it is yet to come into, and where its client was there.
    yet_to_enter: VecDeque<(RoomId, Option<Position>)>,
    attempts: u64,
    /// What rooms said while the connection was being recovered.
    held: Vec<(RoomId, Frames, Option<i64>)>,
    held_bytes: usize,
    /// Events that wait for their turn, and what they cost.
    pub queue: VecDeque<Event>,
    pub queue_bytes: usize,
    /// An event is being dealt with; the others wait, so that commands are carried out in the order sent.
    pub working: bool,
    /// Answers that are put together from those of several rooms.
    pub gathers: Vec<Gather>,
    pub last_tag: u64,
    /// The client wants the positions of its circles, also of those that it comes into later.
    pub subscribed: bool,
    pub bucket: Bucket,
    pub strikes: Strikes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is being brought into its rooms, which are not all known yet.
    Listing,
    Entering {
        /// Nothing is said before it is known whether it can go on where it was.
        recovering: Option<Recovering>,
    },
    Open,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovering {
    Hopeful,
    Failed,
}

/// A room that the connection is in, or is coming into.
pub struct Place {
    pub id: RoomId,
    /// Tells a place from one that was left and come into again.
    attempt: u64,
    /// Known when the room has been told of the connection.
    pub room: Option<AnyRoom>,
    /// Known when the room has answered.
    no: Option<RoomNo>,
    pub is_in: bool,
    pub seq: i64,
    epoch: i64,
    /// Where the client was, when it comes back.
    position: Option<Position>,
    /// What it missed, when the room could tell.
    missed: Option<Frames>,
    /// What the room said while that was being read.
    held: Option<Vec<(Frames, Option<i64>)>>,
    asked: Vec<Asked>,
    /// Go when it is in, or is not to be: what was sent meanwhile waits for that.
    waiters: Vec<oneshot::Sender<()>>,
    /// It has been asked for the positions of a circle.
    pub subscribed: bool,
}

impl Place {
    /// What is said from now on is held; tells what that cost which was held before, and is forgotten.
    fn hold_anew(&mut self) -> usize {
        let (_, bytes) = self.release();
        self.held = Some(Vec::new());
        bytes
    }

    /// What was held, and what it cost.
    fn release(&mut self) -> (Vec<(Frames, Option<i64>)>, usize) {
        let held = self.held.take().unwrap_or_default();
        let bytes = held.iter().map(|(frames, _)| cost_to_hold(frames)).sum();
        (held, bytes)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub tag: Option<Tag>,
}

impl Place {
    fn is_settled(&self) -> bool {
        self.is_in && self.room.is_some()
    }
}

impl Connection {
    /// Makes the connection known to its hub and to the registry.
    pub fn open(shared: Arc<Shared>, client: Weak<Client>, wire: Rc<Wire>, identity: Identity) -> Rc<Self> {
        let (id, hub) = (ConnectionId::next(), shared.hubs.here());
        let offsets = Offsets::new(shared.silence_max);
        let state = State {
            phase: Phase::Listing,
            sid: random::token(),
            pid: shared.recoveries.is_some().then(random::token),
            offsets,
            came_back_with: None,
            places: Vec::new(),
            left: Left::default(),
            yet_to_enter: VecDeque::new(),
            attempts: 0,
            held: Vec::new(),
            held_bytes: 0,
            queue: VecDeque::new(),
            queue_bytes: 0,
            working: false,
            gathers: Vec::new(),
            last_tag: 0,
            subscribed: false,
            bucket: Bucket::new(COMMANDS_PER_SECOND, COMMANDS_BURST, Instant::now()),
            strikes: Strikes::default(),
        };
        let Identity { user, session, expires_at } = identity;
        log::info!("connect connection={id} user={user} session={}", wire.id());
        shared.connections.registry.add(&user, id, hub.clone());
        shared.connections.counts.connected();
        let connection = Rc::new_cyclic(|me| Self { id, shared, user, wire, hub, client, state: RefCell::new(state), me: me.clone() });
        let line = Line::new(id, Voice::Session(connection.clone()));
        line.session.replace(LineSession { id: session, expires_at });
        hub::register(line);
        connection
    }

    pub fn me(&self) -> Rc<Self> {
        self.me.upgrade().expect("is held by whoever calls it")
    }

    pub fn is_over(&self) -> bool {
        self.state.borrow().phase == Phase::Over
    }

    /// True when an event can be dealt with: every room that the connection is coming into has been told of it, so that what is sent to it is heard there.
    pub fn is_ready(&self) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Open && state.places.iter().all(|place| place.room.is_some())
    }

    /// Brings it into its rooms; a client that comes back goes on where it was, if every room has what it missed.
    pub async fn begin(self: Rc<Self>, returning: Option<Returning>) {
        let mut positions = HashMap::new();
        let recovering = returning.map(|returning| {
            let Returning { pid, kept, positions: known } = returning;
            let mut state = self.state.borrow_mut();
            (state.sid, state.offsets) = (kept.sid.clone(), kept.offsets.clone());
            (state.left, state.subscribed) = (kept.left.clone(), kept.subscribed);
            self.make_known(&pid);
            (state.pid, state.came_back_with) = (Some(pid), Some(kept));
            positions.extend(known);
            Recovering::Hopeful
        });
        if recovering.is_none() {
            self.say_connected();
        }
        let user = self.user.clone();
        let mut rooms = match self.shared.database.read(move |db| rooms_of(db, &user)).await {
            Ok(rooms) => rooms,
            Err(error) => {
                log::warn!("connection={} its rooms could not be listed: {error}", self.id);
                return self.wire.close(Ending::Cut(Close::TryAgainLater));
            }
        };
        if self.is_over() {
            return;
        }
        rooms.extend(positions.keys().filter(|room| room.kind() == RoomKind::Campaign).cloned());
        let is_out = positions.keys().any(|room| !rooms.contains(room));
        let recovering = recovering.map(|hope| if is_out { Recovering::Failed } else { hope });
        {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Entering { recovering };
            state.yet_to_enter = rooms.into_iter().map(|room| (room.clone(), positions.remove(&room))).collect();
        }
        self.settle();
    }

    /// Comes into the next rooms; false when it is in all of them.
    fn come_into_the_next(&self) -> bool {
        loop {
            let (room, position) = {
                let mut state = self.state.borrow_mut();
                let coming = state.places.iter().filter(|place| !place.is_settled()).count();
                if coming >= ROOMS_AT_A_TIME {
                    return true;
                }
                match state.yet_to_enter.pop_front() {
                    Some(next) => next,
                    None => return coming > 0,
                }
            };
            // Who waits for it waits for all of them.
            drop(self.join(room, position, None));
        }
    }

    /// Comes into a room, if it is not on its way there; what it hears of it is said by [`Speaker::enter`] or [`Speaker::leave`]. What is given
    /// ends when that is known.
    pub fn join(&self, id: RoomId, position: Option<Position>, asked: Option<Asked>) -> oneshot::Receiver<()> {
        let (waiter, settled) = oneshot::channel();
        let attempt = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            state.attempts += 1;
            if let Some(place) = state.places.iter_mut().find(|place| place.id == id) {
                place.asked.extend(asked);
                if !place.is_settled() {
                    place.waiters.push(waiter);
                }
                // The room is not asked for what was missed, so that nobody can go on there.
                if position.is_some()
                    && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
                {
                    *recovering = Recovering::Failed;
                }
                return settled;
            }
            state.places.push(Place {
                id: id.clone(),
                attempt: state.attempts,
                room: None,
                no: None,
                is_in: false,
                seq: 0,
                epoch: 0,
                position,
                missed: None,
                held: None,
                asked: asked.into_iter().collect(),
                waiters: vec![waiter],
                subscribed: false,
            });
            state.attempts
        };
        let connection = self.me();
        let since = position.map(|position| position.cursor);
        actix::spawn(async move {
            let (user, hub, key) = (connection.user.clone(), connection.hub.clone(), connection.id);
            let join = || Join { connection: key, hub: hub.clone(), user: user.clone(), since };
            let joined = connection.shared.connections.rooms.join(&id, join).await;
            connection.joined(&id, attempt, joined);
        });
        settled
    }

    fn joined(&self, id: &RoomId, attempt: u64, joined: Result<AnyRoom, Rejection>) {
        let Ok(room) = joined else { return self.wire.close(Ending::Cut(Close::TryAgainLater)) };
        {
            let mut state = self.state.borrow_mut();
            match state.places.iter_mut().find(|place| place.id == *id) {
                Some(place) if place.attempt == attempt => place.room = Some(room),
                // The room knows the connection once, and by a later attempt.
                Some(_) => return,
                // It was left meanwhile, or everything is over.
                None => return room.leave(self.id),
            }
        }
        self.settle();
    }

    /// Leaves a room by its own will.
    pub fn leave_room(&self, id: &RoomId) {
        let place = {
            let mut state = self.state.borrow_mut();
            state.offsets.leave(id);
            let at = state.places.iter().position(|place| place.id == *id);
            let mut place = at.map(|at| state.places.swap_remove(at));
            state.held_bytes -= place.as_mut().map_or(0, |place| place.release().1);
            place
        };
        let Some(Place { room, no, asked, .. }) = place else { return };
        let rejection = Rejection::new(ErrorCode::InvalidState, "It was left before it was entered");
        asked.into_iter().for_each(|Asked { tag }| self.refuse(tag, &rejection));
        no.into_iter().for_each(|no| hub::leave(self.id, no));
        room.into_iter().for_each(|room| room.leave(self.id));
    }

    /// Goes on when every room has answered.
    fn settle(&self) {
        let phase = {
            let mut state = self.state.borrow_mut();
            let settled = state.places.iter_mut().filter(|place| place.is_settled());
            let late: Vec<(i64, Vec<Asked>)> = settled
                .map(|place| {
                    place.waiters.clear();
                    (place.seq, std::mem::take(&mut place.asked))
                })
                .collect();
            let phase = state.phase;
            drop(state);
            // They asked for a workspace when it had just been come into.
            late.into_iter().for_each(|(seq, asked)| asked.into_iter().for_each(|Asked { tag }| self.say_joined(tag, seq)));
            phase
        };
        if !matches!(phase, Phase::Entering { .. }) {
            self.subscribe();
            return self.work();
        }
        if self.come_into_the_next() {
            return;
        }
        let Phase::Entering { recovering } = self.state.borrow().phase else { return };
        self.state.borrow_mut().came_back_with = None;
        match recovering {
            None => {}
            Some(Recovering::Hopeful) => self.recover(),
            Some(Recovering::Failed) => self.start_anew(),
        }
        self.state.borrow_mut().phase = Phase::Open;
        self.say_held();
        self.emit(&Frames::new([r#"{"type":"ready"}"#]), false);
        self.subscribe();
        self.work();
    }

    /// What was missed comes before the reply.
    fn recover(&self) {
        let missed: Vec<(RoomId, Cursor, Frames, u32)> = {
            let mut state = self.state.borrow_mut();
            let now = |place: &mut Place| {
                let cursor = Cursor { seq: place.seq, epoch: place.epoch };
                let got = place.position.take().map_or(0, |position| position.got);
                (place.id.clone(), cursor, place.missed.take().unwrap_or_default(), got)
            };
            state.places.iter_mut().map(now).collect()
        };
        for (room, cursor, frames, got) in missed {
            let mut state = self.state.borrow_mut();
            let left = &mut state.left;
            let heard = frames.events().iter().filter(|event| left.lets_hear(event));
            let events: Vec<&ByteString> = heard.skip(got as usize).collect();
            // The events of one change belong together.
            for change in events.chunk_by(|one, next| seq_of(one) == seq_of(next)) {
                change.iter().for_each(|event| self.put(&mut state, event, true));
                let seq = seq_of(change[0]).unwrap_or(cursor.seq);
                state.offsets.said(&room, seq, cursor.epoch, change.len() as u32, Instant::now());
            }
            state.offsets.said(&room, cursor.seq, cursor.epoch, 0, Instant::now());
        }
        self.say_connected();
    }

    /// Not all that was missed is known, or may be shown: the client begins anew, where the rooms are now.
    fn start_anew(&self) {
        let campaigns: Vec<RoomId> = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            if let (Some(recoveries), Some(pid)) = (&self.shared.recoveries, &state.pid) {
                recoveries.forget(pid, &self.user);
            }
            state.sid = random::token();
            state.pid = Some(random::token());
            state.offsets = Offsets::new(self.shared.silence_max);
            state.left = Left::default();
            state.subscribed = false;
            for place in &mut state.places {
                (place.position, place.missed) = (None, None);
                state.offsets.enter(place.id.clone(), Cursor { seq: place.seq, epoch: place.epoch }, false);
            }
            state.places.iter().filter(|place| place.id.kind() == RoomKind::Campaign).map(|place| place.id.clone()).collect()
        };
        campaigns.iter().for_each(|room| self.leave_room(room));
        self.say_connected();
    }

    fn say_connected(&self) {
        let reply = {
            let state = self.state.borrow();
            state.pid.iter().for_each(|pid| self.make_known(pid));
            connected(&Namespace::MAIN, &state.sid, state.pid.as_deref())
        };
        say(&self.wire, &reply);
    }

    /// Whoever has the pid can take the connection over.
    fn make_known(&self, pid: &str) {
        if let Some(recoveries) = &self.shared.recoveries {
            recoveries.live(pid, &self.user, self.id, self.hub.clone());
        }
    }

    /// Sends the client away: it does not come back by itself.
    pub fn send_away(&self, close: Close) {
        log::info!("connection={} is sent away: {close}", self.id);
        say(&self.wire, &disconnect(&Namespace::MAIN));
        let client = self.client.clone();
        // Whoever says this may be at work on the very lines that are cleared away now.
        actix::spawn(async move {
            if let Some(client) = client.upgrade() {
                client.leave();
            }
        });
    }

    /// The end. A connection that was lost may be recovered.
    pub fn end(&self, gone: Option<Gone>) {
        if let Some(places) = self.stop(gone) {
            self.clear_away(places, gone);
        }
    }

    /// From now on nothing is said through it; what it takes to go on is kept. Its places are given once.
    fn stop(&self, gone: Option<Gone>) -> Option<Vec<Place>> {
        let mut state = self.state.borrow_mut();
        let was = std::mem::replace(&mut state.phase, Phase::Over);
        if was == Phase::Over {
            return None;
        }
        state.queue.clear();
        state.yet_to_enter.clear();
        state.gathers.clear();
        let came_back_with = state.came_back_with.take();
        if let (Some(recoveries), Some(pid)) = (&self.shared.recoveries, &state.pid) {
            let kept = match (was, came_back_with) {
                (Phase::Open, _) => Some(self.kept(&state)),
                // Nothing of what was missed has been said.
                (_, came_back_with) => came_back_with,
            };
            match kept {
                Some(kept) if gone.is_some_and(can_come_back) => recoveries.keep(pid, kept),
                _ => recoveries.forget(pid, &self.user),
            }
        }
        Some(std::mem::take(&mut state.places))
    }

    fn clear_away(&self, places: Vec<Place>, gone: Option<Gone>) {
        hub::unregister(self.id);
        places.into_iter().filter_map(|place| place.room).for_each(|room| room.leave(self.id));
        let reason = match gone {
            None | Some(Gone::Left) => Some(Close::Normal),
            Some(Gone::Closed(close)) => Some(close),
            Some(Gone::Lost) => None,
        };
        self.shared.connections.registry.remove(&self.user, self.id);
        self.shared.connections.counts.disconnected(reason);
        log::info!("disconnect connection={} user={} code={}", self.id, self.user, reason.map_or(1006, Close::code));
    }

    fn kept(&self, state: &State) -> Kept {
        Kept {
            user: self.user.clone(),
            sid: state.sid.clone(),
            subscribed: state.subscribed,
            offsets: state.offsets.clone(),
            left: state.left.clone(),
        }
    }
}

/// The rooms that a connection of a user is in from the beginning.
fn rooms_of(db: &mut Db, user: &UserId) -> QueryResult<Vec<RoomId>> {
    let workspaces = workspaces_of(db, user)?;
    let circles = circles_of(db, user)?;
    Ok(workspaces.iter().map(RoomId::workspace).chain(circles.iter().map(RoomId::circle)).collect())
}

/// A client that violated the protocol begins anew.
fn can_come_back(gone: Gone) -> bool {
    match gone {
        Gone::Lost | Gone::Left => true,
        Gone::Closed(close) => matches!(close, Close::TooSlow | Close::Restarting | Close::Replaced | Close::TryAgainLater),
    }
}

/// The `seq` of an event: the last of its fields.
fn seq_of(event: &str) -> Option<i64> {
    event.strip_suffix('}')?.rsplit_once("\"seq\":")?.1.parse().ok()
}
