//! The gate: the only producer of what a player is told about the board.
//!
//! It never asks what a command meant. For every key that an event touched it compares who saw what before with who sees what after, and
//! says the difference: so a change that nobody may notice makes no frame, and a publish of a hundred changes is told like one.
//!
//! Players are not looked at one by one. Touched hexes are gathered into groups of one fate (same seers before, same after), each group
//! yields *findings* (this set of players sees these hexes newly, …), and the sets of the findings split the players into classes that are
//! told the same ([`classes`]). The cost is about linear in the touched things and in the members divided by 64; the size of the map does
//! not enter.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::protocol::campaign::command::{TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::Token;
use crate::protocol::campaign::{MapHex, ServerMessage};
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{TokenId, UserId};
use crate::rooms::campaign::board::{Before, Board, Look, terrain_at};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::judge::{Action, Step, difference};
use crate::rooms::campaign::roster::Roster;
use crate::rooms::kernel::{Audience, Member, MemberNo, Part};
use crate::rooms::members::MemberSet;

/// These players see this difference.
#[derive(Debug)]
pub struct Finding {
    pub players: MemberSet,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// Hexes that they did not see before.
    Revealed(Vec<HexKey>),
    /// Hexes that they saw and do not see any more.
    Hidden(Vec<HexKey>),
    /// Hexes that they saw and see, with other terrain.
    Updated(Vec<HexKey>),
    Vanished(TokenId),
    Appeared(Token),
    /// A token that they saw and see is elsewhere or different.
    Changed(Vec<ServerMessage>),
}

/// What a hex shows, for everybody who sees it.
pub fn terrain_of(board: &Board, key: HexKey, unknown: &Terrain) -> TerrainAt {
    board.ground(key).map_or_else(|| TerrainAt { key, terrain: unknown.clone(), terrain_variant: 0 }, |ground| terrain_at(key, ground))
}

/// Which of `players` see a hex.
fn seers(seen: Option<&Visibility>, players: &MemberSet) -> MemberSet {
    match seen {
        None => MemberSet::new(),
        Some(Visibility::Everyone { except }) => players.difference(except),
        Some(Visibility::Only(some)) => players.intersection(some),
    }
}

/// Everything that became different for some player. `steps` tell who moved a token.
pub fn findings(before: &Before, board: &Board, roster: &Roster, steps: &[Step]) -> Vec<Finding> {
    let mut findings = hex_findings(before, board, roster.players());
    findings.extend(token_findings(before, board, roster, steps));
    findings
}

fn hex_findings(before: &Before, board: &Board, players: &MemberSet) -> Vec<Finding> {
    let unknown = Terrain::unknown();
    let ground_changed = |key: HexKey| {
        let old = before.ground.get(&key).filter(|_| !before.replaced);
        old.is_some_and(|old| {
            let old = old.as_ref().map_or((&unknown, 0), |(terrain, variant)| (terrain, *variant));
            let new = board.ground(key).map_or((&unknown, 0), |(terrain, variant)| (terrain, *variant));
            old != new
        })
    };
    type Fate<'a> = (Option<&'a Visibility>, Option<&'a Visibility>, bool);
    let mut keys_by_fate: HashMap<Fate<'_>, Vec<HexKey>> = HashMap::new();
    let touched: BTreeSet<HexKey> = before.fog.keys().chain(before.ground.keys()).copied().collect();
    for key in touched {
        let after = board.fog(key);
        let was = before.fog.get(&key).map_or(after, Option::as_ref);
        let other_ground = ground_changed(key);
        if was != after || other_ground {
            keys_by_fate.entry((was, after, other_ground)).or_default().push(key);
        }
    }
    let mut groups: Vec<(Fate<'_>, Vec<HexKey>)> = keys_by_fate.into_iter().collect();
    groups.sort_by(|(_, a), (_, b)| a.cmp(b));
    let mut findings = Vec::new();
    for ((was, after, other_ground), keys) in groups {
        let (was, after) = (seers(was, players), seers(after, players));
        findings.push(Finding { players: after.difference(&was), what: What::Revealed(keys.clone()) });
        findings.push(Finding { players: was.difference(&after), what: What::Hidden(keys.clone()) });
        if other_ground {
            findings.push(Finding { players: was.intersection(&after), what: What::Updated(keys) });
        }
    }
    findings.retain(|finding| !finding.players.is_empty());
    findings
}

/// Which of today's players see a token, `fog` being who sees its hex.
fn token_seers(token: &Token, fog: Option<&Visibility>, roster: &Roster) -> MemberSet {
    let mut seers = if token.visible { seers(fog, roster.players()) } else { MemberSet::new() };
    if let Some(owner) = token.owner_id.as_ref().and_then(|owner| roster.player_no(owner)) {
        seers.insert(owner);
    }
    seers
}

fn token_findings(before: &Before, board: &Board, roster: &Roster, steps: &[Step]) -> Vec<Finding> {
    let standing = before.fog.keys().flat_map(|key| board.tokens_on(*key));
    let touched: BTreeSet<&TokenId> = before.tokens.keys().chain(standing).collect();
    let movers = movers(steps);
    let mut findings = Vec::new();
    for id in touched {
        let new = board.token(id);
        let old = before.tokens.get(id).map_or(new, Option::as_ref);
        let fog_before = |key: HexKey| before.fog.get(&key).map_or_else(|| board.fog(key), Option::as_ref);
        let was = old.map(|token| token_seers(token, fog_before(token.hex_key), roster)).unwrap_or_default();
        let after = new.map(|token| token_seers(token, board.fog(token.hex_key), roster)).unwrap_or_default();
        findings.push(Finding { players: was.difference(&after), what: What::Vanished(id.clone()) });
        if let Some(new) = new {
            findings.push(Finding { players: after.difference(&was), what: What::Appeared(new.clone()) });
        }
        if let Some((old, new)) = old.zip(new).filter(|(old, new)| old != new) {
            let frames = token_changes(old, new, movers.get(id).copied());
            findings.push(Finding { players: was.intersection(&after), what: What::Changed(frames) });
        }
    }
    findings.retain(|finding| !finding.players.is_empty());
    findings
}

/// Who moved a token last.
fn movers(steps: &[Step]) -> HashMap<&TokenId, &UserId> {
    let moved = |step: &'_ Step| matches!(step.action, Action::MoveToken { .. });
    steps.iter().filter(|step| moved(step)).filter_map(|step| Some((&step.delta.token.as_ref()?.0, &step.by))).collect()
}

fn token_changes(old: &Token, new: &Token, mover: Option<&UserId>) -> Vec<ServerMessage> {
    let mut frames = Vec::new();
    if let Some(moved_by) = mover.filter(|_| old.hex_key != new.hex_key) {
        let (from_hex_key, to_hex_key) = (old.hex_key, new.hex_key);
        frames.push(ServerMessage::TokenMoved { token_id: new.id.clone(), from_hex_key, to_hex_key, moved_by: moved_by.clone() });
    }
    let updates = difference(old, new);
    if updates != TokenUpdates::default() {
        frames.push(ServerMessage::TokenUpdated { token_id: new.id.clone(), updates });
    }
    frames
}

/// What each audience is told of a change of the board. `after_steps` is what DMs are told besides, at the end.
pub fn parts(
    before: &Before,
    board: &Board,
    findings: &[Finding],
    steps: &[Step],
    after_steps: Vec<ServerMessage>,
) -> Vec<Part<ServerMessage>> {
    let mut dm = dm_frames(board, steps);
    dm.extend(after_steps);
    let replaced = before.replaced.then(|| map_replaced(board));
    let mut parts = Vec::new();
    if !dm.is_empty() {
        parts.push(Part { to: Audience::Dm, frames: dm });
    }
    for class in classes(findings) {
        let mut frames: Vec<ServerMessage> = replaced.iter().cloned().collect();
        frames.extend(class_frames(&class, board, findings));
        parts.push(Part { to: Audience::Members(class), frames });
    }
    if let Some(frame) = replaced {
        parts.push(Part { to: Audience::All, frames: vec![frame] });
    }
    parts
}

fn map_replaced(board: &Board) -> ServerMessage {
    let size = board.size();
    ServerMessage::MapReplaced { grid_width: size.grid_width, grid_height: size.grid_height }
}

/// Splits the players whom anything concerns into classes that all findings concern alike.
fn classes(findings: &[Finding]) -> Vec<MemberSet> {
    let mut sets: Vec<&MemberSet> = findings.iter().map(|finding| &finding.players).collect();
    sets.sort_unstable();
    sets.dedup();
    let Some(all) = sets.iter().copied().cloned().reduce(|a, b| a.union(&b)) else { return Vec::new() };
    let (mut splittable, mut single) = (vec![all], Vec::new());
    for set in sets {
        let mut refined = Vec::with_capacity(splittable.len() + 1);
        for class in splittable {
            let inside = class.intersection(set);
            let outside = class.difference(set);
            for piece in [inside, outside] {
                match piece.len() {
                    0 => {}
                    1 => single.push(piece),
                    _ => refined.push(piece),
                }
            }
        }
        splittable = refined;
    }
    splittable.append(&mut single);
    splittable.sort_by_key(MemberSet::first);
    splittable
}

/// The frames for players who are all told the same: hex frames first.
fn class_frames(class: &MemberSet, board: &Board, findings: &[Finding]) -> Vec<ServerMessage> {
    let Some(one) = class.first() else { return Vec::new() };
    let (mut revealed, mut hidden, mut updated) = (Vec::new(), Vec::new(), Vec::new());
    let (mut vanished, mut appeared, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings.iter().filter(|finding| finding.players.contains(one)) {
        match &finding.what {
            What::Revealed(keys) => revealed.extend(keys),
            What::Hidden(keys) => hidden.extend(keys),
            What::Updated(keys) => updated.extend(keys),
            What::Vanished(id) => vanished.push(ServerMessage::TokenDeleted { token_id: id.clone() }),
            What::Appeared(token) => appeared.push(ServerMessage::TokenCreated { token: token.clone() }),
            What::Changed(frames) => changed.extend(frames.iter().cloned()),
        }
    }
    let unknown = Terrain::unknown();
    let sorted = |mut keys: Vec<HexKey>| {
        keys.sort_unstable();
        (!keys.is_empty()).then_some(keys)
    };
    let terrain = |keys: &[HexKey]| keys.iter().map(|key| terrain_of(board, *key, &unknown)).collect();
    let mut frames = Vec::new();
    frames.extend(sorted(revealed).map(|hex_keys| ServerMessage::HexRevealed { terrain: terrain(&hex_keys), hex_keys, targets: None }));
    frames.extend(sorted(hidden).map(|hex_keys| ServerMessage::HexHidden { hex_keys, targets: None }));
    frames.extend(sorted(updated).map(|keys| ServerMessage::HexUpdated { changes: terrain(&keys) }));
    frames.extend(vanished);
    frames.extend(appeared);
    frames.extend(changed);
    frames
}

/// What DMs are told: every step as it was meant, the hex frames of all first.
fn dm_frames(board: &Board, steps: &[Step]) -> Vec<ServerMessage> {
    let unknown = Terrain::unknown();
    let (hexes, tokens): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| step.delta.token.is_none());
    hexes.into_iter().chain(tokens).map(|step| dm_frame(board, step, &unknown)).collect()
}

fn dm_frame(board: &Board, step: &Step, unknown: &Terrain) -> ServerMessage {
    let keys = || step.delta.fog.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    match &step.action {
        Action::Reveal(targets) => {
            let terrain = keys().into_iter().map(|key| terrain_of(board, key, unknown)).collect();
            ServerMessage::HexRevealed { hex_keys: keys(), terrain, targets: Some(targets.clone()) }
        }
        Action::Hide(targets) => ServerMessage::HexHidden { hex_keys: keys(), targets: Some(targets.clone()) },
        Action::Terrain => ServerMessage::HexUpdated { changes: changes(step) },
        Action::Map => map_replaced(board),
        Action::CreateToken(token) => ServerMessage::TokenCreated { token: token.clone() },
        Action::UpdateToken(id, updates) => ServerMessage::TokenUpdated { token_id: id.clone(), updates: updates.clone() },
        Action::MoveToken { id, from, to } => {
            ServerMessage::TokenMoved { token_id: id.clone(), from_hex_key: *from, to_hex_key: *to, moved_by: step.by.clone() }
        }
        Action::DeleteToken { id, .. } => ServerMessage::TokenDeleted { token_id: id.clone() },
    }
}

/// The terrain that a step set.
pub fn changes(step: &Step) -> Vec<TerrainAt> {
    step.delta.ground.iter().map(|(key, ground)| terrain_at(*key, ground)).collect()
}

/// True when `viewer` sees the hex: a DM sees all.
pub fn sees_hex(board: &Board, viewer: &Member, key: HexKey) -> bool {
    viewer.leads || board.fog(key).is_some_and(|seen| seen.shows(viewer.no))
}

/// A player sees a token that is his own, or that is visible on a hex that he sees.
fn sees_token(board: &Board, viewer: &Member, token: &Token) -> bool {
    viewer.leads || token.owner_id.as_ref() == Some(&viewer.user) || (token.visible && sees_hex(board, viewer, token.hex_key))
}

/// The tokens that `viewer` sees, in the order of their ids.
pub fn tokens_for(board: &Board, viewer: &Member) -> Vec<Token> {
    board.tokens().filter(|token| sees_token(board, viewer, token)).cloned().collect()
}

/// The hexes that a player sees, in the order of their keys.
pub fn revealed_to(board: &Board, player: MemberNo) -> Vec<HexKey> {
    let mut keys: Vec<HexKey> = board.fog_entries().filter(|(_, seen)| seen.shows(player)).map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys
}

/// What `GET …/map` tells somebody, but for `seq` and `epoch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapView {
    pub hexes: Vec<MapHex>,
    pub grid_width: i32,
    pub grid_height: i32,
    pub tokens: Vec<Token>,
}

/// The map as `viewer` may see it: a DM all stored hexes, a player those revealed to him, also where nothing is stored.
pub fn map_view(board: &Board, viewer: &Member) -> MapView {
    let unknown = Terrain::unknown();
    let hexes = match viewer.leads {
        true => board.hexes(),
        false => revealed_to(board, viewer.no).into_iter().map(|key| terrain_of(board, key, &unknown)).collect(),
    };
    let hex = |TerrainAt { key, terrain, terrain_variant }| MapHex { key, terrain, terrain_variant };
    let size = board.size();
    MapView {
        hexes: hexes.into_iter().map(hex).collect(),
        grid_width: size.grid_width,
        grid_height: size.grid_height,
        tokens: tokens_for(board, viewer),
    }
}
