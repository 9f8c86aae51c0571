//! People who order without end, each order durable and acknowledged: DMs who reveal hexes, change them, move a token and hide them, so that every
//! order changes something; and members of a team who write messages.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::Rate;
use super::histogram::Histogram;
use super::socket::Heard;
use super::swarm::{At, Swarm};
use super::wire::Form;
use super::{LoadError, wire};

/// How long answers may still come after the last command was sent.
const GRACE: Duration = Duration::from_secs(10);

/// Commands of one of them that may be unanswered when a rate is asked for: beyond, the server is behind and the rate is not reached.
const UNANSWERED_MAX: usize = 200;

/// The hexes of the commands lie below any map.
const ROW: usize = 200;

pub struct Orders {
    givers: Vec<Giver>,
    /// Which of them a connection is.
    giver_of: Vec<Option<usize>>,
    sent: u64,
}

struct Giver {
    at: At,
    script: Script,
    step: u64,
    unanswered: VecDeque<(u64, Instant)>,
    is_open: bool,
}

/// What somebody orders.
enum Script {
    Map { token_id: String, hexes: usize },
    Messages(Messages),
}

/// Messages to one channel.
pub struct Messages {
    pub form: Form,
    pub channel: String,
    /// Characters of each.
    pub len: usize,
}

impl Messages {
    pub fn command(&self, prefix: u8, number: u64) -> String {
        let Self { form, channel, len } = self;
        let content = wire::mark(number, *len);
        form.command("message:send", prefix, number, &format!(r#""targetId":"{channel}","targetType":"channel","content":"{content}""#))
    }
}

/// What came of a stretch of commands.
#[derive(Default)]
pub struct Phase {
    pub acks: Histogram,
    pub wall: Duration,
    /// Frames that told a change, to whoever heard it.
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
        let mut scripts = Vec::with_capacity(dms.len());
        for &dm in dms {
            // A session that is active already is as good.
            let _ = swarm.ask(dm, json!({ "type": "session:start" }))?;
            let token = json!({
                "type": "token:create", "hexKey": format!("2,{}", ROW + 1), "label": "Load", "icon": "x", "color": "#336699", "tokenType": "npc",
            });
            let token_id = swarm.must(dm, token)?["tokenId"].as_str().unwrap_or_default().to_owned();
            scripts.push((dm, Script::Map { token_id, hexes }));
        }
        Ok(Self::new(swarm.len(), scripts))
    }

    /// Members of a team, and where each of them writes.
    pub fn of_messages(connections: usize, writers: impl IntoIterator<Item = (At, Messages)>) -> Self {
        Self::new(connections, writers.into_iter().map(|(at, messages)| (at, Script::Messages(messages))))
    }

    fn new(connections: usize, scripts: impl IntoIterator<Item = (At, Script)>) -> Self {
        let giver = |(at, script)| Giver { at, script, step: 0, unanswered: VecDeque::new(), is_open: true };
        let givers: Vec<Giver> = scripts.into_iter().map(giver).collect();
        let mut giver_of = vec![None; connections];
        givers.iter().enumerate().for_each(|(number, giver)| giver_of[giver.at] = Some(number));
        Self { givers, giver_of, sent: 0 }
    }

    /// Sends commands, everybody up to `inflight` without an answer, or at a rate all of them in turn, and waits for the answers.
    pub fn drive(&mut self, swarm: &mut Swarm, rate: Rate, inflight: usize, until: Until) -> Result<Phase, LoadError> {
        let (start, first) = (Instant::now(), self.sent);
        self.giver_of.resize(swarm.len(), None);
        let mut phase = Phase::default();
        let mut due = start;
        let mut turn = 0;
        // Who may send. With a rate all of them, in turn.
        let mut free: Vec<usize> = (0..self.givers.len()).collect();
        let mut end = None;
        loop {
            let is_over = |sent: u64| match until {
                Until::Elapsed(duration) => start.elapsed() >= duration,
                Until::Sent(count) => sent - first >= count,
            };
            match rate {
                Rate::Max => {
                    for giver in free.drain(..) {
                        while self.givers[giver].unanswered.len() < inflight && self.givers[giver].is_open && !is_over(self.sent) {
                            self.send(swarm, giver);
                        }
                    }
                }
                Rate::PerSecond(rate) => {
                    while due <= Instant::now() && !is_over(self.sent) {
                        let giver = turn % self.givers.len();
                        turn += 1;
                        due += Duration::from_secs_f64(1.0 / rate);
                        if self.givers[giver].is_open && self.givers[giver].unanswered.len() < UNANSWERED_MAX {
                            self.send(swarm, giver);
                        }
                    }
                }
            }
            let is_done = is_over(self.sent) || self.givers.iter().all(|giver| !giver.is_open);
            let end = if is_done { *end.get_or_insert_with(Instant::now) } else { Instant::now() };
            let unanswered = || self.givers.iter().filter(|giver| giver.is_open).map(|giver| giver.unanswered.len()).sum::<usize>();
            if is_done && (unanswered() == 0 || end.elapsed() > GRACE) {
                break;
            }
            let patience = if is_done || rate == Rate::Max { Duration::from_millis(20) } else { due.saturating_duration_since(end) };
            let (givers, giver_of) = (&mut self.givers, &self.giver_of);
            swarm.turn(patience.min(Duration::from_millis(20)), &mut |now, at, heard| {
                let giver = giver_of.get(at).copied().flatten();
                phase.hear(now, giver.map(|giver| &mut givers[giver]), heard);
                free.extend(giver.filter(|_| rate == Rate::Max));
            })?;
        }
        phase.wall = phase.last.map_or(start.elapsed(), |last| last - start);
        phase.unanswered = self.givers.iter_mut().map(|giver| std::mem::take(&mut giver.unanswered).len()).sum();
        Ok(phase)
    }

    fn send(&mut self, swarm: &mut Swarm, giver: usize) {
        let number = self.sent;
        self.sent += 1;
        let Giver { at, script, step, unanswered, .. } = &mut self.givers[giver];
        let command = match script {
            Script::Map { token_id, hexes } => {
                let mut command = order(*step, token_id, *hexes);
                command["id"] = json!(format!("k{number}"));
                command.to_string()
            }
            Script::Messages(messages) => messages.command(b'k', number),
        };
        *step += 1;
        unanswered.push_back((number, Instant::now()));
        swarm.send(*at, command.as_bytes());
    }
}

impl Phase {
    /// `giver` is who the connection is, if it orders.
    fn hear(&mut self, now: Instant, giver: Option<&mut Giver>, heard: Heard<'_>) {
        let frame = match heard {
            Heard::Text(frame) => frame,
            Heard::Closed(_) => {
                if let Some(giver) = giver {
                    giver.is_open = false;
                }
                return;
            }
        };
        match (wire::kind(frame), giver) {
            (b"ack", Some(giver)) => {
                if let Some(sent) = giver.answered(frame) {
                    self.acks.add(now - sent);
                    self.last = Some(now);
                }
            }
            (b"error", giver) => {
                self.refusals.push(String::from_utf8_lossy(frame).into_owned());
                giver.map(|giver| giver.answered(frame));
            }
            (b"message:new", _) => self.deliveries += 1,
            (kind, _) if kind.starts_with(b"hex:") || kind.starts_with(b"token:") => self.deliveries += 1,
            _ => {}
        }
    }
}

impl Giver {
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
        let script = Script::Map { token_id: String::new(), hexes: 1 };
        let mut giver = Giver { at: 0, script, step: 0, unanswered, is_open: true };
        let mut phase = Phase::default();
        phase.hear(now, Some(&mut giver), Heard::Text(br#"{"type":"error","message":"no","code":"BUSY","id":"k8"}"#));
        phase.hear(now, Some(&mut giver), Heard::Text(br#"{"type":"ack","id":"k7","seq":4}"#));
        phase.hear(now, None, Heard::Text(br#"{"type":"hex:revealed","hexKeys":[],"seq":4}"#));
        assert_eq!((phase.refusals.len(), phase.acks.len(), phase.deliveries, giver.unanswered.len()), (1, 1, 1, 0));
    }
}
