// Calls callsign from pages of allowed and other origins in headless Chromium. cors.sh runs it.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser } from "./browser.mjs";

const KEY = "sk-cs-key-of-the-browser-app-0000";
// Origins of applications: Obsidian, Capacitor, an editor. Chromium opens them only inside such an application.
const APPS = ["app://obsidian.md", "capacitor://localhost", "vscode-webview://0f1e2d3c"];

// The first switch lets DevTools load an extension. Without the others Chromium refuses a data: page's requests to this
// machine before it compares origins, and keeps the requests of sandboxed frames from the page's DevTools session.
const OPTIONS = ["--enable-unsafe-extension-debugging", "--disable-features=LocalNetworkAccessChecks,IsolateSandboxedIframes"];

const directory = mkdtempSync(join(tmpdir(), "callsign-cors-"));
const children = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  } catch {
    // A browser that is still ending may write files again; they stay in the system's temporary directory.
  }
});

/** Starts an HTTP server on a free port and returns its address. */
async function serve(answer) {
  const server = createServer(answer);
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${server.address().port}`;
}

const page = (_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>a page</title>");

/** The requests that arrived upstream. */
const arrived = [];
function upstream(request, response) {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    arrived.push({ path: request.url, headers: request.headers, body: Buffer.concat(pieces).toString() });
    // OpenRouter's own headers, which belong to its origin.
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("content-type", "application/json").end('{"id":"gen-1","choices":[]}');
  });
}

async function settings() {
  return {
    OPENROUTER_API_KEY: "sk-or-v1-key-of-the-operator",
    OPENROUTER_ORG_ID: "org_of_a_test",
    CALLSIGN_APP_KEY: KEY,
    CALLSIGN_PRESET: "generic",
    SEND_END_USER_ID: "true",
    CALLSIGN_UPSTREAM_URL: `${await serve(upstream)}/api/v1`,
    CALLSIGN_LISTEN: "127.0.0.1:0",
    CALLSIGN_ADMIN_LISTEN: "off",
  };
}

async function callsign(origins) {
  const env = { ...(await settings()), CALLSIGN_CORS_ORIGINS: origins.join(",") };
  const child = spawn(process.env.CALLSIGN, ["serve"], { stdio: ["ignore", "pipe", "ignore"], env });
  children.push(child);
  let said = "";
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (piece) => {
      said += piece;
      const address = / listening on (http:[^,\s]*)/.exec(said)?.[1];
      if (address) resolve(address);
    });
    child.on("exit", () => reject(new Error(`callsign did not start: ${said}`)));
  });
}

/** An extension with a fixed key, from which Chromium derives its id, and without permissions. */
function extension() {
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "der" });
  const digits = createHash("sha256").update(key).digest("hex").slice(0, 32);
  const id = digits.replace(/./g, (digit) => "abcdefghijklmnop"[Number.parseInt(digit, 16)]);
  const path = join(directory, "extension");
  mkdirSync(path);
  writeFileSync(join(path, "page.html"), "<!doctype html><title>a page</title>");
  const manifest = { manifest_version: 3, name: "a page", version: "1", key: key.toString("base64") };
  writeFileSync(join(path, "manifest.json"), JSON.stringify(manifest));
  return { path, id, origin: `chrome-extension://${id}` };
}

/** A tab and what it sends. */
class Tab {
  preflights = 0;
  refusals = [];

  static async open(browser, url) {
    const tab = new Tab();
    tab.browser = browser;
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    tab.session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    browser.on(({ method, params, sessionId }) => {
      if (sessionId !== tab.session) return;
      if (method === "Network.requestWillBeSent" && params.request.method === "OPTIONS") tab.preflights += 1;
      if (method === "Network.loadingFailed" && params.corsErrorStatus) tab.refusals.push(params.corsErrorStatus.corsError);
    });
    for (const domain of ["Page", "Runtime", "Network"]) await tab.send(`${domain}.enable`);
    const loaded = browser.once("Page.loadEventFired", tab.session);
    await tab.send("Page.navigate", { url });
    await loaded;
    return tab;
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  /** Evaluates an expression and waits for its promise. */
  async evaluate(expression) {
    const asked = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", asked);
    assert.equal(exceptionDetails, undefined, `${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }
}

/** Returns an expression that calls callsign. Its value is the response as the script sees it, or the error. */
function call(url, options) {
  return `fetch(${JSON.stringify(url)}, ${JSON.stringify(options)}).then(
    async (answer) => ({
      status: answer.status,
      text: await answer.text(),
      request: answer.headers.get("x-callsign-request-id"),
      error: answer.headers.get("x-callsign-error"),
    }),
    (error) => ({ failed: error.name }),
  )`;
}

/** Returns an expression that evaluates `expression` in a sandboxed frame, whose origin is `null`. */
function sandboxed(expression) {
  const script = `<script>${expression}.then((value) => parent.postMessage({ value, origin: self.origin }, "*"))</script>`;
  return `new Promise((resolve) => {
    addEventListener("message", ({ data }) => resolve(data), { once: true });
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.srcdoc = ${JSON.stringify(script).replaceAll("</", "<\\/")};
    document.body.append(frame);
  })`;
}

/** Sends a request without a browser, which would not let a script set `origin`. */
function raw(url, method, headers) {
  return new Promise((resolve, reject) => {
    const request = send(url, { method, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response));
    });
    request.on("error", reject);
    request.end(method === "POST" ? BODY : undefined);
  });
}

const BODY = JSON.stringify({ model: "openai/gpt-4o-mini", messages: [{ role: "user", content: "Who am I?" }] });
const HEADERS = { authorization: `Bearer ${KEY}`, "content-type": "application/json", "x-user-id": "alice" };
const POST = { method: "POST", headers: HEADERS, body: BODY };

/** Checks that a page's request passes a preflight and arrives, and that the script reads the response. */
async function allowed(tab, chat, models, origin) {
  assert.equal(await tab.evaluate("self.origin"), origin);
  const before = arrived.length;
  const answer = await tab.evaluate(call(chat, POST));
  assert.deepEqual([answer.status, answer.text], [200, '{"id":"gen-1","choices":[]}'], JSON.stringify([answer, tab.refusals]));
  assert.ok(answer.request, "the script reads callsign's headers");
  assert.ok(tab.preflights >= 1, "Chromium sent a preflight");
  assert.equal(arrived.length, before + 1);
  assert.equal(JSON.parse(arrived.at(-1).body).user, "alice");
  assert.equal(arrived.at(-1).headers.origin, undefined);
  const refused = await tab.evaluate(call(models, {}));
  assert.deepEqual([refused.status, refused.error], [401, "missing_credential"]);
  assert.deepEqual(tab.refusals, []);
}

/**
 * Checks that Chromium refuses a page's request after the preflight, and hides the response to one without a preflight. Both
 * times the reason is that callsign does not name the page's origin.
 */
async function refused(tab, chat, models, origin, wrap = (expression) => expression) {
  const before = arrived.length;
  const ask = async (url, options) => {
    const answer = await tab.evaluate(wrap(call(url, options)));
    assert.equal(answer.origin ?? (await tab.evaluate("self.origin")), origin);
    return answer.value ?? answer;
  };
  assert.deepEqual(await ask(chat, POST), { failed: "TypeError" });
  assert.deepEqual(await ask(models, {}), { failed: "TypeError" });
  assert.equal(arrived.length, before, "nothing arrived upstream");
  // Chromium reports the reason of a failure apart from the failure.
  for (let tries = 0; tab.refusals.length < 2 && tries < 200; tries += 1) await new Promise((wake) => setTimeout(wake, 25));
  assert.deepEqual(tab.refusals, ["PreflightMissingAllowOriginHeader", "MissingAllowOriginHeader"]);
}

async function main() {
  const [home, other] = [await serve(page), await serve(page)];
  const guest = extension();
  const address = await callsign([home, guest.origin, ...APPS]);
  const [chat, models] = [`${address}/v1/chat/completions`, `${address}/v1/models`];
  const browser = new Browser(directory, OPTIONS);
  children.push(browser.child);

  await allowed(await Tab.open(browser, home), chat, models, home);
  console.log("an allowed origin calls callsign");

  const loaded = await browser.send("Extensions.loadUnpacked", { path: guest.path });
  assert.equal(loaded.id, guest.id);
  await allowed(await Tab.open(browser, `${guest.origin}/page.html`), chat, models, guest.origin);
  console.log("an extension of an allowed origin calls callsign");

  const renamed = home.replace("127.0.0.1", "localhost");
  for (const origin of [other, renamed]) await refused(await Tab.open(browser, origin), chat, models, origin);
  console.log("other origins do not");
  await refused(await Tab.open(browser, "data:text/html,<!doctype html><title>a page</title>"), chat, models, "null");
  await refused(await Tab.open(browser, home), chat, models, "null", sandboxed);
  console.log("data: pages and sandboxed frames do not");
  for (const origin of ["null", "*"]) {
    const env = { ...(await settings()), CALLSIGN_CORS_ORIGINS: origin };
    const { status, stderr } = spawnSync(process.env.CALLSIGN, ["serve"], { env, encoding: "utf8", timeout: 20_000 });
    assert.ok(status > 0 && stderr.includes("CALLSIGN_CORS_ORIGINS: entry 1: expected an origin"), `${origin}: ${status} ${stderr}`);
  }
  console.log("the configuration refuses null and *");

  const asked = { "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type,x-user-id" };
  for (const origin of APPS) {
    const preflight = await raw(chat, "OPTIONS", { origin, ...asked });
    assert.equal(preflight.statusCode, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.match(preflight.headers["access-control-allow-methods"], /\bPOST\b/);
    assert.equal(preflight.headers["access-control-allow-headers"], asked["access-control-request-headers"]);
    const answer = await raw(chat, "POST", { ...HEADERS, origin });
    assert.deepEqual([answer.statusCode, answer.headers["access-control-allow-origin"]], [200, origin]);
    for (const { headers } of [preflight, answer]) assert.equal(headers["access-control-allow-credentials"], undefined);
  }
  for (const origin of ["null", "app://obsidian.md.example", "capacitor://localhost:1", "vscode-webview://0f1e2d3d", "app://OBSIDIAN.md"]) {
    const preflight = await raw(chat, "OPTIONS", { origin, ...asked });
    assert.deepEqual([preflight.statusCode, preflight.headers["access-control-allow-origin"]], [405, undefined], origin);
    const answer = await raw(chat, "POST", { ...HEADERS, origin });
    assert.equal(answer.headers["access-control-allow-origin"], undefined, origin);
  }
  console.log("applications' origins get the headers that Chromium compares");
  await browser.close();
  console.log("CORS passed in a real browser");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
