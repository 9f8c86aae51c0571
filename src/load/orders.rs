//! DMs who give their rooms orders without end, each durable and acknowledged: reveal hexes, change them, move a token, hide them. Every one of
//! them changes something.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::Rate;
use super::histogram::Histogram;
use super::socket::Heard;
use super::swarm::{At, Swarm};
use super::{LoadError, wire};

/// How long answers may still come after the last command was sent.
const GRACE: Duration = Duration::from_secs(10);

/// Commands of a room that may be unanswered when a rate is asked for: beyond, the server is behind and the rate is not reached.
const UNANSWERED_MAX: usize = 200;

/// The hexes of the commands lie below any map.
const ROW: usize = 200;

pub struct Orders {
    rooms: Vec<Room>,
    /// Which room a connection is the DM of.
    room_of: Vec<Option<usize>>,
    hexes: usize,
    sent: u64,
}

struct Room {
    dm: At,
    token_id: String,
    step: u64,
    unanswered: VecDeque<(u64, Instant)>,
    is_open: bool,
}

/// What came of a stretch of commands.
#[derive(Default)]
pub struct Phase {
    pub acks: Histogram,
    pub wall: Duration,
    /// Frames that told a change, to DMs and players.
    pub deliveries: u64,
    pub refusals: Vec<String>,
    pub unanswered: usize,
    last: Option<Instant>,
}

/// When to stop sending.
#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Sent(u64),
}

impl Orders {
    /// Starts a session in the rooms of these DMs, and puts a token on each map.
    pub fn prepare(swarm: &mut Swarm, dms: &[At], hexes: usize) -> Result<Self, LoadError> {
        let mut rooms = Vec::with_capacity(dms.len());
        let mut room_of = vec![None; swarm.len()];
        for (room, &dm) in dms.iter().enumerate() {
            // A session that is active already is as good.
            let _ = swarm.ask(dm, json!({ "type": "session:start" }))?;
            let token = json!({
                "type": "token:create", "hexKey": format!("2,{}", ROW + 1), "label": "Load", "icon": "x", "color": "#336699", "tokenType": "npc",
            });
            let token_id = swarm.must(dm, token)?["tokenId"].as_str().unwrap_or_default().to_owned();
            rooms.push(Room { dm, token_id, step: 0, unanswered: VecDeque::new(), is_open: true });
            room_of[dm] = Some(room);
        }
        Ok(Self { rooms, room_of, hexes, sent: 0 })
    }

    /// Sends commands, in each room up to `inflight` without an answer, or at a rate over all rooms in turn, and waits for the answers.
    pub fn drive(&mut self, swarm: &mut Swarm, rate: Rate, inflight: usize, until: Until) -> Result<Phase, LoadError> {
        let (start, first) = (Instant::now(), self.sent);
        self.room_of.resize(swarm.len(), None);
        let mut phase = Phase::default();
        let mut due = start;
        let mut turn = 0;
        // Rooms that may send. With a rate all of them, in turn.
        let mut free: Vec<usize> = (0..self.rooms.len()).collect();
        let mut end = None;
        loop {
            let is_over = |sent: u64| match until {
                Until::Elapsed(duration) => start.elapsed() >= duration,
                Until::Sent(count) => sent - first >= count,
            };
            match rate {
                Rate::Max => {
                    for room in free.drain(..) {
                        while self.rooms[room].unanswered.len() < inflight && self.rooms[room].is_open && !is_over(self.sent) {
                            self.send(swarm, room);
                        }
                    }
                }
                Rate::PerSecond(rate) => {
                    while due <= Instant::now() && !is_over(self.sent) {
                        let room = turn % self.rooms.len();
                        turn += 1;
                        due += Duration::from_secs_f64(1.0 / rate);
                        if self.rooms[room].is_open && self.rooms[room].unanswered.len() < UNANSWERED_MAX {
                            self.send(swarm, room);
                        }
                    }
                }
            }
            let is_done = is_over(self.sent) || self.rooms.iter().all(|room| !room.is_open);
            let end = if is_done { *end.get_or_insert_with(Instant::now) } else { Instant::now() };
            let unanswered = || self.rooms.iter().filter(|room| room.is_open).map(|room| room.unanswered.len()).sum::<usize>();
            if is_done && (unanswered() == 0 || end.elapsed() > GRACE) {
                break;
            }
            let patience = if is_done || rate == Rate::Max { Duration::from_millis(20) } else { due.saturating_duration_since(end) };
            let (rooms, room_of) = (&mut self.rooms, &self.room_of);
            swarm.turn(patience.min(Duration::from_millis(20)), &mut |now, at, heard| {
                let room = room_of.get(at).copied().flatten();
                phase.hear(now, room.map(|room| &mut rooms[room]), heard);
                free.extend(room.filter(|_| rate == Rate::Max));
            })?;
        }
        phase.wall = phase.last.map_or(start.elapsed(), |last| last - start);
        phase.unanswered = self.rooms.iter_mut().map(|room| std::mem::take(&mut room.unanswered).len()).sum();
        Ok(phase)
    }

    fn send(&mut self, swarm: &mut Swarm, room: usize) {
        let number = self.sent;
        self.sent += 1;
        let Room { dm, token_id, step, unanswered, .. } = &mut self.rooms[room];
        let mut command = order(*step, token_id, self.hexes);
        command["id"] = json!(format!("k{number}"));
        *step += 1;
        unanswered.push_back((number, Instant::now()));
        swarm.send(*dm, command.to_string().as_bytes());
    }
}

impl Phase {
    /// `room` is that of the connection, if it is a DM's.
    fn hear(&mut self, now: Instant, room: Option<&mut Room>, heard: Heard<'_>) {
        let frame = match heard {
            Heard::Text(frame) => frame,
            Heard::Closed(_) => {
                if let Some(room) = room {
                    room.is_open = false;
                }
                return;
            }
        };
        match (wire::kind(frame), room) {
            (b"ack", Some(room)) => {
                if let Some(sent) = room.answered(frame) {
                    self.acks.add(now - sent);
                    self.last = Some(now);
                }
            }
            (b"error", room) => {
                self.refusals.push(String::from_utf8_lossy(frame).into_owned());
                room.map(|room| room.answered(frame));
            }
            (kind, _) if kind.starts_with(b"hex:") || kind.starts_with(b"token:") => self.deliveries += 1,
            _ => {}
        }
    }
}

impl Room {
    /// When the command that is answered was sent.
    fn answered(&mut self, frame: &[u8]) -> Option<Instant> {
        let number = wire::answered(frame, b'k')?;
        // Answers come in the order of the commands, but a refusal may overtake one that waits for the disk.
        let at = self.unanswered.iter().position(|(sent, _)| *sent == number)?;
        self.unanswered.remove(at).map(|(_, sent)| sent)
    }
}

/// Six commands, over and over, each of which finds what the one before it left.
fn order(step: u64, token_id: &str, hexes: usize) -> Value {
    let keys = || (0..hexes).map(|hex| format!("{},{}", hex % 100, ROW + hex / 100));
    let update = || {
        let changes: Vec<Value> = keys().map(|key| json!({ "key": key, "terrain": wire::mark(step, 12) })).collect();
        json!({ "type": "hex:update", "changes": changes })
    };
    let hexes = |kind: &str| json!({ "type": kind, "hexKeys": keys().collect::<Vec<_>>(), "targets": "all" });
    let step_to = |to: &str| json!({ "type": "token:move", "tokenId": token_id, "toHexKey": to });
    match step % 6 {
        0 => hexes("hex:reveal"),
        1 | 4 => update(),
        2 => step_to("0,200"),
        3 => hexes("hex:hide"),
        _ => step_to("1,201"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::campaign::command::Command;

    #[test]
    fn every_order_is_a_command_that_differs_from_the_one_before_it() {
        let mut last = None;
        for step in 0..12 {
            let command: Command = serde_json::from_value(order(step, "t1", 250)).expect("it is a command");
            assert_ne!(last.as_ref(), Some(&command), "{step}");
            last = Some(command);
        }
    }

    #[test]
    fn a_refusal_may_overtake_an_acknowledgement() {
        let now = Instant::now();
        let unanswered = VecDeque::from([(7, now), (8, now)]);
        let mut room = Room { dm: 0, token_id: String::new(), step: 0, unanswered, is_open: true };
        let mut phase = Phase::default();
        phase.hear(now, Some(&mut room), Heard::Text(br#"{"type":"error","message":"no","code":"BUSY","id":"k8"}"#));
        phase.hear(now, Some(&mut room), Heard::Text(br#"{"type":"ack","id":"k7","seq":4}"#));
        phase.hear(now, None, Heard::Text(br#"{"type":"hex:revealed","hexKeys":[],"seq":4}"#));
        assert_eq!((phase.refusals.len(), phase.acks.len(), phase.deliveries, room.unanswered.len()), (1, 1, 1, 0));
    }
}
