//! How the small values of a campaign stand in its columns.

use diesel::result::Error;

use crate::protocol::campaign::command::BroadcastMode;
use crate::protocol::campaign::token::TokenType;
use crate::protocol::hex::HexKey;
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::campaign::rows::Role;
use crate::rooms::members::MemberSet;

/// A column holds what its type does not allow.
pub(super) fn invalid(column: &'static str) -> Error {
    Error::DeserializationError(format!("{column} holds an invalid value").into())
}

pub(super) fn hex_key(q: i32, r: i32) -> Result<HexKey, Error> {
    HexKey::new(q, r).ok_or_else(|| invalid("q, r"))
}

pub(super) fn mode_label(mode: BroadcastMode) -> &'static str {
    match mode {
        BroadcastMode::Immediate => "immediate",
        BroadcastMode::Staged => "staged",
    }
}

pub(super) fn mode(label: &str) -> Result<BroadcastMode, Error> {
    match label {
        "immediate" => Ok(BroadcastMode::Immediate),
        "staged" => Ok(BroadcastMode::Staged),
        _ => Err(invalid("campaign.broadcast_mode")),
    }
}

pub(super) fn role_label(role: Role) -> &'static str {
    match role {
        Role::Dm => "dm",
        Role::Player => "player",
    }
}

pub(super) fn role(label: &str) -> Result<Role, Error> {
    match label {
        "dm" => Ok(Role::Dm),
        "player" => Ok(Role::Player),
        _ => Err(invalid("campaign_member.role")),
    }
}

pub(super) fn token_type_label(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Pc => "pc",
        TokenType::Npc => "npc",
    }
}

pub(super) fn token_type(label: &str) -> Result<TokenType, Error> {
    match label {
        "pc" => Ok(TokenType::Pc),
        "npc" => Ok(TokenType::Npc),
        _ => Err(invalid("campaign_token.token_type")),
    }
}

/// `everyone` and `members` of `hex_visibility`: everyone but these, or just these.
pub(super) fn visibility_columns(visibility: &Visibility) -> (bool, Vec<u8>) {
    match visibility {
        Visibility::Everyone { except } => (true, except.to_bytes()),
        Visibility::Only(players) => (false, players.to_bytes()),
    }
}

pub(super) fn visibility(everyone: bool, members: &[u8]) -> Visibility {
    let members = MemberSet::from_bytes(members);
    if everyone { Visibility::Everyone { except: members } } else { Visibility::Only(members) }
}
