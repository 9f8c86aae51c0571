// Who is let in, and when: node connecting.mjs http://127.0.0.1:3000
import assert from "node:assert/strict";
import { finish, next, run, transports } from "./checks.mjs";
import { Person, Team, good } from "./people.mjs";

const base = process.argv[2] ?? "http://127.0.0.1:3000";
const dana = await Person.signUp(base, "Dana");
const team = await Team.of([dana]);

const anonymous = { auth: {} };

async function a_token_in_auth_lets_in({ options }) {
  const socket = await dana.entered({ options });
  good(await socket.emitWithAck("workspace:join", { workspaceId: team.id }));
}

async function a_bearer_header_lets_in({ options }) {
  const extraHeaders = { authorization: `Bearer ${dana.token}` };
  await dana.entered({ options, ...anonymous, extraHeaders });
}

async function the_session_cookie_lets_in({ options }) {
  await dana.entered({ options, ...anonymous, extraHeaders: { cookie: dana.cookie } });
}

async function the_token_counts_and_not_the_cookie_beside_it({ options }) {
  const socket = dana.client({ options, auth: { token: "nonsense" }, extraHeaders: { cookie: dana.cookie } });
  const [error] = await next(socket, "connect_error");
  assert.equal(error.message, "Invalid session");
}

async function whoever_sends_nothing_is_told_to_authenticate({ options }) {
  const socket = dana.client({ options, ...anonymous });
  const [error] = await next(socket, "connect_error");
  assert.equal(error.message, "Authentication required");
  // It is an answer, not a loss: the client does not try again.
  assert.equal(socket.active, false);
}

async function what_does_not_hold_is_an_invalid_session({ options }) {
  const bad = [{ auth: { token: "nonsense" } }, { auth: { token: 7 } }, { ...anonymous, extraHeaders: { authorization: "Bearer nonsense" } }];
  for (const more of bad) {
    const socket = dana.client({ options, ...more });
    const [error] = await next(socket, "connect_error");
    assert.equal(error.message, "Invalid session", JSON.stringify(more));
    assert.equal(socket.active, false);
  }
}

async function a_refused_client_may_try_again_with_what_holds({ options }) {
  const auth = {};
  const socket = dana.client({ options, auth });
  await next(socket, "connect_error");
  auth.token = dana.token;
  socket.connect();
  await next(socket, "ready");
}

async function a_page_of_another_site_is_refused_whatever_it_brings({ name, options }) {
  const extraHeaders = { origin: "https://elsewhere.example", cookie: dana.cookie };
  const socket = dana.client({ options, extraHeaders });
  const [error] = await next(socket, "connect_error");
  assert.equal(socket.connected, false);
  if (name === "websocket") return;
  assert.equal(error.description, 403);
  const answer = await fetch(`${base}/socket.io/?EIO=4&transport=polling`, { headers: extraHeaders });
  assert.deepEqual([answer.status, (await answer.json()).code], [403, 4]);
}

async function it_is_in_its_rooms_before_its_first_event_is_handled({ options }) {
  const socket = dana.client({ options });
  const order = [];
  socket.on("ready", () => order.push("ready"));
  socket.on("message:new", () => order.push("message:new"));
  // All of this is emitted before there is a connection.
  const fields = { targetId: team.channel, targetType: "channel", content: "early" };
  const sent = socket.emitWithAck("message:send", fields).then((answer) => order.push(answer.success));
  const unread = socket.emitWithAck("unread:fetch", {});
  const older = socket.emitWithAck("message:getOlder", { targetId: team.channel, targetType: "channel", cursor: 1_000_000 });
  await sent;
  assert.equal((await unread).channels[team.channel], 0);
  assert.equal(good(await older).messages.at(-1).content, "early");
  await socket.ear.untilText("early");
  assert.equal(order[0], "ready");
  assert.deepEqual([...order].sort(), ["message:new", "ready", true].sort());
}

async function the_connections_id_is_no_secret_of_its_session({ options }) {
  const socket = await dana.entered({ options });
  assert.notEqual(socket.id, socket.io.engine.id);
  assert.notEqual(socket.id, socket._pid);
  assert.equal(socket.recovered, false);
}

const checks = [
  a_token_in_auth_lets_in,
  a_bearer_header_lets_in,
  the_session_cookie_lets_in,
  the_token_counts_and_not_the_cookie_beside_it,
  whoever_sends_nothing_is_told_to_authenticate,
  what_does_not_hold_is_an_invalid_session,
  a_refused_client_may_try_again_with_what_holds,
  a_page_of_another_site_is_refused_whatever_it_brings,
  it_is_in_its_rooms_before_its_first_event_is_handled,
  the_connections_id_is_no_secret_of_its_session,
];

for (const [name, options] of Object.entries(transports)) await run(name, checks, { name, options });
finish();
