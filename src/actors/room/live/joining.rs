//! Who comes and goes: the whole state for a newcomer, what was missed for one who was here, and what the others are told.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::oneshot;

use crate::actors::clock;
use crate::actors::hub::Item;
use crate::actors::line::ConnectionId;
use crate::actors::parts::{self, Frames, encode_unnumbered};
use crate::actors::room::Room;
use crate::actors::room::load::StoredRoom;
use crate::actors::speech::Entry;
use crate::protocol::close::Close;
use crate::protocol::ids::{RoomId, UserId};
use crate::protocol::limits::RESUME_BYTES_MAX;
use crate::protocol::session::Connected;
use crate::rooms::kernel::{Arrival, Company, Member, MemberNo, Moment, Part};
use crate::store::db::Db;
use crate::store::journal::{self, Missed};

use super::{Cursor, Live, Saying};

/// Bytes of stored changes, of all audiences, that are read for one resume.
const RESUME_READ_BYTES_MAX: usize = 16 * 1024 * 1024;

impl<L: StoredRoom> Live<L> {
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
        let mut entry = self.entry(connection, member, false, room);
        entry.frames = Frames::of(&self.logic.view(member, &self.company), Some(self.head));
        self.say(Saying::Attach { connection, member: member.no, leads: member.leads, entry, hold: false });
    }

    fn entry(&self, connection: ConnectionId, member: &Member, resumed: bool, room: &Room<L>) -> Box<Entry> {
        let connected = self.connected(connection, member, resumed, room);
        Box::new(Entry { room: room.id.clone(), connected, epoch: self.epoch, frames: Frames::default() })
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
        let entry = self.entry(connection, &member, true, room);
        self.say(Saying::Attach { connection, member: member.no, leads: member.leads, entry: entry.clone(), hold: true });
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
                    room.with_live(ctx, |live, room, _| live.resumed(connection, entry, missed, room));
                }
            });
        }));
    }

    fn resumed(&mut self, connection: ConnectionId, mut entry: Box<Entry>, missed: Option<Frames>, room: &mut Room<L>) {
        let Some(seat) = room.seats.get_mut(&connection) else { return };
        let Some(member) = self.logic.member(&seat.user) else { return };
        let Some(missed) = missed else { return self.show(connection, &member, room) };
        entry.frames = missed;
        seat.attached = true;
        seat.hub.tell(room.no, vec![Item::Release { connection, entry }]);
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
                self.company.connect(&self.logic, &member, connection.key(), Arrival::Fresh, clock::now());
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
        let change = self.company.connect(&self.logic, member, connection.key(), arrival, self.touched_at);
        self.say_presence(change.parts);
        if change.presence_changed {
            self.log_presence(member, true, room);
        }
    }

    pub fn leave(&mut self, connection: ConnectionId, user: &UserId, room: &mut Room<L>) {
        self.touched_at = clock::now();
        let Some(no) = self.member_by_connection.remove(&connection) else { return };
        let change = self.company.disconnect(&self.logic, no, connection.key(), self.touched_at);
        self.say_presence(change.parts);
        // Who was removed is no member any more.
        if change.presence_changed
            && let Some(member) = self.logic.member(user)
        {
            self.log_presence(&member, false, room);
        }
    }

    /// One frame of each part at a time: what a frame is about, and what makes up for it, is known of every frame and not of the first alone. A part
    /// that has no more stays, empty, so that whom it holds is not told what comes after it.
    pub(super) fn say_presence(&mut self, parts: Vec<Part<L::Message>>) {
        let mut parts: Vec<_> = parts.into_iter().map(|Part { to, frames }| (to, frames.into_iter())).collect();
        while parts.iter().any(|(_, frames)| frames.len() > 0) {
            let next: Vec<_> =
                parts.iter_mut().map(|(to, frames)| Part { to: to.clone(), frames: frames.next().into_iter().collect() }).collect();
            self.say(Saying::Presence(Arc::new(encode_unnumbered(&self.logic, &next))));
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
        if self.company.deadline().is_some_and(|deadline| deadline <= now) {
            let parts = self.company.due(&self.logic, now);
            self.say_presence(parts);
        }
        let Some(deadline) = self.company.deadline().filter(|_| !std::mem::replace(&mut self.company_timer, true)) else { return };
        let generation = room.generation;
        ctx.run_later(deadline.since(clock::now()), move |room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation == generation {
                    room.with_live(ctx, |live, _, _| live.company_timer = false);
                }
            });
        });
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
) -> diesel::QueryResult<Option<Frames>> {
    if !journal::cursor_holds(db, room, cursor.seq, cursor.epoch)? {
        return Ok(None);
    }
    let Missed::Events(rows) = journal::events_after(db, room, cursor.seq, RESUME_READ_BYTES_MAX)? else { return Ok(None) };
    let rows = rows.iter().take_while(|row| row.seq <= until);
    let texts: Result<Vec<Vec<String>>, _> = rows.map(|row| parts::texts_for(&row.parts, member, leads)).collect();
    let Ok(texts) = texts else { return Ok(None) };
    let texts: Vec<String> = texts.into_iter().flatten().collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes > RESUME_BYTES_MAX {
        return Ok(None);
    }
    let Some(texts) = L::resumable(texts) else { return Ok(None) };
    Ok(Some(Frames::new(texts.iter().map(String::as_str))))
}
