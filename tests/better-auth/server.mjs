// The claim that a Better Auth app and this server can share users: Better Auth's own server library, given the same secret, makes and reads
// the same cookies and hashes. node server.mjs http://127.0.0.1:3000 with BETTER_AUTH_SECRET set to the server's secret.
import assert from "node:assert/strict";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { hashPassword, verifyPassword } from "better-auth/crypto";

const base = process.argv[2] ?? "http://127.0.0.1:3000";
const secret = process.env.BETTER_AUTH_SECRET;
assert.ok(secret, "BETTER_AUTH_SECRET is the secret of the server");

const tables = { user: [], session: [], account: [], verification: [] };
const library = betterAuth({ baseURL: base, secret, database: memoryAdapter(tables), emailAndPassword: { enabled: true } });
const viaLibrary = (path, init) => library.handler(new Request(`${base}/api/auth${path}`, init));
const viaServer = (path, init) => fetch(`${base}/api/auth${path}`, init);
const cookieOf = (answer) => answer.headers.getSetCookie()[0].split(";")[0];
const attributesOf = (answer) => answer.headers.getSetCookie().map((cookie) => cookie.replace(/=[^;]*/, "="));
const post = (body, cookie) => ({
  method: "POST",
  headers: { "content-type": "application/json", origin: base, ...(cookie && { cookie }) },
  body: JSON.stringify(body),
});

const checks = [];
const check = async (name, work) => {
  await work();
  checks.push(name);
};
const email = `server-${Date.now()}@example.org`;
const person = { name: "Ada", email, password: "correct horse battery" };

try {
  const ours = await viaServer("/sign-up/email", post(person));
  assert.equal(ours.status, 200);
  const { token, user } = await ours.clone().json();

  await check("the library takes the server's cookie for a session in its tables", async () => {
    const now = new Date();
    tables.user.push({ ...user, createdAt: now, updatedAt: now });
    tables.session.push({ id: "s", token, userId: user.id, expiresAt: new Date(Date.now() + 6.9 * 864e5), createdAt: now, updatedAt: now });
    const seen = await (await viaLibrary("/get-session", { headers: { cookie: cookieOf(ours) } })).json();
    assert.equal(seen?.session.token, token);
    const forged = cookieOf(ours).replace(/\.[A-Za-z0-9]/, (text) => (text === ".a" ? ".b" : ".a"));
    assert.equal(await (await viaLibrary("/get-session", { headers: { cookie: forged } })).json(), null);
  });

  const theirs = await viaLibrary("/sign-in/email", post(person));
  await check("the library has no password for this user", async () => assert.equal(theirs.status, 401));

  // The memory adapter leaves out a column that was not given.
  const other = { ...person, email: `x${email}`, image: "https://example.org/ada.png" };
  const theirUp = await viaLibrary("/sign-up/email", post(other));
  await check("bodies and cookies have the same shape", async () => {
    assert.deepEqual(attributesOf(ours), attributesOf(theirUp));
    const [a, b] = [await ours.clone().json(), await theirUp.clone().json()];
    assert.deepEqual(Object.keys(a).sort(), Object.keys(b).sort());
    assert.deepEqual(Object.keys(a.user).sort(), Object.keys(b.user).sort());
  });

  await check("the server reads the library's cookie as sound: an unknown token clears the cookies", async () => {
    const dead = await viaServer("/get-session", { headers: { cookie: cookieOf(theirUp) } });
    assert.equal(await dead.json(), null);
    assert.equal(dead.headers.getSetCookie().length, 3);
  });

  await check("errors are the same", async () => {
    const bad = [
      ["/sign-in/email", { email: "ada", password: "x" }],
      ["/sign-in/email", {}],
      ["/sign-in/email", { email, password: 7 }],
      ["/sign-in/email", { email: "nobody@example.org", password: "wrong horse battery" }],
      ["/sign-up/email", { ...person, email: "ada" }],
      ["/sign-up/email", { ...person, password: "short", email: `y${email}` }],
      ["/sign-up/email", { ...person, password: "x".repeat(129), email: `y${email}` }],
      ["/sign-up/email", { ...person, password: "", email: `y${email}` }],
      ["/sign-up/email", person],
      ["/sign-up/email", { ...person, name: null, rememberMe: "no" }],
      ["/sign-in/email", []],
      ["/revoke-session", { token: "x" }],
      ["/sign-out", {}],
      ["/no-such-call", {}],
    ];
    for (const [path, body] of bad) {
      const [a, b] = [await viaServer(path, post(body)), await viaLibrary(path, post(body))];
      const said = async (answer) => JSON.parse((await answer.text()) || '"no body"');
      assert.deepEqual([path, a.status, await said(a)], [path, b.status, await said(b)]);
    }
    for (const headers of [{ origin: "https://evil.org" }, { origin: "null" }, {}]) {
      const init = { method: "POST", headers: { ...headers, cookie: cookieOf(ours) } };
      const [a, b] = [await viaServer("/sign-out", init), await viaLibrary("/sign-out", init)];
      assert.deepEqual([a.status, await a.json()], [b.status, await b.json()]);
    }
  });

  await check("hashes of passwords are the library's", async () => {
    const vector =
      "b4338dcd6d94c31283730ff62f230891:cb1220f2f844b31d275b9a097d9d893513af617cbdc1ee71ddbb3668df9443515109541d9ad0016168f649c7e9715196f668e866a163a04bd41be84ce04063e0";
    assert.ok(await verifyPassword({ hash: vector, password: person.password }));
    assert.match(await hashPassword(person.password), /^[0-9a-f]{32}:[0-9a-f]{128}$/);
  });
  console.log(JSON.stringify({ ok: true, checks }, null, 2));
} catch (error) {
  console.log(JSON.stringify({ ok: false, checks, failed: error.message, stack: error.stack }, null, 2));
  process.exitCode = 1;
}
