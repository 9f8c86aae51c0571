//! The lasting truth of a campaign: what its tables hold, as the room reads it when it is loaded and changes it with every event.

use crate::protocol::campaign::command::{BroadcastMode, Command, GridSize, TerrainAt};
use crate::protocol::campaign::token::Token;
use crate::protocol::hex::{HexKey, Terrain};
use crate::protocol::ids::{CampaignId, ChangeId, InvitationId, SessionId, TokenId, UserId};
use crate::protocol::time::Timestamp;
use crate::rooms::campaign::fog::Visibility;
use crate::rooms::kernel::MemberNo;
use crate::rooms::members::MemberSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Dm,
    Player,
}

/// `game_session.status`: a session that exists has one of these; a campaign without a session waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    Active,
    Paused,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    pub id: SessionId,
    pub status: SessionStatus,
    pub started_by: UserId,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// A row of `campaign_member`. It stays when the person leaves (`left_at`), so that a number is never given to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    pub no: MemberNo,
    pub user: UserId,
    /// `user.name`.
    pub name: String,
    pub role: Role,
    pub joined_at: Timestamp,
    /// The room's `seq` when the person joined, last.
    pub joined_seq: i64,
    pub left_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedChange {
    pub id: ChangeId,
    pub by: UserId,
    /// The DM's command as it was sent, decided again when it is published.
    pub command: Command,
    /// The id that what the command creates will have (the token of a `token:create`).
    pub fresh: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingInvitation {
    pub id: InvitationId,
    /// In lower case.
    pub email: String,
}

/// An invite link that is not used up; it may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteLink {
    pub code: String,
    pub expires_at: Timestamp,
    pub max_uses: Option<u32>,
    pub uses: u32,
}

/// The terrain, fog and tokens of a campaign: what the board is made from, for the room and for REST reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBoard {
    pub size: GridSize,
    pub hexes: Vec<TerrainAt>,
    pub fog: Vec<(HexKey, Visibility)>,
    pub tokens: Vec<Token>,
}

/// All that a campaign's room is loaded from, read in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCampaign {
    pub id: CampaignId,
    pub owner: UserId,
    pub mode: BroadcastMode,
    /// The latest session, whatever its status.
    pub session: Option<StoredSession>,
    pub members: Vec<StoredMember>,
    pub board: StoredBoard,
    /// Oldest first.
    pub staged: Vec<StagedChange>,
    pub invitations: Vec<PendingInvitation>,
    pub links: Vec<InviteLink>,
}

/// The kinds of `session_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogType {
    SessionStart,
    SessionPause,
    SessionResume,
    SessionEnd,
    HexReveal,
    HexUpdate,
    PlayerJoin,
    PlayerLeave,
    TokenMove,
    HexHide,
    TokenCreate,
    TokenUpdate,
    TokenDelete,
    BroadcastMode,
}

impl LogType {
    pub const ALL: [LogType; 14] = [
        LogType::SessionStart,
        LogType::SessionPause,
        LogType::SessionResume,
        LogType::SessionEnd,
        LogType::HexReveal,
        LogType::HexUpdate,
        LogType::PlayerJoin,
        LogType::PlayerLeave,
        LogType::TokenMove,
        LogType::HexHide,
        LogType::TokenCreate,
        LogType::TokenUpdate,
        LogType::TokenDelete,
        LogType::BroadcastMode,
    ];

    /// The label of the database's enum and of `eventType`.
    pub fn label(self) -> &'static str {
        match self {
            LogType::SessionStart => "session_start",
            LogType::SessionPause => "session_pause",
            LogType::SessionResume => "session_resume",
            LogType::SessionEnd => "session_end",
            LogType::HexReveal => "hex_reveal",
            LogType::HexUpdate => "hex_update",
            LogType::PlayerJoin => "player_join",
            LogType::PlayerLeave => "player_leave",
            LogType::TokenMove => "token_move",
            LogType::HexHide => "hex_hide",
            LogType::TokenCreate => "token_create",
            LogType::TokenUpdate => "token_update",
            LogType::TokenDelete => "token_delete",
            LogType::BroadcastMode => "broadcast_mode",
        }
    }
}

/// A row of `session_event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    pub session: SessionId,
    pub kind: LogType,
    pub user: Option<UserId>,
    /// A JSON object: what a DM reads.
    pub payload: String,
    /// Which players were shown what, for `log_view`: pairs of a set of players and the hexes of the payload that they were shown (all of it when
    /// the payload has no hexes). `None` when everybody may read the row.
    pub shown: Option<Vec<(MemberSet, Vec<HexKey>)>>,
    pub at: Timestamp,
    pub seq: i64,
}

/// One change of the domain tables. Rows that name a key hold the whole new value, so that the last one of a batch is enough; the others
/// are carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// `None` deletes. The key of each is (campaign, the thing's own).
    Hex(HexKey, Option<(Terrain, u8)>),
    Fog(HexKey, Option<Visibility>),
    Token(TokenId, Option<Token>),
    Log(LogRow),
    /// Rare ones, in order, each after all that came before it.
    Session(StoredSession),
    Mode(BroadcastMode),
    Size(GridSize),
    /// All hexes of the campaign go; these come.
    ReplaceHexes(Vec<TerrainAt>),
    Stage(StagedChange),
    Unstage(ChangeId),
    /// The queue is empty.
    UnstageAll,
    /// Insert or update by (campaign, user).
    Member(StoredMember),
    Invitation {
        id: InvitationId,
        email: String,
        by: UserId,
        at: Timestamp,
    },
    /// Its status: accepted or declined.
    InvitationAnswered {
        id: InvitationId,
        accepted: bool,
    },
    Link {
        link: InviteLink,
        by: UserId,
        at: Timestamp,
    },
    LinkUses {
        code: String,
        uses: u32,
    },
    /// The campaign and all that hangs on it, the journal of its room too.
    Deleted,
}
