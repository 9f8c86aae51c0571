// Clients that lose their connection and come back: node recovery.mjs http://127.0.0.1:3000, of a server with RATE_LIMITS=off and a short ping
// interval. Whoever runs it restarts the server when asked: "restart", "kill", "small queue" (SEND_QUEUE_BYTES=65536), "recovery off".
import assert from "node:assert/strict";
import { ask, finish, next, run, transports } from "./checks.mjs";
import { Person, Team, good, say } from "./people.mjs";
import { Proxy } from "./proxy.mjs";

const base = process.argv[2] ?? "http://127.0.0.1:3000";
const [dana, pia, paul] = await Promise.all(["Dana", "Pia", "Paul"].map((name) => Person.signUp(base, name)));
const team = await Team.of([dana, pia, paul]);
const { channel } = team;

/** The client loses its connection as `cut` says, and comes back after `meanwhile`. */
async function away(socket, cut, meanwhile) {
  socket.io.reconnection(false);
  const gone = next(socket, "disconnect");
  cut(socket);
  await gone;
  await meanwhile();
  await back(socket);
}

/** Comes back and is in its rooms; what it missed has been heard by then. */
async function back(socket) {
  const ready = next(socket, "ready");
  socket.io.reconnection(true);
  socket.connect();
  await ready;
}

const hang_up = (socket) => socket.io.engine.close();

/** Everything that was said before is heard when this is. */
async function caught_up(speaker, socket, place = channel) {
  const text = `marker ${Math.random()}`;
  await say(speaker, place, text);
  await socket.ear.untilText(text);
  return text;
}

async function a_client_that_comes_back_gets_what_it_missed_in_order_and_once({ name, options }) {
  const second = await Team.of([dana, pia], `Second over ${name}`);
  const conversation = await team.conversation(dana, pia);
  const proxy = await Proxy.before(base);
  const speaker = await dana.entered();
  const socket = await pia.entered({ options, base: proxy.base });
  const { id, _pid: pid } = socket;
  await caught_up(speaker, socket);
  for (const cut of [hang_up, () => proxy.down()]) {
    const from = socket.ear.heard.length;
    await away(socket, cut, async () => {
      proxy.up();
      speaker.emit("typing:start", { targetId: channel, targetType: "channel" });
      for (const text of ["1", "2"]) {
        await say(speaker, channel, text);
        await say(speaker, second.channel, `second ${text}`);
        good(await speaker.emitWithAck("message:send", { targetId: conversation, targetType: "dm", content: `direct ${text}` }));
      }
    });
    assert.deepEqual([socket.recovered, socket.id, socket._pid], [true, id, pid]);
    const texts = socket.ear.texts(from);
    const of = (mark) => texts.filter((text) => text.startsWith(mark));
    assert.deepEqual([of("second"), texts.filter((text) => !text.startsWith("second"))], [
      ["second 1", "second 2"],
      ["1", "direct 1", "2", "direct 2"],
    ]);
    const { length } = socket.ear.heard;
    await caught_up(speaker, socket);
    assert.equal(socket.ear.texts(length).length, 1);
    good(await socket.emitWithAck("workspace:join", { workspaceId: second.id }));
  }
  proxy.close();
}

/** The connection is lost while the messages come, and sometimes while those come that were missed. */
async function a_burst_with_a_drop_in_it_again_and_again_arrives_whole({ options }) {
  const proxy = await Proxy.before(base);
  const speaker = await dana.entered();
  const socket = await pia.entered({ options, base: proxy.base });
  const { id } = socket;
  const recovered = [];
  socket.on("connect", () => recovered.push([socket.recovered, socket.id]));
  socket.on("message:new", ({ content }) => Number(content) % 41 === 17 && proxy.down());
  socket.on("disconnect", () => proxy.up());
  // And before it is known whether the client is back.
  let attempts = 0;
  socket.io.on("reconnect_attempt", () => ++attempts % 3 === 0 && setImmediate(() => proxy.down()));
  socket.io.on("reconnect_error", () => proxy.up());
  for (let n = 0; n < 500; n += 50) {
    const answers = Array.from({ length: 50 }, (_, k) => speaker.emitWithAck("message:send", { targetId: channel, targetType: "channel", content: `${n + k}` }));
    (await Promise.all(answers)).forEach(good);
    await socket.ear.untilText(`${n + 49}`);
  }
  assert.deepEqual(socket.ear.texts(), Array.from({ length: 500 }, (_, n) => `${n}`));
  assert.ok(recovered.length >= 8, `${recovered.length} drops`);
  assert.ok(recovered.every(([yes, same]) => yes && same === id), JSON.stringify(recovered));
  proxy.close();
}

/** The server has its request to come back, and the client has no answer. */
async function a_client_that_is_lost_again_while_it_comes_back_loses_nothing({ options }) {
  const proxy = await Proxy.before(base);
  const speaker = await dana.entered();
  const socket = await pia.entered({ options, base: proxy.base });
  for (let n = 0; n < 10; n++) {
    await away(
      socket,
      () => proxy.down(),
      async () => {
        await say(speaker, channel, `missed ${n}`);
        proxy.up();
        // By then the request is on its way to the proxy.
        socket.io.once("open", () => proxy.down_after_next());
        socket.io.once("close", () => proxy.up());
      },
    );
    assert.equal(socket.recovered, true, `${n}`);
  }
  assert.deepEqual(socket.ear.texts(), Array.from({ length: 10 }, (_, n) => `missed ${n}`));
  proxy.close();
}

async function a_client_that_has_received_nothing_gets_all_since_it_came({ options }) {
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  const from = socket.ear.heard.length;
  await away(
    socket,
    (socket) => {
      hang_up(socket);
      socket._lastOffset = undefined;
    },
    () => say(speaker, channel, "the first of all"),
  );
  assert.equal(socket.recovered, true);
  assert.deepEqual(socket.ear.texts(from), ["the first of all"]);
}

/** Longer than after which the server takes for arrived what it sent. */
async function an_idle_client_comes_back_with_the_offset_of_long_ago({ options }) {
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  await caught_up(speaker, socket);
  for (let pings = 0; pings < 12; pings++) await next(socket.io, "ping");
  const from = socket.ear.heard.length;
  await away(socket, hang_up, () => say(speaker, channel, "after a long time"));
  assert.equal(socket.recovered, true);
  assert.deepEqual(socket.ear.texts(from), ["after a long time"]);
}

async function a_message_that_was_deleted_meanwhile_is_not_shown({ options }) {
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  let messageId;
  await away(socket, hang_up, async () => {
    ({ messageId } = await say(speaker, channel, "regretted"));
    good(await speaker.emitWithAck("message:edit", { messageId, content: "regretted as well" }));
    await say(speaker, channel, "stays");
    good(await speaker.emitWithAck("message:delete", { messageId }));
  });
  assert.equal(socket.recovered, true);
  assert.ok(!JSON.stringify(socket.ear.heard).includes("regretted"));
  assert.deepEqual(socket.ear.texts().slice(-2), ["", "stays"]);
  assert.equal((await socket.ear.until("message:deleted")).messageId, messageId);
}

async function whoever_was_taken_out_meanwhile_hears_nothing_of_it({ name, options }) {
  const speaker = await dana.entered();
  const hidden = await team.open([dana, paul], `hidden-${name}`, true);
  const quiet = await team.open([dana, paul], `quiet-${name}`, true);
  const socket = await paul.entered({ options });
  // Nothing was said before: that he is out is all that there is to tell.
  await away(socket, hang_up, async () => {
    await dana.rest("DELETE", `/channels/${quiet}/members/${paul.id}`);
    await say(speaker, quiet, "after (quiet)");
    await say(speaker, channel, "in between");
  });
  assert.equal(socket.recovered, true);
  assert.deepEqual(socket.ear.texts(), ["in between"]);
  assert.deepEqual(socket.ear.all("room:left").map(({ roomId }) => roomId), [quiet]);
  // Something was said that he may not see any more.
  await away(socket, hang_up, async () => {
    await say(speaker, hidden, "before (hidden)");
    await dana.rest("DELETE", `/channels/${hidden}/members/${paul.id}`);
    await say(speaker, hidden, "after (hidden)");
  });
  assert.equal(socket.recovered, false);
  await caught_up(speaker, socket);
  assert.ok(!socket.ear.texts().some((text) => /quiet|hidden/.test(text)));
}

async function whoever_left_the_workspace_meanwhile_begins_anew({ options }) {
  const other = await Team.of([dana, pia], "Left");
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  const { id } = socket;
  await away(socket, hang_up, async () => {
    await say(speaker, other.channel, "before (left)");
    await dana.rest("DELETE", `/workspaces/${other.id}/members/${pia.id}`);
    await say(speaker, other.channel, "after (left)");
    await say(speaker, channel, "still in this one");
  });
  assert.deepEqual([socket.recovered, socket.id === id], [false, false]);
  await caught_up(speaker, socket);
  assert.ok(!socket.ear.texts().some((text) => text.includes("(left)")));
}

async function a_workspace_that_was_entered_meanwhile_is_heard({ name, options }) {
  const socket = await paul.entered({ options });
  const other = await Team.of([dana], `Entered over ${name}`);
  const speaker = await dana.entered();
  await away(socket, hang_up, async () => {
    await other.admit(paul);
    await paul.post(`/channels/${other.channel}/join`);
    await say(speaker, channel, "missed");
  });
  assert.equal(socket.recovered, true);
  await caught_up(speaker, socket, other.channel);
  assert.deepEqual(socket.ear.texts().slice(0, 1), ["missed"]);
}

async function whose_session_ended_meanwhile_is_not_let_in({ options }) {
  const again = await pia.signInAgain();
  const socket = await again.entered({ options });
  const gone = next(socket, "disconnect");
  socket.io.reconnection(false);
  hang_up(socket);
  await gone;
  await again.signOut();
  const refused = next(socket, "connect_error");
  socket.connect();
  assert.equal((await refused)[0].message, "Invalid session");
}

async function a_pid_is_used_once({ options }) {
  const socket = await pia.entered({ options });
  const { _pid: pid, _lastOffset: offset } = socket;
  await away(socket, hang_up, async () => {
    const [mark] = offset.split("-");
    const first = await pia.entered({ options, auth: { token: pia.token, pid, offset: `${mark}-99999` } });
    assert.notEqual(first._pid, pid);
  });
  assert.equal(socket.recovered, false);
  assert.notEqual(socket._pid, pid);
}

async function somebody_elses_pid_is_worth_nothing({ options }) {
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  const conversation = await team.conversation(dana, pia);
  const { id, _pid: pid, _lastOffset: offset } = socket;
  socket.io.reconnection(false);
  const gone = next(socket, "disconnect");
  hang_up(socket);
  await gone;
  good(await speaker.emitWithAck("message:send", { targetId: conversation, targetType: "dm", content: "not for Paul" }));
  const thief = await paul.entered({ options, auth: { token: paul.token, pid, offset } });
  await caught_up(speaker, thief);
  assert.ok(thief._pid !== pid && thief.id !== id);
  assert.ok(!thief.ear.texts().includes("not for Paul"));
}

async function what_is_no_pid_or_offset_is_no_harm({ options }) {
  const own = await pia.entered({ options });
  const junk = [5, null, true, [], {}, "", "x".repeat(200), "../..", "\u0000"];
  const auths = [...junk.map((pid) => ({ pid, offset: "1" })), ...junk.map((offset) => ({ pid: "nobody", offset })), { offset: own._lastOffset }];
  for (const auth of auths) {
    const socket = await pia.entered({ options, auth: { token: pia.token, ...auth } });
    assert.equal(socket.recovered, false);
    good(await socket.emitWithAck("workspace:join", { workspaceId: team.id }));
    socket.disconnect();
  }
  // Its own pid with an offset that is none.
  const socket = await pia.entered({ options, auth: { token: pia.token, pid: own._pid, offset: 7 } });
  assert.notEqual(socket._pid, own._pid);
  good(await own.emitWithAck("workspace:join", { workspaceId: team.id }));
}

async function whoever_comes_back_before_the_loss_was_noticed_takes_over({ options }) {
  const proxy = await Proxy.before(base);
  const speaker = await dana.entered();
  const socket = await pia.entered({ options, base: proxy.base });
  const { id } = socket;
  await caught_up(speaker, socket);
  const from = socket.ear.heard.length;
  const offline = () => speaker.ear.all("presence:update").some(({ userId, status }) => userId === pia.id && status === "offline");
  await away(
    socket,
    (socket) => {
      // The server hears nothing of it.
      proxy.freeze();
      hang_up(socket);
    },
    () => say(speaker, channel, "to the old one"),
  );
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  const text = await caught_up(speaker, socket);
  assert.deepEqual(socket.ear.texts(from), ["to the old one", text]);
  assert.ok(!offline());
  proxy.close();
}

async function a_session_that_ends_sends_its_clients_away({ options }) {
  const again = await pia.signInAgain();
  const socket = await again.entered({ options });
  const gone = next(socket, "disconnect");
  await again.signOut();
  assert.equal((await gone)[0], "io server disconnect");
  // It does not come back by itself, and is not let in when it tries.
  assert.equal(socket.active, false);
  const refused = next(socket, "connect_error");
  socket.connect();
  assert.equal((await refused)[0].message, "Invalid session");
}

async function what_was_missed_over_a_planned_restart_comes_after_it({ options }) {
  const speaker = await dana.entered();
  const [lost, staying] = [await pia.entered({ options }), await paul.entered({ options })];
  const ids = [lost.id, staying.id];
  await caught_up(speaker, lost);
  const from = lost.ear.heard.length;
  const ended = next(staying, "disconnect");
  let returned;
  await away(lost, hang_up, async () => {
    for (const text of ["before the restart", "twice before"]) await say(speaker, channel, text);
    returned = next(staying, "ready");
    await ask("restart");
    await say(speaker, channel, "after the restart");
  });
  assert.deepEqual([lost.recovered, lost.id], [true, ids[0]]);
  assert.deepEqual(lost.ear.texts(from), ["before the restart", "twice before", "after the restart"]);
  // It comes back by itself.
  assert.ok(["transport close", "transport error"].includes((await ended)[0]));
  await returned;
  assert.deepEqual([staying.recovered, staying.id], [true, ids[1]]);
  await staying.ear.untilText("after the restart");
  assert.deepEqual(staying.ear.texts().slice(-3), ["before the restart", "twice before", "after the restart"]);
}

async function after_a_crash_it_begins_anew_and_nothing_is_lost({ options }) {
  const speaker = await dana.entered();
  const socket = await pia.entered({ options });
  const { sequence } = await say(speaker, channel, "before the crash");
  await socket.ear.untilText("before the crash");
  let last;
  await away(socket, hang_up, async () => {
    for (const text of ["missed 1", "missed 2"]) last = (await say(speaker, channel, text)).sequence;
    await ask("kill");
  });
  assert.equal(socket.recovered, false);
  const { messages } = good(await socket.emitWithAck("message:getOlder", { targetId: channel, targetType: "channel", cursor: last + 1, limit: last - sequence }));
  assert.deepEqual(messages.map(({ content }) => content), ["missed 1", "missed 2"]);
  await caught_up(speaker, socket);
}

async function a_client_that_reads_too_slowly_is_dropped_and_comes_back({ options }) {
  await ask("small queue");
  const proxy = await Proxy.before(base);
  const speaker = await dana.entered();
  const socket = await pia.entered({ options, base: proxy.base });
  const { id } = socket;
  await caught_up(speaker, socket);
  const from = socket.ear.heard.length;
  const connections = async () => (await (await fetch(`${base}/api/ws-status`)).json()).connections;
  const before = await connections();
  proxy.freeze();
  const texts = Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(8_000, "."));
  for (const text of texts) await say(speaker, channel, text);
  while ((await connections()) >= before) await new Promise((resolve) => setImmediate(resolve));
  const returned = next(socket, "ready");
  proxy.thaw();
  await returned;
  assert.deepEqual([socket.recovered, socket.id], [true, id]);
  await socket.ear.untilText(texts.at(-1));
  assert.deepEqual(socket.ear.texts(from), texts);
  proxy.close();
}

async function without_recovery_there_is_no_pid_and_no_offset({ options }) {
  await ask("recovery off");
  const speaker = await dana.entered();
  const socket = pia.client({ options });
  const packets = [];
  socket.io.on("open", () => socket.io.engine.on("data", (data) => packets.push(data)));
  let args;
  socket.on("message:new", (...all) => (args = all));
  await next(socket, "ready");
  const from = socket.ear.heard.length;
  await caught_up(speaker, socket);
  assert.equal(args.length, 1);
  assert.equal(socket._pid, undefined);
  const reply = packets.find((data) => data.startsWith("0"));
  assert.deepEqual(JSON.parse(reply.slice(1)), { sid: socket.id });
  const { id } = socket;
  await away(socket, hang_up, () => say(speaker, channel, "gone by"));
  assert.ok(!socket.recovered && socket.id !== id);
  const text = await caught_up(speaker, socket);
  assert.deepEqual(socket.ear.texts(from).slice(1), [text]);
}

const everywhere = [
  a_client_that_comes_back_gets_what_it_missed_in_order_and_once,
  a_burst_with_a_drop_in_it_again_and_again_arrives_whole,
  a_client_that_has_received_nothing_gets_all_since_it_came,
  whoever_was_taken_out_meanwhile_hears_nothing_of_it,
  whoever_comes_back_before_the_loss_was_noticed_takes_over,
  a_session_that_ends_sends_its_clients_away,
  what_was_missed_over_a_planned_restart_comes_after_it,
];
const once = [
  a_client_that_is_lost_again_while_it_comes_back_loses_nothing,
  an_idle_client_comes_back_with_the_offset_of_long_ago,
  a_message_that_was_deleted_meanwhile_is_not_shown,
  whoever_left_the_workspace_meanwhile_begins_anew,
  a_workspace_that_was_entered_meanwhile_is_heard,
  whose_session_ended_meanwhile_is_not_let_in,
  a_pid_is_used_once,
  somebody_elses_pid_is_worth_nothing,
  what_is_no_pid_or_offset_is_no_harm,
  after_a_crash_it_begins_anew_and_nothing_is_lost,
];

for (const [name, options] of Object.entries(transports)) await run(name, everywhere, { name, options });
await run("websocket", once, { name: "websocket", options: transports.websocket });
await run("polling", [a_client_that_reads_too_slowly_is_dropped_and_comes_back], { name: "polling", options: transports.polling });
await run("websocket", [without_recovery_there_is_no_pid_and_no_offset], { name: "websocket", options: transports.websocket });
finish();
