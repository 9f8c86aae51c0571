//! From what is told to whom to the parts of a frame list, of which everybody gets one.

use crate::protocol::chat::ServerMessage;
use crate::rooms::kernel::{Audience, Part};
use crate::rooms::members::MemberSet;

/// Frames and to whom each goes, in the order in which they are to be read.
pub type Tellings = Vec<(MemberSet, ServerMessage)>;

/// Parts that do not overlap: since everybody gets one part alone, it holds all that is for him.
pub fn parts(tellings: Tellings) -> Vec<Part<ServerMessage>> {
    let mut parts: Vec<(MemberSet, Vec<ServerMessage>)> = Vec::new();
    for (to, frame) in tellings {
        let mut rest = to;
        let mut split = Vec::new();
        for (people, frames) in &mut parts {
            let both = people.intersection(&rest);
            if both.is_empty() {
                continue;
            }
            rest = rest.difference(&both);
            let others = people.difference(&both);
            if !others.is_empty() {
                split.push((others, frames.clone()));
            }
            *people = both;
            frames.push(frame.clone());
        }
        parts.append(&mut split);
        if !rest.is_empty() {
            parts.push((rest, vec![frame]));
        }
    }
    parts.into_iter().map(|(people, frames)| Part { to: Audience::Members(people), frames }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::chat::messages::Status;
    use crate::rooms::kernel::MemberNo;

    fn frame(n: usize) -> ServerMessage {
        ServerMessage::PresenceUpdate { user_id: format!("u{n}").as_str().into(), status: Status::Active }
    }

    proptest! {
        #[test]
        fn everybody_gets_what_is_for_him_in_order(sets in prop::collection::vec(prop::collection::vec(0u32..8, 0..5), 0..8)) {
            let sets: Vec<MemberSet> = sets.into_iter().map(|set| set.into_iter().map(MemberNo).collect()).collect();
            let parts = parts(sets.iter().cloned().enumerate().map(|(n, set)| (set, frame(n))).collect());
            for member in (0..8).map(MemberNo) {
                let first = parts.iter().find(|part| part.to.holds(member, false)).map(|part| part.frames.clone()).unwrap_or_default();
                let mine: Vec<_> = sets.iter().enumerate().filter(|(_, set)| set.contains(member)).map(|(n, _)| frame(n)).collect();
                prop_assert_eq!(first, mine);
            }
        }
    }
}
