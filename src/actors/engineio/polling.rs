//! Long polling, as a session has it: what waits to be fetched, the request that waits for it, and the WebSocket that may take its place.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::actors::engineio::socket::Socket;
use crate::actors::engineio::upper::Message;
use crate::protocol::engineio::{MESSAGE, NOOP, Outgoing, Refusal, payload};

/// How long a GET may wait while an upgrade is under way: the client sends nothing on the WebSocket before it is answered.
const HOLD: Duration = Duration::from_millis(100);
/// What a packet costs beside its bytes: its place in the queue.
const PACKET_BYTES: usize = size_of::<Outgoing>();

/// What a GET is answered.
pub type Polled = Result<String, Refusal>;

/// Packets that wait to be fetched.
#[derive(Default)]
pub struct Buffer {
    packets: Vec<Outgoing>,
    /// Of the counted ones.
    bytes: usize,
}

impl Buffer {
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// What is counted in is not to go beyond `bytes_max`, but for one unit that has the queue for itself.
    pub fn has_room(&self, unit: &[Message<'_>], bytes_max: usize) -> bool {
        self.bytes == 0 || self.bytes + unit.iter().map(cost).sum::<usize>() <= bytes_max
    }

    pub fn push(&mut self, unit: &[Message<'_>], counted: bool) {
        if counted {
            self.bytes += unit.iter().map(cost).sum::<usize>();
        }
        self.packets.extend(unit.iter().map(packet));
    }

    pub fn control(&mut self, packet: &'static str) {
        self.packets.push(Outgoing::Text(packet.into()));
    }

    pub fn take(&mut self) -> Vec<Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.packets)
    }
}

/// The message as a packet of its own.
pub fn packet(message: &Message<'_>) -> Outgoing {
    match message {
        Message::Text(texts) => {
            let mut text = String::with_capacity(MESSAGE.len() + texts.iter().map(|text| text.len()).sum::<usize>());
            text.push_str(MESSAGE);
            texts.iter().for_each(|piece| text.push_str(piece));
            Outgoing::Text(text.into())
        }
        Message::Binary(bytes) => Outgoing::Binary((*bytes).clone()),
    }
}

fn cost(message: &Message<'_>) -> usize {
    PACKET_BYTES
        + match message {
            Message::Text(texts) => texts.iter().map(|text| text.len()).sum(),
            Message::Binary(bytes) => bytes.len(),
        }
}

/// A GET that waits.
pub struct Waiting {
    answer: oneshot::Sender<Polled>,
    /// From then on it is answered although there is nothing to tell.
    pub noop_at: Option<Instant>,
}

impl Waiting {
    pub fn answer(self, polled: Polled) {
        // Who asked may be gone; what he was to be told then is lost, as it is on any broken connection.
        let _ = self.answer.send(polled);
    }
}

/// A WebSocket that the client tries.
pub struct Upgrade {
    pub socket: Socket,
    pub probed: bool,
    pub deadline: Instant,
}

#[derive(Default)]
pub struct Polling {
    pub buffer: Buffer,
    waiting: Option<Waiting>,
    /// A POST is under way.
    pub posting: bool,
    pub upgrade: Option<Upgrade>,
}

/// A GET came while another one waits.
pub struct Duplicate {
    pub first: Waiting,
    pub second: Waiting,
}

impl Polling {
    /// Takes what is to be fetched; false when there is too much of it.
    pub fn take(&mut self, unit: &[Message<'_>], bytes_max: usize) -> bool {
        if !self.buffer.has_room(unit, bytes_max) {
            self.flush(Instant::now());
        }
        let fits = self.buffer.has_room(unit, bytes_max);
        if fits {
            self.buffer.push(unit, true);
        }
        fits
    }

    pub fn wait(&mut self, answer: oneshot::Sender<Polled>, now: Instant) -> Result<(), Duplicate> {
        let noop_at = self.upgrade.as_ref().filter(|upgrade| upgrade.probed).map(|_| now + HOLD);
        let second = Waiting { answer, noop_at };
        match self.take_waiting() {
            Some(first) => Err(Duplicate { first, second }),
            None => {
                self.waiting = Some(second);
                Ok(())
            }
        }
    }

    /// The GET that waits. One whose connection was reset waits no more.
    pub fn take_waiting(&mut self) -> Option<Waiting> {
        self.waiting.take().filter(|waiting| !waiting.answer.is_closed())
    }

    pub fn waits(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.answer.is_closed())
    }

    /// The client tries a WebSocket and stops polling when its GET is answered.
    pub fn hurry(&mut self, now: Instant) {
        if let Some(waiting) = &mut self.waiting {
            waiting.noop_at = Some(now);
        }
    }

    /// When a GET that waits is to be answered in any case.
    pub fn noop_at(&self) -> Option<Instant> {
        self.waiting.as_ref().and_then(|waiting| waiting.noop_at)
    }

    /// Answers the GET that waits, if there is something to tell. True when what was in the buffer is told.
    pub fn flush(&mut self, now: Instant) -> bool {
        let due = self.noop_at().is_some_and(|at| at <= now);
        if self.buffer.is_empty() && !due {
            return false;
        }
        let Some(waiting) = self.take_waiting() else { return false };
        let told = !self.buffer.is_empty();
        waiting.answer(Ok(if told { payload(&self.buffer.take()) } else { NOOP.to_owned() }));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Message<'static> = Message::Text(&["2[", "\"body\"", ",1]"]);

    fn get(polling: &mut Polling, now: Instant) -> oneshot::Receiver<Polled> {
        let (answer, answered) = oneshot::channel();
        assert!(polling.wait(answer, now).is_ok(), "no other GET waits");
        answered
    }

    #[test]
    fn a_text_in_pieces_is_one_packet() {
        let mut polling = Polling::default();
        let now = Instant::now();
        let mut answered = get(&mut polling, now);
        assert!(!polling.flush(now), "there is nothing to tell");
        polling.buffer.push(&[TEXT, Message::Binary(&bytes::Bytes::from_static(&[1]))], true);
        polling.buffer.control(NOOP);
        assert!(polling.flush(now));
        assert_eq!(answered.try_recv(), Ok(Ok("42[\"body\",1]\u{1e}bAQ==\u{1e}6".to_owned())));
        assert!(polling.buffer.is_empty() && !polling.waits());
    }

    #[test]
    fn a_get_whose_connection_was_reset_takes_nothing_and_stands_in_nobodys_way() {
        let mut polling = Polling::default();
        let now = Instant::now();
        drop(get(&mut polling, now));
        polling.buffer.push(&[TEXT], true);
        assert!(!polling.waits() && !polling.flush(now));
        drop(get(&mut polling, now));
        let mut answered = get(&mut polling, now);
        assert!(polling.flush(now));
        assert!(matches!(answered.try_recv(), Ok(Ok(payload)) if payload.starts_with("42")));
    }

    #[test]
    fn a_unit_has_room_when_the_queue_is_empty_or_both_fit() {
        let mut buffer = Buffer::default();
        let unit = |text: &'static [&'static str]| [Message::Text(text)];
        assert!(buffer.has_room(&unit(&["a unit that is longer than the bound"]), 1));
        buffer.push(&unit(&["12345"]), false);
        assert!(buffer.has_room(&unit(&["12345"]), 1), "what does not count takes no room");
        buffer.push(&unit(&["12345"]), true);
        let both = 2 * (PACKET_BYTES + 5);
        assert!(buffer.has_room(&unit(&["123", "45"]), both) && !buffer.has_room(&unit(&["123", "456"]), both));
        buffer.take();
        assert!(buffer.has_room(&unit(&["12345"]), 1));
    }

    #[test]
    fn a_get_that_is_hurried_is_answered_with_a_noop() {
        let mut polling = Polling::default();
        let now = Instant::now();
        let mut answered = get(&mut polling, now);
        assert_eq!(polling.noop_at(), None);
        polling.hurry(now);
        assert!(!polling.flush(now), "what was told is not what was in the buffer");
        assert_eq!(answered.try_recv(), Ok(Ok(NOOP.to_owned())));
    }
}
