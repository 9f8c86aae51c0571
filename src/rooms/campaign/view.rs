//! What a newcomer is sent: the state of the room as he or she may see it.

use std::collections::BTreeMap;

use crate::protocol::campaign::{Everyone, Player, Seen, ServerMessage};
use crate::protocol::hex::HexKey;
use crate::rooms::campaign::Campaign;
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::gate::{revealed_to, tokens_for};
use crate::rooms::kernel::{Member, MemberNo};

impl Campaign {
    pub(super) fn view_for(&self, viewer: &Member, online: &dyn Fn(MemberNo) -> bool) -> Vec<ServerMessage> {
        let visibility = viewer.leads.then(|| self.visibility());
        let revealed_hexes = match &visibility {
            Some(visibility) => visibility.keys().copied().collect(),
            None => revealed_to(&self.board, viewer.no),
        };
        let player = |member: Member| Player { online: online(member.no), user_id: member.user, name: member.name };
        let state = ServerMessage::SessionState {
            status: self.session.status(),
            broadcast_mode: self.mode,
            connected_players: self.roster.members().into_iter().map(player).collect(),
            revealed_hexes,
            visibility,
            session_id: self.session.play().map(|play| play.id.clone()),
            started_at: self.session.play().map(|play| play.started_at),
        };
        let staged = viewer.leads.then(|| self.queue.message());
        let tokens = ServerMessage::TokenState { tokens: tokens_for(&self.board, viewer) };
        [state].into_iter().chain(staged).chain([tokens]).collect()
    }

    /// Those who left are named among the exceptions: they would be excepted again.
    fn visibility(&self) -> BTreeMap<HexKey, Seen> {
        let seen = |seen: &Visibility| match seen {
            Visibility::Everyone { except } if except.is_empty() => Seen::All(Everyone::All),
            Visibility::Everyone { except } => Seen::Except { except: self.roster.users(except) },
            Visibility::Only(some) => Seen::Only(self.roster.users(some)),
        };
        self.board.fogs().into_iter().map(|(key, visibility)| (key, seen(visibility))).collect()
    }
}
