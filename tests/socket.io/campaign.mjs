// A campaign with stock clients: node campaign.mjs http://127.0.0.1:3000
import assert from "node:assert/strict";
import { finish, next, run, transports } from "./checks.mjs";
import { Person, good, refused } from "./people.mjs";

const base = process.argv[2] ?? "http://127.0.0.1:3000";
const [dana, pia, paul] = await Promise.all(["Dana", "Pia", "Paul"].map((name) => Person.signUp(base, name)));

/** A campaign of Dana's with two players. */
async function campaign() {
  const { id } = await dana.post("/campaigns", { name: "The Sunless Vale" });
  for (const player of [pia, paul]) {
    const { code } = await dana.post(`/campaigns/${id}/invite-links`, { maxUses: 1 });
    await player.post(`/invite-links/${code}/accept`);
  }
  return id;
}

async function entered(person, { options }, campaignId, more = {}) {
  const socket = await person.entered({ options });
  const state = next(socket, "token:state");
  socket.entry = good(await socket.emitWithAck("campaign:join", { campaignId, ...more }));
  if (!socket.entry.resumed) await state;
  return socket;
}

async function joining_answers_what_connected_says_and_then_shows_the_state(context) {
  const campaignId = await campaign();
  const socket = await dana.entered(context);
  const from = socket.ear.heard.length;
  let heardBefore;
  const entry = await new Promise((resolve) =>
    socket.emit("campaign:join", { campaignId }, (answer) => {
      heardBefore = socket.ear.heard.length - from;
      resolve(answer);
    }),
  );
  assert.equal(heardBefore, 0);
  const { connectionId, seq, epoch, ...rest } = good(entry);
  assert.deepEqual(rest, { success: true, userId: dana.id, role: "dm", resumed: false, pingInterval: 25000 });
  assert.deepEqual([typeof connectionId, typeof seq, typeof epoch], ["string", "number", "string"]);
  await socket.ear.until("token:state");
  assert.deepEqual(socket.ear.heard.slice(from, from + 3).map(({ event }) => event), ["session:state", "staged:changes", "token:state"]);
  assert.ok(socket.ear.heard.slice(from, from + 3).every(({ fields }) => fields.seq === seq && !("type" in fields)));
}

async function a_player_gets_his_part_alone(context) {
  const campaignId = await campaign();
  const dm = await entered(dana, context, campaignId);
  const [one, other] = [await entered(pia, context, campaignId), await entered(paul, context, campaignId)];
  const answer = good(await dm.emitWithAck("hex:reveal", { hexKeys: ["0,0", "1,0"], targets: { playerIds: [pia.id] } }));
  const told = await one.ear.until("hex:revealed");
  assert.deepEqual([told.seq, told.hexKeys, "targets" in told], [answer.seq, ["0,0", "1,0"], false]);
  assert.deepEqual((await dm.ear.until("hex:revealed")).targets, { playerIds: [pia.id] });
  good(await dm.emitWithAck("session:start", {}));
  await other.ear.until("session:statusChanged");
  assert.deepEqual(other.ear.all("hex:revealed"), []);
  const refusal = await one.emitWithAck("hex:reveal", { hexKeys: ["2,0"], targets: "all" });
  refused(refusal, "FORBIDDEN");
  assert.equal(refusal.error.message, "Action 'hex:reveal' is restricted to the DM");
  refused(await dm.emitWithAck("hex:reveal", { hexKeys: ["nowhere"], targets: "all" }), "BAD_MESSAGE");
  const token = { hexKey: "0,0", label: "Pia", icon: "x", color: "#00ff00", tokenType: "pc", ownerId: pia.id };
  const { tokenId } = good(await dm.emitWithAck("token:create", token));
  good(await one.emitWithAck("token:move", { tokenId, toHexKey: "1,0" }));
  assert.deepEqual((await dm.ear.until("token:moved")).movedBy, pia.id);
}

async function what_follows_a_join_at_once_is_for_that_campaign(context) {
  const campaignId = await campaign();
  const dm = dana.client(context);
  const answers = await Promise.all([
    dm.emitWithAck("campaign:join", { campaignId }),
    dm.emitWithAck("hex:reveal", { hexKeys: ["0,0"], targets: "all" }),
    dm.emitWithAck("campaign:leave", {}),
    dm.emitWithAck("campaign:join", { campaignId }),
    dm.emitWithAck("campaign:join", { campaignId }),
    dm.emitWithAck("hex:hide", { hexKeys: ["0,0"], targets: "all" }),
  ]);
  answers.forEach(good);
  await dm.ear.until("hex:hidden");
  assert.deepEqual(dm.ear.all("hex:hidden").length, 1);
}

async function leaving_ends_it_and_one_campaign_is_joined_at_a_time(context) {
  const [campaignId, another] = [await campaign(), await campaign()];
  const [dm, player] = [await entered(dana, context, campaignId), await entered(pia, context, campaignId)];
  refused(await player.emitWithAck("campaign:join", { campaignId: another }), "INVALID_STATE");
  good(await player.emitWithAck("campaign:leave", {}));
  await dm.ear.until("player:left", ({ userId }) => userId === pia.id);
  good(await dm.emitWithAck("hex:reveal", { hexKeys: ["0,0"], targets: "all" }));
  refused(await player.emitWithAck("token:move", { tokenId: "x", toHexKey: "0,0" }), "INVALID_STATE");
  good(await player.emitWithAck("campaign:join", { campaignId: another }));
  assert.deepEqual(player.ear.all("hex:revealed"), []);
  const nowhere = await entered(paul, context, campaignId);
  good(await nowhere.emitWithAck("campaign:leave"));
  refused(await nowhere.emitWithAck("campaign:join", { campaignId: "00000000-0000-4000-8000-000000000000" }), "FORBIDDEN");
}

async function joining_with_a_cursor_gives_what_was_missed(context) {
  const campaignId = await campaign();
  const dm = await entered(dana, context, campaignId);
  const before = await entered(pia, context, campaignId);
  const { seq: since, epoch } = before.entry;
  before.disconnect();
  const { seq } = good(await dm.emitWithAck("hex:reveal", { hexKeys: ["0,0"], targets: "all" }));
  good(await dm.emitWithAck("hex:reveal", { hexKeys: ["9,9"], targets: { playerIds: [paul.id] } }));
  const last = good(await dm.emitWithAck("session:start"));

  const back = await entered(pia, context, campaignId, { since, epoch });
  assert.deepEqual([back.entry.resumed, back.entry.seq], [true, last.seq]);
  await back.ear.until("session:statusChanged");
  const numbered = back.ear.heard.filter(({ fields }) => fields?.seq !== undefined).map(({ event, fields }) => [event, fields.seq]);
  assert.deepEqual(numbered, [["hex:revealed", seq], ["session:statusChanged", last.seq]]);
  for (const cursor of [{ since: last.seq + 1, epoch }, { since }, { since, epoch: "0" }]) {
    assert.equal((await entered(pia, context, campaignId, cursor)).entry.resumed, false);
  }
}

async function whoever_is_taken_out_hears_no_more_and_keeps_his_connection(context) {
  const campaignId = await campaign();
  const [dm, player] = [await entered(dana, context, campaignId), await entered(pia, context, campaignId)];
  await dana.rest("DELETE", `/campaigns/${campaignId}/members/${pia.id}`);
  assert.equal((await player.ear.until("error")).code, "FORBIDDEN");
  good(await dm.emitWithAck("hex:reveal", { hexKeys: ["0,0"], targets: "all" }));
  refused(await player.emitWithAck("campaign:join", { campaignId }), "FORBIDDEN");
  assert.deepEqual(player.ear.all("hex:revealed"), []);
}

const checks = [
  joining_answers_what_connected_says_and_then_shows_the_state,
  a_player_gets_his_part_alone,
  what_follows_a_join_at_once_is_for_that_campaign,
  leaving_ends_it_and_one_campaign_is_joined_at_a_time,
  joining_with_a_cursor_gives_what_was_missed,
  whoever_is_taken_out_hears_no_more_and_keeps_his_connection,
];

for (const [name, options] of Object.entries(transports)) await run(name, checks, { name, options });
finish();
