// What must compile, and what must not: each line under `@ts-expect-error` fails the compilation when it is no error.

import { io, type Socket } from "socket.io-client";
import type {
  CampaignServerFrame,
  CircleServerFrame,
  ClientFrame,
  ClientToServerEvents,
  ErrorCode,
  HexKey,
  Integer,
  MessageId,
  PresenceStatus,
  ServerFrame,
  Sealed,
  ServerToClientEvents,
  Timestamp,
  TokenId,
  UserId,
  WorkspaceServerFrame,
} from "../../clients/typescript/moothall.js";

/** Compiles when the two are one type. `any` and `unknown` are one with nothing else. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://127.0.0.1:3000", { auth: { token: "…" } });

// Campaigns: what is emitted, and how it is acknowledged.

socket.emit("campaign:join", { campaignId: "c", since: 41, epoch: "…" }, (answer) => {
  if (answer.success) same<typeof answer.resumed, boolean>(true);
  else same<typeof answer.error.code, ErrorCode>(true);
});
socket.emit("campaign:leave", {}, (answer) => same<typeof answer.success, boolean>(true));
socket.emit("ping", {});
socket.emit("hex:reveal", { hexKeys: ["0,0"], targets: "all" }, (answer) => {
  if (answer.success) {
    same<typeof answer.seq, Integer>(true);
    // @ts-expect-error only a refusal has an error
    answer.error;
  } else {
    same<typeof answer.error.retryAfter, Integer | undefined>(true);
    // @ts-expect-error what was refused has no number
    answer.seq;
  }
});
socket.emit("hex:hide", { id: "1", hexKeys: ["0,0"], targets: { playerIds: ["u"] } }, () => {});
socket.emit("token:update", { tokenId: "t", updates: { ownerId: null } }, () => {});
socket.timeout(5_000).emit("session:start", {}, (late, answer) => {
  same<typeof late, Error>(true);
  same<typeof answer.success, boolean>(true);
});

async function token(): Promise<TokenId | undefined> {
  const answer = await socket.emitWithAck("token:create", {
    hexKey: "0,0",
    label: "Troll",
    icon: "T",
    color: "#aa3333",
    tokenType: "npc",
  });
  return answer.success ? answer.tokenId : undefined;
}

// Messaging.

socket.emit("message:send", { targetId: "c", targetType: "channel", content: "Hello", parentId: "m" }, (answer) => {
  if (answer.success) {
    same<typeof answer.messageId, MessageId>(true);
    same<typeof answer.sequence, Integer>(true);
  } else {
    same<typeof answer.error.message, string>(true);
  }
});
socket.emit("typing:start", { targetId: "c", targetType: "dm" });
socket.emit("presence:fetch", { workspaceId: "w", userIds: ["u"] }, (statuses) => {
  if ("error" in statuses) return;
  for (const status of Object.values(statuses)) same<typeof status, PresenceStatus>(true);
});
socket.emit("unread:fetch", {}, (unread) => {
  if ("error" in unread) same<typeof unread.success, false>(true);
  else same<typeof unread.channels, { [key: string]: Integer }>(true);
});
socket.emit("unread:markRead", { channelId: "c" }, () => {});

socket.emit("location:update", { latitude: 47.5, longitude: 8.25, accuracy: 12, timestamp: Date.now() }, (answer) => {
  if (answer.success) same<typeof answer.stored, boolean>(true);
});
socket.emit("location:update", { ciphertext: "AAAA", nonce: "AAAA", keyVersion: 1 }, () => {});
socket.emit("sharing:set", { enabled: true, until: "2026-01-28T01:02:03.456Z", precision: "approximate" }, () => {});
// @ts-expect-error there is no such precision
socket.emit("sharing:set", { enabled: true, precision: "vague" }, () => {});

async function older(cursor: Integer | null): Promise<Integer | null> {
  const answer = await socket.emitWithAck("message:getOlder", { targetId: "c", targetType: "channel", cursor, limit: 50 });
  if (!answer.success) throw new Error(answer.error.message);
  same<(typeof answer.messages)[number]["deletedAt"], string | null>(true);
  return answer.hasMore ? answer.nextCursor : null;
}

// @ts-expect-error a field is missing
socket.emit("message:send", { targetId: "c", content: "Hello" }, () => {});
// @ts-expect-error there are channels and conversations
socket.emit("message:send", { targetId: "c", targetType: "user", content: "Hello" }, () => {});
// @ts-expect-error a field has another type
socket.emit("message:send", { targetId: "c", targetType: "channel", content: 1 }, () => {});
// @ts-expect-error what is only signalled is not acknowledged
socket.emit("typing:start", { targetId: "c", targetType: "dm" }, () => {});

// What is not in the vocabulary.

// @ts-expect-error there is no such command
socket.emit("hex:revael", { hexKeys: ["0,0"], targets: "all" }, () => {});
// @ts-expect-error a field is missing
socket.emit("hex:reveal", { hexKeys: ["0,0"] }, () => {});
// @ts-expect-error a field has another type
socket.emit("hex:reveal", { hexKeys: "0,0", targets: "all" }, () => {});
// @ts-expect-error nobody but "all" is a word
socket.emit("hex:reveal", { hexKeys: ["0,0"], targets: "everyone" }, () => {});
// @ts-expect-error a field too many
socket.emit("session:start", { campaignId: "c" }, () => {});
// @ts-expect-error a field too many where there are none
socket.emit("campaign:leave", { campaignId: "c" }, () => {});
// @ts-expect-error what is sent with a command is an object
socket.emit("campaign:leave", "c", () => {});
// @ts-expect-error `null` is for the owner alone
socket.emit("token:update", { tokenId: "t", updates: { label: null } }, () => {});
// @ts-expect-error a command is acknowledged
socket.emit("session:start", {});
// @ts-expect-error what the server says
socket.emit("hex:revealed", { hexKeys: [], terrain: [], seq: 1 });

// What is heard.

socket.on("hex:revealed", (event) => {
  same<typeof event.hexKeys, HexKey[]>(true);
  same<typeof event.seq, Integer>(true);
});
socket.on("player:left", (event) => {
  same<typeof event.userId, string>(true);
  // @ts-expect-error who comes and goes has no number
  event.seq;
});
socket.on("ready", () => {});
socket.on("error", (event) => {
  if (typeof event === "string") return;
  same<typeof event.code, ErrorCode>(true);
});
socket.on("user:online", (userId) => same<typeof userId, UserId>(true));
socket.on("location:broadcast", (broadcast) => {
  same<typeof broadcast.latitude, number | undefined>(true);
  same<typeof broadcast.payload, Sealed | undefined>(true);
});
socket.on("sharing:changed", (sharing) => same<typeof sharing.until, Timestamp | null>(true));
socket.on("message:new", (message) => {
  same<typeof message.id, MessageId>(true);
  same<typeof message.sequence, Integer>(true);
  same<typeof message.parentId, MessageId | null>(true);
  same<typeof message.author.name, string>(true);
  // @ts-expect-error there is no such field
  message.text;
});
socket.on("presence:update", (event) => same<typeof event.status, PresenceStatus>(true));
// @ts-expect-error there is no such event
socket.on("message:created", () => {});
// @ts-expect-error the event is an object
socket.on("message:new", (message: string) => message);
// @ts-expect-error over Socket.IO it is the acknowledgement of `campaign:join`
socket.on("connected", () => {});

// Raw WebSockets.

function heard(frame: ServerFrame): string {
  // @ts-expect-error not all frames have a number
  frame.seq;
  switch (frame.type) {
    case "connected":
      return `${frame.role} at ${frame.seq} of ${frame.epoch}`;
    case "ack":
      return `${frame.id} ${frame.seq}`;
    case "error":
      return `${frame.code} ${frame.message}`;
    case "epoch":
      return frame.epoch;
    case "pong":
      return "pong";
    case "session:state":
      return Object.values(frame.visibility ?? {}).map((seen) => (seen === "all" || Array.isArray(seen) ? `${seen}` : `but ${seen.except}`)).join();
    case "session:statusChanged":
      return frame.status;
    case "hex:revealed":
      return frame.terrain.map(({ key, terrain, terrainVariant }) => `${key} ${terrain} ${terrainVariant ?? 0}`).join();
    case "hex:hidden":
      return frame.targets === undefined || frame.targets === "all" ? "all" : frame.targets.playerIds.join();
    case "hex:updated":
      return frame.changes.map((at) => at.key).join();
    case "map:replaced":
      return `${frame.gridWidth} × ${frame.gridHeight}`;
    case "player:joined":
      return frame.name;
    case "player:left":
      return frame.userId;
    case "player:presence":
      return frame.players.filter((player) => player.online).map((player) => player.name).join();
    case "player:changes":
      return [...frame.joined.map((player) => player.name), ...frame.left].join();
    case "dm:preparing":
      return `${frame.preparing}`;
    case "staged:changes":
      return frame.changes.map((item) => item.description).join();
    case "token:state":
      return frame.tokens.map((token) => token.label).join();
    case "token:created":
      return frame.token.ownerId ?? "nobody's";
    case "token:moved":
      return `${frame.fromHexKey} ${frame.toHexKey} ${frame.movedBy}`;
    case "token:updated":
      return frame.updates.ownerId ?? frame.updates.label ?? "";
    case "token:deleted":
      return frame.tokenId;
    case "ready":
      return "ready";
    case "message:new":
    case "message:edited":
      return `${frame.sequence} ${frame.author.name}: ${frame.content}`;
    case "message:deleted":
      return `${frame.messageId} ${frame.deletedAt}`;
    case "reaction:update":
      return `${frame.emoji} ${frame.action}`;
    case "typing:update":
      return frame.isTyping ? frame.userName : "";
    case "presence:update":
      return frame.status;
    case "unread:update":
      return `${frame.channelId ?? frame.conversationId} ${frame.unreadCount}`;
    case "room:joined":
    case "room:left":
      return `${frame.roomType} ${frame.roomId}`;
    case "channel:archived":
      return frame.channelId;
    case "location:broadcast":
      return `${frame.senderName} ${frame.payload ? "sealed" : frame.accuracy}`;
    case "user:online":
    case "user:offline":
      return frame.userId;
    case "sharing:changed":
      return `${frame.userId} ${frame.enabled}`;
    default:
      return frame satisfies never;
  }
}

// A frame that is not handled is an error.
function partly(frame: ServerFrame): string | undefined {
  switch (frame.type) {
    case "pong":
      return undefined;
    default:
      // @ts-expect-error there are others
      return frame satisfies never;
  }
}

const frames: ClientFrame[] = [
  { type: "ping" },
  { type: "staged:undo", id: "1", changeId: "c" },
  { type: "message:send", id: "2", targetId: "c", targetType: "dm", content: "Hello" },
  { type: "unread:fetch", channelIds: ["c"] },
  { type: "hex:update", changes: [{ key: "0,0", terrain: "forest", terrainVariant: 2 }] },
  // @ts-expect-error there is no such command
  { type: "hex:revael", hexKeys: [], targets: "all" },
  // @ts-expect-error a field is missing
  { type: "token:move", tokenId: "t" },
  // @ts-expect-error a field too many
  { type: "token:delete", tokenId: "t", toHexKey: "0,0" },
  // @ts-expect-error comes into a campaign over Socket.IO; a raw WebSocket is in its room from the start
  { type: "campaign:join", campaignId: "c" },
];

export { frames, heard, older, partly, token };
export type Rooms = [CampaignServerFrame, CircleServerFrame, WorkspaceServerFrame];
