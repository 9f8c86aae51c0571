//! Every bound that a client can run into, in one place: its name, its default and what happens beyond it.

use std::time::Duration;

/// Hexes that one command may name; more is `BAD_MESSAGE`.
pub const HEXES_PER_COMMAND_MAX: usize = 2_000;
/// Staged changes of a campaign; more is `TOO_LARGE`.
pub const STAGED_CHANGES_MAX: usize = 500;
/// Tokens of a campaign; more is `TOO_LARGE`.
pub const TOKENS_MAX: usize = 2_000;
/// Hexes of a campaign's map, stored or revealed; more is `TOO_LARGE`.
pub const HEXES_MAX: usize = 100_000;
/// Members of a campaign or of a workspace; more is `TOO_LARGE`.
pub const MEMBERS_MAX: usize = 5_000;
/// Members of a circle; more is `TOO_LARGE`.
pub const CIRCLE_MEMBERS_MAX: usize = 200;
/// Bytes of a sealed position, `ciphertext` and `nonce` together, decoded; more is `BAD_MESSAGE`.
pub const SEALED_BYTES_MAX: usize = 4 * 1024;
/// How far ahead of the server's clock a position may be measured; further is `BAD_MESSAGE`.
pub const MEASURED_AHEAD_MAX: Duration = Duration::from_secs(600);
/// Invitations by e-mail that wait for an answer in one room; more is `TOO_LARGE`.
pub const PENDING_INVITATIONS_MAX: usize = 1_000;
/// Invite links of one room that can still be used; more is `TOO_LARGE`.
pub const INVITE_LINKS_MAX: usize = 200;
/// Members above which presence is told as `player:changes`, once a second.
pub const FULL_PRESENCE_MEMBERS_MAX: usize = 200;

/// Commands a connection may send in a second, and at once after a pause; more is `RATE_LIMITED`.
pub const COMMANDS_PER_SECOND: u32 = 50;
pub const COMMANDS_BURST: u32 = 200;
/// Messages a user may send in any such span, over all connections; more is `RATE_LIMITED`.
pub const MESSAGES_PER_SPAN: usize = 30;
pub const MESSAGES_SPAN: Duration = Duration::from_secs(10);
/// Positions a user may send in a second, and at once after a pause, over all connections; more is `RATE_LIMITED`.
pub const LOCATIONS_PER_SECOND: u32 = 5;
pub const LOCATIONS_BURST: u32 = 20;
/// Frames refused as `RATE_LIMITED` without a pause of a second before the connection is closed with 4029.
pub const RATE_LIMIT_STRIKES_MAX: u32 = 100;
/// Commands of one connection that may wait for their answer; more is `BUSY`.
pub const COMMANDS_IN_FLIGHT_MAX: u32 = 1_024;
/// Bytes that a client may have sent before it is let in; more closes it.
pub const BYTES_BEFORE_CONNECTED_MAX: usize = 64 * 1024;
/// Time that a client has to be let in.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Fragments of one message; more is 1009. An honest client sends a handful.
pub const FRAGMENTS_MAX: usize = 20_000;

/// Engine.IO sessions of one address; more is 403.
pub const SESSIONS_PER_ADDRESS_MAX: usize = 1_000;
/// Time that a client has from a WebSocket's opening to the end of an Engine.IO upgrade; after it the session goes on polling.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a client has to fetch by long polling what was sent before a goodbye.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a command id is remembered.
pub const COMMAND_MEMORY: Duration = Duration::from_secs(600);
/// Acknowledged commands whose answers a room keeps in memory; of older ones it knows that they were, and the database has the answer.
pub const COMMANDS_REMEMBERED_MAX: usize = 4_096;
/// Commands that may wait in one room's mailbox; more is `BUSY`.
pub const ROOM_MAILBOX_MAX: usize = 8_192;
/// Bytes of frames that a resume sends again; more makes it a fresh start.
pub const RESUME_BYTES_MAX: usize = 1024 * 1024;
/// Events of a room that the journal always keeps, whatever their age.
pub const EVENTS_KEPT_MIN: i64 = 1_000;
/// Jobs that may wait for the database at once; more is 503.
pub const DATABASE_JOBS_MAX: usize = 64;

/// Channels of a workspace, archived ones too; more is `TOO_LARGE`.
pub const CHANNELS_MAX: usize = 1_000;
/// Conversations of a workspace; more is `TOO_LARGE`.
pub const CONVERSATIONS_MAX: usize = 20_000;
/// People of one conversation; more is `TOO_LARGE`.
pub const CONVERSATION_PEOPLE_MAX: usize = 50;
/// Different emoji on one message; more is `TOO_LARGE`.
pub const EMOJI_PER_MESSAGE_MAX: usize = 50;
/// Characters of a message, and of an emoji; more is `BAD_MESSAGE`.
pub const CONTENT_CHARS_MAX: usize = 10_000;
pub const EMOJI_CHARS_MAX: usize = 32;
/// Messages that one `message:getOlder` may ask for, and how many it asks for if it does not say; more is `BAD_MESSAGE`.
pub const OLDER_MAX: u32 = 200;
pub const OLDER_DEFAULT: u32 = 50;
/// People that one `presence:fetch` may ask for, and places that one list of `unread:fetch` may; more is `BAD_MESSAGE`.
pub const PRESENCE_USERS_MAX: usize = 100;
pub const UNREAD_PLACES_MAX: usize = 1_000;
/// Messages of a workspace whose facts are kept in memory: more than commands of its room can wait for their commit. Others are read again.
pub const MESSAGES_AT_HAND_MAX: usize = 10_000;
