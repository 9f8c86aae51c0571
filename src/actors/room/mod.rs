//! Room: the shell around a room's pure state machine.
//!
//! ```text
//! command → decide → apply to the working state → Commit to the Journal → durable → frames and the ack leave, in decision order
//! ```
//!
//! Commands keep flowing while commits are pending. All that a room says (frames, acks, refusals, what a newcomer is sent) enters one queue in the order
//! of decisions; an item leaves when every commit decided before it is durable. So nobody is told what may yet fail (I1), and who joins at working
//! head S is answered when S is durable and then hears S+1 (I6).
//!
//! When a commit fails, or its outcome is unknown, or the room panics, the state is dropped, those who wait are told, and the room is loaded from the
//! database under a new epoch; there is no other way back. Its connections stay: they are replayed what was committed and not yet said, and told the
//! epoch (I9).

mod live;
mod load;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Recipient, WrapFuture};

pub use live::Cursor;
use live::{Back, Live, Saying};
pub use load::StoredRoom;
use load::{LoadFailure, Loaded};
pub use messages::{Answered, Ask, Join, Leave, Order, Retire, Retiring};

use crate::actors::clock;
use crate::actors::counts::Counts;
use crate::actors::executor::Database;
use crate::actors::hub::{HubRef, Item};
use crate::actors::journal::{Journal, Persisted};
use crate::actors::line::{ConnectionId, RoomNo};
use crate::actors::speech::{Reply, Tag};
use crate::protocol::close::Close;
use crate::protocol::error::Rejection;
use crate::protocol::ids::{CommandId, RoomId, UserId};
use crate::protocol::limits::{COMMANDS_IN_FLIGHT_MAX, ROOM_MAILBOX_MAX};
use crate::rooms::kernel::Request;

/// Messages that may wait while a room is being loaded; more is `BUSY`.
const EARLY_MAX: usize = 1_024;
/// How long a room that could not be loaded, or panics again and again, waits before it tries again for the connections that it has.
const RELOAD_DELAY: Duration = Duration::from_secs(1);

/// How long a room that is forgotten still sends back those who were given its address just before.
const RETIRED_LINGER: Duration = Duration::from_millis(500);

/// What every room of the process shares.
pub struct RoomContext {
    pub database: Database,
    pub journal: Addr<Journal>,
    /// This process in `room_owner`.
    pub node: Arc<str>,
    pub counts: Arc<Counts>,
    pub ping_interval: Duration,
    /// Quiet after which a room without clients is unloaded.
    pub idle_timeout: Duration,
    /// Set when the process goes down: no command is taken any more.
    pub draining: AtomicBool,
}

/// A connection in the room. It outlives the room's state.
struct Seat {
    hub: HubRef,
    user: UserId,
    /// What it asked to resume from.
    since: Option<Cursor>,
    /// It has been sent the state, or what it missed: it hears the room.
    attached: bool,
    /// Commands that wait for their answer.
    in_flight: u32,
}

enum Phase<L: StoredRoom> {
    Loading,
    Live(Box<Live<L>>),
    /// It could not be loaded; with connections it is tried again.
    Failed,
    /// The Lobby has been asked to forget this actor.
    Retiring,
}

enum Early<L: StoredRoom> {
    Order(Order<L>),
    Ask(Ask<L>),
}

pub struct Room<L: StoredRoom> {
    id: RoomId,
    no: RoomNo,
    context: Arc<RoomContext>,
    lobby: Recipient<Retire>,
    /// Its own, for the Journal.
    address: Option<Recipient<Persisted>>,
    phase: Phase<L>,
    /// What came while the room was being loaded, in order.
    early: VecDeque<Early<L>>,
    seats: BTreeMap<ConnectionId, Seat>,
    /// The hubs of the seats, and how many seats each has.
    hubs: HashMap<usize, (HubRef, usize)>,
    /// The last change that connections have heard of; survives a reload, so that they hear the rest.
    spoken: Option<i64>,
    /// Counts the loads: an answer that belongs to an earlier one is dropped.
    generation: u64,
    /// The socket's command that is being carried out: it is answered even if it makes the room panic.
    at_work: Option<(ConnectionId, Option<Tag>, Option<CommandId>)>,
    panicked_at: Option<Instant>,
    /// A timer runs that will see whether the room is still empty.
    resting: bool,
}

impl<L: StoredRoom> Room<L> {
    pub fn new(id: RoomId, no: RoomNo, context: Arc<RoomContext>, lobby: Recipient<Retire>) -> Self {
        Self {
            id,
            no,
            context,
            lobby,
            address: None,
            phase: Phase::Loading,
            early: VecDeque::new(),
            seats: BTreeMap::new(),
            hubs: HashMap::new(),
            spoken: None,
            generation: 0,
            at_work: None,
            panicked_at: None,
            resting: false,
        }
    }

    /// Runs a step; a panic in it costs the room its state and nobody else anything.
    fn guarded(&mut self, ctx: &mut Context<Self>, step: impl FnOnce(&mut Self, &mut Context<Self>)) {
        if catch_unwind(AssertUnwindSafe(|| step(self, ctx))).is_err() {
            log::error!("room={} panicked; it is loaded anew", self.id);
            if let Some((connection, tag, id)) = self.at_work.take() {
                self.reject(connection, tag, id, &Rejection::internal());
            }
            // What the others sent may have been carried out.
            self.drop_state(&Rejection::storage_unavailable());
            self.load_after_panic(ctx);
        }
    }

    /// At once; but a room that panics whenever it is loaded must not keep the database busy.
    fn load_after_panic(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let before = self.panicked_at.replace(now);
        let again = before.is_some_and(|before| now.duration_since(before) < RELOAD_DELAY);
        self.load_in(if again { RELOAD_DELAY } else { Duration::ZERO }, ctx);
    }

    fn recipient(&self) -> Recipient<Persisted> {
        self.address.clone().expect("is set when the actor starts")
    }

    fn load(&mut self, ctx: &mut Context<Self>) {
        self.load_in(Duration::ZERO, ctx);
    }

    fn load_in(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        self.phase = Phase::Loading;
        self.generation += 1;
        let generation = self.generation;
        let loading = load::load::<L>(self.context.clone(), self.id.clone(), self.spoken);
        let loading = async move {
            // A timer, even of no time, would keep the first who comes waiting for a tick.
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            loading.await
        };
        ctx.spawn(loading.into_actor(self).map(move |loaded, room, ctx| {
            room.guarded(ctx, |room, ctx| {
                if room.generation == generation {
                    room.loaded(loaded, ctx);
                }
            })
        }));
    }

    fn loaded(&mut self, loaded: Result<Loaded<L>, LoadFailure>, ctx: &mut Context<Self>) {
        if !matches!(self.phase, Phase::Loading) {
            return;
        }
        match loaded {
            Ok(loaded) => self.go_live(loaded, ctx),
            Err(failure) => self.give_up(failure, ctx),
        }
    }

    fn go_live(&mut self, loaded: Loaded<L>, ctx: &mut Context<Self>) {
        let Loaded { logic, epoch, head, memory, missed } = loaded;
        log::debug!("room={} loaded epoch={epoch} head={head}", self.id);
        let reloaded = self.spoken.is_some();
        self.phase = Phase::Live(Box::new(Live::new(logic, epoch, head, memory)));
        self.spoken = Some(head);
        match missed {
            Some(missed) if reloaded => {
                missed.into_iter().for_each(|parts| self.tell_all(|| Item::Parts(parts.clone())));
                self.tell_all(|| Item::Epoch(epoch));
            }
            Some(_) => {}
            // More was committed than can be replayed: they come back with their cursors.
            None => {
                self.seats.keys().copied().collect::<Vec<_>>().into_iter().for_each(|connection| self.detach(connection, Close::Restarting))
            }
        }
        self.with_live(ctx, |live, room, ctx| {
            let seated: Vec<ConnectionId> = room.seats.keys().copied().collect();
            seated.into_iter().for_each(|connection| live.seat_again(connection, room, ctx));
        });
        self.take_up(ctx);
        self.rest_if_empty(ctx);
    }

    /// Handles what came while the room was being loaded, in the order in which it came: while the id of a command is looked up, the rest waits, as
    /// what is in the mailbox does.
    fn take_up(&mut self, ctx: &mut Context<Self>) {
        while matches!(self.phase, Phase::Live(_)) && !ctx.waiting() {
            match self.early.pop_front() {
                Some(Early::Order(order)) => self.order(order, ctx),
                Some(Early::Ask(ask)) => drop(self.ask(ask, ctx)),
                None => return,
            }
        }
    }

    fn give_up(&mut self, failure: LoadFailure, ctx: &mut Context<Self>) {
        self.phase = Phase::Failed;
        let (rejection, close) = match &failure {
            LoadFailure::NotThere => (Rejection::not_found("No such room"), Close::NotAMember),
            LoadFailure::Elsewhere(node) => {
                log::warn!("room={} is owned by the live node {node}", self.id);
                (Rejection::busy(), Close::TryAgainLater)
            }
            LoadFailure::Unavailable(reason) => {
                log::warn!("room={} cannot be loaded: {reason}", self.id);
                (Rejection::storage_unavailable(), Close::TryAgainLater)
            }
        };
        for early in std::mem::take(&mut self.early) {
            match early {
                Early::Order(order) => self.reject(order.connection, order.tag, order.id, &rejection),
                Early::Ask(ask) => drop(ask.answer.send(Err(rejection.clone()))),
            }
        }
        // Who was let in before stays and waits; who was not is told to come again.
        let gone = matches!(failure, LoadFailure::NotThere);
        let outside: Vec<ConnectionId> = self.seats.iter().filter(|(_, seat)| gone || !seat.attached).map(|(&id, _)| id).collect();
        outside.into_iter().for_each(|connection| self.detach(connection, close));
        if self.seats.is_empty() {
            return self.retire(ctx);
        }
        ctx.run_later(RELOAD_DELAY, |room, ctx| {
            if matches!(room.phase, Phase::Failed) {
                room.load(ctx);
            }
        });
    }

    /// Drops the state with all that it was going to say. Those who wait for an answer get `rejection`.
    fn drop_state(&mut self, rejection: &Rejection) {
        let Phase::Live(live) = std::mem::replace(&mut self.phase, Phase::Failed) else { return };
        for saying in live.into_unsaid() {
            match saying {
                Saying::Answer { connection, reply } => self.reject(connection, reply.tag, reply.id, rejection),
                Saying::Reply { answer, .. } => drop(answer.send(Err(rejection.clone()))),
                Saying::Parts { .. }
                | Saying::Presence(_)
                | Saying::Frames { .. }
                | Saying::Signal(_)
                | Saying::Attach { .. }
                | Saying::Detach { .. } => {}
            }
        }
        self.seats.values_mut().for_each(|seat| seat.in_flight = 0);
    }

    /// Lends the live state and the shell around it to `work`, side by side.
    fn with_live(&mut self, ctx: &mut Context<Self>, work: impl FnOnce(&mut Live<L>, &mut Self, &mut Context<Self>)) {
        let mut live = match std::mem::replace(&mut self.phase, Phase::Failed) {
            Phase::Live(live) => live,
            other => return self.phase = other,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            work(&mut live, self, ctx);
            live.speak(self);
            // What was done or said may have changed who is here; and who left while there was no state is told by the list.
            live.tell_presence(self, ctx);
            live.speak(self);
        }));
        self.phase = Phase::Live(live);
        // After a panic only what the state was going to say is of use: the guard tells those who wait for it.
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }

    /// True when a command must wait outside: the sockets are behind, or too much waits for the database.
    fn is_overloaded(&self) -> bool {
        let waiting = if let Phase::Live(live) = &self.phase { live.waiting() } else { 0 };
        waiting > live::SAYINGS_MAX || self.hubs.values().any(|(hub, _)| hub.is_behind())
    }

    fn order(&mut self, order: Order<L>, ctx: &mut Context<Self>) {
        let Some(seat) = self.seats.get(&order.connection) else { return };
        let (user, in_flight) = (seat.user.clone(), seat.in_flight);
        let refusal = match &self.phase {
            Phase::Loading if self.early.len() < EARLY_MAX => return self.early.push_back(Early::Order(order)),
            Phase::Loading => Some(Rejection::busy()),
            Phase::Failed | Phase::Retiring => Some(Rejection::storage_unavailable()),
            Phase::Live(_) if self.context.draining.load(Ordering::Relaxed) => Some(Rejection::busy()),
            Phase::Live(_) if in_flight >= COMMANDS_IN_FLIGHT_MAX || self.is_overloaded() => Some(Rejection::busy()),
            Phase::Live(_) => None,
        };
        let Order { connection, tag, id, request } = order;
        if let Some(rejection) = refusal {
            return self.reject(connection, tag, id, &rejection);
        }
        self.work_for(connection, tag, id.clone(), ctx, |live, room, ctx| {
            let back = Back::Socket(connection, tag);
            match request {
                Request::Command(command) => live.command(back, Some(user), id, command, room, ctx),
                Request::Query(query) => live.query(connection, tag, user, id, query, room, ctx),
                Request::Signal(signal) => live.signal(connection, tag, &user, id, signal, room),
            }
        });
    }

    /// Lends the live state to the command of a connection, which is answered in any case.
    fn work_for(
        &mut self,
        connection: ConnectionId,
        tag: Option<Tag>,
        id: Option<CommandId>,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Live<L>, &mut Self, &mut Context<Self>),
    ) {
        self.at_work = Some((connection, tag, id));
        self.with_live(ctx, work);
        self.at_work = None;
    }

    /// The same for whoever asks: a connection, or REST.
    fn work_on(
        &mut self,
        asker: Option<(ConnectionId, Option<Tag>)>,
        id: Option<CommandId>,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Live<L>, &mut Self, &mut Context<Self>),
    ) {
        match asker {
            Some((connection, tag)) => self.work_for(connection, tag, id, ctx, work),
            None => self.with_live(ctx, work),
        }
    }

    /// Refuses what was to be carried out under a state that is lost.
    fn turn_away(&self, back: Back<L::Answer>, id: Option<CommandId>, rejection: Rejection) {
        match back {
            Back::Socket(connection, tag) => self.reject(connection, tag, id, &rejection),
            // Who asked may have gone meanwhile.
            Back::Rest(answer) => drop(answer.send(Err(rejection))),
        }
    }

    fn ask(&mut self, ask: Ask<L>, ctx: &mut Context<Self>) -> Result<(), Box<Ask<L>>> {
        let overloaded = self.is_overloaded();
        match &mut self.phase {
            Phase::Retiring => return Err(Box::new(ask)),
            Phase::Loading if self.early.len() < EARLY_MAX => self.early.push_back(Early::Ask(ask)),
            Phase::Loading => drop(ask.answer.send(Err(Rejection::busy()))),
            Phase::Failed => drop(ask.answer.send(Err(Rejection::storage_unavailable()))),
            Phase::Live(_) if self.context.draining.load(Ordering::Relaxed) || overloaded => {
                let _ = ask.answer.send(Err(Rejection::busy()));
            }
            Phase::Live(_) => {
                self.with_live(ctx, |live, room, ctx| live.command(Back::Rest(ask.answer), ask.by, None, ask.command, room, ctx))
            }
        }
        Ok(())
    }

    /// A refusal that waits for no commit.
    fn reject(&self, connection: ConnectionId, tag: Option<Tag>, id: Option<CommandId>, rejection: &Rejection) {
        let reply = Box::new(Reply::refusal(tag, id, rejection.clone()));
        self.tell(connection, Item::Answer { connection, reply });
    }

    fn tell(&self, connection: ConnectionId, item: Item) {
        if let Some(seat) = self.seats.get(&connection) {
            seat.hub.tell(self.no, vec![item]);
        }
    }

    fn tell_all(&self, item: impl Fn() -> Item) {
        self.hubs.values().for_each(|(hub, _)| hub.tell(self.no, vec![item()]));
    }

    fn detach(&mut self, connection: ConnectionId, close: Close) {
        self.tell(connection, Item::Detach { connection, room: self.id.clone(), close });
        self.remove_seat(connection);
    }

    fn add_seat(&mut self, connection: ConnectionId, seat: Seat) {
        // It may be coming in anew.
        self.remove_seat(connection);
        self.hubs.entry(seat.hub.index).or_insert_with(|| (seat.hub.clone(), 0)).1 += 1;
        self.seats.insert(connection, seat);
    }

    fn remove_seat(&mut self, connection: ConnectionId) -> Option<Seat> {
        let seat = self.seats.remove(&connection)?;
        if let Some((_, count)) = self.hubs.get_mut(&seat.hub.index) {
            *count -= 1;
            if *count == 0 {
                self.hubs.remove(&seat.hub.index);
            }
        }
        Some(seat)
    }

    /// Unloads the room when nobody came for a while.
    fn rest_if_empty(&mut self, ctx: &mut Context<Self>) {
        if !self.seats.is_empty() || std::mem::replace(&mut self.resting, true) {
            return;
        }
        ctx.run_later(self.context.idle_timeout, |room, ctx| {
            room.resting = false;
            let quiet = match &room.phase {
                Phase::Live(live) => live.is_quiet(clock::now(), room.context.idle_timeout),
                Phase::Failed => true,
                Phase::Loading => false,
                Phase::Retiring => return,
            };
            if room.seats.is_empty() && quiet { room.retire(ctx) } else { room.rest_if_empty(ctx) }
        });
    }

    /// Asks the Lobby to forget this actor. Who still finds it is sent back there.
    fn retire(&mut self, ctx: &mut Context<Self>) {
        let owned = match std::mem::replace(&mut self.phase, Phase::Retiring) {
            Phase::Live(live) => Some(live.epoch()),
            _ => None,
        };
        let forgotten = self.lobby.send(Retire { id: self.id.clone(), no: self.no });
        let release = owned.map(|epoch| load::release(self.context.clone(), self.id.clone(), epoch));
        let retire = async move {
            if let Some(release) = release {
                release.await;
            }
            let _ = forgotten.await;
        };
        // What is still in the mailbox of an actor that stops is lost, and a command cannot be sent twice.
        ctx.spawn(retire.into_actor(self).map(|(), _, ctx| {
            ctx.run_later(RETIRED_LINGER, |_, ctx| ctx.stop());
        }));
    }
}

/// Nothing in a room is pinned, whatever its commands hold.
impl<L: StoredRoom> Unpin for Room<L> {}

impl<L: StoredRoom> Actor for Room<L> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(ROOM_MAILBOX_MAX);
        self.address = Some(ctx.address().recipient());
        self.context.counts.room_loaded();
        self.load(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.context.counts.room_unloaded();
    }
}

impl<L: StoredRoom> Handler<Join> for Room<L> {
    type Result = Result<(), Retiring>;

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) -> Self::Result {
        if matches!(self.phase, Phase::Retiring) {
            return Err(Retiring);
        }
        self.guarded(ctx, |room, ctx| {
            let Join { connection, hub, user, since } = join;
            if room.is_overloaded() {
                return hub.tell(room.no, vec![Item::Detach { connection, room: room.id.clone(), close: Close::TryAgainLater }]);
            }
            room.add_seat(connection, Seat { hub, user, since, attached: false, in_flight: 0 });
            match room.phase {
                Phase::Live(_) => room.with_live(ctx, |live, room, ctx| live.join(connection, room, ctx)),
                Phase::Failed => room.load(ctx),
                Phase::Loading | Phase::Retiring => {}
            }
        });
        Ok(())
    }
}

impl<L: StoredRoom> Handler<Leave> for Room<L> {
    type Result = ();

    fn handle(&mut self, Leave { connection }: Leave, ctx: &mut Self::Context) {
        self.guarded(ctx, |room, ctx| {
            let Some(seat) = room.remove_seat(connection) else { return };
            room.with_live(ctx, |live, room, _| live.leave(connection, &seat.user, room));
            room.rest_if_empty(ctx);
        });
    }
}

impl<L: StoredRoom> Handler<Order<L>> for Room<L> {
    type Result = ();

    fn handle(&mut self, order: Order<L>, ctx: &mut Self::Context) {
        self.guarded(ctx, |room, ctx| room.order(order, ctx));
    }
}

impl<L: StoredRoom> Handler<Ask<L>> for Room<L> {
    type Result = Result<(), Box<Ask<L>>>;

    fn handle(&mut self, ask: Ask<L>, ctx: &mut Self::Context) -> Self::Result {
        let mut back = Ok(());
        self.guarded(ctx, |room, ctx| {
            back = room.ask(ask, ctx);
            room.rest_if_empty(ctx);
        });
        back
    }
}

impl<L: StoredRoom> Handler<Persisted> for Room<L> {
    type Result = ();

    fn handle(&mut self, persisted: Persisted, ctx: &mut Self::Context) {
        self.guarded(ctx, |room, ctx| {
            let Phase::Live(live) = &room.phase else { return };
            if live.epoch() != persisted.epoch {
                return;
            }
            room.with_live(ctx, |live, _, _| live.persisted(&persisted));
            if let Some((ticket, outcome)) = persisted.failed {
                log::warn!("room={} commit {ticket} failed ({outcome:?}); the room is loaded anew", room.id);
                room.drop_state(&Rejection::storage_unavailable());
                room.load(ctx);
            }
        });
    }
}
