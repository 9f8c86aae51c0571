//! A connection: what rooms say, in the form of one client, and where that client is in each of them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use bytestring::ByteString;
use diesel::QueryResult;
use serde_json::json;
use tokio::sync::oneshot;

use crate::actors::bucket::{Bucket, Strikes};
use crate::actors::engineio::upper::{Gone, Message};
use crate::actors::engineio::wire::{Ending, Wire};
use crate::actors::hub::{self, HubRef};
use crate::actors::line::{ConnectionId, Heard, Line, LineSession, RoomNo, Speaker, Voice};
use crate::actors::lobby::AnyRoom;
use crate::actors::parts::Frames;
use crate::actors::room::{Cursor, Join};
use crate::actors::speech::{Done, Entry, Reply, Tag};
use crate::auth::random;
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{RoomId, RoomKind, UserId};
use crate::protocol::limits::{COMMANDS_BURST, COMMANDS_PER_SECOND, RESUME_BYTES_MAX};
use crate::protocol::session::{Epoch, ErrorFrame};
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

    fn say_held(&self) {
        let held = {
            let mut state = self.state.borrow_mut();
            let held = std::mem::take(&mut state.held);
            state.held_bytes -= held.iter().map(|(_, frames, _)| cost_to_hold(frames)).sum::<usize>();
            held
        };
        for (room, frames, seq) in held {
            let mut state = self.state.borrow_mut();
            if let Some(at) = state.places.iter().position(|place| place.id == room) {
                self.say_of(&mut state, at, &[Heard { frames: Some(&frames), seq }]);
            }
        }
    }

    /// What the room of a place says, as events in one write.
    fn say_of(&self, state: &mut State, at: usize, heard: &[Heard<'_>]) {
        let State { places, offsets, pid, left, .. } = state;
        let (place, now) = (&mut places[at], Instant::now());
        self.wire.send_run(|run| {
            for &Heard { frames, seq } in heard {
                place.seq = seq.unwrap_or(place.seq);
                let events = frames.filter(|frames| !frames.is_empty()).map_or(&[][..], |frames| frames.events());
                let mut count = 0;
                for event in events.iter().filter(|event| left.lets_hear(event)) {
                    with_offset(event, pid.as_deref(), offsets, |pieces| run.text(pieces));
                    count += 1;
                }
                if let Some(seq) = seq {
                    offsets.said(&place.id, seq, place.epoch, count, now);
                }
            }
        });
    }

    /// Frames that are no change of a room.
    pub fn emit(&self, frames: &Frames, fed: bool) {
        let mut state = self.state.borrow_mut();
        frames.events().iter().for_each(|event| self.put(&mut state, event, fed));
    }

    /// One event, with its offset if it has one. What is fed does not count against the bound of what may wait.
    fn put(&self, state: &mut State, event: &ByteString, fed: bool) {
        with_offset(event, state.pid.as_deref(), &mut state.offsets, |pieces| {
            let unit = [Message::Text(pieces)];
            if fed { self.wire.feed(&unit) } else { self.wire.send(&unit) }
        });
    }

    /// The connection is in a workspace.
    pub fn say_joined(&self, tag: Option<Tag>, seq: i64) {
        self.acknowledge(tag, &format!("{{\"success\":true,\"seq\":{seq}}}"));
    }

    /// The answer to an event, for whoever waits for one.
    pub fn acknowledge(&self, tag: Option<Tag>, body: &str) {
        if let Some(Tag(id)) = tag {
            say(&self.wire, &format!("3{id}[{body}]"));
        }
    }

    /// The same for an event about positions, whose clients are told of it in plain words.
    pub fn refuse_plainly(&self, tag: Option<Tag>, rejection: &Rejection) {
        self.shared.connections.counts.command_outcome(Some(rejection.code));
        match tag {
            Some(_) => self.acknowledge(tag, &refusal_body(rejection)),
            None => {
                let message = serde_json::to_string(&rejection.message).expect("a text is JSON");
                self.put(&mut self.state.borrow_mut(), &format!("[\"error\",{message}").into(), false);
            }
        }
    }

    pub fn refuse(&self, tag: Option<Tag>, rejection: &Rejection) {
        self.shared.connections.counts.command_outcome(Some(rejection.code));
        self.tell_refusal(tag, None, rejection);
    }

    fn tell_refusal(&self, tag: Option<Tag>, id: Option<crate::protocol::ids::CommandId>, rejection: &Rejection) {
        match tag {
            Some(_) => self.acknowledge(tag, &refusal_body(rejection)),
            None => self.emit(&Frames::of(&[ErrorFrame::new(id, rejection.clone())], None), false),
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

    /// What a room says before it can be passed on.
    fn hold(&self, state: &mut State, at: usize, heard: &[Heard<'_>]) {
        let place = &mut state.places[at];
        for &Heard { frames, seq } in heard {
            let frames = frames.cloned().unwrap_or_default();
            state.held_bytes += cost_to_hold(&frames);
            match &mut place.held {
                Some(held) => held.push((frames, seq)),
                None => state.held.push((place.id.clone(), frames, seq)),
            }
        }
        if state.held_bytes > HELD_BYTES_MAX {
            self.wire.close(Ending::Cut(Close::TooSlow));
        }
    }
}

/// Also a change that is not for this client takes room.
fn cost_to_hold(frames: &Frames) -> usize {
    size_of::<(RoomId, Frames, Option<i64>)>() + frames.wire().len()
}

/// The rooms that a connection of a user is in from the beginning.
fn rooms_of(db: &mut Db, user: &UserId) -> QueryResult<Vec<RoomId>> {
    let workspaces = workspaces_of(db, user)?;
    let circles = circles_of(db, user)?;
    Ok(workspaces.iter().map(RoomId::workspace).chain(circles.iter().map(RoomId::circle)).collect())
}

/// The text of an event, with its offset if it has one, in pieces.
fn with_offset(event: &str, pid: Option<&str>, offsets: &mut Offsets, give: impl FnOnce(&[&str])) {
    match pid {
        Some(pid) => give(&["2", event, ",\"", mark(pid), "-", decimal(offsets.next(), &mut [0; DIGITS_MAX]), "\"]"]),
        None => give(&["2", event, "]"]),
    }
}

/// Digits of the greatest `u64`.
const DIGITS_MAX: usize = 20;

/// A number as text, in memory of the caller's: one is written for each delivery.
fn decimal(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &str {
    let mut first = DIGITS_MAX;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[first..]).expect("digits are text");
        }
    }
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

pub fn refusal_body(rejection: &Rejection) -> String {
    let mut error = json!({"code": rejection.code, "message": rejection.message});
    if let Some(seconds) = rejection.retry_after {
        error["retryAfter"] = json!(seconds);
    }
    json!({"success": false, "error": error}).to_string()
}

/// What a callback is called with: a map by id as it is, else success with the answer's fields.
pub fn done_body(done: &Done) -> String {
    match done.fields.strip_prefix("{\"result\":").and_then(|rest| rest.strip_suffix('}')) {
        Some(map) => map.to_owned(),
        None => format!("{{\"success\":true,\"seq\":{}{}}}", done.seq, done.trailing_fields()),
    }
}

impl Speaker for Connection {
    fn is_open(&self) -> bool {
        self.wire.is_open() && !self.is_over()
    }

    fn is_behind(&self) -> bool {
        self.wire.is_behind()
    }

    fn enter(&self, no: RoomNo, entry: &Entry, hold: bool) {
        let asked = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.id == entry.room) else {
                // It was left before the room had answered.
                let id = self.id;
                actix::spawn(async move { hub::leave(id, no) });
                return;
            };
            (place.no, place.seq, place.epoch) = (Some(no), entry.connected.seq, entry.epoch);
            if hold {
                // What was held before is part of what will be released.
                state.held_bytes -= place.hold_anew();
                return;
            }
            place.is_in = true;
            state.held_bytes -= place.release().1;
            if place.position.is_some()
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
            }
            std::mem::take(&mut place.asked)
        };
        self.show(entry, asked);
        self.settle_soon();
    }

    fn release(&self, no: RoomNo, entry: &Entry) {
        let (asked, held, is_recovering) = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.no == Some(no)) else { return };
            place.is_in = true;
            let (held, bytes) = place.release();
            state.held_bytes -= bytes;
            let is_recovering = matches!(state.phase, Phase::Entering { recovering: Some(_) });
            place.missed = is_recovering.then(|| entry.frames.clone());
            let asked = std::mem::take(&mut place.asked);
            // Each room has a bound of its own; all of them together have the same one.
            let missed = state.places.iter().filter_map(|place| place.missed.as_ref()).map(|frames| frames.wire().len()).sum::<usize>();
            if missed > RESUME_BYTES_MAX
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
                state.places.iter_mut().for_each(|place| place.missed = None);
            }
            (asked, held, is_recovering)
        };
        if !is_recovering {
            self.show(entry, asked);
        }
        for (frames, seq) in held {
            self.say(no, &[Heard { frames: Some(&frames), seq }]);
        }
        self.settle_soon();
    }

    fn say(&self, no: RoomNo, heard: &[Heard<'_>]) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(at) = state.places.iter().position(|place| place.no == Some(no)) else { return false };
        let is_recovering = matches!(state.phase, Phase::Entering { recovering: Some(_) });
        if is_recovering || state.places[at].held.is_some() {
            self.hold(&mut state, at, heard);
            return false;
        }
        let was_open = self.wire.is_open();
        self.say_of(&mut state, at, heard);
        was_open && !self.wire.is_open()
    }

    fn answer(&self, reply: &Reply) {
        match reply.tag {
            Some(tag) if Gather::is_internal(tag) => self.gathered(tag, &reply.outcome),
            tag => match &reply.outcome {
                Ok(done) => self.acknowledge(tag, &done_body(done)),
                Err(rejection) => self.tell_refusal(tag, reply.id.clone(), rejection),
            },
        }
    }

    fn epoch(&self, no: RoomNo, epoch: i64) {
        let is_campaign = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.no == Some(no)) else { return };
            place.epoch = epoch;
            state.offsets.said(&place.id, place.seq, epoch, 0, Instant::now());
            place.id.kind() == RoomKind::Campaign && state.phase == Phase::Open
        };
        // Of other rooms the client knows no cursor.
        if is_campaign {
            self.emit(&Frames::of(&[Epoch { epoch: epoch.to_string() }], None), false);
        }
    }

    fn leave(&self, _: RoomNo, room: &RoomId, close: Close) {
        let place = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            state.offsets.leave(room);
            let Some(at) = state.places.iter().position(|place| place.id == *room) else { return };
            let mut place = state.places.swap_remove(at);
            state.held_bytes -= place.release().1;
            if place.position.is_some()
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
            }
            place
        };
        self.gather_without(room);
        if matches!(close, Close::TryAgainLater | Close::Restarting) {
            return self.wire.close(Ending::Cut(close));
        }
        let rejection = Rejection::new(ErrorCode::Forbidden, close.reason());
        if place.asked.is_empty() && room.kind() == RoomKind::Campaign && place.is_in {
            self.tell_refusal(None, None, &rejection);
        }
        place.asked.into_iter().for_each(|Asked { tag }| self.refuse(tag, &rejection));
        self.settle_soon();
    }

    fn welcome(&self, room: &RoomId) {
        let (connection, room) = (self.me(), room.clone());
        actix::spawn(async move {
            if !connection.is_over() {
                drop(connection.join(room, None, None));
            }
        });
    }

    fn close(&self, close: Close) {
        match close {
            Close::SessionEnded | Close::TooManyConnections | Close::TooManyMessages | Close::Removed => self.send_away(close),
            Close::Replaced => {
                self.wire.close(Ending::Cut(close));
                let gone = Some(Gone::Closed(close));
                // At once, so that whoever takes its place finds what was kept.
                if let Some(places) = self.stop(gone) {
                    // It makes room for the one that takes its place, which must not drive out another.
                    self.shared.connections.registry.remove(&self.user, self.id);
                    let connection = self.me();
                    actix::spawn(async move { connection.clear_away(places, gone) });
                }
            }
            _ => self.wire.close(Ending::Cut(close)),
        }
    }
}

impl Connection {
    /// What whoever came in is told: the answer, then the state or what was missed.
    fn show(&self, entry: &Entry, asked: Vec<Asked>) {
        let is_campaign = entry.room.kind() == RoomKind::Campaign;
        for Asked { tag } in asked {
            let connected = serde_json::to_string(&entry.connected).expect("a frame is JSON");
            // The frame begins with its type, which an answer has not.
            let fields = connected.split_once(',').map_or("}", |(_, fields)| fields);
            let body = if is_campaign {
                format!("{{\"success\":true,{fields}")
            } else {
                format!("{{\"success\":true,\"seq\":{}}}", entry.connected.seq)
            };
            self.acknowledge(tag, &body);
        }
        // A workspace shows nothing but that one is in it, which is told when all rooms are there.
        let shown = is_campaign && !entry.frames.is_empty();
        if shown {
            self.emit(&entry.frames, true);
        }
        let cursor = Cursor { seq: entry.connected.seq, epoch: entry.epoch };
        self.state.borrow_mut().offsets.enter(entry.room.clone(), cursor, shown);
    }

    /// After what the hub is at work on: it may be asked for something.
    fn settle_soon(&self) {
        let connection = self.me();
        actix::spawn(async move {
            if !connection.is_over() {
                connection.settle();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_anybody_writes_it() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; DIGITS_MAX]), number.to_string());
        }
    }
}
