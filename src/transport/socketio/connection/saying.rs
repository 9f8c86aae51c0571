//! What rooms say, in the form of one client: events with their offsets, and answers.

use std::time::Instant;

use bytestring::ByteString;
use serde_json::json;

use super::{Asked, Connection, HELD_BYTES_MAX, Phase, Recovering, State, mark};
use crate::actors::engineio::upper::{Gone, Message};
use crate::actors::engineio::wire::Ending;
use crate::actors::hub;
use crate::actors::line::{Heard, RoomNo, Speaker};
use crate::actors::parts::Frames;
use crate::actors::room::Cursor;
use crate::actors::speech::{Done, Entry, Reply, Tag};
use crate::protocol::close::Close;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::ids::{CommandId, RoomId, RoomKind};
use crate::protocol::limits::RESUME_BYTES_MAX;
use crate::protocol::session::{Epoch, ErrorFrame};
use crate::transport::socketio::client::say;
use crate::transport::socketio::gather::Gather;
use crate::transport::socketio::offsets::Offsets;

impl Connection {
    pub(super) fn say_held(&self) {
        let held = {
            let mut state = self.state.borrow_mut();
            let held = std::mem::take(&mut state.held);
            state.held_bytes -= held.iter().map(|(_, frames, _)| cost_to_hold(frames)).sum::<usize>();
            held
        };
        for (room, frames, seq) in held {
            let mut state = self.state.borrow_mut();
            if let Some(at) = state.places.iter().position(|place| place.id == room) {
                self.say_of(&mut state, at, &[Heard { frames: Some(&frames), seq }]);
            }
        }
    }

    /// What the room of a place says, as events in one write.
    pub(super) fn say_of(&self, state: &mut State, at: usize, heard: &[Heard<'_>]) {
        let State { places, offsets, pid, left, .. } = state;
        let (place, now) = (&mut places[at], Instant::now());
        self.wire.send_run(|run| {
            for &Heard { frames, seq } in heard {
                place.seq = seq.unwrap_or(place.seq);
                let events = frames.filter(|frames| !frames.is_empty()).map_or(&[][..], |frames| frames.events());
                let mut count = 0;
                for event in events.iter().filter(|event| left.lets_hear(event)) {
                    with_offset(event, pid.as_deref(), offsets, |pieces| run.text(pieces));
                    count += 1;
                }
                if let Some(seq) = seq {
                    offsets.said(&place.id, seq, place.epoch, count, now);
                }
            }
        });
    }

    /// Frames that are no change of a room.
    pub fn emit(&self, frames: &Frames, fed: bool) {
        let mut state = self.state.borrow_mut();
        frames.events().iter().for_each(|event| self.put(&mut state, event, fed));
    }

    /// One event, with its offset if it has one. What is fed does not count against the bound of what may wait.
    pub(super) fn put(&self, state: &mut State, event: &ByteString, fed: bool) {
        with_offset(event, state.pid.as_deref(), &mut state.offsets, |pieces| {
            let unit = [Message::Text(pieces)];
            if fed { self.wire.feed(&unit) } else { self.wire.send(&unit) }
        });
    }

    /// The connection is in a workspace.
    pub fn say_joined(&self, tag: Option<Tag>, seq: i64) {
        self.acknowledge(tag, &format!("{{\"success\":true,\"seq\":{seq}}}"));
    }

    /// The answer to an event, for whoever waits for one.
    pub fn acknowledge(&self, tag: Option<Tag>, body: &str) {
        if let Some(Tag(id)) = tag {
            say(&self.wire, &format!("3{id}[{body}]"));
        }
    }

    /// The same for an event about positions, whose clients are told of it in plain words.
    pub fn refuse_plainly(&self, tag: Option<Tag>, rejection: &Rejection) {
        self.shared.connections.counts.command_outcome(Some(rejection.code));
        match tag {
            Some(_) => self.acknowledge(tag, &refusal_body(rejection)),
            None => {
                let message = serde_json::to_string(&rejection.message).expect("a text is JSON");
                self.put(&mut self.state.borrow_mut(), &format!("[\"error\",{message}").into(), false);
            }
        }
    }

    pub fn refuse(&self, tag: Option<Tag>, rejection: &Rejection) {
        self.shared.connections.counts.command_outcome(Some(rejection.code));
        self.tell_refusal(tag, None, rejection);
    }

    pub(super) fn tell_refusal(&self, tag: Option<Tag>, id: Option<CommandId>, rejection: &Rejection) {
        match tag {
            Some(_) => self.acknowledge(tag, &refusal_body(rejection)),
            None => self.emit(&Frames::of(&[ErrorFrame::new(id, rejection.clone())], None), false),
        }
    }

    /// What a room says before it can be passed on.
    pub(super) fn hold(&self, state: &mut State, at: usize, heard: &[Heard<'_>]) {
        let place = &mut state.places[at];
        for &Heard { frames, seq } in heard {
            let frames = frames.cloned().unwrap_or_default();
            state.held_bytes += cost_to_hold(&frames);
            match &mut place.held {
                Some(held) => held.push((frames, seq)),
                None => state.held.push((place.id.clone(), frames, seq)),
            }
        }
        if state.held_bytes > HELD_BYTES_MAX {
            self.wire.close(Ending::Cut(Close::TooSlow));
        }
    }
}

/// Also a change that is not for this client takes room.
pub(super) fn cost_to_hold(frames: &Frames) -> usize {
    size_of::<(RoomId, Frames, Option<i64>)>() + frames.wire().len()
}

/// The text of an event, with its offset if it has one, in pieces.
fn with_offset(event: &str, pid: Option<&str>, offsets: &mut Offsets, give: impl FnOnce(&[&str])) {
    match pid {
        Some(pid) => give(&["2", event, ",\"", mark(pid), "-", decimal(offsets.next(), &mut [0; DIGITS_MAX]), "\"]"]),
        None => give(&["2", event, "]"]),
    }
}

/// Digits of the greatest `u64`.
const DIGITS_MAX: usize = 20;

/// A number as text, in memory of the caller's: one is written for each delivery.
fn decimal(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &str {
    let mut first = DIGITS_MAX;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&digits[first..]).expect("digits are text");
        }
    }
}

pub fn refusal_body(rejection: &Rejection) -> String {
    let mut error = json!({"code": rejection.code, "message": rejection.message});
    if let Some(seconds) = rejection.retry_after {
        error["retryAfter"] = json!(seconds);
    }
    json!({"success": false, "error": error}).to_string()
}

/// What a callback is called with: a map by id as it is, else success with the answer's fields.
pub fn done_body(done: &Done) -> String {
    match done.fields.strip_prefix("{\"result\":").and_then(|rest| rest.strip_suffix('}')) {
        Some(map) => map.to_owned(),
        None => format!("{{\"success\":true,\"seq\":{}{}}}", done.seq, done.trailing_fields()),
    }
}

impl Speaker for Connection {
    fn is_open(&self) -> bool {
        self.wire.is_open() && !self.is_over()
    }

    fn is_behind(&self) -> bool {
        self.wire.is_behind()
    }

    fn enter(&self, no: RoomNo, entry: &Entry, hold: bool) {
        let asked = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.id == entry.room) else {
                // It was left before the room had answered.
                let id = self.id;
                actix::spawn(async move { hub::leave(id, no) });
                return;
            };
            (place.no, place.seq, place.epoch) = (Some(no), entry.connected.seq, entry.epoch);
            if hold {
                // What was held before is part of what will be released.
                state.held_bytes -= place.hold_anew();
                return;
            }
            place.is_in = true;
            state.held_bytes -= place.release().1;
            if place.position.is_some()
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
            }
            std::mem::take(&mut place.asked)
        };
        self.show(entry, asked);
        self.settle_soon();
    }

    fn release(&self, no: RoomNo, entry: &Entry) {
        let (asked, held, is_recovering) = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.no == Some(no)) else { return };
            place.is_in = true;
            let (held, bytes) = place.release();
            state.held_bytes -= bytes;
            let is_recovering = matches!(state.phase, Phase::Entering { recovering: Some(_) });
            place.missed = is_recovering.then(|| entry.frames.clone());
            let asked = std::mem::take(&mut place.asked);
            // Each room has a bound of its own; all of them together have the same one.
            let missed = state.places.iter().filter_map(|place| place.missed.as_ref()).map(|frames| frames.wire().len()).sum::<usize>();
            if missed > RESUME_BYTES_MAX
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
                state.places.iter_mut().for_each(|place| place.missed = None);
            }
            (asked, held, is_recovering)
        };
        if !is_recovering {
            self.show(entry, asked);
        }
        for (frames, seq) in held {
            self.say(no, &[Heard { frames: Some(&frames), seq }]);
        }
        self.settle_soon();
    }

    fn say(&self, no: RoomNo, heard: &[Heard<'_>]) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(at) = state.places.iter().position(|place| place.no == Some(no)) else { return false };
        let is_recovering = matches!(state.phase, Phase::Entering { recovering: Some(_) });
        if is_recovering || state.places[at].held.is_some() {
            self.hold(&mut state, at, heard);
            return false;
        }
        let was_open = self.wire.is_open();
        self.say_of(&mut state, at, heard);
        was_open && !self.wire.is_open()
    }

    fn answer(&self, reply: &Reply) {
        match reply.tag {
            Some(tag) if Gather::is_internal(tag) => self.gathered(tag, &reply.outcome),
            tag => match &reply.outcome {
                Ok(done) => self.acknowledge(tag, &done_body(done)),
                Err(rejection) => self.tell_refusal(tag, reply.id.clone(), rejection),
            },
        }
    }

    fn epoch(&self, no: RoomNo, epoch: i64) {
        let is_campaign = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let Some(place) = state.places.iter_mut().find(|place| place.no == Some(no)) else { return };
            place.epoch = epoch;
            state.offsets.said(&place.id, place.seq, epoch, 0, Instant::now());
            place.id.kind() == RoomKind::Campaign && state.phase == Phase::Open
        };
        // Of other rooms the client knows no cursor.
        if is_campaign {
            self.emit(&Frames::of(&[Epoch { epoch: epoch.to_string() }], None), false);
        }
    }

    fn leave(&self, _: RoomNo, room: &RoomId, close: Close) {
        let place = {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            state.offsets.leave(room);
            let Some(at) = state.places.iter().position(|place| place.id == *room) else { return };
            let mut place = state.places.swap_remove(at);
            state.held_bytes -= place.release().1;
            if place.position.is_some()
                && let Phase::Entering { recovering: Some(recovering) } = &mut state.phase
            {
                *recovering = Recovering::Failed;
            }
            place
        };
        self.gather_without(room);
        if matches!(close, Close::TryAgainLater | Close::Restarting) {
            return self.wire.close(Ending::Cut(close));
        }
        let rejection = Rejection::new(ErrorCode::Forbidden, close.reason());
        if place.asked.is_empty() && room.kind() == RoomKind::Campaign && place.is_in {
            self.tell_refusal(None, None, &rejection);
        }
        place.asked.into_iter().for_each(|Asked { tag }| self.refuse(tag, &rejection));
        self.settle_soon();
    }

    fn welcome(&self, room: &RoomId) {
        let (connection, room) = (self.me(), room.clone());
        actix::spawn(async move {
            if !connection.is_over() {
                drop(connection.join(room, None, None));
            }
        });
    }

    fn close(&self, close: Close) {
        match close {
            Close::SessionEnded | Close::TooManyConnections | Close::TooManyMessages | Close::Removed => self.send_away(close),
            Close::Replaced => {
                self.wire.close(Ending::Cut(close));
                let gone = Some(Gone::Closed(close));
                // At once, so that whoever takes its place finds what was kept.
                if let Some(places) = self.stop(gone) {
                    // It makes room for the one that takes its place, which must not drive out another.
                    self.shared.connections.registry.remove(&self.user, self.id);
                    let connection = self.me();
                    actix::spawn(async move { connection.clear_away(places, gone) });
                }
            }
            _ => self.wire.close(Ending::Cut(close)),
        }
    }
}

impl Connection {
    /// What whoever came in is told: the answer, then the state or what was missed.
    pub(super) fn show(&self, entry: &Entry, asked: Vec<Asked>) {
        let is_campaign = entry.room.kind() == RoomKind::Campaign;
        for Asked { tag } in asked {
            let connected = serde_json::to_string(&entry.connected).expect("a frame is JSON");
            // The frame begins with its type, which an answer has not.
            let fields = connected.split_once(',').map_or("}", |(_, fields)| fields);
            let body = if is_campaign {
                format!("{{\"success\":true,{fields}")
            } else {
                format!("{{\"success\":true,\"seq\":{}}}", entry.connected.seq)
            };
            self.acknowledge(tag, &body);
        }
        // A workspace shows nothing but that one is in it, which is told when all rooms are there.
        let shown = is_campaign && !entry.frames.is_empty();
        if shown {
            self.emit(&entry.frames, true);
        }
        let cursor = Cursor { seq: entry.connected.seq, epoch: entry.epoch };
        self.state.borrow_mut().offsets.enter(entry.room.clone(), cursor, shown);
    }

    /// After what the hub is at work on: it may be asked for something.
    pub(super) fn settle_soon(&self) {
        let connection = self.me();
        actix::spawn(async move {
            if !connection.is_over() {
                connection.settle();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_anybody_writes_it() {
        for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; DIGITS_MAX]), number.to_string());
        }
    }
}
