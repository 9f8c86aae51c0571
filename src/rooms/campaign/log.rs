//! The log of a session: a row for every change while it is active or paused, and the same gate for its readers.
//!
//! A row holds what a DM reads, and beside it which players were shown what ([`LogRow::shown`]). A player reads of it what he was shown then
//! *and* sees at the time of reading.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::board::{Board, Look};
use crate::rooms::campaign::command::TerrainAt;
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

    /// The rows of a change of the board, one a step. What was shown is what the gate found for the event as a whole.
    pub fn steps(&self, steps: &[Step], board: &Board, roster: &Roster, findings: &[Finding]) -> Vec<LogRow> {
        steps.iter().map(|step| self.step(step, board, roster, findings)).collect()
    }

    fn step(&self, step: &Step, board: &Board, roster: &Roster, findings: &[Finding]) -> LogRow {
        let keys: Vec<HexKey> = step.delta.fog.iter().map(|(key, _)| *key).collect();
        let player = |user: Option<&UserId>| -> Shown {
            user.and_then(|user| roster.player_no(user)).map(|no| (MemberSet::one(no), Vec::new())).into_iter().collect()
        };
        let owner_after = |step: &Step| step.delta.token.as_ref().and_then(|(_, token)| token.as_ref()?.owner_id.as_ref()).cloned();
        let (kind, payload, shown) = match &step.action {
            Action::Reveal(targets) => {
                let unknown = Terrain::unknown();
                let terrain: Vec<TerrainAt> = keys.iter().map(|key| terrain_of(board, *key, &unknown)).collect();
                let shown = shown_of(findings, &keys, |what| match what {
                    What::Revealed(keys) => Some(keys),
                    _ => None,
                });
                (LogType::HexReveal, json!({"hexKeys": keys, "terrain": terrain, "targets": targets}), shown)
            }
            Action::Hide(targets) => {
                let shown = shown_of(findings, &keys, |what| match what {
                    What::Hidden(keys) => Some(keys),
                    _ => None,
                });
                (LogType::HexHide, json!({"hexKeys": keys, "targets": targets}), shown)
            }
            Action::Terrain => {
                let lasting = |(key, ground): &&(HexKey, _)| board.ground(*key) == Some(ground);
                let keys: Vec<HexKey> = step.delta.ground.iter().filter(lasting).map(|(key, _)| *key).collect();
                let shown = shown_of(findings, &keys, |what| match what {
                    What::Updated(keys) => Some(keys),
                    _ => None,
                });
                (LogType::HexUpdate, json!({"changes": changes(step)}), shown)
            }
            Action::Map => {
                let (hexes, size) = step.delta.replaced.as_ref().map_or((0, board.size()), |(hexes, size)| (hexes.len(), *size));
                let payload = json!({"replaced": hexes, "gridWidth": size.grid_width, "gridHeight": size.grid_height});
                (LogType::HexUpdate, payload, Vec::new())
            }
            Action::CreateToken(token) => (LogType::TokenCreate, json!({"token": token}), player(token.owner_id.as_ref())),
            Action::UpdateToken(id, updates) => {
                (LogType::TokenUpdate, json!({"tokenId": id, "updates": updates}), player(owner_after(step).as_ref()))
            }
            Action::MoveToken { id, from, to } => {
                let payload = json!({"tokenId": id, "fromHexKey": from, "toHexKey": to});
                (LogType::TokenMove, payload, player(owner_after(step).as_ref()))
            }
            Action::DeleteToken { id, owner } => (LogType::TokenDelete, json!({"tokenId": id}), player(owner.as_ref())),
        };
        self.row(kind, Some(step.by.clone()), &payload, Some(shown))
    }
}

/// Those findings of one kind that concern hexes of a step.
fn shown_of<'a>(findings: &'a [Finding], keys: &[HexKey], pick: impl Fn(&'a What) -> Option<&'a Vec<HexKey>>) -> Shown {
    let keys: BTreeSet<&HexKey> = keys.iter().collect();
    let cut = |finding: &'a Finding| {
        let found: Vec<HexKey> = pick(&finding.what)?.iter().filter(|key| keys.contains(key)).copied().collect();
        (!found.is_empty()).then(|| (finding.players.clone(), found))
    };
    findings.iter().filter_map(cut).collect()
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
