//! All sessions of one path: sid → actor, how many an address has, and how they end when the process does.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Addr;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::actors::engineio::session::{Cut, Session};
use crate::actors::engineio::upper::Entrance;

/// Random bytes of a sid.
const SID_BYTES: usize = 18;
/// Sessions that one address may have at a time, unless the settings say otherwise.
pub const SESSIONS_PER_ADDRESS_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// Bytes that may wait for one client.
    pub queue_bytes_max: usize,
    pub sessions_per_address_max: usize,
}

/// Engine.IO at one path: who gets in there, and who is there.
pub struct Engine {
    pub settings: EngineSettings,
    pub sessions: Arc<Sessions>,
    pub entrance: Box<dyn Entrance>,
}

impl Engine {
    pub fn new(settings: EngineSettings, entrance: impl Entrance + 'static) -> Arc<Self> {
        let sessions = Arc::new(Sessions { per_address_max: settings.sessions_per_address_max, ..Sessions::default() });
        Arc::new(Self { settings, sessions, entrance: Box::new(entrance) })
    }
}

/// A bearer secret.
pub(super) fn fresh_sid() -> String {
    let mut bytes = [0; SID_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[derive(Default)]
pub struct Sessions {
    per_address_max: usize,
    by_sid: Mutex<HashMap<String, Addr<Session>>>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    seats: AtomicUsize,
    draining: AtomicBool,
}

/// No step between a lock and its unlock can leave a map half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    pub fn find(&self, sid: &str) -> Option<Addr<Session>> {
        lock(&self.by_sid).get(sid).cloned()
    }

    /// Room for one more session of this address, if it may have one.
    pub fn take_seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = network(address);
        let mut by_address = lock(&self.by_address);
        let count = by_address.entry(address).or_default();
        if *count >= self.per_address_max {
            return None;
        }
        *count += 1;
        self.seats.fetch_add(1, Ordering::Relaxed);
        Some(Seat { sessions: self.clone(), address })
    }

    pub(super) fn add(&self, sid: &str, session: Addr<Session>) {
        let mut by_sid = lock(&self.by_sid);
        if self.is_draining() {
            // One message a session.
            return session.do_send(Cut);
        }
        by_sid.insert(sid.to_owned(), session);
    }

    pub(super) fn remove(&self, sid: &str) {
        lock(&self.by_sid).remove(sid);
    }

    /// True when the process is going down and lets nobody in.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From here on nobody gets in.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Ends up to this many sessions without a word, so that their clients come back by themselves. Gives how many are not over yet.
    pub fn cut_some(&self, count: usize) -> usize {
        let mut by_sid = lock(&self.by_sid);
        let some: Vec<String> = by_sid.keys().take(count).cloned().collect();
        // One message a session: it is found here no more.
        some.iter().filter_map(|sid| by_sid.remove(sid)).for_each(|session| session.do_send(Cut));
        self.seats.load(Ordering::Relaxed)
    }

    /// Ends all sessions without a word.
    pub fn cut_all(&self) {
        self.cut_some(usize::MAX);
    }
}

/// A session's place among those of its address, for as long as it lives.
pub struct Seat {
    sessions: Arc<Sessions>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sessions.seats.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = lock(&self.sessions.by_address);
        let Some(count) = by_address.get_mut(&self.address) else { return };
        *count -= 1;
        if *count == 0 {
            by_address.remove(&self.address);
        }
    }
}

/// A household has one IPv4 address, or 2⁶⁴ of IPv6 that begin alike.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(per_address_max: usize) -> Arc<Sessions> {
        Arc::new(Sessions { per_address_max, ..Sessions::default() })
    }

    #[test]
    fn an_address_has_so_many_seats_and_gets_them_back() {
        let sessions = sessions(2);
        let address = |text: &str| text.parse::<IpAddr>().expect("is an address");
        let first = sessions.take_seat(address("2001:db8::1"));
        let second = sessions.take_seat(address("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(sessions.take_seat(address("2001:db8::3")).is_none());
        assert!(sessions.take_seat(address("203.0.113.1")).is_some());
        drop(first);
        assert!(sessions.take_seat(address("::ffff:203.0.113.1")).is_some());
        assert!(sessions.take_seat(address("2001:db8::3")).is_some());
        drop(second);
        assert!(lock(&sessions.by_address).is_empty());
        assert_eq!(sessions.cut_some(1), 0);
    }

    #[test]
    fn a_sid_is_long_and_needs_no_escape_in_a_url() {
        let (one, other) = (fresh_sid(), fresh_sid());
        assert_ne!(one, other);
        assert!(one.len() == 24 && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{one}");
    }
}
