//! How the small values of a workspace stand in its columns.

use diesel::result::Error;

use crate::protocol::chat::Target;
use crate::protocol::chat::command::Role;
use crate::protocol::ids::{ChannelId, ConversationId};
use crate::rooms::kernel::MemberNo;

/// A column holds what its type does not allow.
pub(super) fn invalid(column: &'static str) -> Error {
    Error::DeserializationError(format!("{column} holds an invalid value").into())
}

pub(super) fn role_label(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

pub(super) fn role(label: &str) -> Result<Role, Error> {
    match label {
        "owner" => Ok(Role::Owner),
        "admin" => Ok(Role::Admin),
        "member" => Ok(Role::Member),
        _ => Err(invalid("workspace_member.role")),
    }
}

/// `target_type` and `target_id` of `read_state`.
pub(super) fn target_columns(target: &Target) -> (&'static str, &str) {
    match target {
        Target::Channel(id) => ("channel", id.as_str()),
        Target::Dm(id) => ("dm", id.as_str()),
    }
}

pub(super) fn target(kind: &str, id: String) -> Result<Target, Error> {
    match kind {
        "channel" => Ok(Target::Channel(ChannelId::new(id))),
        "dm" => Ok(Target::Dm(ConversationId::new(id))),
        _ => Err(invalid("read_state.target_type")),
    }
}

/// `channel_id` of `message`.
pub(super) fn channel_of(target: &Target) -> Option<&str> {
    match target {
        Target::Channel(id) => Some(id.as_str()),
        Target::Dm(_) => None,
    }
}

/// `conversation_id` of `message`.
pub(super) fn conversation_of(target: &Target) -> Option<&str> {
    match target {
        Target::Channel(_) => None,
        Target::Dm(id) => Some(id.as_str()),
    }
}

pub(super) fn number(no: MemberNo) -> i32 {
    no.0.try_into().expect("a workspace has few members")
}

pub(super) fn member_no(column: i32) -> Result<MemberNo, Error> {
    Ok(MemberNo(column.try_into().map_err(|_| invalid("workspace_member.member_no"))?))
}
