// A headless Chromium controlled over the DevTools protocol on a pipe, with Node and Debian's browser only.
import { spawn } from "node:child_process";
import { join } from "node:path";

/** A browser with its profile in `directory`. Messages end with a NUL byte. */
export class Browser {
  #last = 0;
  #waiting = new Map();
  #listeners = [];
  #closing = false;

  constructor(directory, options = []) {
    this.child = spawn(
      "chromium",
      [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
        `--user-data-dir=${join(directory, "profile")}`, ...options, "about:blank",
      ],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
    );
    this.child.on("exit", (code) => {
      if (this.#closing) return;
      for (const { reject } of this.#waiting.values()) reject(new Error(`chromium ended: ${code}`));
    });
    this.out = this.child.stdio[3];
    let rest = Buffer.alloc(0);
    this.child.stdio[4].on("data", (piece) => {
      rest = Buffer.concat([rest, piece]);
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) this.#heard(JSON.parse(rest.subarray(0, end)));
    });
  }

  #heard(message) {
    if (message.id === undefined) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    const { resolve, reject } = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error) reject(new Error(JSON.stringify(message.error)));
    else resolve(message.result);
  }

  on(listener) {
    this.#listeners.push(listener);
  }

  once(method, sessionId) {
    return new Promise((resolve) => {
      const listener = (message) => {
        if (message.method !== method || message.sessionId !== sessionId) return;
        this.#listeners.splice(this.#listeners.indexOf(listener), 1);
        resolve(message.params);
      };
      this.on(listener);
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Ends the browser. Answers that have not arrived are given up. */
  async close() {
    this.#closing = true;
    await this.send("Browser.close");
  }
}
