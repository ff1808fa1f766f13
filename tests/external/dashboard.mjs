// Drives callsign's dashboard in headless Chromium. dashboard.sh runs it.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser } from "./browser.mjs";

const TOKEN = "an-admin-token-for-the-browser";
const HOSTILE = ["<script>document.title='owned'</script>!", "=cmd|' /C calc'!A0", "\u05de\u05e0\u05d4\u05dc & co", `x${"y".repeat(300)}`];
const WIDTHS = { phone: 390, tablet: 820, desktop: 1280 };
const PAGES = ["/", "/users", "/models", "/apps", "/speed", "/mapping", "/settings", "/whois", "/whois?id=nobody", "/nothing"];
const RANGES = ["24h", "7d", "30d", "90d"];
const shots = process.argv[2] === "--shots" ? process.argv[3] : undefined;

const directory = mkdtempSync(join(tmpdir(), "callsign-dashboard-"));
const children = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  try {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  } catch {
    // A browser that is still ending may write files again; they stay in the system's temporary directory.
  }
});

/** Reads a stream until `pattern` matches, and returns the match. */
function until(stream, pattern) {
  return new Promise((resolve, reject) => {
    let said = "";
    stream.on("data", (piece) => {
      said += piece;
      const match = pattern.exec(said);
      if (match) resolve(match);
    });
    stream.on("close", () => reject(new Error(`ended before ${pattern}: ${said}`)));
  });
}

/** A running callsign in front of its own mock OpenRouter, with a ledger in a temporary directory. */
async function callsign() {
  const data = join(directory, "data");
  mkdirSync(data);
  if (process.env.CALLSIGN_LEDGER_FILL) {
    const filled = spawnSync(process.env.CALLSIGN_LEDGER_FILL, [join(data, "ledger.db"), "40000"], { stdio: "inherit" });
    assert.equal(filled.status, 0, "the ledger could not be filled");
  }
  const child = spawn(process.env.CALLSIGN, ["serve", "--demo"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {
      CALLSIGN_LISTEN: "127.0.0.1:0",
      CALLSIGN_ADMIN_LISTEN: "127.0.0.1:0",
      CALLSIGN_ADMIN_TOKEN: TOKEN,
      CALLSIGN_DATA_DIR: data,
      CALLSIGN_LEDGER_MODE: "strict",
      USER_ID_FORMAT: "acme_{sha256:16 user}",
      CACHE_SESSION_ID_FORMAT: "{sha256 user chat}",
    },
  });
  children.push(child);
  const match = await until(
    child.stdout,
    /listening on (http:\/\/\S+), admin on (http:\/\/\S+)[\s\S]*Authorization: Bearer (\S+)'/,
  );
  return { data: match[1], admin: match[2], key: match[3] };
}

/** Sends a chat request of this user. */
async function chat({ data, key }, user) {
  const answer = await fetch(`${data}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      // A header value is UTF-8 bytes, written as one character per byte.
      "x-user-id": Buffer.from(user, "utf8").toString("latin1"),
      "x-chat-id": "chat-1",
    },
    body: JSON.stringify({ model: "demo", messages: [{ role: "user", content: "Who am I?" }] }),
  });
  assert.equal(answer.status, 200, `${user}: ${await answer.text()}`);
  await answer.arrayBuffer().catch(() => {});
}

/** Waits until this user's request is counted: sums follow their rows within about a second. */
async function counted({ admin }, user) {
  const url = `${admin}/api/v1/admin/user-mapping/user/${encodeURIComponent(user)}/mapping`;
  for (let tries = 0; tries < 400; tries += 1) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    await answer.arrayBuffer();
    if (answer.status === 200) return;
    await new Promise((wake) => setTimeout(wake, 25));
  }
  assert.fail(`${user} was never counted`);
}

/** A tab, and the errors that it reports. */
class Tab {
  complaints = [];

  static async open(browser) {
    const tab = new Tab();
    tab.browser = browser;
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    tab.session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    browser.on(({ method, params, sessionId }) => {
      if (sessionId !== tab.session) return;
      if (method === "Log.entryAdded") tab.#complain(params.entry);
      if (method === "Runtime.exceptionThrown") tab.complaints.push(params.exceptionDetails.text);
      if (method === "Runtime.consoleAPICalled") tab.complaints.push(JSON.stringify(params.args));
      if (method === "Network.responseReceived" && params.type === "Document") tab.status = params.response.status;
    });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await tab.send(`${domain}.enable`);
    return tab;
  }

  /** Records errors. A blocked source is one; an error status that a test expects is not. */
  #complain(entry) {
    if (!/Failed to load resource: the server responded with a status of (403|404|409|503)/.test(entry.text)) {
      this.complaints.push(`${entry.source}: ${entry.text} ${entry.url ?? ""}`);
    }
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  async #loaded(act) {
    const loaded = this.browser.once("Page.loadEventFired", this.session);
    await act();
    await loaded;
  }

  goto(url) {
    return this.#loaded(() => this.send("Page.navigate", { url }));
  }

  /** Evaluates an expression in the page. With `leaves`, waits for the next page. */
  async evaluate(expression, leaves = false) {
    let value;
    const act = async () => {
      const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
      assert.equal(exceptionDetails, undefined, `${expression}: ${JSON.stringify(exceptionDetails)}`);
      value = result.value;
    };
    await (leaves ? this.#loaded(act) : act());
    return value;
  }

  async look(width, scheme) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  async shot(name) {
    if (!shots) return;
    const { cssContentSize } = await this.send("Page.getLayoutMetrics");
    const height = Math.min(Math.ceil(cssContentSize.height), 2400);
    const clip = { x: 0, y: 0, width: cssContentSize.width, height, scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    writeFileSync(join(shots, `${name}.png`), Buffer.from(data, "base64"));
  }
}

/** Checks the rules for every page in every size and colour scheme. */
const EXAMINE = `(() => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll("body *")].filter((e) => !e.closest(".scroll, pre, .hidden, svg") && e.getBoundingClientRect().right > root.clientWidth + 1);
  return {
    title: document.title,
    overflow: root.scrollWidth - root.clientWidth,
    wide: wide.slice(0, 3).map((e) => e.tagName + "." + e.className),
    scripts: document.scripts.length,
    inline: document.querySelectorAll("body [style], body style, [onclick], [onload]").length,
    headings: document.querySelectorAll("h1").length,
    main: document.querySelectorAll("main").length,
    unnamed: [...document.querySelectorAll("table")].filter((t) => !t.caption).length
      + [...document.querySelectorAll("svg[role=img]")].filter((s) => !s.querySelector("title") || !s.querySelector("desc")).length
      + [...document.querySelectorAll("input:not([type=hidden], [hidden])")].filter((i) => !i.labels.length).length
      + [...document.querySelectorAll("a, button")].filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label"))).length,
    duplicates: (ids => ids.length - new Set(ids).size)([...document.querySelectorAll("[id]")].map((e) => e.id)),
    contrast: (${contrast})(),
    styled: getComputedStyle(document.body).margin === "0px",
  };
})()`;

/** Returns the lowest contrast of a text with its background (WCAG 2.2, 1.4.3), and its element. */
function contrast() {
  const rgba = (text) => text.match(/[\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  let worst = { ratio: 21 };
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest("svg, .hidden, .skip")) continue;
    let behind = element;
    let ground;
    do {
      ground = rgba(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    } while (ground[3] === 0 && behind);
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) worst = { ratio, where: `${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}` };
  }
  return worst;
}

async function examine(tab, path) {
  const page = await tab.evaluate(EXAMINE);
  const where = `${path}: ${JSON.stringify(page)}`;
  assert.ok(page.title.endsWith(" · callsign"), where);
  assert.ok(page.overflow <= 0 && page.wide.length === 0, `wider than the window: ${where}`);
  assert.deepEqual([page.scripts, page.inline, page.unnamed, page.duplicates], [0, 0, 0, 0], where);
  assert.deepEqual([page.headings, page.main, page.styled], [1, 1, true], where);
  assert.ok(page.contrast.ratio >= 4.5, `too little contrast: ${where}`);
  assert.deepEqual(tab.complaints, [], path);
}

async function main() {
  if (shots) mkdirSync(shots, { recursive: true });
  const server = await callsign();
  const browser = new Browser(directory);
  children.push(browser.child);
  const tab = await Tab.open(browser);

  await tab.look(WIDTHS.desktop, "light");
  await tab.goto(`${server.admin}/user?id=alice`);
  assert.match(await tab.evaluate("location.pathname"), /^\/login$/);
  await examine(tab, "/login");
  await tab.shot("login");
  const form = (token) => `document.querySelector("#token").value = ${JSON.stringify(token)}; document.querySelector("form").submit()`;
  await tab.evaluate(form("not-the-admin-token"), true);
  assert.equal(tab.status, 403);
  await examine(tab, "/login again");
  await tab.evaluate(form(TOKEN), true);
  assert.equal(await tab.evaluate("location.pathname + location.search"), "/user?id=alice", "signing in leads to the requested page");
  assert.equal(await tab.evaluate("document.cookie"), "", "scripts cannot read the session cookie");

  if (!process.env.CALLSIGN_LEDGER_FILL) {
    await tab.goto(`${server.admin}/`);
    await examine(tab, "/ without requests");
    await tab.shot("empty");
  }
  for (const user of ["alice", "bob", ...HOSTILE]) await chat(server, user);
  for (const user of ["alice", "bob", ...HOSTILE]) await counted(server, user);

  const people = HOSTILE.map((user) => `/user?id=${encodeURIComponent(user)}`);
  for (const path of [...PAGES, ...RANGES.map((range) => `/?range=${range}`), "/user?id=alice&range=24h", ...people]) {
    const name = path.replace(/[^a-z0-9]+/gi, "-").replace(/^-|-$/g, "").slice(0, 40) || "overview";
    for (const [device, width] of Object.entries(WIDTHS)) {
      for (const scheme of ["light", "dark"]) {
        await tab.look(width, scheme);
        await tab.goto(`${server.admin}${path}`);
        await examine(tab, `${path} on a ${device}, ${scheme}`).catch((e) => console.error(String(e.message).slice(0, 700)));
        await tab.shot(`${name}-${device}-${scheme}`);
      }
    }
    const expected = path === "/nothing" ? 404 : 200;
    assert.equal(tab.status, expected, path);
    console.log(`${path.slice(0, 60)}: fine`);
  }

  await tab.goto(`${server.admin}/users?range=24h`);
  const names = await tab.evaluate(`[...document.querySelectorAll("tbody th a")].map((a) => [a.textContent, a.href])`);
  assert.ok(names.some(([text]) => text === HOSTILE[0]), `shown as text: ${JSON.stringify(names)}`);
  const csv = await tab.evaluate(`document.querySelector("a[download]").getAttribute("href")`);
  assert.match(csv, /^\/export\.csv\?by=user&range=24h$/);
  for (const [, href] of names.slice(0, 8)) {
    await tab.goto(href);
    assert.equal(tab.status, 200, href);
  }

  await tab.goto(`${server.admin}/`);
  await tab.evaluate(`document.querySelector("form[action='/logout']").submit()`, true);
  assert.equal(await tab.evaluate("location.pathname"), "/login");
  await tab.goto(`${server.admin}/users`);
  assert.equal(await tab.evaluate("location.pathname"), "/login", "signed out");
  assert.deepEqual(tab.complaints, []);
  await browser.close();
  console.log("the dashboard passed in a real browser");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
