// A TCP proxy between a client and the server that can lose its connections, or stop passing anything on.
import { once } from "node:events";
import net from "node:net";

export class Proxy {
  #pairs = new Set();
  #down = false;
  #last_words = false;

  /** A proxy before the server at this address; `base` is its own. */
  static async before(base) {
    const proxy = new Proxy();
    const { port } = new URL(base);
    proxy.server = net.createServer((near) => {
      if (proxy.#down) return near.destroy();
      const far = net.connect({ host: "127.0.0.1", port });
      const pair = { near, far, frozen: false };
      proxy.#pairs.add(pair);
      near.on("data", (bytes) => {
        far.write(bytes);
        if (proxy.#last_words) proxy.down();
      });
      far.on("data", (bytes) => near.write(bytes));
      near.on("error", () => {}).on("close", () => proxy.#ended(pair, far));
      far.on("error", () => {}).on("close", () => proxy.#ended(pair, near));
    });
    proxy.server.unref();
    await once(proxy.server.listen(0, "127.0.0.1"), "listening");
    proxy.base = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  #ended(pair, other) {
    if (pair.frozen) return;
    other.destroy();
    this.#pairs.delete(pair);
  }

  /** All connections are lost, on both sides, and so are new ones until it is up again. */
  down() {
    this.#down = true;
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    this.#pairs.clear();
  }

  /** The next that a client says is passed on, and then all connections are lost. */
  down_after_next() {
    this.#last_words = true;
  }

  up() {
    this.#down = this.#last_words = false;
  }

  /** The connections that there are pass nothing on any more, not even their end. New ones do. */
  freeze() {
    for (const pair of this.#pairs) {
      pair.frozen = true;
      pair.near.pause();
      pair.far.pause();
    }
  }

  /** What waits goes on. */
  thaw() {
    for (const pair of this.#pairs) {
      pair.frozen = false;
      pair.near.resume();
      pair.far.resume();
    }
  }

  close() {
    this.down();
    this.server.close();
  }
}
