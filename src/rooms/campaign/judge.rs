//! What a command would change on a board: the rules of fog, terrain and tokens. Who may ask is judged before.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::campaign::command::{Command, GridSize, Targets, TerrainAt, TokenUpdates};
use crate::protocol::campaign::token::Token;
use crate::protocol::error::{ErrorCode, Rejection};
use crate::protocol::hex::HexKey;
use crate::protocol::ids::{TokenId, UserId};
use crate::protocol::limits::{HEXES_MAX, TOKENS_MAX};
use crate::rooms::campaign::board::{Delta, Ground, Look, size_of};
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::roster::Roster;
use crate::rooms::members::MemberSet;

/// One change of the board by one person: what was meant, and the new values.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub by: UserId,
    pub action: Action,
    pub delta: Delta,
}

/// What was meant by a change: what a DM is told of it besides the values.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Reveal(Targets),
    Hide(Targets),
    Terrain,
    Map,
    CreateToken(Token),
    /// Only what is different.
    UpdateToken(TokenId, TokenUpdates),
    MoveToken {
        id: TokenId,
        from: HexKey,
        to: HexKey,
    },
    DeleteToken {
        id: TokenId,
        owner: Option<UserId>,
    },
}

/// How players that are named must stand to the campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// A fresh command: all must be players of today.
    Strict,
    /// A staged command: those who left do not count; somebody must be left.
    Leftover,
}

/// True for the commands that a DM's staged mode keeps back.
pub fn is_stageable(command: &Command) -> bool {
    use Command::*;
    matches!(
        command,
        Reveal { .. }
            | Hide { .. }
            | UpdateTerrain { .. }
            | CreateToken { .. }
            | UpdateToken { .. }
            | DeleteToken { .. }
            | MoveToken { .. }
            | ReplaceMap { .. }
    )
}

/// What `command` changes on the board that `look` shows; `None` when that is nothing. `fresh` is the id of a token that it creates.
pub fn judge(
    look: &impl Look,
    roster: &Roster,
    by: &UserId,
    command: &Command,
    fresh: &str,
    naming: Naming,
) -> Result<Option<Step>, Rejection> {
    let (action, delta) = match command {
        Command::Reveal { hex_keys, targets } => reveal(look, hex_keys, &Aim::at(roster, targets, naming)?)?,
        Command::Hide { hex_keys, targets } => hide(look, hex_keys, &Aim::at(roster, targets, naming)?),
        Command::UpdateTerrain { changes } => update_terrain(look, changes)?,
        Command::ReplaceMap { hexes, size } => replace_map(look, hexes, *size)?,
        Command::CreateToken { hex_key, label, icon, color, token_type, owner_id, visible } => {
            let token = Token {
                id: TokenId::new(fresh),
                hex_key: *hex_key,
                owner_id: owner_id.clone(),
                label: label.clone(),
                icon: icon.clone(),
                color: color.clone(),
                token_type: *token_type,
                visible: *visible,
            };
            create_token(look, roster, token)?
        }
        Command::UpdateToken { token_id, updates } => update_token(find(look, token_id)?, roster, updates)?,
        Command::DeleteToken { token_id } => {
            let Token { id, owner_id: owner, .. } = find(look, token_id)?.clone();
            (Action::DeleteToken { id: id.clone(), owner }, Delta { token: Some((id, None)), ..Delta::default() })
        }
        Command::MoveToken { token_id, to_hex_key } => move_token(find(look, token_id)?, *to_hex_key),
        _ => return Ok(None),
    };
    Ok((!delta.is_empty()).then(|| Step { by: by.clone(), action, delta }))
}

fn not_found(message: impl Into<String>) -> Rejection {
    Rejection::new(ErrorCode::NotFound, message)
}

fn too_large(what: &str, max: usize) -> Rejection {
    Rejection::new(ErrorCode::TooLarge, format!("A campaign has at most {max} {what}"))
}

fn find<'a>(look: &'a impl Look, id: &TokenId) -> Result<&'a Token, Rejection> {
    look.token(id).ok_or_else(|| not_found("No such token"))
}

/// Targets whose players are known.
struct Aim {
    targets: Targets,
    /// `None` is everybody.
    players: Option<MemberSet>,
}

impl Aim {
    fn at(roster: &Roster, targets: &Targets, naming: Naming) -> Result<Self, Rejection> {
        let Targets::Players(users) = targets else { return Ok(Self { targets: Targets::All, players: None }) };
        let known: Vec<UserId> = users.iter().filter(|user| roster.player_no(user).is_some()).cloned().collect();
        match naming {
            Naming::Strict if known.len() < users.len() => Err(not_found("playerIds: not all are players of this campaign")),
            Naming::Leftover if known.is_empty() => Err(not_found("All its targets have left the campaign")),
            _ => {
                let players = known.iter().filter_map(|user| roster.player_no(user)).collect();
                Ok(Self { targets: Targets::Players(known), players: Some(players) })
            }
        }
    }
}

fn reveal(look: &impl Look, keys: &[HexKey], aim: &Aim) -> Result<(Action, Delta), Rejection> {
    let shown = |seen: Option<&Visibility>| match (&aim.players, seen) {
        (None, _) => Visibility::Everyone { except: MemberSet::new() },
        (Some(players), Some(Visibility::Everyone { except })) => Visibility::Everyone { except: except.difference(players) },
        (Some(players), Some(Visibility::Only(some))) => Visibility::Only(some.union(players)),
        (Some(players), None) => Visibility::Only(players.clone()),
    };
    let fog = changed(look, keys, |seen| Some(shown(seen)));
    let new = fog.iter().filter(|(key, _)| look.fog(*key).is_none()).count();
    if new > 0 && look.fog_len() + new > HEXES_MAX {
        return Err(too_large("revealed hexes", HEXES_MAX));
    }
    Ok((Action::Reveal(aim.targets.clone()), Delta { fog, ..Delta::default() }))
}

fn hide(look: &impl Look, keys: &[HexKey], aim: &Aim) -> (Action, Delta) {
    let fog = changed(look, keys, |seen| match (&aim.players, seen) {
        (None, _) | (_, None) => None,
        (Some(players), Some(Visibility::Everyone { except })) => Some(Visibility::Everyone { except: except.union(players) }),
        (Some(players), Some(Visibility::Only(some))) => {
            let left = some.difference(players);
            (!left.is_empty()).then_some(Visibility::Only(left))
        }
    });
    (Action::Hide(aim.targets.clone()), Delta { fog, ..Delta::default() })
}

/// The new values of those hexes for which there is a difference, in the order of their keys.
fn changed(
    look: &impl Look,
    keys: &[HexKey],
    next: impl Fn(Option<&Visibility>) -> Option<Visibility>,
) -> Vec<(HexKey, Option<Visibility>)> {
    let keys: BTreeSet<HexKey> = keys.iter().copied().collect();
    let value = |key| {
        let (old, new) = (look.fog(key), next(look.fog(key)));
        (old != new.as_ref()).then_some((key, new))
    };
    keys.into_iter().filter_map(value).collect()
}

fn update_terrain(look: &impl Look, changes: &[TerrainAt]) -> Result<(Action, Delta), Rejection> {
    let wanted: BTreeMap<HexKey, Ground> = changes.iter().map(|hex| (hex.key, (hex.terrain.clone(), hex.terrain_variant))).collect();
    let ground: Vec<(HexKey, Ground)> = wanted.into_iter().filter(|(key, ground)| look.ground(*key) != Some(ground)).collect();
    let new = ground.iter().filter(|(key, _)| look.ground(*key).is_none()).count();
    if new > 0 && look.ground_len() + new > HEXES_MAX {
        return Err(too_large("hexes", HEXES_MAX));
    }
    Ok((Action::Terrain, Delta { ground, ..Delta::default() }))
}

/// Of a hex that is named twice the last one counts.
fn replace_map(look: &impl Look, hexes: &[TerrainAt], size: Option<GridSize>) -> Result<(Action, Delta), Rejection> {
    if hexes.len() > HEXES_MAX {
        return Err(too_large("hexes", HEXES_MAX));
    }
    let map: BTreeMap<HexKey, &TerrainAt> = hexes.iter().map(|hex| (hex.key, hex)).collect();
    let size = size.unwrap_or_else(|| size_of(hexes));
    let same =
        |hex: &TerrainAt| look.ground(hex.key).is_some_and(|(terrain, variant)| (terrain, *variant) == (&hex.terrain, hex.terrain_variant));
    if size == look.size() && map.len() == look.ground_len() && map.values().all(|hex| same(hex)) {
        return Ok((Action::Map, Delta::default()));
    }
    Ok((Action::Map, Delta { replaced: Some((map.into_values().cloned().collect(), size)), ..Delta::default() }))
}

fn owner_exists(roster: &Roster, owner: Option<&UserId>) -> Result<(), Rejection> {
    match owner {
        Some(owner) if roster.member_no(owner).is_none() => Err(not_found("ownerId: not a member of this campaign")),
        _ => Ok(()),
    }
}

fn create_token(look: &impl Look, roster: &Roster, token: Token) -> Result<(Action, Delta), Rejection> {
    owner_exists(roster, token.owner_id.as_ref())?;
    if look.tokens_len() >= TOKENS_MAX {
        return Err(too_large("tokens", TOKENS_MAX));
    }
    Ok((Action::CreateToken(token.clone()), Delta { token: Some((token.id.clone(), Some(token))), ..Delta::default() }))
}

fn update_token(token: &Token, roster: &Roster, updates: &TokenUpdates) -> Result<(Action, Delta), Rejection> {
    owner_exists(roster, updates.owner_id.as_ref().and_then(Option::as_ref))?;
    let mut new = token.clone();
    let TokenUpdates { label, icon, color, visible, owner_id } = updates.clone();
    new.label = label.unwrap_or(new.label);
    new.icon = icon.unwrap_or(new.icon);
    new.color = color.unwrap_or(new.color);
    new.visible = visible.unwrap_or(new.visible);
    new.owner_id = owner_id.unwrap_or(new.owner_id);
    let different = difference(token, &new);
    let token = (different != TokenUpdates::default()).then(|| (new.id.clone(), Some(new.clone())));
    Ok((Action::UpdateToken(new.id, different), Delta { token, ..Delta::default() }))
}

fn move_token(token: &Token, to: HexKey) -> (Action, Delta) {
    let moved = (token.hex_key != to).then(|| (token.id.clone(), Some(Token { hex_key: to, ..token.clone() })));
    (Action::MoveToken { id: token.id.clone(), from: token.hex_key, to }, Delta { token: moved, ..Delta::default() })
}

/// What of a token became different, but for its place.
pub fn difference(old: &Token, new: &Token) -> TokenUpdates {
    fn changed<T: PartialEq + Clone>(old: &T, new: &T) -> Option<T> {
        (old != new).then(|| new.clone())
    }
    TokenUpdates {
        label: changed(&old.label, &new.label),
        icon: changed(&old.icon, &new.icon),
        color: changed(&old.color, &new.color),
        visible: changed(&old.visible, &new.visible),
        owner_id: changed(&old.owner_id, &new.owner_id),
    }
}
