// Family circles with stock clients: node circles.mjs http://127.0.0.1:3000 [transport…], of a server with RATE_LIMITS=off.
import assert from "node:assert/strict";
import { finish, next, run, transports } from "./checks.mjs";
import { Person, good, refused } from "./people.mjs";

const [base = "http://127.0.0.1:3000", ...wanted] = process.argv.slice(2);
const host = await Person.signUp(base, "Host");
const door = await host.post("/circles", { name: "Door" });

/** Somebody with an account and in no circle: who comes through a code has no password, and is quickly there. */
async function stranger(name) {
  const person = await guest(host, door.id, name);
  await host.rest("DELETE", `/circles/${door.id}/members/${person.id}`);
  return person;
}

/** Somebody who made an account with a code of this circle. */
async function guest(owner, circle, name) {
  const { code } = await owner.post(`/circles/${circle}/invites`);
  const answer = await fetch(`${base}/api/auth/join`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: base },
    body: JSON.stringify({ code, name }),
  });
  const { token, user } = await answer.json();
  assert.deepEqual([answer.status, user.name], [201, name]);
  return new Person(base, { ...user, token });
}

/** A circle: the first of the names owns it. Gives its id and the people. */
async function family(first, ...names) {
  const owner = await stranger(first);
  const { id } = await owner.post("/circles", { name: "Family" });
  const people = [owner];
  for (const name of names) people.push(await guest(owner, id, name));
  return { id, people };
}

async function admit(person, owner, circle) {
  const { code } = await owner.post(`/circles/${circle}/invites`);
  await person.post(`/invite-links/${code}/accept`);
}

const since = Date.now() - 3_600_000;

/** The place number `n` of a walk, measured `n` milliseconds after its begin. */
function place(n, more = {}) {
  return { latitude: 47 + n / 10_000, longitude: 8.5, accuracy: 5, timestamp: since + n, ...more };
}

const number = (fields) => Math.round((fields.latitude - 47) * 10_000);
const numbers = (socket, from = 0) => socket.ear.all("location:broadcast", from).map(number);

/** The position is taken, and kept by a circle. */
async function update(socket, n, more) {
  assert.equal(good(await socket.emitWithAck("location:update", place(n, more))).stored, true);
}

async function subscribed(person, options) {
  const socket = await person.entered({ options });
  good(await socket.emitWithAck("location:subscribe"));
  return socket;
}

const until_heard = (socket, n, from) => socket.ear.until("location:broadcast", (fields) => number(fields) === n, from);

async function the_members_hear_where_one_is_and_nobody_else_does({ options }) {
  const [{ id, people: [anna, ben] }, { people: [otto] }] = await Promise.all([family("Anna", "Ben"), family("Otto")]);
  const [phone, tablet, other, outsider] = await Promise.all([anna, anna, ben, otto].map((person) => subscribed(person, options)));
  const fields = { ...place(1), altitude: 408.5, speed: 1.25, heading: 359, battery: 80 };
  assert.equal(good(await phone.emitWithAck("location:update", fields)).stored, true);
  const who = { userId: anna.id, senderId: anna.id, senderName: "Anna", circleId: id };
  assert.deepEqual(await other.ear.until("location:broadcast"), { ...who, ...fields, timestamp: new Date(fields.timestamp).toISOString() });
  // Without a callback, and with a time as text.
  phone.emit("location:update", { ...place(2), timestamp: new Date(since + 2).toISOString() });
  await until_heard(other, 2);
  await update(other, 3);
  for (const own of [phone, tablet]) {
    await until_heard(own, 3);
    assert.deepEqual(own.ear.all("location:broadcast").map(({ userId }) => userId), [ben.id]);
  }
  assert.deepEqual(numbers(other), [1, 2]);
  // What he says is heard by his own circle alone.
  await update(outsider, 4);
  await update(phone, 5);
  await until_heard(other, 5);
  assert.deepEqual(numbers(other), [1, 2, 5]);
  good(await outsider.emitWithAck("location:subscribe"));
  assert.deepEqual(outsider.ear.heard.map(({ event }) => event), ["ready"]);
}

async function who_is_in_no_circle_is_told_so_in_plain_words({ options }) {
  const [{ people: [anna, ben] }, otto] = await Promise.all([family("Anna", "Ben"), stranger("Otto")]);
  const [one, outsider] = await Promise.all([subscribed(anna, options), otto.entered({ options })]);
  await outsider.emitWithAck("location:subscribe");
  const other = await ben.entered({ options });
  await update(other, 1);
  refused(await outsider.emitWithAck("location:update", place(2)), "INVALID_STATE");
  outsider.emit("location:update", place(3));
  const said = await outsider.ear.until("error");
  assert.ok(typeof said === "string" && /circle/.test(said), said);
  await update(other, 4);
  await until_heard(one, 4);
  assert.deepEqual(numbers(one), [1, 4]);
  refused(await outsider.emitWithAck("location:update", place(5)), "INVALID_STATE");
  assert.deepEqual(outsider.ear.heard.map(({ event }) => event), ["ready", "error"]);
}

async function a_subscriber_hears_the_last_known_positions_first({ options }) {
  const { people: [anna, ben, cleo] } = await family("Anna", "Ben", "Cleo");
  const [one, two, other] = await Promise.all([anna, ben, cleo].map((person) => person.entered({ options })));
  for (const n of [1, 2]) await update(one, n);
  await update(two, 10);
  await update(other, 20);
  assert.deepEqual(numbers(other), []);
  good(await other.emitWithAck("location:subscribe"));
  await Promise.all([until_heard(other, 2), until_heard(other, 10)]);
  assert.deepEqual(numbers(other).sort(), [10, 2]);
  await update(one, 3);
  await until_heard(other, 3);

  good(await other.emitWithAck("location:unsubscribe"));
  const from = other.ear.heard.length;
  await update(one, 4);
  good(await one.emitWithAck("sharing:set", { enabled: true, until: Date.now() + 60_000 }));
  await other.ear.until("sharing:changed", undefined, from);
  assert.deepEqual(numbers(other, from), []);
  // Without a callback as well, and again.
  other.emit("location:subscribe");
  await until_heard(other, 4, from);
  await until_heard(other, 10, from);
  assert.deepEqual(numbers(other, from).sort(), [10, 4]);
}

async function between_the_last_known_position_and_the_live_ones_is_no_hole({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = await Promise.all([anna, ben].map((person) => person.entered({ options })));
  await update(one, 0);
  for (let n = 1; n <= 40; n++) {
    const from = other.ear.heard.length;
    const subscribe = () => other.emitWithAck("location:subscribe").then(good);
    await Promise.all(n % 2 ? [update(one, n), subscribe()] : [subscribe(), update(one, n)]);
    await until_heard(other, n, from);
    const heard = numbers(other, from).filter((number) => number !== n - 1 || n === 0);
    assert.deepEqual(heard, [n], `${numbers(other, from)}`);
    assert.ok(numbers(other, from).length <= 2);
    good(await other.emitWithAck("location:unsubscribe"));
  }
}

async function who_subscribes_while_somebody_moves_hears_him_up_to_the_end_and_in_order({ name, options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = await Promise.all([anna, ben].map((person) => person.entered({ options })));
  const last = 300;
  let acknowledged = 0;
  const walk = (async () => {
    for (let n = 1; n <= last; n += 5) {
      await Promise.all([0, 1, 2, 3, 4].map((k) => update(one, n + k)));
      acknowledged = n + 4;
      // As fast as he hears them, from when on he does: nothing waits for him then, and nothing is left out.
      if (numbers(other).length > 0) await until_heard(other, acknowledged);
    }
  })();
  while (acknowledged < 50) await new Promise((resolve) => setImmediate(resolve));
  const known = acknowledged;
  good(await other.emitWithAck("location:subscribe"));
  await walk;
  await until_heard(other, last);
  const heard = numbers(other);
  assert.ok(heard[0] >= known, `${heard[0]} after ${known}`);
  assert.ok(heard.every((n, at) => at === 0 || n > heard[at - 1]), `${name}: ${heard}`);
  // Of one person's positions the last counts for whoever is slow; over a WebSocket nobody here is.
  if (name === "websocket") assert.deepEqual(heard, Array.from({ length: heard.length }, (_, at) => heard[0] + at));
}

async function who_is_online_is_a_plain_text_and_counts_all_devices({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const watcher = await ben.entered({ options });
  const presence = () => watcher.ear.heard.filter(({ event }) => event.startsWith("user:")).map(({ event, fields }) => [event, fields]);
  const [phone, tablet] = [await anna.entered({ options }), await anna.entered({ options })];
  assert.equal(await watcher.ear.until("user:online"), anna.id);
  phone.disconnect();
  await update(tablet, 1);
  good(await watcher.emitWithAck("location:subscribe"));
  await until_heard(watcher, 1);
  assert.deepEqual(presence(), [["user:online", anna.id]]);
  tablet.disconnect();
  assert.equal(await watcher.ear.until("user:offline"), anna.id);
  const again = await anna.entered({ options });
  await watcher.ear.until("user:online", undefined, watcher.ear.heard.findIndex(({ event }) => event === "user:offline"));
  assert.deepEqual(presence().map(([event]) => event), ["user:online", "user:offline", "user:online"]);
  assert.deepEqual(again.ear.heard.map(({ event }) => event), ["ready"]);
}

async function what_is_sealed_is_passed_on_as_it_came({ options }) {
  const { id, people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  const who = { userId: anna.id, senderId: anna.id, senderName: "Anna", circleId: id };
  const seals = [
    { ciphertext: "bm90IGZvciB5b3U=", nonce: "bm9uY2U", keyVersion: 3 },
    { ciphertext: "A".repeat(5_000), nonce: "_-8=", keyVersion: "second" },
  ];
  for (const payload of seals) {
    const from = other.ear.heard.length;
    good(await one.emitWithAck("location:update", payload));
    assert.deepEqual(await other.ear.until("location:broadcast", undefined, from), { ...who, payload });
    const late = await subscribed(ben, options);
    assert.deepEqual(late.ear.all("location:broadcast"), [{ ...who, payload }]);
    late.disconnect();
  }
  for (const wrong of [{ nonce: "!" }, { ciphertext: "" }, { keyVersion: null }, { latitude: 47 }, { ciphertext: "A".repeat(6_000) }]) {
    refused(await one.emitWithAck("location:update", { ...seals[0], ...wrong }), "BAD_MESSAGE");
  }
}

async function what_is_no_position_is_refused_in_plain_words({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  const wrong = [
    { latitude: 91.2345 },
    { latitude: -90.0001 },
    { latitude: "47" },
    { latitude: null },
    { longitude: 181.2345 },
    { longitude: -180.5 },
    { accuracy: -1 },
    { accuracy: undefined },
    { timestamp: "yesterday" },
    { timestamp: undefined },
    { timestamp: Date.now() + 86_400_000 },
    { heading: 361 },
    { speed: -1 },
    { battery: 101 },
    { colour: "red" },
  ];
  for (const more of wrong) {
    refused(await one.emitWithAck("location:update", place(1, more)), "BAD_MESSAGE");
    const from = one.ear.heard.length;
    one.emit("location:update", place(1, more));
    const said = await one.ear.until("error", undefined, from);
    assert.ok(typeof said === "string" && said !== "", JSON.stringify(said));
    assert.ok(!/2345/.test(said), said);
  }
  for (const nothing of [[], [null], [7], ["here"], [[]]]) {
    const from = one.ear.heard.length;
    one.emit("location:update", ...nothing);
    assert.equal(typeof (await one.ear.until("error", undefined, from)), "string");
  }
  const about = { ...one.ear.heard.at(-1) };
  assert.equal(about.event, "error");
  // The edges are on the map.
  const edges = [[90, 180], [-90, -180], [0, 0]];
  for (const [at, [latitude, longitude]] of edges.entries()) {
    good(await one.emitWithAck("location:update", place(10 + at, { latitude, longitude, accuracy: 0 })));
    await other.ear.until("location:broadcast", (fields) => fields.latitude === latitude && fields.longitude === longitude);
  }
  assert.equal(other.ear.all("location:broadcast").length, edges.length);
}

async function who_stops_sharing_is_gone_and_comes_back_when_he_wants({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, tablet, other] = [await anna.entered({ options }), await anna.entered({ options }), await subscribed(ben, options)];
  await update(one, 1);
  await until_heard(other, 1);
  const from = other.ear.heard.length;
  good(await one.emitWithAck("sharing:set", { enabled: false }));
  const off = { userId: anna.id, enabled: false, until: null };
  for (const socket of [one, tablet, other]) assert.deepEqual(await socket.ear.until("sharing:changed"), off);
  assert.equal(good(await one.emitWithAck("location:update", place(2))).stored, false);
  one.emit("location:update", place(3));
  const late = await subscribed(ben, options);
  assert.deepEqual(numbers(late), []);

  const until = Date.now() + 3_600_000;
  good(await one.emitWithAck("sharing:set", { enabled: true, until }));
  const on = { userId: anna.id, enabled: true, until: new Date(until).toISOString() };
  for (const socket of [one, tablet, other, late]) {
    assert.deepEqual(await socket.ear.until("sharing:changed", ({ enabled }) => enabled), on);
  }
  // What came before is forgotten, and what was measured meanwhile is not taken.
  good(await late.emitWithAck("location:subscribe"));
  assert.deepEqual(numbers(late), []);
  await update(one, 4, { timestamp: Date.now() });
  await Promise.all([until_heard(other, 4), until_heard(late, 4)]);
  assert.deepEqual([numbers(other, from), numbers(late)], [[4], [4]]);

  for (const wrong of [{}, { enabled: "yes" }, { enabled: true, until: Date.now() - 1 }, { enabled: true, precision: "vague" }]) {
    refused(await one.emitWithAck("sharing:set", wrong), "BAD_MESSAGE");
  }
}

async function who_is_seen_approximately_is_seen_so_at_once({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  const exact = { latitude: 47.123456, longitude: 8.654321, altitude: 408.5, speed: 1.25, heading: 12 };
  await update(one, 1, exact);
  await other.ear.until("location:broadcast");
  const from = other.ear.heard.length;
  good(await one.emitWithAck("sharing:set", { enabled: true, precision: "approximate" }));
  const seen = await other.ear.until("location:broadcast", undefined, from);
  const { latitude, longitude, accuracy, altitude, speed, heading } = seen;
  assert.deepEqual([latitude, longitude, accuracy, altitude, speed, heading], [47.12, 8.65, 1000, undefined, undefined, undefined]);
  await update(one, 2, { ...exact, latitude: -47.987654 });
  await other.ear.until("location:broadcast", ({ latitude }) => latitude === -47.99, from);
  const late = await subscribed(ben, options);
  assert.ok(!/47\.98|8\.654|408/.test(JSON.stringify([late.ear.heard, other.ear.heard.slice(from)])));
}

async function a_late_or_repeated_point_does_not_become_now({ options }) {
  const { id, people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  for (const n of [100, 50, 100, 99]) good(await one.emitWithAck("location:update", place(n)));
  good(await one.emitWithAck("location:update", place(100, { latitude: 48 })));
  await update(one, 101);
  await until_heard(other, 101);
  assert.deepEqual(numbers(other), [100, 101]);
  good(await one.emitWithAck("location:update", place(60)));
  const late = await subscribed(ben, options);
  assert.deepEqual(numbers(late), [101]);
  const { locations } = await ben.rest("GET", `/circles/${id}/history?userId=${anna.id}`);
  assert.deepEqual(locations.map(number), [50, 60, 99, 100, 101]);
}

async function who_is_in_two_circles_is_heard_in_both_and_shares_with_each({ options }) {
  const [first, second] = await Promise.all([family("Anna", "Ben"), family("Cleo")]);
  const [[anna, ben], [cleo]] = [first.people, second.people];
  const [one, other, third] = [await anna.entered({ options }), await subscribed(ben, options), await subscribed(cleo, options)];
  const circles = (socket) => socket.ear.all("location:broadcast").map((fields) => [number(fields), fields.circleId]);
  await update(one, 1);
  await until_heard(other, 1);
  // She comes into the second circle while she is here.
  await admit(anna, cleo, second.id);
  await third.ear.until("user:online", (id) => id === anna.id);
  await update(one, 2);
  await Promise.all([until_heard(other, 2), until_heard(third, 2)]);

  good(await one.emitWithAck("sharing:set", { enabled: false, circleId: second.id }));
  await third.ear.until("sharing:changed", ({ userId, enabled }) => userId === anna.id && !enabled);
  await update(one, 3);
  await until_heard(other, 3);
  assert.deepEqual([numbers(await subscribed(cleo, options)), other.ear.all("sharing:changed")], [[], []]);
  good(await one.emitWithAck("sharing:set", { enabled: false }));
  await other.ear.until("sharing:changed", ({ enabled }) => !enabled);
  assert.equal(good(await one.emitWithAck("location:update", place(4))).stored, false);
  refused(await other.emitWithAck("sharing:set", { enabled: false, circleId: second.id }), "NOT_FOUND");
  good(await one.emitWithAck("sharing:set", { enabled: true }));
  await update(one, 5, { timestamp: Date.now() });
  await Promise.all([until_heard(other, 5), until_heard(third, 5)]);
  assert.deepEqual([circles(other), circles(third)], [[1, 2, 3, 5].map((n) => [n, first.id]), [2, 5].map((n) => [n, second.id])]);
}

async function a_subscriber_hears_a_circle_that_he_comes_into({ options }) {
  const [first, second] = await Promise.all([family("Anna"), family("Cleo")]);
  const [[anna], [cleo]] = [first.people, second.people];
  const [one, other] = [await subscribed(anna, options), await cleo.entered({ options })];
  await update(other, 1);
  await admit(anna, cleo, second.id);
  await until_heard(one, 1);
  await update(other, 2);
  await until_heard(one, 2);
  await cleo.rest("DELETE", `/circles/${second.id}/members/${anna.id}`);
  await other.ear.until("sharing:changed", ({ userId, enabled }) => userId === anna.id && !enabled);
  await update(other, 3);
  await update(one, 4);
  good(await one.emitWithAck("location:subscribe"));
  assert.deepEqual([numbers(one), numbers(await subscribed(cleo, options))], [[1, 2], []]);
}

/** The client loses its connection, and comes back after `meanwhile`. */
async function away(socket, meanwhile) {
  socket.io.reconnection(false);
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  await meanwhile();
  const ready = next(socket, "ready");
  socket.io.reconnection(true);
  socket.connect();
  await ready;
}

async function a_subscriber_who_comes_back_need_not_ask_again({ options }) {
  const { people: [anna, ben, cleo] } = await family("Anna", "Ben", "Cleo");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  await update(one, 1);
  await until_heard(other, 1);
  const { id } = other;
  let n = 1;
  /** What is a plain text is the last that he heard. */
  const lasts = [
    async () => {},
    async () => {
      const from = other.ear.heard.length;
      const third = await cleo.entered({ options });
      await other.ear.until("user:online", (user) => user === cleo.id, from);
      third.disconnect();
      await other.ear.until("user:offline", (user) => user === cleo.id, from);
    },
    async () => {
      const from = other.ear.heard.length;
      other.emit("location:update", {});
      await other.ear.until("error", undefined, from);
    },
  ];
  for (const last of lasts) {
    await last();
    const from = other.ear.heard.length;
    const missed = ++n;
    await away(other, () => update(one, missed));
    assert.deepEqual([other.recovered, other.id], [true, id], last.toString());
    await until_heard(other, missed, from);
    await update(one, ++n);
    await until_heard(other, n, from);
    assert.deepEqual([...new Set(numbers(other, from))], [missed, n]);
  }
}

async function who_stopped_sharing_meanwhile_is_not_shown_to_who_comes_back({ options }) {
  const { people: [anna, ben] } = await family("Anna", "Ben");
  const [one, other] = [await anna.entered({ options }), await subscribed(ben, options)];
  await update(one, 1);
  await until_heard(other, 1);
  const from = other.ear.heard.length;
  await away(other, async () => {
    await update(one, 2);
    good(await one.emitWithAck("sharing:set", { enabled: false }));
  });
  assert.equal(other.recovered, true);
  good(await other.emitWithAck("location:subscribe"));
  assert.deepEqual(numbers(other, from), []);
}

const checks = [
  the_members_hear_where_one_is_and_nobody_else_does,
  who_is_in_no_circle_is_told_so_in_plain_words,
  a_subscriber_hears_the_last_known_positions_first,
  between_the_last_known_position_and_the_live_ones_is_no_hole,
  who_subscribes_while_somebody_moves_hears_him_up_to_the_end_and_in_order,
  who_is_online_is_a_plain_text_and_counts_all_devices,
  what_is_sealed_is_passed_on_as_it_came,
  what_is_no_position_is_refused_in_plain_words,
  who_stops_sharing_is_gone_and_comes_back_when_he_wants,
  who_is_seen_approximately_is_seen_so_at_once,
  a_late_or_repeated_point_does_not_become_now,
  who_is_in_two_circles_is_heard_in_both_and_shares_with_each,
  a_subscriber_hears_a_circle_that_he_comes_into,
  a_subscriber_who_comes_back_need_not_ask_again,
  who_stopped_sharing_meanwhile_is_not_shown_to_who_comes_back,
];

for (const [name, options] of Object.entries(transports)) {
  if (wanted.length === 0 || wanted.includes(name)) await run(name, checks, { name, options });
}
finish();
