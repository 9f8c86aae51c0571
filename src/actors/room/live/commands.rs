//! From a command to its answer: what was done before is answered again, what is new is decided, applied and committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::actors::clock;
use crate::actors::journal::Persist;
use crate::actors::line::ConnectionId;
use crate::actors::memory::{Recall, Remembered};
use crate::actors::parts::{Frames, encode_of};
use crate::actors::room::Room;
use crate::actors::room::load::StoredRoom;
use crate::actors::room::messages::Answered;
use crate::actors::speech::{Done, Reply, Tag};
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CommandId, UserId};
use crate::rooms::kernel::{Asked, Company, Decision, Effects, Member, Moment};
use crate::store::journal::{self, CommandRow, Commit, EventRow};

use super::{Back, Live, Saying};

impl<L: StoredRoom> Live<L> {
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
        if let Back::Socket(connection, _) = back {
            take_in(connection, room);
        }
        let by = user.as_ref().and_then(|user| self.logic.member(user));
        if self.closed || user.is_some() && by.is_none() {
            return self.refuse(back, id, no_such_room());
        }
        let Some((id, member)) = id.clone().zip(by.clone()) else {
            return self.prepare(back, by, id, None, command, room, ctx);
        };
        let hash = hash_of(&command);
        match self.memory.recall(&member.user, &id, self.touched_at) {
            Recall::New => self.prepare(back, by, Some(id), Some(hash), command, room, ctx),
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
                let Back::Socket(connection, tag) = back else { return };
                if room.generation != generation {
                    return room.reject(connection, tag, Some(id), &Rejection::storage_unavailable());
                }
                room.work_for(connection, tag, Some(id.clone()), ctx, |live, room, ctx| match found {
                    Ok(Some(row)) if row.at >= since => {
                        let remembered = Remembered { hash: row.hash, seq: row.seq, answer: row.answer.into(), at: row.at };
                        live.answer_again(back, id, hash, &remembered);
                    }
                    Ok(_) => live.prepare(back, Some(member), Some(id), Some(hash), command, room, ctx),
                    Err(_) => live.refuse(back, Some(id), Rejection::storage_unavailable()),
                });
                room.take_up(ctx);
            });
        }));
    }

    /// Reads what the rules have to know before they can judge. The room hears nothing else meanwhile: commands are carried out in the order sent.
    #[allow(clippy::too_many_arguments)]
    fn prepare(
        &mut self,
        back: Back<L::Answer>,
        by: Option<Member>,
        id: Option<CommandId>,
        hash: Option<[u8; 16]>,
        command: L::Command,
        room: &mut Room<L>,
        ctx: &mut Context<Room<L>>,
    ) {
        let Some(lookup) = self.logic.wants(&command) else { return self.carry_out(back, by, id, hash, command, room) };
        let (room_id, database, generation) = (room.id.clone(), room.context.database.clone(), room.generation);
        let found = async move { database.read(move |db| L::look_up(db, &room_id, lookup)).await };
        ctx.wait(found.into_actor(room).map(move |found, room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation != generation {
                    return room.turn_away(back, id, Rejection::storage_unavailable());
                }
                room.work_on(back.asker(), id.clone(), ctx, |live, room, _| match found {
                    Ok(found) => {
                        live.logic.learn(found);
                        live.carry_out(back, by, id, hash, command, room);
                    }
                    Err(_) => live.refuse(back, id, Rejection::storage_unavailable()),
                });
                room.take_up(ctx);
            });
        }));
    }

    /// Answers a question, when all that was decided before it is durable.
    #[allow(clippy::too_many_arguments)]
    pub fn query(
        &mut self,
        connection: ConnectionId,
        tag: Option<Tag>,
        user: UserId,
        id: Option<CommandId>,
        query: L::Query,
        room: &mut Room<L>,
        ctx: &mut Context<Room<L>>,
    ) {
        self.touched_at = clock::now();
        take_in(connection, room);
        let back = Back::Socket(connection, tag);
        match self.ask(&user, &query) {
            Err(rejection) => self.refuse(back, id, rejection),
            Ok(Asked::Known { answer, frames }) => {
                for frame in frames {
                    let latest = L::latest(&frame).map(|name| (name.into(), self.logic.topic(&frame)));
                    self.say(Saying::Frames { connection, latest, frames: Frames::of(&[frame], None) });
                }
                self.acknowledge(back, id, answer);
            }
            Ok(Asked::LookUp(lookup)) => self.look_for(connection, tag, user, id, query, lookup, room, ctx),
        }
    }

    fn ask(&self, user: &UserId, query: &L::Query) -> Result<Asked<L>, Rejection> {
        let member = self.logic.member(user).filter(|_| !self.closed).ok_or_else(no_such_room)?;
        self.logic.ask(self.touched_at, &self.company, &member, query)
    }

    #[allow(clippy::too_many_arguments)]
    fn look_for(
        &mut self,
        connection: ConnectionId,
        tag: Option<Tag>,
        user: UserId,
        id: Option<CommandId>,
        query: L::Query,
        lookup: L::Lookup,
        room: &mut Room<L>,
        ctx: &mut Context<Room<L>>,
    ) {
        let (signal, is_durable) = oneshot::channel();
        self.say(Saying::Signal(signal));
        let (room_id, database, generation) = (room.id.clone(), room.context.database.clone(), room.generation);
        let found = async move {
            is_durable.await.ok()?;
            database.read(move |db| L::look_up(db, &room_id, lookup)).await.ok()
        };
        ctx.spawn(found.into_actor(room).map(move |found, room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation != generation {
                    return room.reject(connection, tag, id, &Rejection::storage_unavailable());
                }
                room.work_for(connection, tag, id.clone(), ctx, |live, _, _| {
                    let found = found.ok_or_else(Rejection::storage_unavailable);
                    let member = live.logic.member(&user).ok_or_else(no_such_room);
                    match member.and_then(|member| live.logic.tell(&member, &query, found?)) {
                        Ok(answer) => live.acknowledge(Back::Socket(connection, tag), id, answer),
                        Err(rejection) => live.refuse(Back::Socket(connection, tag), id, rejection),
                    }
                });
            });
        }));
    }

    /// What is passed on to the others and not kept.
    pub fn signal(
        &mut self,
        connection: ConnectionId,
        tag: Option<Tag>,
        user: &UserId,
        id: Option<CommandId>,
        signal: L::Signal,
        room: &mut Room<L>,
    ) {
        self.touched_at = clock::now();
        take_in(connection, room);
        let back = Back::Socket(connection, tag);
        let member = self.logic.member(user).filter(|_| !self.closed).ok_or_else(no_such_room);
        let said = member.and_then(|member| self.company.signal(&self.logic, &member, connection.key(), signal, self.touched_at));
        match said {
            Ok(parts) => {
                self.say_presence(parts);
                self.acknowledge(back, id, L::Answer::default());
            }
            Err(rejection) => self.refuse(back, id, rejection),
        }
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
        let changed = event.map(|event| (self.logic.apply(at, by.as_ref(), event), by.as_ref().map(|member| member.user.clone())));
        let remembers = id.clone().zip(hash).zip(by.map(|member| member.user));
        let is_numbered = changed.as_ref().is_some_and(|(effects, _)| !effects.unnumbered);
        let command_row = remembers.map(|((id, hash), user)| self.remember(user, id, hash, is_numbered, &answer));
        let changes = changed.is_some();
        match changed {
            Some((effects, user)) => {
                self.closed = effects.closed;
                self.commit_event(effects, user, command_row, room);
            }
            None if command_row.is_some() => self.commit(None, command_row, Vec::new(), room),
            None => {}
        }
        if changes {
            let parts = self.company.room_changed(&self.logic, self.touched_at);
            self.say_presence(parts);
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
        if effects.unnumbered {
            self.commit(None, command, effects.rows, room);
            return self.say_presence(effects.parts);
        }
        self.head += 1;
        let encoding = encode_of(&self.logic, &effects.parts, self.head);
        let event = EventRow { user, parts: encoding.stored };
        self.commit(Some(event), command, effects.rows, room);
        self.say(Saying::Parts { seq: self.head, parts: Arc::new(encoding.parts) });
        for user in effects.removed {
            let gone = room.seats.iter().filter(|(_, seat)| seat.user == user);
            gone.for_each(|(&connection, _)| self.say(Saying::Detach { connection, close: Close::Removed }));
        }
    }

    pub(super) fn commit(&mut self, event: Option<EventRow>, command: Option<CommandRow>, rows: Vec<L::Row>, room: &Room<L>) {
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
            Back::Socket(connection, tag) => {
                let done = Done { hears: L::hears(&answer), ..Done::new(self.head, &answer) };
                self.say(Saying::Answer { connection, reply: Reply { tag, id, outcome: Ok(done) } });
            }
            Back::Rest(back) => {
                let value = Ok(Answered { seq: self.head, epoch: self.epoch, answer });
                self.say(Saying::Reply { answer: back, value });
            }
        }
    }

    fn answer_again(&mut self, back: Back<L::Answer>, id: CommandId, hash: [u8; 16], remembered: &Remembered) {
        let Back::Socket(connection, tag) = back else { return };
        if remembered.hash != hash {
            let rejection = Rejection::new(ErrorCode::IdReused, "This id was used for another command");
            return self.refuse(Back::Socket(connection, tag), Some(id), rejection);
        }
        let fields = String::from_utf8_lossy(&remembered.answer).into_owned();
        let done = Done { seq: remembered.seq, fields: fields.into(), hears: None };
        self.say(Saying::Answer { connection, reply: Reply { tag, id: Some(id), outcome: Ok(done) } });
    }

    fn refuse(&mut self, back: Back<L::Answer>, id: Option<CommandId>, rejection: Rejection) {
        match back {
            Back::Socket(connection, tag) => self.say(Saying::Answer { connection, reply: Reply::refusal(tag, id, rejection) }),
            Back::Rest(answer) => self.say(Saying::Reply { answer, value: Err(rejection) }),
        }
    }
}

fn no_such_room() -> Rejection {
    Rejection::not_found("No such room")
}

/// Counts a request that is going to be answered.
fn take_in<L: StoredRoom>(connection: ConnectionId, room: &mut Room<L>) {
    if let Some(seat) = room.seats.get_mut(&connection) {
        seat.in_flight += 1;
    }
}

/// Two commands are the same when they are the same after parsing and defaults.
fn hash_of<C: serde::Serialize>(command: &C) -> [u8; 16] {
    let text = serde_json::to_vec(command).expect("commands have string keys and no failing parts");
    let digest = Sha256::digest(&text);
    digest[..16].try_into().expect("a SHA-256 digest has 32 bytes")
}
