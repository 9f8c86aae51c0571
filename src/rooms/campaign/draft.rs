//! The published board with the staged queue on top: what a DM's commands are judged against while changes are staged.
//!
//! Only what the queue changes is stored; everything else is read through from the published board. So a draft costs what its queue costs,
//! whatever the size of the map.

use std::collections::HashMap;
use std::sync::Arc;

use crate::protocol::campaign::command::GridSize;
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::HexKey;
use crate::protocol::ids::TokenId;
use crate::rooms::campaign::board::{Board, Delta, Ground, Look};
use crate::rooms::campaign::fog::Visibility;

#[derive(Clone, Debug, Default)]
pub struct Draft {
    replaced: Option<(Arc<HashMap<HexKey, Ground>>, GridSize)>,
    /// Stored terrain that the published (or replaced) map has not.
    ground: HashMap<HexKey, Ground>,
    ground_added: usize,
    fog: HashMap<HexKey, Option<Visibility>>,
    /// More (or fewer) hexes with fog than the published board has.
    fog_added: isize,
    tokens: HashMap<TokenId, Option<Token>>,
    tokens_added: isize,
}

/// A draft over the board that it was made for.
#[derive(Clone, Copy)]
pub struct Layered<'a> {
    pub board: &'a Board,
    pub draft: &'a Draft,
}

impl Draft {
    pub fn apply(&mut self, board: &Board, delta: &Delta) {
        if let Some((hexes, size)) = &delta.replaced {
            let map = hexes.iter().map(|hex| (hex.key, (hex.terrain.clone(), hex.terrain_variant))).collect();
            self.replaced = Some((Arc::new(map), *size));
            self.ground.clear();
            self.ground_added = 0;
        }
        for (key, ground) in &delta.ground {
            let new = Layered { board, draft: self }.ground(*key).is_none();
            self.ground_added += usize::from(new);
            self.ground.insert(*key, ground.clone());
        }
        for (key, seen) in &delta.fog {
            let had = Layered { board, draft: self }.fog(*key).is_some();
            self.fog_added += isize::from(seen.is_some()) - isize::from(had);
            self.fog.insert(*key, seen.clone());
        }
        if let Some((id, token)) = &delta.token {
            let had = Layered { board, draft: self }.token(id).is_some();
            self.tokens_added += isize::from(token.is_some()) - isize::from(had);
            self.tokens.insert(id.clone(), token.clone());
        }
    }
}

impl Look for Layered<'_> {
    fn size(&self) -> GridSize {
        self.draft.replaced.as_ref().map_or_else(|| self.board.size(), |(_, size)| *size)
    }

    fn ground(&self, key: HexKey) -> Option<&Ground> {
        let below = || match &self.draft.replaced {
            Some((map, _)) => map.get(&key),
            None => self.board.ground(key),
        };
        self.draft.ground.get(&key).or_else(below)
    }

    fn fog(&self, key: HexKey) -> Option<&Visibility> {
        self.draft.fog.get(&key).map_or_else(|| self.board.fog(key), Option::as_ref)
    }

    fn token(&self, id: &TokenId) -> Option<&Token> {
        self.draft.tokens.get(id).map_or_else(|| self.board.token(id), Option::as_ref)
    }

    fn ground_len(&self) -> usize {
        let below = self.draft.replaced.as_ref().map_or_else(|| self.board.ground_len(), |(map, _)| map.len());
        below + self.draft.ground_added
    }

    fn fog_len(&self) -> usize {
        self.board.fog_len().saturating_add_signed(self.draft.fog_added)
    }

    fn tokens_len(&self) -> usize {
        self.board.tokens_len().saturating_add_signed(self.draft.tokens_added)
    }
}
