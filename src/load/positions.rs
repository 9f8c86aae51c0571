//! People who tell their circles where they are, each at an interval of his or her own, all of them spread evenly over it. A position has a number for
//! its height, which tells when it was sent and whether one is missing.

use std::time::{Duration, Instant};

use super::LoadError;
use super::histogram::Histogram;
use super::socket::Heard;
use super::swarm::{At, Swarm};
use super::wire::{self, Form};

/// How long positions may still come after the last one was sent.
const GRACE: Duration = Duration::from_secs(10);

/// How long all may take to subscribe.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(20);

pub struct Positions {
    swarm: Swarm,
    form: Form,
    watch: Watch,
}

/// What is known of the positions sent so far, and of who got them. They are sent in rounds: the first member of each circle, then the second ones; so
/// what a circle says is spread over the interval too.
struct Watch {
    circles: usize,
    members: usize,
    /// When each was sent; its number is its place.
    sent: Vec<Instant>,
    /// Of each listener and each member of the circle, the round that is expected next.
    next: Vec<usize>,
    /// Deliveries that are owed.
    pending: usize,
    phase: Phase,
}

/// What came of the positions of a stretch of time.
#[derive(Default)]
pub struct Phase {
    pub sent: u64,
    pub deliveries: u64,
    pub bytes: u64,
    pub wall: Duration,
    /// From sending a position to another member's having it.
    pub latency: Histogram,
    /// How much later than its time a position was sent.
    pub lag: Histogram,
    /// A newer one of the same sender came in its place, as it may to a slow reader.
    pub replaced: u64,
    pub lost: u64,
    /// Frames that came twice, late, or to somebody whom they do not concern.
    pub wrong: u64,
    pub refusals: Vec<String>,
    last: Option<Instant>,
}

impl Positions {
    /// Of a swarm with the members of the circles, circle after circle: all subscribe.
    pub fn prepare(mut swarm: Swarm, form: Form, members: usize) -> Result<Self, LoadError> {
        for at in 0..swarm.len() {
            swarm.send(at, form.command("location:subscribe", b's', at as u64, "").as_bytes());
        }
        let (start, mut answers, mut refusal) = (Instant::now(), 0, None);
        while answers < swarm.len() && refusal.is_none() && start.elapsed() < SUBSCRIBE_PATIENCE {
            swarm.turn(Duration::from_millis(100), &mut |_, _, heard| match heard {
                Heard::Text(frame) if wire::kind(frame) == b"ack" => answers += 1,
                Heard::Text(frame) if wire::kind(frame) == b"error" => refusal = Some(String::from_utf8_lossy(frame).into_owned()),
                Heard::Text(_) => {}
                Heard::Closed(why) => refusal = Some(why),
            })?;
        }
        match (refusal, swarm.len() - answers.min(swarm.len())) {
            (None, 0) => Ok(Self { form, watch: Watch::new(swarm.len() / members, members), swarm }),
            (Some(why), _) => Err(LoadError::Failed(format!("{answers} connections subscribed, then: {why}"))),
            (None, silent) => Err(LoadError::Failed(format!("{silent} connections got no answer to their subscription"))),
        }
    }

    pub fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    /// Everybody tells his or her position once in each `interval`, for so long; then waits until all have come.
    pub fn drive(&mut self, interval: Duration, duration: Duration) -> Result<Phase, LoadError> {
        let start = Instant::now();
        let end = start + duration;
        let gap = interval.div_f64(self.swarm.len() as f64);
        let mut due = start;
        loop {
            while due < end && due <= Instant::now() {
                self.send(due);
                due += gap;
            }
            let now = Instant::now();
            if due >= end && (self.watch.pending == 0 || now > end + GRACE) {
                break;
            }
            let patience = if due >= end { GRACE } else { due.saturating_duration_since(now) };
            let watch = &mut self.watch;
            self.swarm.turn(patience.min(Duration::from_millis(20)), &mut |now, at, heard| watch.hear(now, at, heard))?;
        }
        Ok(self.watch.finish(start))
    }

    fn send(&mut self, due: Instant) {
        let number = self.watch.sent.len();
        let position = position(number, chrono::Utc::now().timestamp_millis());
        let now = Instant::now();
        self.watch.phase.lag.add(now.saturating_duration_since(due));
        let at = self.watch.sender(number);
        self.watch.sent(now);
        self.swarm.send(at, self.form.event("location:update", &position).as_bytes());
    }
}

/// All that a telephone knows, in the digits that it gives.
fn position(number: usize, now_ms: i64) -> String {
    let step = (number % 90_000) as f64 / 1e6;
    format!(
        "\"latitude\":{:.7},\"longitude\":{:.7},\"accuracy\":8.5,\"timestamp\":{now_ms},\"altitude\":{number},\"speed\":1.4,\"heading\":271.5,\"battery\":83",
        47.1234567 + step,
        8.7654321 - step
    )
}

impl Watch {
    fn new(circles: usize, members: usize) -> Self {
        let next = vec![0; circles * members * members];
        Self { circles, members, sent: Vec::new(), next, pending: 0, phase: Phase::default() }
    }

    /// Whose position has this number.
    fn sender(&self, number: usize) -> At {
        let turn = number % (self.circles * self.members);
        turn % self.circles * self.members + turn / self.circles
    }

    fn sent(&mut self, at: Instant) {
        self.sent.push(at);
        self.pending += self.members - 1;
        self.phase.sent += 1;
    }

    fn hear(&mut self, now: Instant, at: At, heard: Heard<'_>) {
        match heard {
            Heard::Text(frame) => match wire::kind(frame) {
                b"location:broadcast" => self.came(now, at, frame),
                b"error" => self.phase.refusals.push(String::from_utf8_lossy(frame).into_owned()),
                _ => {}
            },
            Heard::Closed(_) => {}
        }
    }

    fn came(&mut self, now: Instant, at: At, frame: &[u8]) {
        let number = wire::marked_altitude(frame).and_then(|number| usize::try_from(number).ok());
        let Some((number, sent)) = number.and_then(|number| Some((number, *self.sent.get(number)?))) else {
            self.phase.wrong += 1;
            return;
        };
        let (sender, round) = (self.sender(number), number / (self.circles * self.members));
        let next = &mut self.next[at * self.members + sender % self.members];
        if sender == at || sender / self.members != at / self.members || round < *next {
            self.phase.wrong += 1;
            return;
        }
        let replaced = round - *next;
        *next = round + 1;
        self.pending -= 1 + replaced;
        self.phase.replaced += replaced as u64;
        self.phase.deliveries += 1;
        self.phase.bytes += frame.len() as u64;
        self.phase.latency.add(now - sent);
        self.phase.last = Some(now);
    }

    /// Counts what has not come as lost, and begins anew.
    fn finish(&mut self, start: Instant) -> Phase {
        let people = self.circles * self.members;
        self.phase.lost += std::mem::take(&mut self.pending) as u64;
        for number in self.sent.len().saturating_sub(people)..self.sent.len() {
            let sender = self.sender(number);
            let circle = sender / self.members * self.members;
            for listener in (circle..circle + self.members).filter(|&listener| listener != sender) {
                self.next[listener * self.members + sender % self.members] = number / people + 1;
            }
        }
        let mut phase = std::mem::take(&mut self.phase);
        phase.wall = phase.last.map_or(start.elapsed(), |last| last - start);
        phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::circle::decode;

    fn watch(sent: usize) -> Watch {
        let mut watch = Watch::new(2, 3);
        (0..sent).for_each(|_| watch.sent(Instant::now()));
        watch
    }

    fn hear(watch: &mut Watch, at: At, number: usize) {
        let frame = format!(r#"{{"type":"location:broadcast","userId":"u","latitude":1.5,"altitude":{number}.0,"speed":1.4}}"#);
        watch.hear(Instant::now(), at, Heard::Text(frame.as_bytes()));
    }

    #[test]
    fn a_position_is_one_that_the_server_takes() {
        assert!(decode(&Form::Raw.event("location:update", &position(123_456, 1_800_000_000_000))).is_ok());
        assert!(decode(&Form::Raw.command("location:subscribe", b's', 7, "")).is_ok());
    }

    #[test]
    fn everybody_has_a_turn_in_each_round_and_the_circles_take_turns() {
        let watch = watch(0);
        assert_eq!((0..7).map(|number| watch.sender(number)).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5, 0]);
    }

    #[test]
    fn a_position_is_pending_until_all_others_of_its_circle_have_it() {
        let mut watch = watch(1);
        hear(&mut watch, 1, 0);
        assert_eq!(watch.pending, 1);
        hear(&mut watch, 2, 0);
        assert_eq!(watch.pending, 0);
        let phase = watch.finish(Instant::now());
        assert_eq!((phase.deliveries, phase.lost, phase.replaced, phase.wrong), (2, 0, 0, 0));
    }

    #[test]
    fn a_newer_position_of_the_sender_may_take_the_place_of_an_older_one() {
        let mut watch = watch(7);
        hear(&mut watch, 1, 6);
        assert_eq!((watch.phase.replaced, watch.pending), (1, 7 * 2 - 2));
        let phase = watch.finish(Instant::now());
        assert_eq!((phase.deliveries, phase.lost), (1, 12));
        hear(&mut watch, 2, 6);
        assert_eq!(watch.phase.wrong, 1, "it was given up");
    }

    #[test]
    fn a_position_that_comes_twice_or_to_a_stranger_or_to_its_sender_is_wrong() {
        let mut watch = watch(2);
        for (at, number) in [(1, 0), (1, 0), (3, 0), (0, 0), (1, 1), (1, 99)] {
            hear(&mut watch, at, number);
        }
        assert_eq!((watch.phase.deliveries, watch.phase.wrong), (1, 5));
    }
}
