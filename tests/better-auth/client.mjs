// Drives a server with the official client library: node client.mjs http://127.0.0.1:3000
// Prints what it found as JSON; exits with 1 when anything is not as the library expects it.
import assert from "node:assert/strict";
import { createAuthClient } from "better-auth/client";

const base = process.argv[2] ?? "http://127.0.0.1:3000";

/** A browser's part: keeps the cookies of one person and sends the page's origin. */
function browser() {
  const jar = new Map();
  const customFetchImpl = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("origin", base);
    headers.set("sec-fetch-site", "same-origin");
    if (jar.size > 0) headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const answer = await fetch(url, { ...init, headers });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      if (/max-age=0\b/i.test(cookie)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  };
  return { jar, client: createAuthClient({ baseURL: base, fetchOptions: { customFetchImpl } }) };
}

function good({ data, error }) {
  assert.equal(error, null, JSON.stringify(error));
  return data;
}

function refused({ data, error }, status, code) {
  assert.equal(data, null);
  assert.deepEqual([error.status, error.code], [status, code]);
  return error;
}

const email = `client-${Date.now()}@example.org`;
const password = "correct horse battery";
const laptop = browser();
const phone = browser();
const checks = [];
const check = async (name, work) => {
  await work();
  checks.push(name);
};

try {
  await check("nobody is signed in at first", async () => assert.equal(good(await laptop.client.getSession()), null));
  await check("sign up", async () => {
    const data = good(await laptop.client.signUp.email({ name: "Ada", email, password }));
    assert.equal(data.user.email, email);
    assert.equal(laptop.jar.size, 1);
  });
  await check("get session, with dates", async () => {
    const { session, user } = good(await laptop.client.getSession());
    for (const date of [session.expiresAt, session.createdAt, session.updatedAt, user.createdAt, user.updatedAt]) {
      assert.ok(date instanceof Date && !Number.isNaN(date.valueOf()), String(date));
    }
    assert.ok(Math.abs(session.expiresAt - Date.now() - 7 * 24 * 3600 * 1000) < 60_000);
    assert.ok(Math.abs(session.createdAt - Date.now()) < 60_000);
    assert.equal(user.name, "Ada");
  });
  await check("taken address", async () => {
    const taken = await browser().client.signUp.email({ name: "Eve", email: email.toUpperCase(), password });
    refused(taken, 422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL");
  });
  await check("wrong password", async () => {
    refused(await phone.client.signIn.email({ email, password: "wrong horse battery" }), 401, "INVALID_EMAIL_OR_PASSWORD");
  });
  await check("unknown user", async () => {
    refused(await phone.client.signIn.email({ email: `x${email}`, password }), 401, "INVALID_EMAIL_OR_PASSWORD");
  });
  await check("short password", async () => {
    refused(await phone.client.signUp.email({ name: "Bo", email: `bo-${email}`, password: "short" }), 400, "PASSWORD_TOO_SHORT");
  });
  await check("malformed address", async () => {
    refused(await phone.client.signIn.email({ email: "ada", password }), 400, "INVALID_EMAIL");
    refused(await phone.client.signUp.email({ name: "Bo", email: "ada", password }), 400, "VALIDATION_ERROR");
  });
  await check("sign in on a second device, not to be remembered", async () => {
    const data = good(await phone.client.signIn.email({ email, password, rememberMe: false }));
    assert.equal(data.redirect, false);
    assert.equal(phone.jar.size, 2);
  });
  await check("list sessions", async () => {
    const sessions = good(await laptop.client.listSessions());
    assert.equal(sessions.length, 2);
    assert.ok(sessions.every((session) => session.createdAt instanceof Date));
  });
  await check("list sessions without one", async () => refused(await browser().client.listSessions(), 401, "UNAUTHORIZED"));
  await check("revoke the second device's session", async () => {
    const token = good(await phone.client.getSession()).session.token;
    assert.deepEqual(good(await laptop.client.revokeSession({ token })), { status: true });
    assert.equal(good(await phone.client.getSession()), null);
    assert.equal(phone.jar.size, 0);
  });
  await check("revoke other sessions", async () => {
    good(await phone.client.signIn.email({ email, password }));
    assert.deepEqual(good(await laptop.client.revokeOtherSessions()), { status: true });
    assert.equal(good(await phone.client.getSession()), null);
    assert.notEqual(good(await laptop.client.getSession()), null);
  });
  await check("sign out", async () => {
    assert.deepEqual(good(await laptop.client.signOut()), { success: true });
    assert.equal(laptop.jar.size, 0);
    assert.equal(good(await laptop.client.getSession()), null);
  });
  await check("revoke all sessions", async () => {
    good(await laptop.client.signIn.email({ email, password }));
    assert.deepEqual(good(await laptop.client.revokeSessions()), { status: true });
    assert.equal(good(await laptop.client.getSession()), null);
  });
  console.log(JSON.stringify({ ok: true, checks }, null, 2));
} catch (error) {
  console.log(JSON.stringify({ ok: false, checks, failed: error.message, stack: error.stack }, null, 2));
  process.exitCode = 1;
}
