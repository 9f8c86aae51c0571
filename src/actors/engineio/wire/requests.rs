//! What the requests of long polling do to a session.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{Carrier, Last, Phase, State, Wire};
use crate::actors::engineio::polling::{Duplicate, Polled, Polling};
use crate::actors::engineio::upper::Gone;
use crate::protocol::close::Close;
use crate::protocol::engineio::{CLOSE, Refusal};

impl Wire {
    /// A GET that waits for packets.
    pub(in crate::actors::engineio) fn poll(&self, answer: oneshot::Sender<Polled>, now: Instant) {
        let mut state = self.state.borrow_mut();
        let outcome = match (state.phase, &mut state.carrier) {
            // The sender hears it from its end being dropped.
            (Phase::Ended, _) => return,
            (_, Carrier::Socket(_)) => {
                let _ = answer.send(Err(Refusal::BadRequest));
                return;
            }
            (_, Carrier::Polling(polling)) => polling.wait(answer, now),
        };
        if let Err(Duplicate { first, second }) = outcome {
            first.answer(Ok(CLOSE.to_owned()));
            second.answer(Err(Refusal::BadRequest));
            self.end(&mut state, Gone::Closed(Close::ProtocolError), Last::Nothing);
        }
    }

    /// A POST begins; its body is read next.
    pub(in crate::actors::engineio) fn begin_post(&self) -> Result<(), Refusal> {
        let mut state = self.state.borrow_mut();
        if !std::mem::replace(&mut polling_of(&mut state)?.posting, true) {
            return Ok(());
        }
        self.end(&mut state, Gone::Closed(Close::ProtocolError), Last::Packet(CLOSE));
        Err(Refusal::BadRequest)
    }

    pub(in crate::actors::engineio) fn is_polled(&self) -> bool {
        matches!(&self.state.borrow().carrier, Carrier::Polling(polling) if polling.waits())
    }

    pub(in crate::actors::engineio) fn end_post(&self) {
        if let Carrier::Polling(polling) = &mut self.state.borrow_mut().carrier {
            polling.posting = false;
        }
    }

    /// Whether packets that came by a POST may be handled.
    pub(in crate::actors::engineio) fn check_post(&self) -> Result<(), Refusal> {
        polling_of(&mut self.state.borrow_mut()).map(|_| ())
    }
}

fn polling_of(state: &mut State) -> Result<&mut Polling, Refusal> {
    match (state.phase, &mut state.carrier) {
        (Phase::Open, Carrier::Polling(polling)) => Ok(polling),
        (Phase::Open, Carrier::Socket(_)) => Err(Refusal::BadRequest),
        _ => Err(Refusal::SessionIdUnknown),
    }
}
