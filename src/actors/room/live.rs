//! A room that is loaded: its state, and the queue of what it is going to say.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::actors::clock;
use crate::actors::hub::{HubRef, Item};
use crate::actors::journal::{Persist, Persisted};
use crate::actors::line::ConnectionId;
use crate::actors::memory::{CommandMemory, Recall, Remembered};
use crate::actors::parts::{self, EncodedParts, encode, encode_one};
use crate::actors::room::Room;
use crate::actors::room::load::StoredRoom;
use crate::actors::room::messages::Answered;
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::frame;
use crate::protocol::ids::{CommandId, RoomId, UserId};
use crate::protocol::limits::RESUME_BYTES_MAX;
use crate::protocol::session::{Ack, Connected, ErrorFrame};
use crate::protocol::time::Timestamp;
use crate::rooms::kernel::{Decision, Effects, Member, MemberNo, Moment, Part};
use crate::rooms::presence::{Arrival, Presence};
use crate::store::db::Db;
use crate::store::journal::{self, CommandRow, Commit, EventRow, Missed};

/// Things that a room may have to say while commits are pending; beyond, commands are answered `BUSY`.
pub const SAYINGS_MAX: usize = 4_096;
/// Bytes of stored changes, of all audiences, that are read for one resume.
const RESUME_READ_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a client is in a room's history: the last `seq` that it heard, and the epoch it heard it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub seq: i64,
    pub epoch: i64,
}

/// Where the answer to a command goes.
pub enum Back<A> {
    Socket(ConnectionId),
    Rest(oneshot::Sender<Result<Answered<A>, Rejection>>),
}

/// One thing that a room is going to say.
pub enum Saying<A> {
    Parts {
        seq: i64,
        parts: Arc<EncodedParts>,
    },
    /// Unnumbered frames.
    Presence(Arc<EncodedParts>),
    /// An ack or an error for one connection.
    Answer {
        connection: ConnectionId,
        id: Option<CommandId>,
        frame: Option<Bytes>,
    },
    Reply {
        answer: oneshot::Sender<Result<Answered<A>, Rejection>>,
        value: Result<Answered<A>, Rejection>,
    },
    /// Everything decided before is durable.
    Signal(oneshot::Sender<()>),
    Attach {
        connection: ConnectionId,
        member: MemberNo,
        leads: bool,
        frames: Bytes,
        hold: bool,
    },
    Detach {
        connection: ConnectionId,
        close: Close,
    },
}

struct Waiting<A> {
    /// The commit that must be durable first.
    after: u64,
    saying: Saying<A>,
}

pub struct Live<L: StoredRoom> {
    logic: L,
    epoch: i64,
    /// The `seq` of the last event that was decided.
    head: i64,
    /// Commits handed to the Journal, counted.
    ticket: u64,
    /// The last of them that is durable.
    durable: u64,
    queue: VecDeque<Waiting<L::Answer>>,
    memory: CommandMemory,
    presence: Presence,
    member_by_connection: HashMap<ConnectionId, MemberNo>,
    presence_timer: bool,
    /// The room is being deleted: there is nothing to come into and nothing to change any more.
    closed: bool,
    touched_at: Timestamp,
}

impl<L: StoredRoom> Live<L> {
    pub fn new(logic: L, epoch: i64, head: i64, memory: CommandMemory) -> Self {
        Self {
            logic,
            epoch,
            head,
            ticket: 0,
            durable: 0,
            queue: VecDeque::new(),
            memory,
            presence: Presence::default(),
            member_by_connection: HashMap::new(),
            presence_timer: false,
            closed: false,
            touched_at: clock::now(),
        }
    }

    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Nothing is pending, and nothing was asked for `span`.
    pub fn is_quiet(&self, now: Timestamp, span: Duration) -> bool {
        self.queue.is_empty() && self.ticket == self.durable && now.since(self.touched_at) >= span
    }

    pub fn into_unsaid(self) -> impl Iterator<Item = Saying<L::Answer>> {
        self.queue.into_iter().map(|waiting| waiting.saying)
    }

    fn say(&mut self, saying: Saying<L::Answer>) {
        self.queue.push_back(Waiting { after: self.ticket, saying });
    }

    // ---------------------------------------------------------------- commands

    pub fn command(
        &mut self,
        back: Back<L::Answer>,
        user: Option<UserId>,
        id: Option<CommandId>,
        command: L::Command,
        room: &mut Room<L>,
        ctx: &mut Context<Room<L>>,
    ) {
        self.touched_at = clock::now();
        if let Back::Socket(connection) = &back
            && let Some(seat) = room.seats.get_mut(connection)
        {
            seat.in_flight += 1;
        }
        let by = user.as_ref().and_then(|user| self.logic.member(user));
        if self.closed || user.is_some() && by.is_none() {
            return self.refuse(back, id, Rejection::not_found("No such room"));
        }
        let Some((id, member)) = id.clone().zip(by.clone()) else {
            return self.carry_out(back, by, id, None, command, room);
        };
        let hash = hash_of(&command);
        match self.memory.recall(&member.user, &id, self.touched_at) {
            Recall::New => self.carry_out(back, by, Some(id), Some(hash), command, room),
            Recall::Known(remembered) => self.answer_again(back, id, hash, &remembered),
            Recall::AskDatabase => self.look_up(back, member, id, hash, command, room, ctx),
        }
    }

    /// The room hears nothing else until the database has said whether it knows the id: commands are carried out in the order sent.
    #[allow(clippy::too_many_arguments)]
    fn look_up(
        &mut self,
        back: Back<L::Answer>,
        member: Member,
        id: CommandId,
        hash: [u8; 16],
        command: L::Command,
        room: &Room<L>,
        ctx: &mut Context<Room<L>>,
    ) {
        let (room_id, user, key, since) =
            (room.id.clone(), member.user.clone(), id.clone(), clock::now().minus(crate::protocol::limits::COMMAND_MEMORY));
        let database = room.context.database.clone();
        let generation = room.generation;
        let found = async move { database.read(move |db| journal::command(db, &room_id, &user, &key)).await };
        ctx.wait(found.into_actor(room).map(move |found, room, ctx| {
            room.guarded(ctx, |room, ctx| {
                let Back::Socket(connection) = back else { return };
                if room.generation != generation {
                    return room.reject(connection, Some(id), &Rejection::storage_unavailable());
                }
                room.work_for(connection, Some(id.clone()), ctx, |live, room, _| match found {
                    Ok(Some(row)) if row.at >= since => {
                        let remembered = Remembered { hash: row.hash, seq: row.seq, answer: row.answer.into(), at: row.at };
                        live.answer_again(back, id, hash, &remembered);
                    }
                    Ok(_) => live.carry_out(back, Some(member), Some(id), Some(hash), command, room),
                    Err(_) => live.refuse(back, Some(id), Rejection::storage_unavailable()),
                });
                room.take_up(ctx);
            });
        }));
    }

    fn carry_out(
        &mut self,
        back: Back<L::Answer>,
        by: Option<Member>,
        id: Option<CommandId>,
        hash: Option<[u8; 16]>,
        command: L::Command,
        room: &mut Room<L>,
    ) {
        let fresh = clock::fresh_id();
        let at = Moment { now: self.touched_at, fresh: &fresh, seq: self.head + 1 };
        let Decision { event, answer } = match catch_unwind(AssertUnwindSafe(|| self.logic.decide(at, by.as_ref(), &command))) {
            Ok(Ok(decision)) => decision,
            Ok(Err(rejection)) => {
                room.context.counts.command_outcome(Some(rejection.code));
                return self.refuse(back, id, rejection);
            }
            Err(_) => {
                // The state is as it was: deciding does not change it. A command that makes it panic must not take the room along.
                log::error!("room={} a command could not be decided", room.id);
                return self.refuse(back, id, Rejection::internal());
            }
        };
        room.context.counts.command_outcome(None);
        let members = self.logic.members_len();
        let changed = event.map(|event| (self.logic.apply(at, by.as_ref(), event), by.as_ref().map(|member| member.user.clone())));
        if self.logic.members_len() != members {
            self.presence.members_changed(self.logic.members_len(), self.touched_at);
        }
        let remembers = id.clone().zip(hash).zip(by.map(|member| member.user));
        let command_row = remembers.map(|((id, hash), user)| self.remember(user, id, hash, changed.is_some(), &answer));
        match changed {
            Some((effects, user)) => {
                self.closed = effects.closed;
                self.commit_event(effects, user, command_row, room);
            }
            None if command_row.is_some() => self.commit(None, command_row, Vec::new(), room),
            None => {}
        }
        self.acknowledge(back, id, answer);
        if self.closed {
            room.seats.keys().for_each(|&connection| self.say(Saying::Detach { connection, close: Close::Removed }));
        }
    }

    fn remember(&mut self, user: UserId, id: CommandId, hash: [u8; 16], changes: bool, answer: &L::Answer) -> CommandRow {
        let bytes = serde_json::to_vec(answer).expect("answers have string keys and no failing parts");
        let seq = self.head + i64::from(changes);
        let remembered = Remembered { hash, seq, answer: bytes.clone().into(), at: self.touched_at };
        self.memory.remember(user.clone(), id.clone(), remembered);
        CommandRow { user, id, hash, answer: bytes }
    }

    fn commit_event(
        &mut self,
        effects: Effects<L::Message, L::Row>,
        user: Option<UserId>,
        command: Option<CommandRow>,
        room: &mut Room<L>,
    ) {
        self.head += 1;
        let encoding = encode(&effects.parts, Some(self.head));
        let event = EventRow { user, parts: encoding.stored };
        self.commit(Some(event), command, effects.rows, room);
        self.say(Saying::Parts { seq: self.head, parts: Arc::new(encoding.parts) });
        for user in effects.removed {
            let gone = room.seats.iter().filter(|(_, seat)| seat.user == user);
            gone.for_each(|(&connection, _)| self.say(Saying::Detach { connection, close: Close::Removed }));
        }
    }

    fn commit(&mut self, event: Option<EventRow>, command: Option<CommandRow>, rows: Vec<L::Row>, room: &Room<L>) {
        self.ticket += 1;
        let commit = Commit {
            room: room.id.clone(),
            epoch: self.epoch,
            expected_head: self.head - i64::from(event.is_some()),
            seq: self.head,
            event,
            command,
            rows: L::domain_rows(&room.id, rows),
            at: self.touched_at,
        };
        // The bound is the room's own: it takes no command while more than `SAYINGS_MAX` wait.
        room.context.journal.do_send(Persist { commit, ticket: self.ticket, room: room.recipient() });
    }

    fn acknowledge(&mut self, back: Back<L::Answer>, id: Option<CommandId>, answer: L::Answer) {
        match back {
            Back::Socket(connection) => {
                let frame = id.clone().map(|id| encode_one(&Ack { id, seq: self.head, answer }, None));
                self.say(Saying::Answer { connection, id, frame });
            }
            Back::Rest(back) => {
                let value = Ok(Answered { seq: self.head, epoch: self.epoch, answer });
                self.say(Saying::Reply { answer: back, value });
            }
        }
    }

    fn answer_again(&mut self, back: Back<L::Answer>, id: CommandId, hash: [u8; 16], remembered: &Remembered) {
        let Back::Socket(connection) = back else { return };
        if remembered.hash != hash {
            let rejection = Rejection::new(ErrorCode::IdReused, "This id was used for another command");
            return self.refuse(Back::Socket(connection), Some(id), rejection);
        }
        let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&remembered.answer).unwrap_or_default();
        let frame = encode_one(&Ack { id: id.clone(), seq: remembered.seq, answer }, None);
        self.say(Saying::Answer { connection, id: Some(id), frame: Some(frame) });
    }

    fn refuse(&mut self, back: Back<L::Answer>, id: Option<CommandId>, rejection: Rejection) {
        match back {
            Back::Socket(connection) => {
                let frame = error_frame(id.clone(), &rejection);
                self.say(Saying::Answer { connection, id, frame: Some(frame) });
            }
            Back::Rest(answer) => self.say(Saying::Reply { answer, value: Err(rejection) }),
        }
    }

    // ---------------------------------------------------------------- coming and going

    pub fn join(&mut self, connection: ConnectionId, room: &mut Room<L>, ctx: &mut Context<Room<L>>) {
        self.touched_at = clock::now();
        let Some(seat) = room.seats.get(&connection) else { return };
        let Some(member) = self.logic.member(&seat.user).filter(|_| !self.closed) else {
            return self.say(Saying::Detach { connection, close: Close::NotAMember });
        };
        let since = seat.since.filter(|cursor| (0..=self.head).contains(&cursor.seq) && cursor.seq >= self.logic.joined_seq(member.no));
        let arrival = if since.is_some() { Arrival::Resumed } else { Arrival::Fresh };
        self.enter(connection, &member, arrival, room);
        match since {
            Some(cursor) => self.resume(connection, member, cursor, room, ctx),
            None => self.show(connection, &member, room),
        }
    }

    /// The whole state, as of the working head.
    fn show(&mut self, connection: ConnectionId, member: &Member, room: &Room<L>) {
        let connected = self.connected(connection, member, false, room);
        let presence = &self.presence;
        let view = self.logic.view(member, &|no| presence.is_online(no));
        let mut frames = BytesMut::from(&encode_one(&connected, None)[..]);
        view.iter().for_each(|message| frames.extend_from_slice(&encode_one(message, Some(self.head))));
        self.say(Saying::Attach { connection, member: member.no, leads: member.leads, frames: frames.freeze(), hold: false });
    }

    fn connected(&self, connection: ConnectionId, member: &Member, resumed: bool, room: &Room<L>) -> Connected {
        Connected {
            user_id: member.user.clone(),
            role: self.logic.role(member).to_owned(),
            connection_id: connection.to_string(),
            resumed,
            seq: self.head,
            epoch: self.epoch.to_string(),
            ping_interval: room.context.ping_interval.as_millis() as u64,
        }
    }

    /// Reads what was missed, once all up to the working head is durable, while what comes later is held back for this connection.
    fn resume(&mut self, connection: ConnectionId, member: Member, cursor: Cursor, room: &Room<L>, ctx: &mut Context<Room<L>>) {
        let connected = self.connected(connection, &member, true, room);
        self.say(Saying::Attach { connection, member: member.no, leads: member.leads, frames: Bytes::new(), hold: true });
        let (signal, is_durable) = oneshot::channel();
        self.say(Saying::Signal(signal));
        let (id, until, database, generation) = (room.id.clone(), self.head, room.context.database.clone(), room.generation);
        let missed = async move {
            is_durable.await.ok()?;
            let read = move |db: &mut Db| db.read(|db| read_missed::<L>(db, &id, cursor, until, member.no, member.leads));
            database.read(read).await.ok().flatten()
        };
        ctx.spawn(missed.into_actor(room).map(move |missed, room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation == generation {
                    room.with_live(ctx, |live, room, _| live.resumed(connection, &connected, missed, room));
                }
            });
        }));
    }

    fn resumed(&mut self, connection: ConnectionId, connected: &Connected, missed: Option<Bytes>, room: &mut Room<L>) {
        let Some(seat) = room.seats.get_mut(&connection) else { return };
        let Some(member) = self.logic.member(&seat.user) else { return };
        let Some(missed) = missed else { return self.show(connection, &member, room) };
        let mut frames = BytesMut::from(&encode_one(connected, None)[..]);
        frames.extend_from_slice(&missed);
        seat.attached = true;
        seat.hub.tell(room.no, vec![Item::Release { connection, frames: frames.freeze() }]);
    }

    /// A connection that was here before the state was loaded.
    pub fn seat_again(&mut self, connection: ConnectionId, room: &mut Room<L>, ctx: &mut Context<Room<L>>) {
        let seat = &room.seats[&connection];
        if !seat.attached {
            return self.join(connection, room, ctx);
        }
        match self.logic.member(&seat.user) {
            Some(member) => {
                // The others know: nothing is said of it again.
                self.presence.connect(&member, Arrival::Fresh, self.logic.members_len(), clock::now());
                self.member_by_connection.insert(connection, member.no);
            }
            None => self.say(Saying::Detach { connection, close: Close::Removed }),
        }
    }

    /// Counts a connection in; its user's first one is told to the others and logged.
    fn enter(&mut self, connection: ConnectionId, member: &Member, arrival: Arrival, room: &Room<L>) {
        if self.member_by_connection.insert(connection, member.no).is_some() {
            return;
        }
        let change = self.presence.connect(member, arrival, self.logic.members_len(), self.touched_at);
        self.say_presence(&change.parts);
        if change.presence_changed {
            self.log_presence(member, true, room);
        }
    }

    pub fn leave(&mut self, connection: ConnectionId, user: &UserId, room: &mut Room<L>) {
        self.touched_at = clock::now();
        let Some(no) = self.member_by_connection.remove(&connection) else { return };
        let change = self.presence.disconnect(no, self.logic.members_len(), self.touched_at);
        self.say_presence(&change.parts);
        // Who was removed is no member any more.
        if change.presence_changed
            && let Some(member) = self.logic.member(user)
        {
            self.log_presence(&member, false, room);
        }
    }

    fn say_presence<M: Serialize>(&mut self, parts: &[Part<M>]) {
        if !parts.is_empty() {
            self.say(Saying::Presence(Arc::new(encode(parts, None).parts)));
        }
    }

    /// Nobody waits for these rows: they change no head.
    fn log_presence(&mut self, member: &Member, joined: bool, room: &Room<L>) {
        let at = Moment { now: self.touched_at, fresh: "", seq: self.head };
        let rows = self.logic.presence_rows(at, member, joined);
        if !rows.is_empty() && !self.closed {
            self.commit(None, None, rows, room);
        }
    }

    /// Says what is due about who is here, and comes back when more is.
    pub fn tell_presence(&mut self, room: &Room<L>, ctx: &mut Context<Room<L>>) {
        let now = clock::now();
        if self.presence.deadline().is_some_and(|deadline| deadline <= now) {
            let parts = self.presence.due(&self.logic.members(), now);
            self.say_presence(&parts);
        }
        let Some(deadline) = self.presence.deadline().filter(|_| !std::mem::replace(&mut self.presence_timer, true)) else { return };
        let generation = room.generation;
        ctx.run_later(deadline.since(clock::now()), move |room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation == generation {
                    room.with_live(ctx, |live, _, _| live.presence_timer = false);
                }
            });
        });
    }

    // ---------------------------------------------------------------- speaking

    pub fn persisted(&mut self, persisted: &Persisted) {
        if let Some(ticket) = persisted.durable {
            self.durable = self.durable.max(ticket);
        }
    }

    /// Says all whose commits are durable: one message a hub, whatever there is to say.
    pub fn speak(&mut self, room: &mut Room<L>) {
        let mut by_hub: HashMap<usize, (HubRef, Vec<Item>)> = HashMap::new();
        while self.queue.front().is_some_and(|waiting| waiting.after <= self.durable) {
            let Some(Waiting { saying, .. }) = self.queue.pop_front() else { break };
            self.say_now(saying, room, &mut by_hub);
        }
        by_hub.into_values().for_each(|(hub, items)| hub.tell(room.no, items));
    }

    fn say_now(&mut self, saying: Saying<L::Answer>, room: &mut Room<L>, by_hub: &mut HashMap<usize, (HubRef, Vec<Item>)>) {
        let mut tell = |hub: &HubRef, item: Item| by_hub.entry(hub.index).or_insert_with(|| (hub.clone(), Vec::new())).1.push(item);
        match saying {
            Saying::Parts { seq, parts } => {
                room.spoken = Some(seq);
                if !parts.is_empty() {
                    room.hubs.values().for_each(|(hub, _)| tell(hub, Item::Parts(parts.clone())));
                }
            }
            Saying::Presence(parts) => room.hubs.values().for_each(|(hub, _)| tell(hub, Item::Parts(parts.clone()))),
            Saying::Answer { connection, frame, .. } => {
                let Some(seat) = room.seats.get_mut(&connection) else { return };
                seat.in_flight = seat.in_flight.saturating_sub(1);
                if let Some(frame) = frame {
                    tell(&seat.hub, Item::To { connection, frame });
                }
            }
            // Who asked may have gone meanwhile.
            Saying::Reply { answer, value } => drop(answer.send(value)),
            Saying::Signal(signal) => drop(signal.send(())),
            Saying::Attach { connection, member, leads, frames, hold } => {
                let Some(seat) = room.seats.get_mut(&connection) else { return };
                // With `hold` it has been told nothing yet: should the state be lost meanwhile, it comes in anew.
                seat.attached = !hold;
                tell(&seat.hub, Item::Attach { connection, member, leads, frames, hold });
            }
            Saying::Detach { connection, close } => {
                let Some(seat) = room.remove_seat(connection) else { return };
                tell(&seat.hub, Item::Detach { connection, close });
                self.forget(connection);
            }
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(no) = self.member_by_connection.remove(&connection) {
            let change = self.presence.disconnect(no, self.logic.members_len(), clock::now());
            self.say_presence(&change.parts);
        }
    }
}

/// The frames that a member missed after `cursor`, up to `until`; `None` when they cannot be proven to be all, are too many, or show what is hidden by now.
fn read_missed<L: StoredRoom>(
    db: &mut Db,
    room: &RoomId,
    cursor: Cursor,
    until: i64,
    member: MemberNo,
    leads: bool,
) -> diesel::QueryResult<Option<Bytes>> {
    if !journal::cursor_holds(db, room, cursor.seq, cursor.epoch)? {
        return Ok(None);
    }
    let Missed::Events(rows) = journal::events_after(db, room, cursor.seq, RESUME_READ_BYTES_MAX)? else { return Ok(None) };
    let rows = rows.iter().take_while(|row| row.seq <= until);
    let texts: Result<Vec<Vec<String>>, _> = rows.map(|row| parts::texts_for(&row.parts, member, leads)).collect();
    let Ok(texts) = texts else { return Ok(None) };
    let texts: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes > RESUME_BYTES_MAX || L::shows_what_was_hidden_since(&texts) {
        return Ok(None);
    }
    let mut frames = BytesMut::with_capacity(bytes + texts.len() * frame::HEADER_BYTES_MAX);
    texts.iter().for_each(|text| frame::encode_into(&mut frames, frame::Opcode::Text, text.as_bytes()));
    Ok(Some(frames.freeze()))
}

pub fn error_frame(id: Option<CommandId>, rejection: &Rejection) -> Bytes {
    encode_one(&ErrorFrame::new(id, rejection.clone()), None)
}

/// Two commands are the same when they are the same after parsing and defaults.
fn hash_of<C: serde::Serialize>(command: &C) -> [u8; 16] {
    let text = serde_json::to_vec(command).expect("commands have string keys and no failing parts");
    let digest = Sha256::digest(&text);
    digest[..16].try_into().expect("a SHA-256 digest has 32 bytes")
}
