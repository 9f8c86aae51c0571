// The official client against the conformance handlers: node conformance.mjs http://127.0.0.1:3000, of a server with PROTOCOL_TEST=1.
// `/` echoes `message` as `message-back` and acknowledges `message-with-ack`; `/` and `/custom` say `auth` first.
import assert from "node:assert/strict";
import { Manager } from "socket.io-client";
import { ask, closing, finish, next, run, transports } from "./checks.mjs";

const base = process.argv[2] ?? "http://127.0.0.1:3000";

/** A socket on a connection of its own. It connects by itself; telling it to as well may have it send CONNECT twice. */
function open({ options }, nsp = "/", auth = undefined, more = {}) {
  const manager = new Manager(base, { ...options, reconnectionDelay: 50, ...more });
  const socket = manager.socket(nsp, { auth });
  return closing(socket);
}

async function entered(context, ...rest) {
  const socket = open(context, ...rest);
  await next(socket, "auth");
  return socket;
}

/** Settled: no upgrade is under way. */
async function settled(context) {
  const socket = await entered(context);
  const { engine } = socket.io;
  if (context.name === "upgrade" && engine.transport.name !== "websocket") await next(engine, "upgrade");
  return socket;
}

const echoed = async (socket, ...args) => {
  const back = next(socket, "message-back");
  socket.emit("message", ...args);
  return back;
};

async function connects_and_is_told_what_it_authenticated_with(context) {
  const socket = open(context, "/", { token: "123", nested: { list: [1, "é", null] } });
  const [auth] = await next(socket, "auth");
  assert.deepEqual(auth, { token: "123", nested: { list: [1, "é", null] } });
  assert.equal(socket.connected, true);
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, socket.io.engine.id);
}

async function ends_up_on_the_transport_it_asked_for(context) {
  const socket = await settled(context);
  assert.equal(socket.io.engine.transport.name, context.name === "polling" ? "polling" : "websocket");
  assert.deepEqual(await echoed(socket, 1), [1]);
}

async function two_namespaces_share_a_connection(context) {
  const main = await entered(context, "/", { a: 1 });
  const custom = closing(main.io.socket("/custom", { auth: { b: 2 } }));
  assert.deepEqual(await next(custom, "auth"), [{ b: 2 }]);
  assert.notEqual(main.id, custom.id);
  custom.disconnect();
  assert.deepEqual(await echoed(main, "still here"), ["still here"]);
}

async function an_unknown_namespace_is_refused_for_good(context) {
  const socket = open(context, "/random");
  const [error] = await next(socket, "connect_error");
  assert.equal(error.message, "Invalid namespace");
  assert.equal(socket.active, false);
}

async function arguments_come_back_as_they_went(context) {
  const socket = await entered(context);
  const args = [1, -0.5, 1e21, "text with \"marks\", \u2028, \ud83d\ude00 and \u0000", null, true, [], {}, [[{ a: [{ b: null }] }]], { 2: "b", 1: "a" }];
  assert.deepEqual(await echoed(socket, ...args), args);
  assert.deepEqual(await echoed(socket), []);
}

async function acknowledgements_carry_arguments(context) {
  const socket = await entered(context);
  assert.deepEqual(await new Promise((resolve) => socket.emit("message-with-ack", 1, "2", { 3: [true] }, (...args) => resolve(args))), [1, "2", { 3: [true] }]);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => socket.timeout(30_000).emitWithAck("message-with-ack", n)));
  assert.deepEqual(answers, Array.from({ length: 50 }, (_, n) => n));
}

async function binary_goes_both_ways(context) {
  const socket = await entered(context);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
  const [first, deep] = await echoed(socket, bytes, { list: [new Uint8Array([1, 2, 3]), "x"], empty: Buffer.alloc(0) });
  assert.deepEqual(Buffer.from(first), bytes);
  assert.deepEqual([...new Uint8Array(deep.list[0])], [1, 2, 3]);
  assert.deepEqual([deep.list[1], deep.empty.length ?? deep.empty.byteLength], ["x", 0]);
  const answer = await socket.emitWithAck("message-with-ack", bytes);
  assert.deepEqual(Buffer.from(answer), bytes);
}

async function messages_of_200_kb_arrive_whole(context) {
  const socket = await entered(context);
  const text = "é€\ud83d\ude00x".repeat(20_000);
  assert.equal(Buffer.byteLength(text), 200_000);
  assert.deepEqual(await echoed(socket, text), [text]);
  const bytes = Buffer.alloc(200_000, "0123456789abcdef");
  const [back] = await echoed(socket, bytes);
  assert.ok(Buffer.from(back).equals(bytes));
  assert.equal(await socket.emitWithAck("message-with-ack", text), text);
}

/** Without waiting for anything: where the client upgrades, it does so meanwhile. */
async function three_hundred_messages_stay_in_order(context) {
  const socket = open(context);
  const came = [];
  const all = new Promise((resolve) => socket.on("message-back", (n) => came.push(n) === 300 && resolve()));
  const acked = [];
  for (let n = 0; n < 300; n++) {
    socket.emit("message", n % 7 === 0 ? { n, bytes: Buffer.from([n % 256]) } : { n });
    if (n % 10 === 0) socket.emit("message-with-ack", n, (answer) => acked.push(answer));
    if (n % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  assert.deepEqual(came.map(({ n }) => n), Array.from({ length: 300 }, (_, n) => n));
  assert.ok(came.every(({ n, bytes }) => n % 7 !== 0 || Buffer.from(bytes)[0] === n % 256));
  await socket.emitWithAck("message-with-ack", "last");
  assert.deepEqual(acked, Array.from({ length: 30 }, (_, n) => 10 * n));
}

async function pings_are_answered(context) {
  const socket = await settled(context);
  for (let n = 0; n < 3; n++) await next(socket.io, "ping");
  assert.deepEqual(await echoed(socket, "here"), ["here"]);
}

async function a_connection_that_the_server_cut_comes_back(context) {
  const socket = await settled(context);
  const before = socket.id;
  const gone = next(socket, "disconnect");
  const back = next(socket, "auth");
  // No packet of Socket.IO begins so.
  socket.io.engine.write("abc");
  const [reason] = await gone;
  assert.ok(["transport close", "transport error"].includes(reason), reason);
  const buffered = echoed(socket, "said while away");
  await back;
  assert.deepEqual(await buffered, ["said while away"]);
  assert.notEqual(socket.id, before);
  assert.ok(!socket.recovered);
}

async function a_client_may_leave_and_come_back(context) {
  const socket = await settled(context);
  const gone = next(socket, "disconnect");
  socket.disconnect();
  assert.deepEqual((await gone)[0], "io client disconnect");
  const back = next(socket, "auth");
  socket.connect();
  await back;
  assert.deepEqual(await echoed(socket, "again"), ["again"]);
}

async function clients_come_back_to_a_server_that_was_restarted(context) {
  const socket = await settled(context);
  const gone = next(socket, "disconnect");
  const back = next(socket, "auth");
  await ask("restart");
  assert.notEqual((await gone)[0], "io server disconnect");
  await back;
  assert.deepEqual(await echoed(socket, "again"), ["again"]);
}

const checks = [
  connects_and_is_told_what_it_authenticated_with,
  ends_up_on_the_transport_it_asked_for,
  two_namespaces_share_a_connection,
  an_unknown_namespace_is_refused_for_good,
  arguments_come_back_as_they_went,
  acknowledgements_carry_arguments,
  binary_goes_both_ways,
  messages_of_200_kb_arrive_whole,
  three_hundred_messages_stay_in_order,
  pings_are_answered,
  a_connection_that_the_server_cut_comes_back,
  a_client_may_leave_and_come_back,
  clients_come_back_to_a_server_that_was_restarted,
];

for (const [name, options] of Object.entries(transports)) await run(name, checks, { name, options });
finish();
