//! Close codes: why the server ends a WebSocket, and what the client is to do about it.

use std::fmt;

/// Why a connection ends. Each has one code and one reason text on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// The client said goodbye; its code is echoed.
    Normal,
    /// The process is going down: reconnect after a random 0–2 s.
    Restarting,
    /// The bytes are no WebSocket frames (RFC 6455).
    ProtocolError,
    /// A binary frame came where text is spoken.
    TextOnly,
    InvalidUtf8,
    MessageTooBig,
    Unauthorized,
    SessionEnded,
    MissingRoom,
    ForbiddenOrigin,
    NotAMember,
    Removed,
    TooSlow,
    TooManyMessages,
    TooManyConnections,
    /// The client came back before its loss was noticed: its old connection gives way.
    Replaced,
    /// The client could not be let in because something that the server needs is away.
    TryAgainLater,
}

impl Close {
    pub fn code(self) -> u16 {
        match self {
            Close::Normal => 1000,
            Close::Restarting => 1001,
            Close::ProtocolError => 1002,
            Close::TextOnly => 1003,
            Close::InvalidUtf8 => 1007,
            Close::MessageTooBig => 1009,
            Close::TryAgainLater => 1013,
            Close::Unauthorized | Close::SessionEnded => 4001,
            Close::MissingRoom => 4002,
            Close::ForbiddenOrigin | Close::NotAMember | Close::Removed => 4003,
            Close::TooSlow => 4008,
            Close::TooManyMessages | Close::TooManyConnections => 4029,
            Close::Replaced => 4009,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Close::Normal => "",
            Close::Restarting => "Server restarting",
            Close::ProtocolError => "Protocol error",
            Close::TextOnly => "Text frames only",
            Close::InvalidUtf8 => "Invalid UTF-8",
            Close::MessageTooBig => "Message too big",
            Close::TryAgainLater => "Try again later",
            Close::Unauthorized => "Unauthorized",
            Close::SessionEnded => "Session ended",
            Close::MissingRoom => "Missing campaignId",
            Close::ForbiddenOrigin => "Forbidden origin",
            Close::NotAMember => "Not a member",
            Close::Removed => "Removed",
            Close::TooSlow => "Too slow",
            Close::TooManyMessages => "Too many messages",
            Close::TooManyConnections => "Too many connections",
            Close::Replaced => "Replaced",
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}
