//! The board: terrain, fog and tokens, as values by key.
//!
//! A change of the board is a [`Delta`]: new whole values for some keys. Applying it writes down what was there before ([`Before`]), and
//! that is all that the gate looks at: its cost does not depend on the size of the map.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::protocol::campaign::command::{GridSize, TerrainAt};
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{TokenId, UserId};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::StoredBoard;

/// What grows on a hex, and which picture shows it.
pub type Ground = (Terrain, u8);

/// Reading a board, published or with the staged queue on top.
pub trait Look {
    fn size(&self) -> GridSize;
    fn ground(&self, key: HexKey) -> Option<&Ground>;
    fn fog(&self, key: HexKey) -> Option<&Visibility>;
    fn token(&self, id: &TokenId) -> Option<&Token>;
    /// Hexes with stored terrain.
    fn ground_len(&self) -> usize;
    /// Hexes that somebody was shown.
    fn fog_len(&self) -> usize;
    fn tokens_len(&self) -> usize;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    size: GridSize,
    ground: HashMap<HexKey, Ground>,
    fog: HashMap<HexKey, Visibility>,
    tokens: BTreeMap<TokenId, Token>,
    tokens_by_hex: HashMap<HexKey, BTreeSet<TokenId>>,
}

/// New values for some keys; `None` takes the thing away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// All terrain goes, this comes; before everything else here.
    pub replaced: Option<(Vec<TerrainAt>, GridSize)>,
    pub ground: Vec<(HexKey, Ground)>,
    pub fog: Vec<(HexKey, Option<Visibility>)>,
    pub token: Option<(TokenId, Option<Token>)>,
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.replaced.is_none() && self.ground.is_empty() && self.fog.is_empty() && self.token.is_none()
    }
}

/// What touched keys held before the first change of an event.
#[derive(Debug, Default)]
pub struct Before {
    /// The map was replaced as a whole: its terrain has no before.
    pub replaced: bool,
    pub ground: BTreeMap<HexKey, Option<Ground>>,
    pub fog: BTreeMap<HexKey, Option<Visibility>>,
    pub tokens: BTreeMap<TokenId, Option<Token>>,
}

impl Board {
    pub fn from_stored(stored: StoredBoard) -> Self {
        let mut board = Self { size: stored.size, fog: stored.fog.into_iter().collect(), ..Self::default() };
        board.ground = stored.hexes.into_iter().map(|hex| (hex.key, (hex.terrain, hex.terrain_variant))).collect();
        for token in stored.tokens {
            board.put_token(token.id.clone(), Some(token));
        }
        board
    }

    /// The board as the tables have it, each list in the order of its keys.
    pub fn to_stored(&self) -> StoredBoard {
        let mut fog: Vec<_> = self.fog.iter().map(|(key, seen)| (*key, seen.clone())).collect();
        fog.sort_by_key(|(key, _)| *key);
        StoredBoard { size: self.size, hexes: self.hexes(), fog, tokens: self.tokens.values().cloned().collect() }
    }

    /// All stored terrain, in the order of its keys.
    pub fn hexes(&self) -> Vec<TerrainAt> {
        let mut hexes: Vec<TerrainAt> = self.ground.iter().map(|(key, ground)| terrain_at(*key, ground)).collect();
        hexes.sort_by_key(|hex| hex.key);
        hexes
    }

    /// All fog, in the order of its keys.
    pub fn fogs(&self) -> BTreeMap<HexKey, &Visibility> {
        self.fog.iter().map(|(key, seen)| (*key, seen)).collect()
    }

    /// All fog, in no order.
    pub fn fog_entries(&self) -> impl Iterator<Item = (HexKey, &Visibility)> {
        self.fog.iter().map(|(key, seen)| (*key, seen))
    }

    /// In the order of their ids.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    pub fn tokens_on(&self, key: HexKey) -> impl Iterator<Item = &TokenId> {
        self.tokens_by_hex.get(&key).into_iter().flatten()
    }

    pub fn tokens_of(&self, owner: &UserId) -> Vec<&Token> {
        self.tokens.values().filter(|token| token.owner_id.as_ref() == Some(owner)).collect()
    }

    pub fn apply(&mut self, delta: &Delta, before: &mut Before) {
        if let Some((hexes, size)) = &delta.replaced {
            before.replaced = true;
            self.size = *size;
            self.ground = hexes.iter().map(|hex| (hex.key, (hex.terrain.clone(), hex.terrain_variant))).collect();
        }
        for (key, ground) in &delta.ground {
            let old = self.ground.insert(*key, ground.clone());
            before.ground.entry(*key).or_insert(old);
        }
        for (key, seen) in &delta.fog {
            let old = match seen {
                Some(seen) => self.fog.insert(*key, seen.clone()),
                None => self.fog.remove(key),
            };
            before.fog.entry(*key).or_insert(old);
        }
        if let Some((id, token)) = &delta.token {
            let old = self.put_token(id.clone(), token.clone());
            before.tokens.entry(id.clone()).or_insert(old);
        }
    }

    fn put_token(&mut self, id: TokenId, token: Option<Token>) -> Option<Token> {
        if let Some(token) = &token {
            self.tokens_by_hex.entry(token.hex_key).or_default().insert(id.clone());
        }
        let hex_after = token.as_ref().map(|token| token.hex_key);
        let old = match token {
            Some(token) => self.tokens.insert(id.clone(), token),
            None => self.tokens.remove(&id),
        };
        let left = old.as_ref().map(|old| old.hex_key).filter(|hex| Some(*hex) != hex_after);
        if let Some(hex) = left
            && let Some(here) = self.tokens_by_hex.get_mut(&hex)
        {
            here.remove(&id);
            if here.is_empty() {
                self.tokens_by_hex.remove(&hex);
            }
        }
        old
    }
}

impl Look for Board {
    fn size(&self) -> GridSize {
        self.size
    }

    fn ground(&self, key: HexKey) -> Option<&Ground> {
        self.ground.get(&key)
    }

    fn fog(&self, key: HexKey) -> Option<&Visibility> {
        self.fog.get(&key)
    }

    fn token(&self, id: &TokenId) -> Option<&Token> {
        self.tokens.get(id)
    }

    fn ground_len(&self) -> usize {
        self.ground.len()
    }

    fn fog_len(&self) -> usize {
        self.fog.len()
    }

    fn tokens_len(&self) -> usize {
        self.tokens.len()
    }
}

pub fn terrain_at(key: HexKey, ground: &Ground) -> TerrainAt {
    TerrainAt { key, terrain: ground.0.clone(), terrain_variant: ground.1 }
}

/// The size of a map that does not say its own: `max q + 1` columns, `max(r + ⌊q/2⌋) + 1` rows, neither below 0.
pub fn size_of(hexes: &[TerrainAt]) -> GridSize {
    let width = hexes.iter().map(|hex| hex.key.q() + 1).max().unwrap_or(0);
    let height = hexes.iter().map(|hex| hex.key.r() + hex.key.q().div_euclid(2) + 1).max().unwrap_or(0);
    GridSize { grid_width: width.max(0), grid_height: height.max(0) }
}
