// People of a server, what they do through REST, and their stock clients.
import assert from "node:assert/strict";
import { Manager } from "socket.io-client";
import { closing, next } from "./checks.mjs";

let count = 0;

export class Person {
  constructor(base, fields) {
    Object.assign(this, { base, ...fields });
  }

  /** Signs up under an address that nobody else has. */
  static async signUp(base, name) {
    const email = `${name.toLowerCase()}-${process.pid}-${count++}@example.org`;
    return Person.#enter(base, "sign-up", name, { name, email, password: "correct horse battery" });
  }

  /** The same person with a second session. */
  async signInAgain() {
    return Person.#enter(this.base, "sign-in", this.name, { email: this.email, password: "correct horse battery" });
  }

  static async #enter(base, how, name, body) {
    const answer = await fetch(`${base}/api/auth/${how}/email`, {
      method: "POST",
      // Node's fetch says what a page's does, so that it is asked for its site.
      headers: { "content-type": "application/json", origin: base },
      body: JSON.stringify(body),
    });
    const said = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(said));
    const cookie = answer.headers.getSetCookie().find((cookie) => cookie.includes("session_token=")).split(";")[0];
    return new Person(base, { id: said.user.id, name, email: body.email, token: said.token, cookie });
  }

  /** The JSON of an answer that must be a success. */
  async rest(method, path, body) {
    const answer = await fetch(`${this.base}/api${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json", origin: this.base },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  post(path, body = {}) {
    return this.rest("POST", path, body);
  }

  signOut() {
    return this.post("/auth/sign-out");
  }

  /** A stock client on a connection of its own, with what it hears. It connects by itself. */
  client({ options = { transports: ["websocket"] }, base = this.base, auth = { token: this.token }, ...more } = {}) {
    const manager = new Manager(base, { ...options, reconnectionDelay: 20, reconnectionDelayMax: 100, ...more });
    const socket = closing(manager.socket("/", { auth }));
    socket.ear = new Ear(socket);
    return socket;
  }

  /** A client that is in its rooms. */
  async entered(more) {
    const socket = this.client(more);
    await next(socket, "ready");
    return socket;
  }
}

/** All that a client hears, in order: the event's name and its fields. */
export class Ear {
  #waiting = [];

  constructor(socket) {
    this.heard = [];
    socket.onAny((event, fields) => {
      this.heard.push({ event, fields });
      this.#waiting.splice(0).forEach((wake) => wake());
    });
  }

  /** The fields of all events of this name, of those that came after the first `from` events. */
  all(event, from = 0) {
    return this.heard.slice(from).filter((heard) => heard.event === event).map(({ fields }) => fields);
  }

  /** The texts of all messages that came. */
  texts(from = 0) {
    return this.all("message:new", from).map(({ content }) => content);
  }

  /** Waits until the event has come, also if it came before; gives its fields. */
  async until(event, matches = () => true, from = 0) {
    for (;;) {
      const found = this.all(event, from).find(matches);
      if (found !== undefined) return found;
      await new Promise((wake) => this.#waiting.push(wake));
    }
  }

  untilText(text) {
    return this.until("message:new", ({ content }) => content === text);
  }
}

/** A workspace; the first of the people is its owner, and all of them are in its channel. */
export class Team {
  static async of(people, name = "Guild") {
    const [owner] = people;
    const team = new Team();
    Object.assign(team, { owner, id: (await owner.post("/workspaces", { name })).id });
    for (const person of people.slice(1)) await team.admit(person);
    team.channel = await team.open(people, "talk");
    return team;
  }

  async admit(person) {
    const { code } = await this.owner.post(`/workspaces/${this.id}/invite-links`, { maxUses: 1 });
    await person.post(`/invite-links/${code}/accept`);
  }

  /** A channel with these people in it; gives its id. */
  async open(people, name, isPrivate = false) {
    const { id } = await people[0].post(`/workspaces/${this.id}/channels`, { name, private: isPrivate });
    for (const person of people.slice(1)) {
      if (isPrivate) await people[0].post(`/channels/${id}/members`, { userId: person.id });
      else await person.post(`/channels/${id}/join`);
    }
    return id;
  }

  async conversation(one, ...others) {
    return (await one.post(`/workspaces/${this.id}/conversations`, { userIds: others.map(({ id }) => id) })).id;
  }
}

/** Says something; the answer must be a success. */
export async function say(socket, channel, content, more = {}) {
  return good(await socket.emitWithAck("message:send", { targetId: channel, targetType: "channel", content, ...more }));
}

export function good(answer) {
  assert.equal(answer?.success, true, JSON.stringify(answer));
  return answer;
}

export function refused(answer, code) {
  assert.equal(answer.success, false);
  assert.equal(answer.error.code, code, JSON.stringify(answer));
  assert.equal(typeof answer.error.message, "string");
  assert.deepEqual(Object.keys(answer).sort(), ["error", "success"]);
}
