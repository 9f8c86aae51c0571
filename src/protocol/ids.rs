//! Identifiers: opaque strings on the wire, distinct types in the code.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Bytes that an identifier may have. Ours are UUIDs (36) or 32 random characters; an adopted user table may have longer ones.
pub const ID_BYTES_MAX: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(length(min = 1, max = 128))] Arc<str>);

        impl $name {
            /// Takes `text` as it is: for identifiers that come from the database or were made by the server.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// Refuses an empty text, one longer than [`ID_BYTES_MAX`] and one with U+0000.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if text.is_empty() || text.len() > ID_BYTES_MAX || text.contains('\0') {
                    return Err(serde::de::Error::custom("is not an identifier"));
                }
                Ok(Self::new(text))
            }
        }
    };
}

id!(/// A person: `user.id`.
    UserId);
id!(/// A campaign: `campaign.id`.
    CampaignId);
id!(/// One play of a campaign, from start to end: `game_session.id`.
    SessionId);
id!(/// A token on a campaign's map: `campaign_token.id`.
    TokenId);
id!(/// A staged change: `staged_change.id`.
    ChangeId);
id!(/// An invitation by e-mail: `invitation.id`, `workspace_invitation.id`.
    InvitationId);
id!(/// A team: `workspace.id`.
    WorkspaceId);
id!(/// A channel of a workspace: `channel.id`.
    ChannelId);
id!(/// A conversation of the same people: `conversation.id`.
    ConversationId);
id!(/// A channel or a conversation, whichever: `targetId`, `roomId`.
    PlaceId);
id!(/// A family circle: `circle.id`.
    CircleId);
id!(/// A message in a channel or a conversation: `message.id`.
    MessageId);

/// The `id` that a client gave to a command: 1–64 Unicode characters, chosen by the client, no U+0000.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandId(#[schemars(length(min = 1, max = 64))] Arc<str>);

impl CommandId {
    /// Characters that a command id may have.
    pub const CHARS_MAX: usize = 64;

    /// `None` for a text that is empty, too long or holds U+0000.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.chars().take(Self::CHARS_MAX + 1).count() <= Self::CHARS_MAX;
        (fits && !text.contains('\0')).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CommandId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("is not a string of 1–64 characters"))
    }
}

/// What kind of room a [`RoomId`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoomKind {
    Campaign,
    Workspace,
    Circle,
}

impl RoomKind {
    pub fn as_str(self) -> &'static str {
        match self {
            RoomKind::Campaign => "campaign",
            RoomKind::Workspace => "workspace",
            RoomKind::Circle => "circle",
        }
    }
}

/// A room's name, `kind:id`: the key of `room_owner` and of every journal row.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId {
    kind: RoomKind,
    text: Arc<str>,
}

impl RoomId {
    pub fn campaign(id: &CampaignId) -> Self {
        Self::of(RoomKind::Campaign, id.as_str())
    }

    pub fn workspace(id: &WorkspaceId) -> Self {
        Self::of(RoomKind::Workspace, id.as_str())
    }

    pub fn circle(id: &CircleId) -> Self {
        Self::of(RoomKind::Circle, id.as_str())
    }

    pub fn of(kind: RoomKind, local: &str) -> Self {
        Self { kind, text: format!("{}:{local}", kind.as_str()).into() }
    }

    pub fn kind(&self) -> RoomKind {
        self.kind
    }

    /// The whole name, `campaign:5f0c…`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part after the colon: the id of the campaign, the workspace or the circle.
    pub fn local(&self) -> &str {
        &self.text[self.kind.as_str().len() + 1..]
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_id_has_one_to_sixty_four_characters_whatever_their_bytes() {
        assert!(CommandId::parse("").is_none());
        assert!(CommandId::parse(&"é".repeat(64)).is_some());
        assert!(CommandId::parse(&"é".repeat(65)).is_none());
        assert!(CommandId::parse("a\0").is_none());
    }

    #[test]
    fn a_room_id_keeps_its_kind_and_its_local_part() {
        let room = RoomId::campaign(&CampaignId::new("c:1"));
        assert_eq!((room.as_str(), room.local(), room.kind()), ("campaign:c:1", "c:1", RoomKind::Campaign));
    }
}
