//! A model of the database: what rows do to what a campaign is loaded from.

use super::*;
use crate::protocol::campaign::command::TerrainAt;
use crate::rooms::campaign::rows::PendingInvitation;

fn set<K: PartialEq, T>(list: &mut Vec<T>, key: &K, of: impl Fn(&T) -> K, value: Option<T>) {
    match (list.iter().position(|thing| of(thing) == *key), value) {
        (Some(at), Some(value)) => list[at] = value,
        (Some(at), None) => drop(list.remove(at)),
        (None, value) => list.extend(value),
    }
}

pub fn write(stored: &mut StoredCampaign, log: &mut Vec<LogRow>, row: Row) {
    match row {
        Row::Hex(key, ground) => {
            let hex = ground.map(|(terrain, terrain_variant)| TerrainAt { key, terrain, terrain_variant });
            set(&mut stored.board.hexes, &key, |hex| hex.key, hex);
        }
        Row::Fog(key, seen) => set(&mut stored.board.fog, &key, |(key, _)| *key, seen.map(|seen| (key, seen))),
        Row::Token(id, token) => set(&mut stored.board.tokens, &id, |token| token.id.clone(), token),
        Row::Log(row) => log.push(row),
        Row::Session(session) => stored.session = Some(session),
        Row::Mode(mode) => stored.mode = mode,
        Row::Size(size) => stored.board.size = size,
        Row::ReplaceHexes(hexes) => stored.board.hexes = hexes,
        Row::Stage(change) => stored.staged.push(change),
        Row::Unstage(id) => stored.staged.retain(|change| change.id != id),
        Row::UnstageAll => stored.staged.clear(),
        Row::Member(member) => set(&mut stored.members, &member.user.clone(), |member| member.user.clone(), Some(member)),
        Row::Invitation { id, email, .. } => stored.invitations.push(PendingInvitation { id, email }),
        Row::InvitationAnswered { id, .. } => stored.invitations.retain(|invitation| invitation.id != id),
        Row::Link { link, .. } => stored.links.push(link),
        Row::LinkUses { code, uses } => {
            stored.links.iter_mut().filter(|link| link.code == code).for_each(|link| link.uses = uses);
            stored.links.retain(|link| link.max_uses.is_none_or(|max| link.uses < max));
        }
        Row::Deleted => *stored = StoredCampaign { members: Vec::new(), board: StoredBoard::default(), ..stored.clone() },
    }
}

/// Lists in the order of their keys, so that two can be compared.
pub fn sorted(mut stored: StoredCampaign) -> StoredCampaign {
    stored.board.hexes.sort_by_key(|hex| hex.key);
    stored.board.fog.sort_by_key(|(key, _)| *key);
    stored.board.tokens.sort_by(|a, b| a.id.cmp(&b.id));
    stored.members.sort_by_key(|member| member.no);
    stored.invitations.sort_by(|a, b| a.id.cmp(&b.id));
    stored.links.sort_by(|a, b| a.code.cmp(&b.code));
    stored.links.retain(|link| link.max_uses.is_none_or(|max| link.uses < max));
    stored
}

/// The campaign as it would be stored.
pub fn of(campaign: &Campaign, everybody: &[StoredMember]) -> StoredCampaign {
    sorted(StoredCampaign {
        id: campaign.id.clone(),
        owner: campaign.owner.clone(),
        mode: campaign.mode,
        session: campaign.session.to_stored(),
        members: everybody.iter().filter_map(|member| campaign.roster.record(&member.user).cloned()).collect(),
        board: StoredBoard { size: campaign.board.size(), ..campaign.board.to_stored() },
        staged: campaign.queue.changes().to_vec(),
        invitations: campaign.invitations.values().cloned().collect(),
        links: campaign.links.values().cloned().collect(),
    })
}
