//! A DM who changes terrain, and a campaign that watches: every update reaches every member in one frame, which differs from one group of players
//! to the next. Or somebody who writes messages, and a channel that reads them. Each update is marked with a number, in its terrain or its content; the
//! number tells when it was sent, and whether a frame is missing.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::Rate;
use super::histogram::Histogram;
use super::orders::Messages;
use super::socket::Heard;
use super::swarm::{At, Swarm};
use super::{LoadError, wire};

/// The DM, or who writes the messages.
const SENDER: At = 0;

/// How long frames may still come after the last update was sent.
const GRACE: Duration = Duration::from_secs(10);

/// Updates that may be unanswered whatever the rate: beyond, the server is behind and the rate is not reached.
const UNANSWERED_MAX: usize = 5_000;

/// The changed hexes lie below any map.
const FIRST_ROW: usize = 200;

pub struct Updates {
    swarm: Swarm,
    watch: Watch,
    script: Script,
}

/// What an update is.
enum Script {
    /// What it has before each of its marks, and how long these are.
    Terrain {
        entries: Vec<String>,
        terrain_len: usize,
    },
    Messages(Messages),
}

impl Script {
    fn command(&self, number: u64) -> String {
        match self {
            Script::Messages(messages) => messages.command(b'u', number),
            Script::Terrain { entries, terrain_len } => {
                let mark = wire::mark(number, *terrain_len);
                let mut command = format!("{{\"type\":\"hex:update\",\"id\":\"u{number}\",\"changes\":[");
                for (at, entry) in entries.iter().enumerate() {
                    let _ = write!(command, "{}{entry}{mark}\"}}", if at > 0 { "," } else { "" });
                }
                command.push_str("]}");
                command
            }
        }
    }
}

/// What is known of the updates sent so far, and of who got them.
struct Watch {
    listeners: Vec<Listener>,
    /// The number of the first update. Runs begin with different ones: terrain that a hex has already is no change.
    base: u64,
    sent: Vec<Update>,
    /// Updates that somebody who reads has not got, or that are not answered.
    pending: usize,
    phase: Phase,
}

struct Listener {
    /// The update expected next.
    next: usize,
    seq: u64,
    counts: bool,
}

struct Update {
    at: Instant,
    /// Listeners that have not got it, and one while it is not answered.
    missing: usize,
    refused: bool,
}

/// What came of the updates of a stretch of time.
#[derive(Default)]
pub struct Phase {
    pub sent: u64,
    pub deliveries: u64,
    pub bytes: u64,
    pub wall: Duration,
    /// From sending an update to its acknowledgement.
    pub acks: Histogram,
    /// From sending an update to a member's having it.
    pub latency: Histogram,
    /// How much later than the rate asked for an update was sent.
    pub lag: Histogram,
    pub lost: u64,
    pub disordered: u64,
    pub refusals: Vec<String>,
    last: Option<Instant>,
}

impl Updates {
    /// Of a swarm whose first connection is the DM's and the others players': starts a session, and shows each of `groups` groups its own hexes, so
    /// many that a frame has about `size` bytes.
    pub fn prepare(mut swarm: Swarm, groups: usize, size: usize, base: u64) -> Result<Self, LoadError> {
        // A session that is active already is as good.
        let _ = swarm.ask(SENDER, json!({ "type": "session:start" }))?;
        let (hexes, terrain_len) = hexes_for(size);
        let keys = |group: usize| (0..hexes).map(move |hex| format!("{group},{}", FIRST_ROW + hex));
        for group in 0..groups {
            let players: Vec<&str> = (1..swarm.len()).skip(group).step_by(groups).map(|at| swarm.user_id(at)).collect();
            let targets = if groups == 1 { json!("all") } else { json!({ "playerIds": players }) };
            let reveal = json!({ "type": "hex:reveal", "hexKeys": keys(group).collect::<Vec<_>>(), "targets": targets });
            swarm.must(SENDER, reveal)?;
        }
        let entries = (0..groups).flat_map(keys).map(|key| format!("{{\"key\":\"{key}\",\"terrain\":\"")).collect();
        Ok(Self::new(swarm, Script::Terrain { entries, terrain_len }, base))
    }

    /// Of a swarm whose connections are all in the channel to which the first of them writes.
    pub fn of_messages(swarm: Swarm, messages: Messages, base: u64) -> Self {
        Self::new(swarm, Script::Messages(messages), base)
    }

    fn new(swarm: Swarm, script: Script, base: u64) -> Self {
        let listeners = (0..swarm.len()).map(|at| Listener { next: 0, seq: 0, counts: swarm.is_open(at) }).collect();
        Self { swarm, watch: Watch { listeners, base, sent: Vec::new(), pending: 0, phase: Phase::default() }, script }
    }

    /// The last `count` members stop reading; nothing is expected of them any more.
    pub fn stall(&mut self, count: usize) {
        for at in self.swarm.len() - count..self.swarm.len() {
            self.swarm.stop_reading(at);
            self.watch.listeners[at].counts = false;
        }
    }

    pub fn swarm(&mut self) -> &mut Swarm {
        &mut self.swarm
    }

    /// Sends updates for so long, at a rate or with `window` of them under way, and waits until all have come.
    pub fn drive(&mut self, rate: Rate, window: usize, duration: Duration) -> Result<Phase, LoadError> {
        let start = Instant::now();
        let end = start + duration;
        let gap = match rate {
            Rate::PerSecond(rate) => Duration::from_secs_f64(1.0 / rate),
            Rate::Max => Duration::ZERO,
        };
        let window = if rate == Rate::Max { window } else { UNANSWERED_MAX };
        let mut due = start;
        loop {
            let now = Instant::now();
            let is_over = now >= end || !self.watch.listeners[SENDER].counts;
            while !is_over && self.watch.pending < window && due <= Instant::now() {
                self.send(due, rate);
                due += gap;
            }
            if is_over && (self.watch.pending == 0 || now > end + GRACE) {
                break;
            }
            let patience = if is_over || rate == Rate::Max { Duration::from_millis(20) } else { due.saturating_duration_since(now) };
            let watch = &mut self.watch;
            self.swarm.turn(patience.min(Duration::from_millis(20)), &mut |now, at, heard| watch.hear(now, at, heard))?;
        }
        Ok(self.watch.finish(start))
    }

    fn send(&mut self, due: Instant, rate: Rate) {
        let number = self.watch.base + self.watch.sent.len() as u64;
        let command = self.script.command(number);
        let now = Instant::now();
        if rate != Rate::Max {
            self.watch.phase.lag.add(now.saturating_duration_since(due));
        }
        self.watch.sent(now);
        self.swarm.send(SENDER, command.as_bytes());
    }
}

impl Watch {
    fn sent(&mut self, at: Instant) {
        let missing = 1 + self.listeners.iter().filter(|listener| listener.counts).count();
        self.sent.push(Update { at, missing, refused: false });
        self.pending += 1;
        self.phase.sent += 1;
    }

    fn hear(&mut self, now: Instant, at: At, heard: Heard<'_>) {
        match heard {
            Heard::Text(frame) => match wire::kind(frame) {
                b"hex:updated" => self.updated(now, at, frame, wire::marked(frame)),
                b"message:new" => self.updated(now, at, frame, wire::marked_content(frame)),
                b"ack" if at == SENDER => self.acknowledged(now, frame),
                b"error" => self.refused(frame),
                _ => {}
            },
            Heard::Closed(_) => self.closed(at),
        }
    }

    fn index(&self, number: Option<u64>) -> Option<usize> {
        let index = usize::try_from(number?.checked_sub(self.base)?).ok()?;
        (index < self.sent.len()).then_some(index)
    }

    fn updated(&mut self, now: Instant, at: At, frame: &[u8], mark: Option<u64>) {
        let Some(index) = self.index(mark) else { return };
        let seq = wire::seq(frame).unwrap_or(0);
        let listener = &mut self.listeners[at];
        if !listener.counts {
            return;
        }
        if index < listener.next || seq <= listener.seq {
            self.phase.disordered += 1;
            return;
        }
        let skipped = listener.next..index;
        (listener.next, listener.seq) = (index + 1, seq);
        self.phase.deliveries += 1;
        self.phase.bytes += frame.len() as u64;
        self.phase.latency.add(now - self.sent[index].at);
        self.phase.last = Some(now);
        for missed in skipped {
            self.miss(missed);
        }
        self.settle(index);
    }

    /// Somebody will not get this update.
    fn miss(&mut self, index: usize) {
        if !self.sent[index].refused {
            self.phase.lost += 1;
            self.settle(index);
        }
    }

    fn acknowledged(&mut self, now: Instant, frame: &[u8]) {
        if let Some(index) = self.index(wire::answered(frame, b'u')) {
            self.phase.acks.add(now - self.sent[index].at);
            self.settle(index);
        }
    }

    fn refused(&mut self, frame: &[u8]) {
        self.phase.refusals.push(String::from_utf8_lossy(frame).into_owned());
        if let Some(index) = self.index(wire::answered(frame, b'u')) {
            self.sent[index].refused = true;
            self.pending -= usize::from(self.sent[index].missing > 0);
            self.sent[index].missing = 0;
        }
    }

    fn closed(&mut self, at: At) {
        if !std::mem::take(&mut self.listeners[at].counts) {
            return;
        }
        for index in self.listeners[at].next..self.sent.len() {
            self.settle(index);
        }
    }

    /// One of those whom an update has to reach needs no more waiting for.
    fn settle(&mut self, index: usize) {
        let update = &mut self.sent[index];
        if update.missing == 0 {
            return;
        }
        update.missing -= 1;
        self.pending -= usize::from(update.missing == 0);
    }

    /// Counts what has not come as lost, and begins anew.
    fn finish(&mut self, start: Instant) -> Phase {
        let sent = self.sent.len();
        for at in 0..self.listeners.len() {
            if self.listeners[at].counts {
                let missed = self.listeners[at].next..sent;
                self.listeners[at].next = sent;
                missed.for_each(|index| self.miss(index));
            }
        }
        let mut phase = std::mem::take(&mut self.phase);
        phase.wall = phase.last.map_or(start.elapsed(), |last| last - start);
        phase
    }
}

/// How many hexes of which length of terrain make a frame of about `size` bytes.
fn hexes_for(size: usize) -> (usize, usize) {
    const AROUND: usize = r#"{"type":"hex:updated","changes":[],"seq":12345}"#.len();
    const ENTRY: usize = r#"{"key":"0,200","terrain":""},"#.len();
    const TERRAIN_MIN: usize = 12;
    const TERRAIN_MAX: usize = 32;
    let inner = size.saturating_sub(AROUND);
    let hexes = inner.div_ceil(ENTRY + TERRAIN_MAX).max(1);
    (hexes, (inner / hexes).saturating_sub(ENTRY).clamp(TERRAIN_MIN, TERRAIN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_about_the_size_asked_for() {
        for size in [100, 200, 1_000, 2_000, 16_000] {
            let (hexes, terrain) = hexes_for(size);
            let entries = vec![format!(r#"{{"key":"0,200","terrain":"{}"}}"#, wire::mark(7, terrain)); hexes];
            let frame = format!(r#"{{"type":"hex:updated","changes":[{}],"seq":12345}}"#, entries.join(","));
            assert!(frame.len().abs_diff(size) <= size / 10, "{size}: {}", frame.len());
        }
    }

    fn watch(listeners: usize, sent: usize) -> Watch {
        let listeners = (0..listeners).map(|_| Listener { next: 0, seq: 0, counts: true }).collect();
        let mut watch = Watch { listeners, base: 100, sent: Vec::new(), pending: 0, phase: Phase::default() };
        (0..sent).for_each(|_| watch.sent(Instant::now()));
        watch
    }

    fn hear(watch: &mut Watch, at: At, frame: &str) {
        watch.hear(Instant::now(), at, Heard::Text(frame.as_bytes()));
    }

    fn update(number: u64, seq: u64) -> String {
        format!(r#"{{"type":"hex:updated","changes":[{{"key":"0,1","terrain":"t{number}---"}}],"seq":{seq}}}"#)
    }

    #[test]
    fn an_update_is_pending_until_all_have_it_and_it_is_acknowledged() {
        let mut watch = watch(2, 1);
        hear(&mut watch, 0, &update(100, 7));
        hear(&mut watch, 1, &update(100, 7));
        assert_eq!(watch.pending, 1);
        hear(&mut watch, 0, r#"{"type":"ack","id":"u100","seq":7}"#);
        let phase = watch.finish(Instant::now());
        assert_eq!((watch.pending, phase.deliveries, phase.acks.len(), phase.lost), (0, 2, 1, 0));
    }

    #[test]
    fn a_frame_that_is_skipped_or_never_comes_is_lost() {
        let mut watch = watch(2, 3);
        hear(&mut watch, 0, &update(102, 9));
        hear(&mut watch, 1, &update(100, 7));
        assert_eq!(watch.phase.lost, 2);
        assert_eq!(watch.finish(Instant::now()).lost, 2 + 2);
    }

    #[test]
    fn a_frame_that_comes_twice_or_late_is_out_of_order() {
        let mut watch = watch(1, 3);
        hear(&mut watch, 0, &update(100, 7));
        hear(&mut watch, 0, &update(100, 7));
        hear(&mut watch, 0, &update(101, 7));
        assert_eq!((watch.phase.disordered, watch.phase.deliveries), (2, 1));
    }

    #[test]
    fn a_refused_update_is_told_and_expected_of_nobody() {
        let mut watch = watch(1, 2);
        hear(&mut watch, 0, r#"{"type":"error","message":"no","code":"BUSY","id":"u100"}"#);
        hear(&mut watch, 0, &update(101, 7));
        hear(&mut watch, 0, r#"{"type":"ack","id":"u101","seq":7}"#);
        let phase = watch.finish(Instant::now());
        assert_eq!((watch.pending, phase.lost, phase.refusals.len()), (0, 0, 1));
    }

    #[test]
    fn nothing_is_expected_of_whom_the_server_dropped() {
        let mut watch = watch(2, 1);
        watch.hear(Instant::now(), 1, Heard::Closed("4008 Too slow".into()));
        hear(&mut watch, 0, &update(100, 7));
        hear(&mut watch, 0, r#"{"type":"ack","id":"u100","seq":7}"#);
        assert_eq!(watch.pending, 0);
        let phase = watch.finish(Instant::now());
        assert_eq!((phase.lost, phase.deliveries), (0, 1));
    }
}
