// Team messaging with stock clients: node messaging.mjs http://127.0.0.1:3000 [transport…], of a server with RATE_LIMITS=off.
import assert from "node:assert/strict";
import { finish, run, transports } from "./checks.mjs";
import { Person, Team, good, refused, say } from "./people.mjs";

const [base = "http://127.0.0.1:3000", ...wanted] = process.argv.slice(2);
const [dana, pia, otto] = await Promise.all(["Dana", "Pia", "Otto"].map((name) => Person.signUp(base, name)));
const team = await Team.of([dana, pia]);
const { channel } = team;
const place = { targetId: channel, targetType: "channel" };
const nowhere = "00000000-0000-4000-8000-000000000000";

async function a_message_is_sent_edited_and_deleted({ options }) {
  const [one, other] = await Promise.all([dana.entered({ options }), pia.entered({ options })]);
  const sent = await say(one, channel, "first \u{1f469}‍\u{1f680}");
  assert.equal(typeof sent.messageId, "string");
  const message = await other.ear.until("message:new");
  const { createdAt, seq } = message;
  assert.match(createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const author = { authorId: dana.id, author: { id: dana.id, name: "Dana" } };
  const expected = { id: sent.messageId, content: "first \u{1f469}‍\u{1f680}", ...author, channelId: channel, conversationId: null, parentId: null };
  assert.deepEqual(pick(message, Object.keys(expected)), expected);
  assert.deepEqual(pick(message, ["sequence", "updatedAt", "deletedAt"]), { sequence: sent.sequence, updatedAt: createdAt, deletedAt: null });
  assert.equal(seq, sent.seq);
  // The author hears it as all the others do.
  assert.deepEqual(await one.ear.until("message:new"), message);

  const reply = await say(other, channel, "a reply", { parentId: sent.messageId });
  assert.equal(reply.sequence, sent.sequence + 1);
  assert.equal((await one.ear.until("message:new", ({ id }) => id === reply.messageId)).parentId, sent.messageId);

  good(await one.emitWithAck("message:edit", { messageId: sent.messageId, content: "second" }));
  const edited = await other.ear.until("message:edited");
  assert.deepEqual(pick(edited, ["id", "content", "sequence", "createdAt"]), { ...pick(message, ["id", "sequence", "createdAt"]), content: "second" });
  refused(await other.emitWithAck("message:edit", { messageId: sent.messageId, content: "not mine" }), "FORBIDDEN");
  refused(await other.emitWithAck("message:delete", { messageId: sent.messageId }), "FORBIDDEN");

  good(await one.emitWithAck("message:delete", { messageId: sent.messageId }));
  const deleted = await other.ear.until("message:deleted");
  assert.deepEqual(pick(deleted, ["messageId", "channelId", "conversationId"]), { messageId: sent.messageId, channelId: channel, conversationId: null });
  const { messages } = good(await other.emitWithAck("message:getOlder", { ...place, cursor: reply.sequence, limit: 1 }));
  assert.deepEqual(pick(messages[0], ["id", "content", "sequence", "deletedAt"]), {
    id: sent.messageId,
    content: "",
    sequence: sent.sequence,
    deletedAt: deleted.deletedAt,
  });
}

async function the_same_command_id_does_a_thing_once({ name, options }) {
  const id = `chosen-${name}`;
  const one = await dana.entered({ options });
  const first = await say(one, channel, "once", { id });
  const again = await (await dana.entered({ options })).emitWithAck("message:send", { ...place, content: "once", id });
  assert.deepEqual(pick(again, Object.keys(first)), first);
  refused(await one.emitWithAck("message:send", { ...place, content: "another", id }), "ID_REUSED");
  await say(one, channel, "and after");
  await one.ear.untilText("and after");
  assert.deepEqual(one.ear.texts(), ["once", "and after"]);
}

async function three_hundred_messages_stay_in_order({ options }) {
  const other = await pia.entered({ options });
  // Not waiting for anything: where the client upgrades, it does so meanwhile.
  const one = dana.client({ options });
  const answers = [];
  for (let n = 0; n < 300; n++) {
    answers.push(one.emitWithAck("message:send", { ...place, content: `n${n}` }));
    if (n % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  const sequences = (await Promise.all(answers)).map((answer) => good(answer).sequence);
  assert.deepEqual(sequences, Array.from({ length: 300 }, (_, n) => sequences[0] + n));
  await Promise.all([one, other].map((socket) => socket.ear.untilText("n299")));
  for (const socket of [one, other]) assert.deepEqual(socket.ear.texts(), Array.from({ length: 300 }, (_, n) => `n${n}`));

  const found = [];
  for (let cursor = sequences[299] + 1, more = true; more; ) {
    const page = good(await other.emitWithAck("message:getOlder", { ...place, cursor, limit: 120 }));
    found.unshift(...page.messages.map(({ sequence }) => sequence));
    ({ hasMore: more, nextCursor: cursor } = page);
    assert.equal(cursor === null, !more);
  }
  assert.deepEqual(found, Array.from({ length: sequences[299] }, (_, n) => n + 1));
}

async function reactions_come_and_go({ options }) {
  const [one, other] = await Promise.all([dana.entered({ options }), pia.entered({ options })]);
  const { messageId } = await say(one, channel, "react");
  for (const action of ["added", "removed"]) {
    good(await other.emitWithAck("reaction:toggle", { messageId, emoji: "\u{1f44d}" }));
    const told = await one.ear.until("reaction:update", (update) => update.action === action);
    assert.deepEqual(pick(told, ["messageId", "emoji", "userId", "userName"]), { messageId, emoji: "\u{1f44d}", userId: pia.id, userName: "Pia" });
  }
}

async function the_others_see_who_is_typing({ options }) {
  const [one, other] = await Promise.all([dana.entered({ options }), pia.entered({ options })]);
  // With a callback and without.
  one.emit("typing:start", place);
  const expected = { userId: dana.id, userName: "Dana", targetId: channel };
  assert.deepEqual(pick(await other.ear.until("typing:update"), [...Object.keys(expected), "isTyping"]), { ...expected, isTyping: true });
  good(await one.emitWithAck("typing:stop", place));
  await other.ear.until("typing:update", ({ isTyping }) => !isTyping);
  const from = other.ear.heard.length;
  one.emit("typing:start", place);
  await other.ear.until("typing:update", ({ isTyping }) => isTyping, from);
  one.disconnect();
  await other.ear.until("typing:update", ({ isTyping }) => !isTyping, from);
  assert.deepEqual(one.ear.all("typing:update"), []);
}

async function a_user_is_away_when_all_his_connections_are({ options }) {
  const [one, two, other] = await Promise.all([dana.entered({ options }), dana.entered({ options }), pia.entered({ options })]);
  const status = async () => (await other.emitWithAck("presence:fetch", { workspaceId: team.id, userIds: [dana.id, pia.id, otto.id] }))[dana.id];
  assert.equal(await status(), "active");
  good(await one.emitWithAck("presence:setAway"));
  assert.equal(await status(), "active");
  good(await two.emitWithAck("presence:setAway", {}));
  await other.ear.until("presence:update", (update) => update.userId === dana.id && update.status === "away");
  assert.equal(await status(), "away");
  two.emit("presence:setActive");
  await other.ear.until("presence:update", (update) => update.userId === dana.id && update.status === "active");
  const everybody = await other.emitWithAck("presence:fetch", { workspaceId: team.id, userIds: [dana.id, pia.id, otto.id] });
  assert.deepEqual(everybody, { [dana.id]: "active", [pia.id]: "active", [otto.id]: "offline" });
  refused(await other.emitWithAck("presence:fetch", { workspaceId: team.id, userIds: Array(101).fill("x") }), "BAD_MESSAGE");
}

/** Costs the grace of 5 s, so that it is checked over one transport. */
async function a_user_is_offline_a_while_after_his_last_connection_went({ name, options }) {
  if (name !== "websocket") return;
  const person = await Person.signUp(base, "Visitor");
  await team.admit(person);
  const watcher = await pia.entered({ options });
  const [one, two] = await Promise.all([person.entered({ options }), person.entered({ options })]);
  const mine = (update) => update.userId === person.id;
  await watcher.ear.until("presence:update", mine);
  one.disconnect();
  two.disconnect();
  // Back within the grace: nobody is told anything.
  const three = await person.entered({ options });
  three.disconnect();
  await watcher.ear.until("presence:update", (update) => mine(update) && update.status === "offline");
  assert.deepEqual(watcher.ear.all("presence:update").filter(mine).map(({ status }) => status), ["active", "offline"]);
}

async function whoever_leaves_a_room_hears_nothing_of_it_on_that_connection({ options }) {
  const [one, phone, other] = await Promise.all([dana.entered({ options }), dana.entered({ options }), pia.entered({ options })]);
  const room = { roomId: channel, roomType: "channel" };
  good(await one.emitWithAck("room:leave", room));
  await say(other, channel, "unheard");
  await phone.ear.untilText("unheard");
  good(await one.emitWithAck("room:join", room));
  await say(other, channel, "heard");
  await Promise.all([one, phone].map((socket) => socket.ear.untilText("heard")));
  assert.deepEqual(one.ear.texts(), ["heard"]);
  assert.deepEqual(phone.ear.texts(), ["unheard", "heard"]);
}

async function a_public_channel_is_joined_by_a_member_and_told_to_all_his_devices({ name, options }) {
  const open = await team.open([pia], `open-${name}`);
  const hidden = await team.open([pia], `hidden-${name}`, true);
  const [one, phone, other] = await Promise.all([dana.entered({ options }), dana.entered({ options }), pia.entered({ options })]);
  refused(await one.emitWithAck("message:send", { targetId: open, targetType: "channel", content: "not in it" }), "FORBIDDEN");
  refused(await one.emitWithAck("room:join", { roomId: hidden, roomType: "channel" }), "NOT_FOUND");
  good(await one.emitWithAck("room:join", { roomId: open, roomType: "channel" }));
  const joined = await Promise.all([one, phone].map((socket) => socket.ear.until("room:joined")));
  assert.deepEqual(joined.map((told) => pick(told, ["roomId", "roomType"])), Array(2).fill({ roomId: open, roomType: "channel" }));
  await say(other, open, "welcome");
  await Promise.all([one, phone].map((socket) => socket.ear.untilText("welcome")));

  // Added and taken out by somebody else.
  await pia.post(`/channels/${hidden}/members`, { userId: dana.id });
  await Promise.all([one, phone].map((socket) => socket.ear.until("room:joined", ({ roomId }) => roomId === hidden)));
  await say(other, hidden, "psst");
  await Promise.all([one, phone].map((socket) => socket.ear.untilText("psst")));
  await pia.rest("DELETE", `/channels/${hidden}/members/${dana.id}`);
  await Promise.all([one, phone].map((socket) => socket.ear.until("room:left", ({ roomId }) => roomId === hidden)));
  await say(other, hidden, "he is gone");
  await say(other, open, "after it");
  await Promise.all([one, phone].map((socket) => socket.ear.untilText("after it")));
  assert.ok(![one, phone].some((socket) => socket.ear.texts().includes("he is gone")));
}

async function a_conversation_reaches_those_who_are_in_it({ options }) {
  const [one, other] = await Promise.all([dana.entered({ options }), pia.entered({ options })]);
  const conversation = await team.conversation(dana, pia);
  const direct = { targetId: conversation, targetType: "dm" };
  const sent = good(await one.emitWithAck("message:send", { ...direct, content: "just us" }));
  const told = await other.ear.untilText("just us");
  assert.deepEqual(pick(told, ["id", "channelId", "conversationId"]), { id: sent.messageId, channelId: null, conversationId: conversation });
  const unread = await other.emitWithAck("unread:fetch", { conversationIds: [conversation] });
  assert.ok(unread.conversations[conversation] >= 1);
  assert.deepEqual(unread.channels, {});
  good(await other.emitWithAck("unread:markRead", { conversationId: conversation }));
  assert.deepEqual(await other.emitWithAck("unread:fetch", { conversationIds: [conversation] }), { channels: {}, conversations: { [conversation]: 0 } });
}

async function what_one_device_has_read_the_other_is_told({ options }) {
  const [one, phone, other] = await Promise.all([dana.entered({ options }), dana.entered({ options }), pia.entered({ options })]);
  good(await one.emitWithAck("unread:markRead", { channelId: channel }));
  for (const text of ["a", "b"]) await say(other, channel, text);
  await phone.ear.untilText("b");
  assert.deepEqual(await phone.emitWithAck("unread:fetch", { channelIds: [channel] }), { channels: { [channel]: 2 }, conversations: {} });
  assert.equal((await phone.emitWithAck("unread:fetch")).channels[channel], 2);
  const from = phone.ear.heard.length;
  good(await one.emitWithAck("unread:markRead", { channelId: channel }));
  const told = await Promise.all([one.ear.until("unread:update"), phone.ear.until("unread:update", () => true, from)]);
  assert.deepEqual(told.map((update) => pick(update, ["channelId", "unreadCount"])), Array(2).fill({ channelId: channel, unreadCount: 0 }));
  assert.equal((await one.emitWithAck("unread:fetch")).channels[channel], 0);
  assert.deepEqual(other.ear.all("unread:update"), []);
}

async function a_workspace_is_heard_as_soon_as_it_is_accepted({ name, options }) {
  const [one, other] = await Promise.all([dana.entered({ options }), otto.entered({ options })]);
  const second = await Team.of([otto], `Order of ${name}`);
  refused(await one.emitWithAck("workspace:join", { workspaceId: second.id }), "FORBIDDEN");
  refused(await one.emitWithAck("message:send", { targetId: second.channel, targetType: "channel", content: "stranger" }), "NOT_FOUND");
  await second.admit(dana);
  // Asked for again and again while it is being entered; it is entered once.
  const joins = await Promise.all(Array.from({ length: 3 }, () => one.emitWithAck("workspace:join", { workspaceId: second.id })));
  joins.forEach(good);
  good(await one.emitWithAck("room:join", { roomId: second.channel, roomType: "channel" }));
  for (const text of ["hello", "once each"]) await say(other, second.channel, text);
  await one.ear.untilText("once each");
  assert.deepEqual(one.ear.texts(), ["hello", "once each"]);
  // A device that asks for nothing hears it as well.
  const third = await Team.of([otto], `Guild of ${name}`);
  await third.admit(dana);
  await dana.post(`/channels/${third.channel}/join`);
  await one.ear.until("room:joined", ({ roomId }) => roomId === third.channel);
  await say(other, third.channel, "unasked");
  await one.ear.untilText("unasked");
}

async function what_is_asked_of_all_workspaces_is_answered_while_one_is_left({ name, options }) {
  const other = await Team.of([otto, dana], `Left over ${name}`);
  const one = await dana.entered({ options });
  const gone = otto.rest("DELETE", `/workspaces/${other.id}/members/${dana.id}`);
  let is_in = true;
  while (is_in) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => one.emitWithAck("unread:fetch")));
    assert.ok(answers.every(({ channels }) => channel in channels));
    is_in = other.channel in answers.at(-1).channels;
  }
  await gone;
  refused(await one.emitWithAck("workspace:join", { workspaceId: other.id }), "FORBIDDEN");
}

async function refusals_are_answers_and_without_a_callback_errors({ options }) {
  const one = await dana.entered({ options });
  const refusals = [
    ["message:send", { ...place, content: "" }, "BAD_MESSAGE"],
    ["message:send", { ...place, content: "x".repeat(10_001) }, "BAD_MESSAGE"],
    ["message:send", { ...place, content: "x", targetType: "user" }, "BAD_MESSAGE"],
    ["message:send", { targetId: nowhere, targetType: "channel", content: "x" }, "NOT_FOUND"],
    ["message:send", [], "BAD_MESSAGE"],
    ["message:send", "text", "BAD_MESSAGE"],
    ["message:edit", { messageId: nowhere, content: "x" }, "NOT_FOUND"],
    ["message:delete", { messageId: nowhere }, "NOT_FOUND"],
    ["reaction:toggle", { messageId: nowhere, emoji: "x" }, "NOT_FOUND"],
    ["message:getOlder", { targetId: nowhere, targetType: "dm", cursor: 1 }, "NOT_FOUND"],
    ["unread:markRead", {}, "BAD_MESSAGE"],
    ["room:join", { roomId: nowhere, roomType: "channel" }, "NOT_FOUND"],
    ["workspace:join", { workspaceId: nowhere }, "FORBIDDEN"],
    ["no:such", {}, "BAD_MESSAGE"],
    ["hex:reveal", { hexKeys: ["0,0"], targets: "all" }, "INVALID_STATE"],
  ];
  for (const [event, fields, code] of refusals) refused(await one.emitWithAck(event, fields), code);
  refused(await one.emitWithAck("message:send", { ...place, content: "x" }, "two"), "BAD_MESSAGE");
  for (const [event, fields, code] of refusals) {
    const from = one.ear.heard.length;
    one.emit(event, fields);
    const error = await one.ear.until("error", () => true, from);
    assert.equal(error.code, code);
    assert.equal(typeof error.message, "string");
  }
  good(await one.emitWithAck("message:send", { ...place, content: "still here" }));
}

async function what_is_too_big_or_binary_is_refused_and_the_connection_lives({ options }) {
  const one = await dana.entered({ options });
  const { id } = one;
  refused(await one.emitWithAck("message:send", { ...place, content: "x".repeat(300_000) }), "TOO_LARGE");
  refused(await one.emitWithAck("message:send", { ...place, content: Buffer.from([1, 2, 3]) }), "BAD_MESSAGE");
  refused(await one.emitWithAck("message:send", Buffer.alloc(100_000)), "BAD_MESSAGE");
  const text = "\u{1f600}".repeat(10_000);
  await say(one, channel, text);
  await one.ear.untilText(text);
  assert.equal(one.id, id);
}

async function pings_of_the_application_are_answered({ options }) {
  const one = await dana.entered({ options });
  one.emit("ping", {});
  assert.deepEqual(await one.ear.until("pong"), {});
}

function pick(fields, names) {
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}

const checks = [
  a_message_is_sent_edited_and_deleted,
  the_same_command_id_does_a_thing_once,
  three_hundred_messages_stay_in_order,
  reactions_come_and_go,
  the_others_see_who_is_typing,
  a_user_is_away_when_all_his_connections_are,
  a_user_is_offline_a_while_after_his_last_connection_went,
  whoever_leaves_a_room_hears_nothing_of_it_on_that_connection,
  a_public_channel_is_joined_by_a_member_and_told_to_all_his_devices,
  a_conversation_reaches_those_who_are_in_it,
  what_one_device_has_read_the_other_is_told,
  a_workspace_is_heard_as_soon_as_it_is_accepted,
  what_is_asked_of_all_workspaces_is_answered_while_one_is_left,
  refusals_are_answers_and_without_a_callback_errors,
  what_is_too_big_or_binary_is_refused_and_the_connection_lives,
  pings_of_the_application_are_answered,
];

for (const [name, options] of Object.entries(transports)) {
  if (wanted.length === 0 || wanted.includes(name)) await run(name, checks, { name, options });
}
finish();
