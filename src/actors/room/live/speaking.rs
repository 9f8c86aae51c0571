//! Saying what is durable, in the order in which it was decided.

use std::collections::HashMap;

use crate::actors::clock;
use crate::actors::hub::{HubRef, Item};
use crate::actors::journal::Persisted;
use crate::actors::line::ConnectionId;
use crate::actors::room::Room;
use crate::actors::room::load::StoredRoom;

use crate::rooms::kernel::Company;

use super::{Live, Saying, Waiting};

impl<L: StoredRoom> Live<L> {
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
            Saying::Answer { connection, reply } => {
                let Some(seat) = room.seats.get_mut(&connection) else { return };
                seat.in_flight = seat.in_flight.saturating_sub(1);
                let hears = reply.outcome.as_ref().is_ok_and(|done| done.hears.is_some());
                if hears || !reply.is_unasked() {
                    tell(&seat.hub, Item::Answer { connection, reply: Box::new(reply) });
                }
            }
            Saying::Frames { connection, latest, frames } => {
                let Some(seat) = room.seats.get(&connection) else { return };
                tell(&seat.hub, Item::To { connection, latest, frames });
            }
            // Who asked may have gone meanwhile.
            Saying::Reply { answer, value } => drop(answer.send(value)),
            Saying::Signal(signal) => drop(signal.send(())),
            Saying::Attach { connection, member, leads, entry, hold } => {
                let Some(seat) = room.seats.get_mut(&connection) else { return };
                // With `hold` it has been told nothing yet: should the state be lost meanwhile, it comes in anew.
                seat.attached = !hold;
                let left = L::unheard();
                tell(&seat.hub, Item::Attach { connection, member, leads, left, entry, hold });
            }
            Saying::Detach { connection, close } => {
                let Some(seat) = room.remove_seat(connection) else { return };
                tell(&seat.hub, Item::Detach { connection, room: room.id.clone(), close });
                self.forget(connection);
            }
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(no) = self.member_by_connection.remove(&connection) {
            let change = self.company.disconnect(&self.logic, no, connection.key(), clock::now());
            self.say_presence(change.parts);
        }
    }
}
