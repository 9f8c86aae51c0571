// The vocabulary of moothall: what clients send and what they get, as types for TypeScript.
//
// Generated from the server's own types by `cargo run --example generate_types`; do not edit.
//
//   import { io, type Socket } from "socket.io-client";
//   import type { ClientToServerEvents, ServerToClientEvents } from "./moothall";
//   const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { auth: { token } });
//
// On a raw WebSocket (`/ws`) a client sends a `ClientFrame` and gets a `ServerFrame`, each one JSON text. A server may send types and
// fields that a client does not know yet: ignore them.

// Types that the fields have

/** A whole number. */
export type Integer = number;

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

export interface Author {
  id: UserId;
  name: string;
}

/** Where somebody is, in one of two shapes: a plain position, or a sealed one. */
export interface Broadcast {
  /** Whose position it is; twice, for clients of either habit. */
  userId: UserId;
  senderId: UserId;
  senderName: string;
  circleId: CircleId;
  /** Metres. */
  accuracy?: number;
  /** Metres above sea level. */
  altitude?: number;
  /** Percent. */
  battery?: number;
  /** Degrees from north. */
  heading?: number;
  /** Of a plain position: it has this, `longitude`, `accuracy` and `timestamp`, and what else is known. */
  latitude?: number;
  longitude?: number;
  /** Of a sealed position: it has nothing else. */
  payload?: Sealed;
  /** Metres a second. */
  speed?: number;
  timestamp?: Timestamp;
}

/** Whether a DM's changes are shown at once or wait in the queue. */
export type BroadcastMode = "immediate" | "staged";

/**
 * A campaign: `campaign.id`.
 * 1–128 characters.
 */
export type CampaignId = string;

/**
 * A staged change: `staged_change.id`.
 * 1–128 characters.
 */
export type ChangeId = string;

/**
 * A channel of a workspace: `channel.id`.
 * 1–128 characters.
 */
export type ChannelId = string;

/**
 * A family circle: `circle.id`.
 * 1–128 characters.
 */
export type CircleId = string;

/**
 * The `id` that a client gave to a command: 1–64 Unicode characters, chosen by the client, no U+0000.
 * 1–64 characters.
 */
export type CommandId = string;

/**
 * A conversation of the same people: `conversation.id`.
 * 1–128 characters.
 */
export type ConversationId = string;

export type ErrorCode =
  | "BAD_JSON"
  | "BAD_MESSAGE"
  | "FORBIDDEN"
  | "INVALID_STATE"
  | "NOT_FOUND"
  | "ID_REUSED"
  | "RATE_LIMITED"
  | "BUSY"
  | "TOO_LARGE"
  | "UNAUTHORIZED"
  | "STORAGE_UNAVAILABLE"
  | "INTERNAL"
  /** REST only: it exists already, or the state of things is against it. */
  | "CONFLICT"
  /** REST only: it was there and is used up. */
  | "GONE";

export type Everyone = "all";

/**
 * A hex, `q,r`: two integers, each −9999…9999.
 * Matches `^(0|-?[1-9][0-9]{0,3}),(0|-?[1-9][0-9]{0,3})$`.
 */
export type HexKey = string;

/**
 * An invitation by e-mail: `invitation.id`, `workspace_invitation.id`.
 * 1–128 characters.
 */
export type InvitationId = string;

export interface JoinedPlayer {
  userId: UserId;
  name: string;
}

/** As the client wrote it: a number, or a text of 1–64 characters. */
export type KeyVersion =
  /** At least 0. */
  | Integer
  | string;

/** A message as it is told and listed. One that was deleted keeps its place and has no content. */
export interface Message {
  id: MessageId;
  content: string;
  authorId: UserId;
  author: Author;
  channelId: ChannelId | null;
  conversationId: ConversationId | null;
  /** The message that this one replies to. */
  parentId: MessageId | null;
  /** 1, 2, 3 … within the channel or conversation. */
  sequence: Integer;
  createdAt: Timestamp;
  /** When it was edited last, or made. */
  updatedAt: Timestamp;
  deletedAt: Timestamp | null;
  /** In lists. */
  reactions?: Reaction[];
}

/**
 * A message in a channel or a conversation: `message.id`.
 * 1–128 characters.
 */
export type MessageId = string;

export interface NewTokenValues {
  /** Matches `^#[0-9a-fA-F]{6}$`. */
  color?: string;
  /** 1–16 characters. */
  icon?: string;
  /** 1–64 characters. */
  label?: string;
  /** `null` clears it. */
  ownerId?: UserId | null;
  visible?: boolean;
}

/**
 * A channel or a conversation, whichever: `targetId`, `roomId`.
 * 1–128 characters.
 */
export type PlaceId = string;

export interface Player {
  userId: UserId;
  name: string;
  online: boolean;
}

/** How exactly the others see somebody. */
export type Precision =
  | "exact"
  /** Rounded to about 1 km on the way out. */
  | "approximate";

/** Whether somebody is here, over all of his or her connections. */
export type PresenceStatus = "active" | "away" | "offline";

/** Who reacted with an emoji, in the order in which they did. */
export interface Reaction {
  emoji: string;
  userIds: UserId[];
}

export type ReactionAction = "added" | "removed";

/** The answers of `presence:fetch` and `unread:fetch`. */
export type ResultMap = { [key: string]: PresenceStatus } | { channels: { [key: string]: Integer }; conversations: { [key: string]: Integer } };

export type RoomType = "channel" | "dm";

/**
 * A position that only the members can read, stored and passed on unread. `ciphertext` and `nonce` are base64, of the standard or the URL-safe
 * alphabet, padded or not; decoded they have 4 KiB together at the most.
 */
export interface Sealed {
  ciphertext: string;
  nonce: string;
  keyVersion: KeyVersion;
}

/** Who sees a hex, as a DM reads it: `"all"`, `{"except": [userId]}` or `[userId]`. */
export type Seen = Everyone | { except: UserId[] } | UserId[];

/**
 * One play of a campaign, from start to end: `game_session.id`.
 * 1–128 characters.
 */
export type SessionId = string;

/** Where a campaign's session stands. */
export type SessionStatus = "waiting" | "active" | "paused" | "ended";

/** A staged change that could not be published. */
export interface Skipped {
  id: ChangeId;
  reason: string;
}

/** A change that waits to be published. */
export interface StagedItem {
  id: ChangeId;
  /** A sentence for people. */
  description: string;
  /** The command's name. */
  type: string;
  /** The command's fields as they were sent; of a `map:replace` only how many `hexes`. */
  data: { [key: string]: JsonValue };
}

/** Whom a reveal or a hide is for: every player, also one who joins later, or these. */
export type Targets = "all" | {
  /** 1 or more entries. */
  playerIds: UserId[];
};

/**
 * What a hex is made of.
 * Matches `^[a-z0-9_-]{1,32}$`.
 */
export type Terrain = string;

/** A hex and what grows there. `terrainVariant` picks one of the pictures for a terrain; 0, the usual one, may be left out. */
export interface TerrainAt {
  key: HexKey;
  terrain: Terrain;
  /** 0–255. */
  terrainVariant?: Integer;
}

/**
 * A time in UTC with milliseconds.
 * As `2026-01-28T01:02:03.456Z`.
 */
export type Timestamp = string;

/** A token as it stands: in the state, in its row and in frames. */
export interface Token {
  id: TokenId;
  hexKey: HexKey;
  ownerId: UserId | null;
  label: string;
  icon: string;
  /** `#rrggbb`. */
  color: string;
  tokenType: TokenType;
  visible: boolean;
}

/**
 * A token on a campaign's map: `campaign_token.id`.
 * 1–128 characters.
 */
export type TokenId = string;

export type TokenType =
  | "npc"
  /** A player's character. */
  | "pc";

/** What of a token is to be different; what is absent stays. An `ownerId` of `null` (`Some(None)`) takes the owner away. */
export interface TokenUpdates {
  color?: string;
  icon?: string;
  label?: string;
  ownerId?: UserId | null;
  visible?: boolean;
}

/**
 * A person: `user.id`.
 * 1–128 characters.
 */
export type UserId = string;

/** A time as a text, or in milliseconds since 1970. */
export type When =
  | Timestamp
  /** At least 0. */
  | Integer;

/**
 * A team: `workspace.id`.
 * 1–128 characters.
 */
export type WorkspaceId = string;

// Acknowledgements over Socket.IO

/** What a Socket.IO command is acknowledged with: done and durable, with what the answer holds, or not done. */
export type Outcome<Answer = object> = ({ success: true } & Answer) | Failure;

/** A command was not done. */
export interface Failure {
  success: false;
  error: CommandError;
}

/** Why a command was not done. */
export interface CommandError {
  message: string;
  code: ErrorCode;
  /**
   * Seconds.
   * At least 0.
   */
  retryAfter?: Integer;
}

/** What `campaign:join` is answered. */
export interface CampaignJoinAnswer {
  userId: UserId;
  /** `dm` or `player` in a campaign; `owner`, `admin` or `member` elsewhere. */
  role: string;
  connectionId: string;
  /** The missed frames follow; else the whole state. */
  resumed: boolean;
  seq: Integer;
  /** The history that `seq` counts in. */
  epoch: string;
  /**
   * Milliseconds.
   * At least 0.
   */
  pingInterval: Integer;
}

/** What `broadcast:publish` is answered. */
export interface BroadcastPublishAnswer {
  seq: Integer;
  /** Of `broadcast:publish`: what no longer applied. */
  skipped: Skipped[];
}

/** What `token:create` is answered. */
export interface TokenCreateAnswer {
  seq: Integer;
  /** Of `token:create`. */
  tokenId: TokenId;
}

/** What `message:send` is answered. */
export interface MessageSendAnswer {
  seq: Integer;
  messageId: MessageId;
  sequence: Integer;
}

/** What `message:getOlder` is answered. */
export interface MessageGetOlderAnswer {
  seq: Integer;
  messages: Message[];
  hasMore: boolean;
  /** `null` (`Some(None)`): there is nothing older. */
  nextCursor: Integer | null;
}

/** What `presence:fetch` is answered. */
export type PresenceFetchAnswer = { [key: string]: PresenceStatus };

/** What `unread:fetch` is answered. */
export interface UnreadFetchAnswer {
  channels: { [key: string]: Integer };
  conversations: { [key: string]: Integer };
}

/** What `location:update` is answered. */
export interface LocationUpdateAnswer {
  seq: Integer;
  /** For `location:update`: false when the sender does not share with this circle, so that the point was not kept. */
  stored: boolean;
}

/** What most commands are answered: the `seq` of the change, or of the room when nothing was to be changed. */
export interface Done {
  seq: Integer;
}

// What a client sends: the fields of each command

/** `campaign:join`: a Socket.IO connection comes into a campaign; it is in one at most. `since` and `epoch` ask for what was missed. */
export interface CampaignJoinCommand {
  campaignId: CampaignId;
  /** The epoch that it was counted in. */
  epoch?: string | null;
  /** The last `seq` that was seen. */
  since?: Integer | null;
}

/** `campaign:leave`: a Socket.IO connection goes out of its campaign. */
export type CampaignLeaveCommand = { [key: string]: never };

/** Answered by the connection itself. */
export interface PingCommand {
  id?: CommandId;
}

/** The DM's, when the session is waiting or ended. */
export interface SessionStartCommand {
  id?: CommandId;
}

/** The DM's, when the session is active. */
export interface SessionPauseCommand {
  id?: CommandId;
}

/** The DM's, when the session is paused. */
export interface SessionResumeCommand {
  id?: CommandId;
}

/** The DM's, when the session is active or paused. */
export interface SessionEndCommand {
  id?: CommandId;
}

/** The DM's: whether what follows is shown at once or waits. */
export interface BroadcastModeCommand {
  mode: BroadcastMode;
  id?: CommandId;
}

/** The DM's, when something is staged: all of it is shown, as one change. */
export interface BroadcastPublishCommand {
  id?: CommandId;
}

/** The DM's: takes one change out of the queue, by its place from 0 or, safer with two windows, by its id; one of the two. */
export interface StagedUndoCommand {
  changeId?: ChangeId | null;
  id?: CommandId;
  /** At least 0. */
  index?: Integer | null;
}

/** The DM's. */
export interface HexRevealCommand {
  /** 1–2000 entries. */
  hexKeys: HexKey[];
  targets: Targets;
  id?: CommandId;
}

/** The DM's. */
export interface HexHideCommand {
  /** 1–2000 entries. */
  hexKeys: HexKey[];
  targets: Targets;
  id?: CommandId;
}

/** The DM's. */
export interface HexUpdateCommand {
  /** 1–2000 entries. */
  changes: TerrainAt[];
  id?: CommandId;
}

/** The DM's. */
export interface TokenCreateCommand {
  hexKey: HexKey;
  /** 1–64 characters. */
  label: string;
  /** 1–16 characters. */
  icon: string;
  /** Matches `^#[0-9a-fA-F]{6}$`. */
  color: string;
  tokenType: TokenType;
  id?: CommandId;
  ownerId?: UserId | null;
  /** Default true. */
  visible?: boolean;
}

/** The DM's; a player's for a token of his or her own, but not whether it is visible nor whose it is. */
export interface TokenUpdateCommand {
  tokenId: TokenId;
  updates: NewTokenValues;
  id?: CommandId;
}

/** The DM's. */
export interface TokenDeleteCommand {
  tokenId: TokenId;
  id?: CommandId;
}

/** The DM's; a player's for a token of his or her own, when the session is active. */
export interface TokenMoveCommand {
  tokenId: TokenId;
  toHexKey: HexKey;
  id?: CommandId;
}

/** To a channel or a conversation that the sender is in. */
export interface MessageSendCommand {
  targetId: PlaceId;
  targetType: RoomType;
  /** 1–10000 characters. */
  content: string;
  id?: CommandId;
  parentId?: MessageId | null;
}

/** The author's. */
export interface MessageEditCommand {
  messageId: MessageId;
  /** 1–10000 characters. */
  content: string;
  id?: CommandId;
}

/** The author's, or an admin's of the workspace. The message keeps its place and loses its content. */
export interface MessageDeleteCommand {
  messageId: MessageId;
  id?: CommandId;
}

/** Messages before `cursor`, a `sequence`, or the newest; oldest first. */
export interface MessageGetOlderCommand {
  targetId: PlaceId;
  targetType: RoomType;
  /** At least 0. */
  cursor?: Integer | null;
  id?: CommandId;
  /** 1–200. */
  limit?: Integer | null;
}

/** Reacts, or takes the same reaction back. */
export interface ReactionToggleCommand {
  messageId: MessageId;
  /** 1–32 characters. */
  emoji: string;
  id?: CommandId;
}

/** The others are told; it ends by itself after 10 s. */
export interface TypingStartCommand {
  targetId: PlaceId;
  targetType: RoomType;
  id?: CommandId;
}

/** The others are told. */
export interface TypingStopCommand {
  targetId: PlaceId;
  targetType: RoomType;
  id?: CommandId;
}

/** This connection's user is away, if no other connection of his or hers says otherwise. */
export interface PresenceSetAwayCommand {
  id?: CommandId;
}

/** This connection's user is back. */
export interface PresenceSetActiveCommand {
  id?: CommandId;
}

/** Who of these people is here. */
export interface PresenceFetchCommand {
  workspaceId: WorkspaceId;
  /** At most 100 entries. */
  userIds: UserId[];
  id?: CommandId;
}

/** This connection hears the channel or the conversation again; whoever is not in a public channel becomes a member of it. */
export interface RoomJoinCommand {
  roomId: PlaceId;
  roomType: RoomType;
  id?: CommandId;
}

/** This connection ceases to hear the channel or the conversation; the membership stays. */
export interface RoomLeaveCommand {
  roomId: PlaceId;
  roomType: RoomType;
  id?: CommandId;
}

/** Whether the user is in the workspace. */
export interface WorkspaceJoinCommand {
  workspaceId: WorkspaceId;
  id?: CommandId;
}

/** How many messages are unread in these, or in all that the user is in. */
export interface UnreadFetchCommand {
  /** At most 1000 entries. */
  channelIds?: ChannelId[] | null;
  /** At most 1000 entries. */
  conversationIds?: ConversationId[] | null;
  id?: CommandId;
}

/** Everything in the channel or the conversation is read; one of the two. */
export interface UnreadMarkReadCommand {
  channelId?: ChannelId | null;
  conversationId?: ConversationId | null;
  id?: CommandId;
}

/**
 * Where the sender is. Plain: `latitude`, `longitude`, `accuracy`, `timestamp` and what else is known. Or sealed end to end: `ciphertext`, `nonce`
 * and `keyVersion`, and nothing else.
 */
export interface LocationUpdateCommand {
  /**
   * Metres.
   * At least 0.
   */
  accuracy?: number | null;
  /** Metres above sea level. */
  altitude?: number | null;
  /**
   * Percent.
   * 0–100.
   */
  battery?: number | null;
  /** Base64; decoded it has 4 KiB at the most, together with `nonce`. */
  ciphertext?: string | null;
  /**
   * Degrees from north.
   * 0–360.
   */
  heading?: number | null;
  id?: CommandId;
  keyVersion?: KeyVersion | null;
  /**
   * Degrees.
   * -90–90.
   */
  latitude?: number | null;
  /**
   * Degrees.
   * -180–180.
   */
  longitude?: number | null;
  /** Base64. */
  nonce?: string | null;
  /**
   * Metres a second.
   * At least 0.
   */
  speed?: number | null;
  /** When it was measured. */
  timestamp?: When | null;
}

/** This connection hears positions from now on, after the last known one of every other member who shares. */
export interface LocationSubscribeCommand {
  id?: CommandId;
}

/** This connection ceases to hear positions. */
export interface LocationUnsubscribeCommand {
  id?: CommandId;
}

/** Whether, until when and how exactly the others see where the sender is. */
export interface SharingSetCommand {
  enabled: boolean;
  /** Over Socket.IO: the circle, of those that the connection is in; without it, all of them. */
  circleId?: CircleId | null;
  id?: CommandId;
  /** Without it, it stays as it is. */
  precision?: Precision | null;
  /** When sharing ends by itself; only with `enabled`. Without it, it does not. */
  until?: When | null;
}

// What the server sends: the fields of each event

/** The first frame of a connection. */
export interface ConnectedEvent {
  userId: UserId;
  /** `dm` or `player` in a campaign; `owner`, `admin` or `member` elsewhere. */
  role: string;
  connectionId: string;
  /** The missed frames follow; else the whole state. */
  resumed: boolean;
  seq: Integer;
  /** The history that `seq` counts in. */
  epoch: string;
  /**
   * Milliseconds.
   * At least 0.
   */
  pingInterval: Integer;
}

/** A frame was not done. */
export interface ErrorEvent {
  message: string;
  code: ErrorCode;
  id?: CommandId;
  /**
   * Seconds.
   * At least 0.
   */
  retryAfter?: Integer;
}

/** The room's history has a new name. */
export interface EpochEvent {
  epoch: string;
}

/** The answer to `ping`. */
export interface PongEvent {
  id?: CommandId;
}

/** How things stand: to whoever connects. */
export interface SessionStateEvent {
  status: SessionStatus;
  broadcastMode: BroadcastMode;
  /** All members. */
  connectedPlayers: Player[];
  /** A player's own; for a DM those that somebody was shown. */
  revealedHexes: HexKey[];
  /** The number of the change in its room. */
  seq: Integer;
  sessionId?: SessionId;
  startedAt?: Timestamp;
  /**
   * For a DM.
   * Keys match `^(0|-?[1-9][0-9]{0,3}),(0|-?[1-9][0-9]{0,3})$`.
   */
  visibility?: { [key: string]: Seen };
}

/** The session was started, paused, resumed or ended. */
export interface SessionStatusChangedEvent {
  status: SessionStatus;
  sessionId: SessionId;
  startedAt: Timestamp;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To DMs, and to each player to whom some are new: with only those. */
export interface HexRevealedEvent {
  hexKeys: HexKey[];
  terrain: TerrainAt[];
  /** The number of the change in its room. */
  seq: Integer;
  /** For DMs. */
  targets?: Targets;
}

/** To DMs, and to each player who saw some of them: with only those. */
export interface HexHiddenEvent {
  hexKeys: HexKey[];
  /** The number of the change in its room. */
  seq: Integer;
  /** For DMs. */
  targets?: Targets;
}

/** The map was posted or imported anew: fetch it. */
export interface MapReplacedEvent {
  gridWidth: Integer;
  gridHeight: Integer;
  /** The number of the change in its room. */
  seq: Integer;
}

/** Terrain has changed: to DMs all of it, to a player on the hexes that he or she sees. */
export interface HexUpdatedEvent {
  changes: TerrainAt[];
  /** The number of the change in its room. */
  seq: Integer;
}

/** A member's first connection. */
export interface PlayerJoinedEvent {
  userId: UserId;
  name: string;
}

/** A member's last connection is gone. */
export interface PlayerLeftEvent {
  userId: UserId;
}

/** All members and who of them is here; in rooms of more than 200 members only those who are. */
export interface PlayerPresenceEvent {
  players: Player[];
}

/** Who came and went within a second, in rooms of more than 200 members. */
export interface PlayerChangesEvent {
  joined: JoinedPlayer[];
  left: UserId[];
}

/** Whether the DM's changes are staged. */
export interface DmPreparingEvent {
  preparing: boolean;
  /** The number of the change in its room. */
  seq: Integer;
}

/** The whole queue: to DMs. */
export interface StagedChangesEvent {
  changes: StagedItem[];
  /** The number of the change in its room. */
  seq: Integer;
}

/** The tokens that the reader may see: to whoever connects. */
export interface TokenStateEvent {
  tokens: Token[];
  /** The number of the change in its room. */
  seq: Integer;
}

/** A token is there, or has come into sight. */
export interface TokenCreatedEvent {
  token: Token;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To whoever saw it before and sees it after. */
export interface TokenMovedEvent {
  tokenId: TokenId;
  fromHexKey: HexKey;
  toHexKey: HexKey;
  movedBy: UserId;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To whoever saw it before and sees it after. */
export interface TokenUpdatedEvent {
  tokenId: TokenId;
  updates: TokenUpdates;
  /** The number of the change in its room. */
  seq: Integer;
}

/** A token is gone, or out of sight. */
export interface TokenDeletedEvent {
  tokenId: TokenId;
  /** The number of the change in its room. */
  seq: Integer;
}

/** The connection is in all its rooms. */
export interface ReadyEvent {
  /** The number of the change in its room. */
  seq?: Integer;
}

/** To the channel or the conversation. */
export interface MessageNewEvent extends Message {
  /** The number of the change in its room. */
  seq: Integer;
}

/** To the channel or the conversation: the message as it is with its new content. */
export interface MessageEditedEvent extends Message {
  /** The number of the change in its room. */
  seq: Integer;
}

/** To the channel or the conversation: its content is gone, its place stays. */
export interface MessageDeletedEvent {
  messageId: MessageId;
  deletedAt: Timestamp;
  channelId: ChannelId | null;
  conversationId: ConversationId | null;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To the channel or the conversation. */
export interface ReactionUpdateEvent {
  messageId: MessageId;
  emoji: string;
  userId: UserId;
  userName: string;
  action: ReactionAction;
  channelId: ChannelId | null;
  conversationId: ConversationId | null;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To the others in the channel or the conversation; ends by itself after 10 s. */
export interface TypingUpdateEvent {
  userId: UserId;
  userName: string;
  targetId: string;
  isTyping: boolean;
}

/** Somebody of the workspace is here, away or gone. */
export interface PresenceUpdateEvent {
  userId: UserId;
  status: PresenceStatus;
}

/** To the user alone. */
export interface UnreadUpdateEvent {
  unreadCount: Integer;
  channelId?: ChannelId;
  conversationId?: ConversationId;
  /** The number of the change in its room. */
  seq?: Integer;
}

/** To whoever was added to it. */
export interface RoomJoinedEvent {
  roomId: string;
  roomType: RoomType;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To whoever was taken out of it. */
export interface RoomLeftEvent {
  roomId: string;
  roomType: RoomType;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To the channel: nothing can be written in it any more. */
export interface ChannelArchivedEvent {
  channelId: ChannelId;
  /** The number of the change in its room. */
  seq: Integer;
}

/** To subscribers, but not to the sender. */
export interface LocationBroadcastEvent extends Broadcast {
}

/** To the others: somebody's first connection. Over Socket.IO the argument is the user id alone. */
export interface UserOnlineEvent {
  userId: UserId;
}

/** To the others: somebody's last connection is gone. Over Socket.IO the argument is the user id alone. */
export interface UserOfflineEvent {
  userId: UserId;
}

/** To the circle. When `enabled` is false nothing of that member is to be shown any more: he stopped, his time is over, or he left. */
export interface SharingChangedEvent {
  userId: UserId;
  enabled: boolean;
  until: Timestamp | null;
}

// Socket.IO

/** For `socket.on(…)`. */
export interface ServerToClientEvents {
  /** A frame was not done. */
  "error": (event: ErrorEvent | string) => void;
  /** The room's history has a new name. */
  "epoch": (event: EpochEvent) => void;
  /** The answer to `ping`. */
  "pong": (event: PongEvent) => void;
  /** How things stand: to whoever connects. */
  "session:state": (event: SessionStateEvent) => void;
  /** The session was started, paused, resumed or ended. */
  "session:statusChanged": (event: SessionStatusChangedEvent) => void;
  /** To DMs, and to each player to whom some are new: with only those. */
  "hex:revealed": (event: HexRevealedEvent) => void;
  /** To DMs, and to each player who saw some of them: with only those. */
  "hex:hidden": (event: HexHiddenEvent) => void;
  /** The map was posted or imported anew: fetch it. */
  "map:replaced": (event: MapReplacedEvent) => void;
  /** Terrain has changed: to DMs all of it, to a player on the hexes that he or she sees. */
  "hex:updated": (event: HexUpdatedEvent) => void;
  /** A member's first connection. */
  "player:joined": (event: PlayerJoinedEvent) => void;
  /** A member's last connection is gone. */
  "player:left": (event: PlayerLeftEvent) => void;
  /** All members and who of them is here; in rooms of more than 200 members only those who are. */
  "player:presence": (event: PlayerPresenceEvent) => void;
  /** Who came and went within a second, in rooms of more than 200 members. */
  "player:changes": (event: PlayerChangesEvent) => void;
  /** Whether the DM's changes are staged. */
  "dm:preparing": (event: DmPreparingEvent) => void;
  /** The whole queue: to DMs. */
  "staged:changes": (event: StagedChangesEvent) => void;
  /** The tokens that the reader may see: to whoever connects. */
  "token:state": (event: TokenStateEvent) => void;
  /** A token is there, or has come into sight. */
  "token:created": (event: TokenCreatedEvent) => void;
  /** To whoever saw it before and sees it after. */
  "token:moved": (event: TokenMovedEvent) => void;
  /** To whoever saw it before and sees it after. */
  "token:updated": (event: TokenUpdatedEvent) => void;
  /** A token is gone, or out of sight. */
  "token:deleted": (event: TokenDeletedEvent) => void;
  /** The connection is in all its rooms. */
  "ready": (event: ReadyEvent) => void;
  /** To the channel or the conversation. */
  "message:new": (event: MessageNewEvent) => void;
  /** To the channel or the conversation: the message as it is with its new content. */
  "message:edited": (event: MessageEditedEvent) => void;
  /** To the channel or the conversation: its content is gone, its place stays. */
  "message:deleted": (event: MessageDeletedEvent) => void;
  /** To the channel or the conversation. */
  "reaction:update": (event: ReactionUpdateEvent) => void;
  /** To the others in the channel or the conversation; ends by itself after 10 s. */
  "typing:update": (event: TypingUpdateEvent) => void;
  /** Somebody of the workspace is here, away or gone. */
  "presence:update": (event: PresenceUpdateEvent) => void;
  /** To the user alone. */
  "unread:update": (event: UnreadUpdateEvent) => void;
  /** To whoever was added to it. */
  "room:joined": (event: RoomJoinedEvent) => void;
  /** To whoever was taken out of it. */
  "room:left": (event: RoomLeftEvent) => void;
  /** To the channel: nothing can be written in it any more. */
  "channel:archived": (event: ChannelArchivedEvent) => void;
  /** To subscribers, but not to the sender. */
  "location:broadcast": (event: LocationBroadcastEvent) => void;
  /** To the others: somebody's first connection. Over Socket.IO the argument is the user id alone. */
  "user:online": (event: UserId) => void;
  /** To the others: somebody's last connection is gone. Over Socket.IO the argument is the user id alone. */
  "user:offline": (event: UserId) => void;
  /** To the circle. When `enabled` is false nothing of that member is to be shown any more: he stopped, his time is over, or he left. */
  "sharing:changed": (event: SharingChangedEvent) => void;
}

/** For `socket.emit(…)` and `socket.emitWithAck(…)`. */
export interface ClientToServerEvents {
  /** `campaign:join`: a Socket.IO connection comes into a campaign; it is in one at most. `since` and `epoch` ask for what was missed. */
  "campaign:join": (command: CampaignJoinCommand, ack: (answer: Outcome<CampaignJoinAnswer>) => void) => void;
  /** `campaign:leave`: a Socket.IO connection goes out of its campaign. */
  "campaign:leave": (command: CampaignLeaveCommand, ack: (answer: Outcome) => void) => void;
  /** Answered by the connection itself. */
  "ping": (command: PingCommand) => void;
  /** The DM's, when the session is waiting or ended. */
  "session:start": (command: SessionStartCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's, when the session is active. */
  "session:pause": (command: SessionPauseCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's, when the session is paused. */
  "session:resume": (command: SessionResumeCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's, when the session is active or paused. */
  "session:end": (command: SessionEndCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's: whether what follows is shown at once or waits. */
  "broadcast:mode": (command: BroadcastModeCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's, when something is staged: all of it is shown, as one change. */
  "broadcast:publish": (command: BroadcastPublishCommand, ack: (answer: Outcome<BroadcastPublishAnswer>) => void) => void;
  /** The DM's: takes one change out of the queue, by its place from 0 or, safer with two windows, by its id; one of the two. */
  "staged:undo": (command: StagedUndoCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's. */
  "hex:reveal": (command: HexRevealCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's. */
  "hex:hide": (command: HexHideCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's. */
  "hex:update": (command: HexUpdateCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's. */
  "token:create": (command: TokenCreateCommand, ack: (answer: Outcome<TokenCreateAnswer>) => void) => void;
  /** The DM's; a player's for a token of his or her own, but not whether it is visible nor whose it is. */
  "token:update": (command: TokenUpdateCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's. */
  "token:delete": (command: TokenDeleteCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The DM's; a player's for a token of his or her own, when the session is active. */
  "token:move": (command: TokenMoveCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** To a channel or a conversation that the sender is in. */
  "message:send": (command: MessageSendCommand, ack: (answer: Outcome<MessageSendAnswer>) => void) => void;
  /** The author's. */
  "message:edit": (command: MessageEditCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The author's, or an admin's of the workspace. The message keeps its place and loses its content. */
  "message:delete": (command: MessageDeleteCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** Messages before `cursor`, a `sequence`, or the newest; oldest first. */
  "message:getOlder": (command: MessageGetOlderCommand, ack: (answer: Outcome<MessageGetOlderAnswer>) => void) => void;
  /** Reacts, or takes the same reaction back. */
  "reaction:toggle": (command: ReactionToggleCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** The others are told; it ends by itself after 10 s. */
  "typing:start": (command: TypingStartCommand) => void;
  /** The others are told. */
  "typing:stop": (command: TypingStopCommand) => void;
  /** This connection's user is away, if no other connection of his or hers says otherwise. */
  "presence:setAway": (command: PresenceSetAwayCommand) => void;
  /** This connection's user is back. */
  "presence:setActive": (command: PresenceSetActiveCommand) => void;
  /** Who of these people is here. */
  "presence:fetch": (command: PresenceFetchCommand, ack: (answer: PresenceFetchAnswer | Failure) => void) => void;
  /** This connection hears the channel or the conversation again; whoever is not in a public channel becomes a member of it. */
  "room:join": (command: RoomJoinCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** This connection ceases to hear the channel or the conversation; the membership stays. */
  "room:leave": (command: RoomLeaveCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** Whether the user is in the workspace. */
  "workspace:join": (command: WorkspaceJoinCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** How many messages are unread in these, or in all that the user is in. */
  "unread:fetch": (command: UnreadFetchCommand, ack: (answer: UnreadFetchAnswer | Failure) => void) => void;
  /** Everything in the channel or the conversation is read; one of the two. */
  "unread:markRead": (command: UnreadMarkReadCommand, ack: (answer: Outcome<Done>) => void) => void;
  /**
   * Where the sender is. Plain: `latitude`, `longitude`, `accuracy`, `timestamp` and what else is known. Or sealed end to end: `ciphertext`, `nonce`
   * and `keyVersion`, and nothing else.
   */
  "location:update": (command: LocationUpdateCommand, ack: (answer: Outcome<LocationUpdateAnswer>) => void) => void;
  /** This connection hears positions from now on, after the last known one of every other member who shares. */
  "location:subscribe": (command: LocationSubscribeCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** This connection ceases to hear positions. */
  "location:unsubscribe": (command: LocationUnsubscribeCommand, ack: (answer: Outcome<Done>) => void) => void;
  /** Whether, until when and how exactly the others see where the sender is. */
  "sharing:set": (command: SharingSetCommand, ack: (answer: Outcome<Done>) => void) => void;
}

// Raw WebSockets

/** A frame of a raw WebSocket: the fields lie beside the type. */
export type Frame<Type extends string, Fields> = { type: Type } & Fields;

/** A command with an `id` was done and is durable. The answer's fields lie beside. */
export interface CampaignAck {
  id: CommandId;
  seq: Integer;
  /** Of `broadcast:publish`: what no longer applied. */
  skipped?: Skipped[];
  /** Of `token:create`. */
  tokenId?: TokenId;
}

/** What a client may send to a campaign. */
export type CampaignClientFrame =
  | Frame<"ping", PingCommand>
  | Frame<"session:start", SessionStartCommand>
  | Frame<"session:pause", SessionPauseCommand>
  | Frame<"session:resume", SessionResumeCommand>
  | Frame<"session:end", SessionEndCommand>
  | Frame<"broadcast:mode", BroadcastModeCommand>
  | Frame<"broadcast:publish", BroadcastPublishCommand>
  | Frame<"staged:undo", StagedUndoCommand>
  | Frame<"hex:reveal", HexRevealCommand>
  | Frame<"hex:hide", HexHideCommand>
  | Frame<"hex:update", HexUpdateCommand>
  | Frame<"token:create", TokenCreateCommand>
  | Frame<"token:update", TokenUpdateCommand>
  | Frame<"token:delete", TokenDeleteCommand>
  | Frame<"token:move", TokenMoveCommand>;

/** What a client of a campaign gets. */
export type CampaignServerFrame =
  | Frame<"connected", ConnectedEvent>
  | Frame<"error", ErrorEvent>
  | Frame<"epoch", EpochEvent>
  | Frame<"pong", PongEvent>
  | Frame<"ack", CampaignAck>
  | Frame<"session:state", SessionStateEvent>
  | Frame<"session:statusChanged", SessionStatusChangedEvent>
  | Frame<"hex:revealed", HexRevealedEvent>
  | Frame<"hex:hidden", HexHiddenEvent>
  | Frame<"map:replaced", MapReplacedEvent>
  | Frame<"hex:updated", HexUpdatedEvent>
  | Frame<"player:joined", PlayerJoinedEvent>
  | Frame<"player:left", PlayerLeftEvent>
  | Frame<"player:presence", PlayerPresenceEvent>
  | Frame<"player:changes", PlayerChangesEvent>
  | Frame<"dm:preparing", DmPreparingEvent>
  | Frame<"staged:changes", StagedChangesEvent>
  | Frame<"token:state", TokenStateEvent>
  | Frame<"token:created", TokenCreatedEvent>
  | Frame<"token:moved", TokenMovedEvent>
  | Frame<"token:updated", TokenUpdatedEvent>
  | Frame<"token:deleted", TokenDeletedEvent>;

/** A command with an `id` was done and is durable. The answer's fields lie beside. */
export interface WorkspaceAck {
  id: CommandId;
  seq: Integer;
  hasMore?: boolean;
  messageId?: MessageId;
  messages?: Message[];
  /** `null` (`Some(None)`): there is nothing older. */
  nextCursor?: Integer | null;
  /** A map by id: beside nothing else. */
  result?: ResultMap;
  sequence?: Integer;
}

/** What a client may send to a workspace. */
export type WorkspaceClientFrame =
  | Frame<"ping", PingCommand>
  | Frame<"message:send", MessageSendCommand>
  | Frame<"message:edit", MessageEditCommand>
  | Frame<"message:delete", MessageDeleteCommand>
  | Frame<"message:getOlder", MessageGetOlderCommand>
  | Frame<"reaction:toggle", ReactionToggleCommand>
  | Frame<"typing:start", TypingStartCommand>
  | Frame<"typing:stop", TypingStopCommand>
  | Frame<"presence:setAway", PresenceSetAwayCommand>
  | Frame<"presence:setActive", PresenceSetActiveCommand>
  | Frame<"presence:fetch", PresenceFetchCommand>
  | Frame<"room:join", RoomJoinCommand>
  | Frame<"room:leave", RoomLeaveCommand>
  | Frame<"workspace:join", WorkspaceJoinCommand>
  | Frame<"unread:fetch", UnreadFetchCommand>
  | Frame<"unread:markRead", UnreadMarkReadCommand>;

/** What a client of a workspace gets. */
export type WorkspaceServerFrame =
  | Frame<"connected", ConnectedEvent>
  | Frame<"error", ErrorEvent>
  | Frame<"epoch", EpochEvent>
  | Frame<"pong", PongEvent>
  | Frame<"ack", WorkspaceAck>
  | Frame<"ready", ReadyEvent>
  | Frame<"message:new", MessageNewEvent>
  | Frame<"message:edited", MessageEditedEvent>
  | Frame<"message:deleted", MessageDeletedEvent>
  | Frame<"reaction:update", ReactionUpdateEvent>
  | Frame<"typing:update", TypingUpdateEvent>
  | Frame<"presence:update", PresenceUpdateEvent>
  | Frame<"unread:update", UnreadUpdateEvent>
  | Frame<"room:joined", RoomJoinedEvent>
  | Frame<"room:left", RoomLeftEvent>
  | Frame<"channel:archived", ChannelArchivedEvent>;

/** A command with an `id` was done and is durable. The answer's fields lie beside. */
export interface CircleAck {
  id: CommandId;
  seq: Integer;
  /** For `location:update`: false when the sender does not share with this circle, so that the point was not kept. */
  stored?: boolean;
}

/** What a client may send to a circle. */
export type CircleClientFrame =
  | Frame<"ping", PingCommand>
  | Frame<"location:update", LocationUpdateCommand>
  | Frame<"location:subscribe", LocationSubscribeCommand>
  | Frame<"location:unsubscribe", LocationUnsubscribeCommand>
  | Frame<"sharing:set", SharingSetCommand>;

/** What a client of a circle gets. */
export type CircleServerFrame =
  | Frame<"connected", ConnectedEvent>
  | Frame<"error", ErrorEvent>
  | Frame<"epoch", EpochEvent>
  | Frame<"pong", PongEvent>
  | Frame<"ack", CircleAck>
  | Frame<"ready", ReadyEvent>
  | Frame<"location:broadcast", LocationBroadcastEvent>
  | Frame<"user:online", UserOnlineEvent>
  | Frame<"user:offline", UserOfflineEvent>
  | Frame<"sharing:changed", SharingChangedEvent>;

/** What a client may send. */
export type ClientFrame =
  | CampaignClientFrame
  | WorkspaceClientFrame
  | CircleClientFrame;

/** What a client gets. */
export type ServerFrame =
  | CampaignServerFrame
  | WorkspaceServerFrame
  | CircleServerFrame;
