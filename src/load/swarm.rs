//! Many connections on one thread: connecting, waiting for what comes, asking a question.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use super::histogram::Histogram;
use super::report::Report;
use super::socket::{Call, Heard, Socket};
use super::{LoadError, wire};

/// Connections that may be under way at once while joining: more would only wait in the server's backlog.
const JOINING_MAX: usize = 64;

/// No join for so long means that there will be none.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);

const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// Which connection of a swarm, counted from 0 in the order of their calls.
pub type At = usize;

pub struct Swarm {
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    /// Room for one read, shared by all.
    input: Vec<u8>,
    /// Of each connection, from its `connected` frame.
    user_ids: Vec<String>,
    /// Why connections that read were closed. This program closes none.
    closed: Vec<String>,
    asked: u64,
}

/// How a number of connections came to be joined: upgraded, authenticated, with the state of the room received.
#[derive(Default)]
pub struct Joined {
    pub count: usize,
    pub took: Duration,
    /// From the first step of a connection to the last frame of its state.
    pub latency: Histogram,
}

impl Swarm {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            sockets: Vec::new(),
            input: Vec::new(),
            user_ids: Vec::new(),
            closed: Vec::new(),
            asked: 0,
        })
    }

    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    pub fn user_id(&self, at: At) -> &str {
        &self.user_ids[at]
    }

    pub fn is_open(&self, at: At) -> bool {
        self.sockets[at].is_open()
    }

    /// Reports the connections that were closed.
    pub fn check(&self, report: &mut Report) {
        if let Some(first) = self.closed.first() {
            report.problem(format!("{} connections were dropped, first with {first}", self.closed.len()));
        }
    }

    pub fn send(&mut self, at: At, payload: &[u8]) {
        self.sockets[at].send(payload);
    }

    pub fn stop_reading(&mut self, at: At) {
        self.sockets[at].stop_reading();
    }

    /// Waits at most `patience` for something to happen, and passes on what was heard, each with when and where.
    pub fn turn(&mut self, patience: Duration, hear: &mut dyn FnMut(Instant, At, Heard<'_>)) -> Result<(), LoadError> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(patience)) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error.into()) };
        }
        for event in &self.events {
            let at = event.token().0;
            let now = Instant::now();
            let closed = &mut self.closed;
            self.sockets[at].handle(event, &mut self.input, &mut |heard| {
                if let Heard::Closed(why) = &heard {
                    closed.push(why.clone());
                }
                hear(now, at, heard);
            });
        }
        Ok(())
    }

    /// Lets everything come that comes, for so long.
    pub fn rest(&mut self, duration: Duration) -> Result<(), LoadError> {
        let end = Instant::now() + duration;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left, &mut |_, _, _| {})?;
        }
        Ok(())
    }

    /// Connects these, a few at a time, and waits until each has the state of its room.
    pub fn join(&mut self, calls: &[Call]) -> Result<Joined, LoadError> {
        let first = self.sockets.len();
        let start = Instant::now();
        let mut begun: Vec<Instant> = Vec::with_capacity(calls.len());
        let mut joined = Joined::default();
        let mut progress = start;
        let mut refusal = None;
        while joined.count < calls.len() && refusal.is_none() {
            while begun.len() < calls.len() && begun.len() - joined.count < JOINING_MAX {
                let token = Token(self.sockets.len());
                begun.push(Instant::now());
                self.sockets.push(Socket::begin(&calls[begun.len() - 1], self.poll.registry(), token)?);
                self.user_ids.push(String::new());
            }
            let mut names = std::mem::take(&mut self.user_ids);
            let heard = self.turn(Duration::from_millis(100), &mut |now, at, heard| match heard {
                Heard::Text(frame) if at >= first => match wire::kind(frame) {
                    b"connected" => names[at] = String::from_utf8_lossy(wire::string_field(frame, b"\"userId\":\"")).into_owned(),
                    b"token:state" | b"ready" => {
                        joined.count += 1;
                        joined.latency.add(now - begun[at - first]);
                        progress = now;
                    }
                    b"error" => refusal = Some(String::from_utf8_lossy(frame).into_owned()),
                    _ => {}
                },
                Heard::Text(_) => {}
                Heard::Closed(why) => drop(refusal.get_or_insert(why)),
            });
            self.user_ids = names;
            heard?;
            if progress.elapsed() > JOIN_PATIENCE {
                refusal = Some(format!("nobody for {} s", JOIN_PATIENCE.as_secs()));
            }
        }
        if let Some(why) = refusal {
            return Err(LoadError::Failed(format!("{} of {} connections joined, then: {why}", joined.count, calls.len())));
        }
        joined.took = start.elapsed();
        Ok(joined)
    }

    /// Sends a command and waits for its answer: the `ack`, or an `error` as the `Err`. What others hear meanwhile is dropped.
    pub fn ask(&mut self, at: At, mut command: Value) -> Result<Result<Value, Value>, LoadError> {
        self.asked += 1;
        command["id"] = json!(format!("a{}", self.asked));
        self.send(at, command.to_string().as_bytes());
        let (asked, start) = (self.asked, Instant::now());
        let mut answer = None;
        while answer.is_none() {
            self.turn(Duration::from_millis(100), &mut |_, who, heard| match heard {
                Heard::Text(frame) if who == at && wire::answered(frame, b'a') == Some(asked) => {
                    answer = serde_json::from_slice(frame).ok()
                }
                Heard::Closed(why) if who == at => answer = Some(json!({ "type": "error", "message": why })),
                _ => {}
            })?;
            if start.elapsed() > ANSWER_PATIENCE {
                return Err(LoadError::Failed(format!("no answer to {command} in {} s", ANSWER_PATIENCE.as_secs())));
            }
        }
        let answer = answer.unwrap_or_default();
        Ok(if answer["type"] == "ack" { Ok(answer) } else { Err(answer) })
    }

    /// Like [`ask`](Self::ask), for a command that cannot do without its acknowledgement.
    pub fn must(&mut self, at: At, command: Value) -> Result<Value, LoadError> {
        let kind = command["type"].as_str().unwrap_or_default().to_owned();
        self.ask(at, command)?.map_err(|error| LoadError::Failed(format!("{kind} was answered {error}")))
    }
}
