//! Who sees a hex.

use crate::rooms::kernel::MemberNo;
use crate::rooms::members::MemberSet;

/// Who, among the players, sees one hex. A hex that nobody was shown has no `Visibility` at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every player, also one who joins later, but for these.
    Everyone { except: MemberSet },
    /// Just these; never empty.
    Only(MemberSet),
}

impl Visibility {
    pub fn shows(&self, player: MemberNo) -> bool {
        match self {
            Visibility::Everyone { except } => !except.contains(player),
            Visibility::Only(players) => players.contains(player),
        }
    }
}
