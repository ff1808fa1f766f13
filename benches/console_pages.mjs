// Measures the console over a large ledger: the first paint of each page in Chromium, and the latency of requests with
// and without a busy console, in turns of one run.
//
//   CALLSIGN=PATH MOCK_OPENROUTER=PATH AXE=PATH DATA=DIRECTORY node benches/console_pages.mjs
//
// DATA is the data directory of a ledger, as `cargo bench -p callsign-store --bench ledger -- rows N DIRECTORY` writes
// it. AXE is any readable file. ONLY=latency leaves the pages out.
import { fork } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";

import { TOKEN, callsign, open } from "../tests/external/console.mjs";

const USER = "a3d0d2c1-7f49-4b6b-9a3b-000000000007";
const PAGES = [
  "/", "/?range=24h", "/?range=7d", "/?range=90d", "/?from=2026-01-01&to=2026-11-20", "/requests", `/requests?user=${USER}`,
  "/requests?error=rate_limit_exceeded", "/requests?model=openai/gpt-5", "/users", "/users?range=90d", "/users?find=0007", "/models",
  "/providers", "/apps", "/errors", "/speed", "/mapping", "/keys", "/audit", "/costs", "/settings", `/user?id=${USER}&tenant=`,
  `/whois?id=acme_${USER}`,
];
/** Loads of each page; the median counts. */
const LOADS = 5;
/** Requests per second, and seconds of each turn. */
const [RATE, TURN, TURNS] = [200, 10, 3];
/** Pages that load at the same time while the console is busy. */
const OPERATORS = 2;

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

async function paints(server, tab) {
  let slowest = 0;
  for (const path of PAGES) {
    const times = [];
    for (let load = 0; load < LOADS; load += 1) {
      await tab.goto(`${server.admin}${path}`);
      let paint;
      while (paint === undefined) {
        paint = await tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null");
        if (paint === null) paint = await pause(5);
      }
      times.push(paint);
    }
    const first = times[0];
    const middle = median(times);
    slowest = Math.max(slowest, middle);
    console.log(`${middle.toFixed(0).padStart(6)} ms  ${path}   (first load ${first.toFixed(0)}, status ${tab.status})`);
  }
  console.log(`slowest median ${slowest.toFixed(0)} ms`);
}

/** Sends requests at a fixed rate, and returns their latencies in milliseconds. */
async function turn(server) {
  const latencies = [];
  const running = new Set();
  const body = JSON.stringify({ model: "demo", messages: [{ role: "user", content: "x".repeat(900) }] });
  const began = performance.now();
  for (let number = 0; number < RATE * TURN; number += 1) {
    const due = began + (number * 1000) / RATE;
    const now = performance.now();
    if (due > now) await pause(due - now);
    const request = (async () => {
      const headers = { authorization: `Bearer ${server.key}`, "content-type": "application/json", "x-user-id": `user-${number % 100}` };
      const answer = await fetch(`${server.data}/v1/chat/completions`, { method: "POST", headers, body });
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      // Counted from the time at which it was due, so that a late generator does not hide anything.
      latencies.push(performance.now() - due);
    })();
    running.add(request);
    request.finally(() => running.delete(request));
  }
  await Promise.all(running);
  return latencies.sort((a, b) => a - b);
}

/** Loads pages in turn until the parent asks for their number. Runs in a process of its own, see `operators`. */
async function operate(admin, cookie) {
  let pages = 0;
  process.once("message", () => process.send(pages, () => process.exit(0)));
  for (let number = 0; ; number += 1) {
    const answer = await fetch(`${admin}${PAGES[number % PAGES.length]}`, { headers: { cookie } });
    await answer.arrayBuffer();
    pages += answer.status === 200 ? 1 : 0;
  }
}

/**
 * Starts operators who load pages all the time, and returns a function that ends them and returns the number of pages.
 * They have the lowest priority: real ones are on other machines.
 */
function operators(server, cookie) {
  const running = Array.from({ length: OPERATORS }, () => {
    const operator = fork(fileURLToPath(import.meta.url), ["operate", server.admin, cookie]);
    setPriority(operator.pid, 19);
    return operator;
  });
  const end = (operator) => new Promise((told) => operator.once("message", told).send("stop"));
  return async () => (await Promise.all(running.map(end))).reduce((sum, count) => sum + count, 0);
}

async function latency(server, cookie) {
  const at = (latencies, share) => latencies[Math.floor(latencies.length * share)].toFixed(1);
  await turn(server);
  for (let number = 0; number < TURNS; number += 1) {
    for (const busy of [false, true]) {
      const end = busy ? operators(server, cookie) : undefined;
      const latencies = await turn(server);
      const said = busy ? `${await end()} pages beside it` : "console idle";
      console.log(`p50 ${at(latencies, 0.5)} ms, p99 ${at(latencies, 0.99)} ms, ${latencies.length} requests, ${said}`);
    }
  }
}

async function main() {
  const server = await callsign({ CALLSIGN_DATA_DIR: process.env.DATA, CALLSIGN_LEDGER_RETENTION_DAYS: "36500", CALLSIGN_LEDGER_MODE: "fast" });
  const { browser, tab } = await open();
  await tab.goto(`${server.admin}/login`);
  await tab.evaluate(`document.querySelector("#token").value = ${JSON.stringify(TOKEN)}; document.querySelector("form").submit()`, true);
  const { cookies } = await tab.send("Network.getCookies", { urls: [server.admin] });
  const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
  if (process.env.ONLY !== "latency") await paints(server, tab);
  await browser.close();
  await latency(server, cookie);
  process.exit(0);
}

if (process.argv[2] === "operate") operate(process.argv[3], process.argv[4]);
else main();
