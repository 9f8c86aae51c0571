//! The log of a session: a row for every change while it is active or paused, and the same gate for its readers.
//!
//! A row holds what a DM reads, and beside it which players were shown what ([`LogRow::shown`]). A player reads of it what he was shown then
//! *and* sees at the time of reading.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::protocol::campaign::command::{TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{SessionId, TokenId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::board::{Before, Board, Look};
use crate::rooms::campaign::gate::{Finding, What, changes, terrain_of};
use crate::rooms::campaign::judge::{Action, Step};
use crate::rooms::campaign::roster::Roster;
use crate::rooms::campaign::rows::{LogRow, LogType};
use crate::rooms::kernel::Member;
use crate::rooms::members::MemberSet;

type Shown = Vec<(MemberSet, Vec<HexKey>)>;

/// A page of the log's book: which session, when, at which `seq`.
pub struct Page<'a> {
    pub session: &'a SessionId,
    pub at: Timestamp,
    pub seq: i64,
}

impl Page<'_> {
    /// A row that everybody may read.
    pub fn open(&self, kind: LogType, user: Option<UserId>, payload: &Value) -> LogRow {
        self.row(kind, user, payload, None)
    }

    /// A row for DMs alone.
    pub fn closed(&self, kind: LogType, user: Option<UserId>, payload: &Value) -> LogRow {
        self.row(kind, user, payload, Some(Vec::new()))
    }

    fn row(&self, kind: LogType, user: Option<UserId>, payload: &Value, shown: Option<Shown>) -> LogRow {
        LogRow { session: self.session.clone(), kind, user, payload: payload.to_string(), shown, at: self.at, seq: self.seq }
    }

    /// The rows of a change of the board, one a step. What was shown is what the gate found for the event as a whole: of what a publish set and
    /// set again, players read only what lasted.
    pub fn steps(&self, change: &Change<'_>) -> Vec<LogRow> {
        change.steps.iter().map(|step| self.step(step, change)).collect()
    }

    fn step(&self, step: &Step, change: &Change<'_>) -> LogRow {
        let keys: Vec<HexKey> = step.delta.fog.iter().map(|(key, _)| *key).collect();
        let (kind, payload, shown) = match &step.action {
            Action::Reveal(targets) => {
                let unknown = Terrain::unknown();
                let terrain: Vec<TerrainAt> = keys.iter().map(|key| terrain_of(change.board, *key, &unknown)).collect();
                let payload = json!({"hexKeys": keys, "terrain": terrain, "targets": targets});
                (LogType::HexReveal, payload, change.shown(&keys, |what| if let What::Revealed(keys) = what { Some(keys) } else { None }))
            }
            Action::Hide(targets) => {
                let payload = json!({"hexKeys": keys, "targets": targets});
                (LogType::HexHide, payload, change.shown(&keys, |what| if let What::Hidden(keys) = what { Some(keys) } else { None }))
            }
            Action::Terrain => {
                let lasts = |(key, ground): &&(HexKey, _)| change.board.ground(*key) == Some(ground);
                let keys: Vec<HexKey> = step.delta.ground.iter().filter(lasts).map(|(key, _)| *key).collect();
                let payload = json!({"changes": changes(step)});
                (LogType::HexUpdate, payload, change.shown(&keys, |what| if let What::Updated(keys) = what { Some(keys) } else { None }))
            }
            Action::Map => {
                let (hexes, size) = step.delta.replaced.as_ref().map_or((0, change.board.size()), |(hexes, size)| (hexes.len(), *size));
                let payload = json!({"replaced": hexes, "gridWidth": size.grid_width, "gridHeight": size.grid_height});
                (LogType::HexUpdate, payload, Vec::new())
            }
            Action::CreateToken(token) => {
                let lasts = change.board.token(&token.id) == Some(token);
                (LogType::TokenCreate, json!({"token": token}), change.owner_after(&token.id, lasts))
            }
            Action::UpdateToken(id, updates) => {
                let lasts = change.board.token(id).is_some_and(|token| holds(token, updates));
                (LogType::TokenUpdate, json!({"tokenId": id, "updates": updates}), change.owner_after(id, lasts))
            }
            Action::MoveToken { id, from, to } => {
                let (old, new) = (change.before.tokens.get(id).and_then(Option::as_ref), change.board.token(id));
                let lasts =
                    old.zip(new).is_some_and(|(old, new)| old.owner_id == new.owner_id && (old.hex_key, new.hex_key) == (*from, *to));
                (LogType::TokenMove, json!({"tokenId": id, "fromHexKey": from, "toHexKey": to}), change.owner_after(id, lasts))
            }
            Action::DeleteToken { id, .. } => (LogType::TokenDelete, json!({"tokenId": id}), change.owner_before(id)),
        };
        self.row(kind, Some(step.by.clone()), &payload, Some(shown))
    }
}

/// A change of the board as a whole.
pub struct Change<'a> {
    pub steps: &'a [Step],
    pub before: &'a Before,
    pub board: &'a Board,
    pub roster: &'a Roster,
    pub findings: &'a [Finding],
}

impl<'a> Change<'a> {
    /// Those findings of one kind that concern hexes of a step.
    fn shown(&self, keys: &[HexKey], pick: impl Fn(&'a What) -> Option<&'a Vec<HexKey>>) -> Shown {
        let keys: BTreeSet<&HexKey> = keys.iter().collect();
        let cut = |finding: &'a Finding| {
            let found: Vec<HexKey> = pick(&finding.what)?.iter().filter(|key| keys.contains(key)).copied().collect();
            (!found.is_empty()).then(|| (finding.players.clone(), found))
        };
        self.findings.iter().filter_map(cut).collect()
    }

    fn owner_after(&self, id: &TokenId, lasts: bool) -> Shown {
        self.owner(self.board.token(id).filter(|_| lasts))
    }

    fn owner_before(&self, id: &TokenId) -> Shown {
        self.owner(self.before.tokens.get(id).and_then(Option::as_ref))
    }

    fn owner(&self, token: Option<&Token>) -> Shown {
        let owner = token.and_then(|token| token.owner_id.as_ref()).and_then(|owner| self.roster.player_no(owner));
        owner.map(|no| (MemberSet::one(no), Vec::new())).into_iter().collect()
    }
}

/// True when the token has all that `updates` set.
fn holds(token: &Token, updates: &TokenUpdates) -> bool {
    fn has<T: PartialEq>(wanted: &Option<T>, value: &T) -> bool {
        wanted.as_ref().is_none_or(|wanted| wanted == value)
    }
    has(&updates.label, &token.label)
        && has(&updates.icon, &token.icon)
        && has(&updates.color, &token.color)
        && has(&updates.visible, &token.visible)
        && has(&updates.owner_id, &token.owner_id)
}

/// The payload of a row as `viewer` may read it; `None` when the row is not for him. `sees_now` tells which hexes he sees at this time.
pub fn log_view(row: &LogRow, viewer: &Member, sees_now: &dyn Fn(HexKey) -> bool) -> Option<String> {
    let Some(shown) = row.shown.as_ref().filter(|_| !viewer.leads) else { return Some(row.payload.clone()) };
    let mut mine = shown.iter().filter(|(players, _)| players.contains(viewer.no)).peekable();
    mine.peek()?;
    match row.kind {
        LogType::HexReveal | LogType::HexHide | LogType::HexUpdate => {
            let keys: BTreeSet<HexKey> = mine.flat_map(|(_, keys)| keys).copied().filter(|key| sees_now(*key)).collect();
            cut(row, &keys)
        }
        _ => Some(row.payload.clone()),
    }
}

/// The hexes of a payload; everything else of it is not for players.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hexes {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hex_keys: Vec<HexKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    terrain: Vec<TerrainAt>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<TerrainAt>,
}

fn cut(row: &LogRow, keys: &BTreeSet<HexKey>) -> Option<String> {
    let mut hexes: Hexes = serde_json::from_str(&row.payload).ok()?;
    hexes.hex_keys.retain(|key| keys.contains(key));
    hexes.terrain.retain(|hex| keys.contains(&hex.key));
    hexes.changes.retain(|hex| keys.contains(&hex.key));
    let empty = hexes.hex_keys.is_empty() && hexes.changes.is_empty();
    (!empty).then(|| serde_json::to_string(&hexes).ok()).flatten()
}
