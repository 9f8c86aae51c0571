//! The queue of changes that wait to be published.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::protocol::campaign::command::{Command, Targets};
use crate::protocol::campaign::{ServerMessage, StagedItem};
use crate::protocol::ids::ChangeId;
use crate::rooms::campaign::board::{Board, Delta};
use crate::rooms::campaign::draft::{Draft, Layered};
use crate::rooms::campaign::judge::{Naming, judge};
use crate::rooms::campaign::roster::Roster;
use crate::rooms::campaign::rows::StagedChange;

/// Hexes that all staged changes of a campaign name together: a queue full of the largest hex commands. Without it a queue of posted maps
/// could hold 50 million. More is `TOO_LARGE`.
pub const STAGED_HEXES_MAX: usize = 1_000_000;

#[derive(Debug, Default)]
pub struct Queue {
    /// Oldest first.
    changes: Vec<StagedChange>,
    /// The same as the wire has them, made once.
    items: Vec<Arc<StagedItem>>,
    hexes: usize,
    /// The board with the queue on top, made when it is needed and forgotten when what is below changes.
    draft: OnceCell<Draft>,
}

impl Queue {
    pub fn from_stored(changes: Vec<StagedChange>) -> Self {
        let mut queue = Self::default();
        changes.into_iter().for_each(|change| queue.add(change));
        queue
    }

    pub fn changes(&self) -> &[StagedChange] {
        &self.changes
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Hexes that the queue names.
    pub fn hexes(&self) -> usize {
        self.hexes
    }

    pub fn message(&self) -> ServerMessage {
        ServerMessage::StagedChanges { changes: self.items.clone() }
    }

    /// Where a change stands, by its place or its id.
    pub fn find(&self, index: Option<u32>, id: Option<&ChangeId>) -> Option<usize> {
        match (index, id) {
            (Some(index), _) => Some(index as usize).filter(|&index| index < self.len()),
            (None, Some(id)) => self.changes.iter().position(|change| change.id == *id),
            (None, None) => None,
        }
    }

    fn add(&mut self, change: StagedChange) {
        self.hexes += hexes_of(&change.command);
        self.items.push(Arc::new(item(&change)));
        self.changes.push(change);
    }

    /// `delta` is what the change does to the draft.
    pub fn push(&mut self, change: StagedChange, board: &Board, delta: &Delta) {
        self.add(change);
        if let Some(draft) = self.draft.get_mut() {
            draft.apply(board, delta);
        }
    }

    pub fn remove(&mut self, at: usize) -> StagedChange {
        let change = self.changes.remove(at);
        self.items.remove(at);
        self.hexes -= hexes_of(&change.command);
        self.forget_draft();
        change
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// To be called when the board below, or who belongs to the campaign, has changed.
    pub fn forget_draft(&mut self) {
        self.draft.take();
    }

    /// The same for a change of one token: a queue that does not name it need not be tried again.
    pub fn token_changed(&mut self, delta: &Delta) {
        let named = |id| self.changes.iter().any(|change| names(&change.command, id));
        if delta.token.as_ref().is_none_or(|(id, _)| named(id.as_str())) {
            self.forget_draft();
        }
    }

    /// The board with the queue on top.
    pub fn draft<'a>(&'a self, board: &'a Board, roster: &Roster) -> Layered<'a> {
        let draft = self.draft.get_or_init(|| {
            let mut draft = Draft::default();
            for change in &self.changes {
                let look = Layered { board, draft: &draft };
                if let Ok(Some(step)) = judge(&look, roster, &change.by, &change.command, &change.fresh, Naming::Leftover) {
                    draft.apply(board, &step.delta);
                }
            }
            draft
        });
        Layered { board, draft }
    }
}

fn names(command: &Command, token: &str) -> bool {
    match command {
        Command::UpdateToken { token_id, .. } | Command::DeleteToken { token_id } | Command::MoveToken { token_id, .. } => {
            token_id.as_str() == token
        }
        _ => false,
    }
}

/// Hexes that a command names.
pub fn hexes_of(command: &Command) -> usize {
    match command {
        Command::Reveal { hex_keys, .. } | Command::Hide { hex_keys, .. } => hex_keys.len(),
        Command::UpdateTerrain { changes } => changes.len(),
        Command::ReplaceMap { hexes, .. } => hexes.len(),
        _ => 0,
    }
}

fn item(change: &StagedChange) -> StagedItem {
    let data = match &change.command {
        Command::ReplaceMap { hexes, .. } => json!({"hexes": hexes.len()}),
        command => serde_json::to_value(command).unwrap_or_default(),
    };
    let mut data = match data {
        Value::Object(data) => data,
        _ => serde_json::Map::new(),
    };
    data.remove("type");
    let kind = change.command.name().to_owned();
    StagedItem { id: change.id.clone(), description: describe(&change.command), kind, data }
}

fn describe(command: &Command) -> String {
    let count = |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    let hexes = |n| count(n, "hex", "hexes");
    let whom = |targets: &Targets| match targets {
        Targets::All => "all".to_owned(),
        Targets::Players(players) => count(players.len(), "player", "players"),
    };
    match command {
        Command::Reveal { hex_keys, targets } => format!("Reveal {} to {}", hexes(hex_keys.len()), whom(targets)),
        Command::Hide { hex_keys, targets } => format!("Hide {} from {}", hexes(hex_keys.len()), whom(targets)),
        Command::UpdateTerrain { changes } => format!("Change the terrain of {}", hexes(changes.len())),
        Command::ReplaceMap { hexes: map, .. } => format!("Replace the map with {}", hexes(map.len())),
        Command::CreateToken { label, hex_key, .. } => format!("Place the token {label} on {hex_key}"),
        Command::MoveToken { to_hex_key, .. } => format!("Move a token to {to_hex_key}"),
        Command::UpdateToken { updates, .. } => match &updates.label {
            Some(label) => format!("Change a token, naming it {label}"),
            None => "Change a token".to_owned(),
        },
        Command::DeleteToken { .. } => "Remove a token".to_owned(),
        other => other.name().to_owned(),
    }
}
