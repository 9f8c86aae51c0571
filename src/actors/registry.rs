//! Which connections a user holds, over all rooms: beyond the bound the oldest goes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::actors::hub::{CloseOne, HubRef, Welcome};
use crate::actors::line::ConnectionId;
use crate::protocol::close::Close;
use crate::protocol::ids::{RoomId, UserId};

pub struct Registry {
    per_user_max: usize,
    /// Oldest first.
    by_user: Mutex<HashMap<UserId, VecDeque<(ConnectionId, HubRef)>>>,
}

impl Registry {
    pub fn new(per_user_max: usize) -> Self {
        Self { per_user_max, by_user: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, VecDeque<(ConnectionId, HubRef)>>> {
        // No step between lock and unlock can leave the map half changed.
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, user: &UserId, connection: ConnectionId, hub: HubRef) {
        let mut by_user = self.lock();
        let connections = by_user.entry(user.clone()).or_default();
        connections.push_back((connection, hub));
        while connections.len() > self.per_user_max {
            let Some((oldest, hub)) = connections.pop_front() else { break };
            // One a connection at the most, so its clients cannot fill the hub's mailbox with it.
            hub.addr.do_send(CloseOne(oldest, Close::TooManyConnections));
        }
    }

    /// Tells the connections of a user of a room that he or she may come into now.
    pub fn welcome(&self, user: &UserId, room: &RoomId) {
        // One a connection for each room that its user becomes a member of.
        self.lock().get(user).into_iter().flatten().for_each(|(connection, hub)| hub.addr.do_send(Welcome(*connection, room.clone())));
    }

    pub fn remove(&self, user: &UserId, connection: ConnectionId) {
        let mut by_user = self.lock();
        let Some(connections) = by_user.get_mut(user) else { return };
        connections.retain(|(known, _)| *known != connection);
        if connections.is_empty() {
            by_user.remove(user);
        }
    }
}
