// What the scripts here share: they run named checks one after the other, print a line of JSON for each, and exit with 1 when one failed.
import { createInterface } from "node:readline";
import { once } from "node:events";

/** How long a check may take on a busy machine. */
const PATIENCE_MS = 60_000;

/** The ways in which a stock client can be told to connect. */
export const transports = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: { transports: ["polling", "websocket"] },
};

const lines = createInterface({ input: process.stdin });
lines.pause();

/** Asks the one who runs this script to do something to the server, and waits until it is done. */
export async function ask(wants) {
  console.log(JSON.stringify({ wants }));
  lines.resume();
  await once(lines, "line");
  lines.pause();
}

const opened = [];

/** Closes the socket, and with it its connection, when the check is over. */
export function closing(socket) {
  opened.push(socket);
  return socket;
}

/** The next of these events, with its arguments. */
export async function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

/** `checks` are functions; each is called with `context` and named by its own name. */
export async function run(where, checks, context) {
  for (const check of checks) {
    const began = Date.now();
    const result = { where, check: check.name };
    let timer;
    try {
      const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it takes too long")), PATIENCE_MS)));
      await Promise.race([check(context), late]);
      console.log(JSON.stringify({ ...result, ok: true, ms: Date.now() - began }));
    } catch (error) {
      console.log(JSON.stringify({ ...result, ok: false, error: error.message, stack: error.stack }));
      process.exitCode = 1;
    } finally {
      clearTimeout(timer);
      opened.splice(0).forEach((socket) => socket.disconnect());
    }
  }
}

/** After the last check: nothing that a check left behind keeps the script alive. */
export function finish() {
  lines.close();
  process.stdin.destroy();
  process.exit();
}
