// Does what operators need to do, each in the browser as a person would: by links, forms and the search box. Counts the steps.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { TOKEN, callsign, chat, counted, open } from "./console.mjs";
import { examine } from "./tab.mjs";

/** The tasks, and the steps that each may take: pages opened and forms sent. docs/CONSOLE.md has the same table. */
const TASKS = {
  "abuse report": 4,
  "who spends, on what, growing": 2,
  "block on every server": 2,
  "rotate a key": 3,
  "forget with a dry run": 3,
  "slow today": 1,
  "why refused": 1,
  "a bill for the accountant": 2,
  "an alert before the budget": 2,
  "a colleague who may only read": 2,
};

/** Runs a task, with a tab that counts its steps. */
async function task(tab, name, run) {
  let steps = 0;
  const counting = new Proxy(tab, {
    get(target, property) {
      if (["goto", "click", "submit"].includes(property)) steps += 1;
      const value = target[property];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  await run(counting);
  await examine(tab, name, true);
  await tab.shot(name.replace(/[^a-z]+/g, "-"));
  assert.ok(steps <= TASKS[name], `${name} took ${steps} steps`);
  delete TASKS[name];
  console.log(`${name}: ${steps} steps`);
}

const COLLEAGUE = "a-token-of-a-colleague-who-reads";

/** The cookies that the browser would send to an address, as a header. */
async function cookies(tab, url) {
  const { cookies } = await tab.send("Network.getCookies", { urls: [url] });
  return cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
}

/** A receiver of alerts. `first` is the first one. */
async function receiver() {
  const server = createServer();
  const first = new Promise((resolve) => {
    server.on("request", (request, answer) => {
      const pieces = [];
      request.on("data", (piece) => pieces.push(piece));
      request.on("end", () => {
        answer.end();
        resolve({ signature: request.headers["webhook-signature"], body: Buffer.concat(pieces).toString() });
      });
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${server.address().port}/alerts`, first };
}

async function main() {
  const alerts = await receiver();
  const server = await callsign(
    { CALLSIGN_LIMIT_RPM: "3", CALLSIGN_ID_SECRET: "a secret of the test, which seals rows", CALLSIGN_ALERT_WEBHOOK: alerts.url },
    `[[admin.tokens]]\nname = "dana"\nrole = "viewer"\npersons = true\nsha256 = "${createHash("sha256").update(COLLEAGUE).digest("hex")}"\n`,
  );
  const { browser, tab } = await open();
  for (const user of ["mallory", "mallory", "mallory", "alice", "peggy"]) await chat(server, user);
  const refused = await chat(server, "mallory", 429);
  const complaint = refused.headers.get("x-callsign-request-id");
  assert.ok(complaint, "a refusal names its request");
  for (const user of ["mallory", "alice", "peggy"]) await counted(server, user);

  await tab.look(1280, "light");
  await tab.goto(`${server.admin}/`);
  await tab.submit("form", { token: TOKEN });

  await task(tab, "abuse report", async (tab) => {
    const sent = await tab.evaluate(`[...document.querySelectorAll("a")].find((a) => a.textContent === "mallory").getAttribute("href")`);
    assert.match(sent, /^\/user\?id=mallory/);
    const told = await fetch(`${server.admin}/api/v1/admin/user-mapping/user/mallory/mapping`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const { external_user_id: identifier } = await told.json();
    await tab.submit("form.search", { id: identifier });
    assert.match(await tab.text(), /mallory/);
    await tab.click("main td a[href^='/user?id=mallory']");
    await tab.click("a[href^='/requests?user=mallory']");
    await tab.click("main th a[href^='/request?id=']");
    assert.match(await tab.text(), new RegExp(identifier));
  });
  await task(tab, "who spends, on what, growing", async (tab) => {
    await tab.click("a[href='/']");
    assert.match(await tab.text(), /Spend by model[\s\S]*mallory/);
    assert.match(await tab.text(), /against before|none before/);
    await tab.click("main tbody a[href^='/user?id=mallory']");
    assert.match(await tab.text(), /Models/);
  });
  await task(tab, "block on every server", async (tab) => {
    await tab.submit("form[action='/user/block']", { reason: "abuse report 17", time: "24h" });
    assert.match(await tab.text(), /Done\. Every running server applies it/);
    await chat(server, "mallory", 403);
    await tab.click("a[href='/audit']");
    assert.match(await tab.text(), /Blocks in force[\s\S]*abuse report 17/);
  });
  await tab.goto(`${server.admin}/keys`);
  await tab.submit("form[action='/keys']", { kind: "app", holder: "chat" });
  const key = () => tab.evaluate(`document.querySelector("input.key").value`);
  const first = await key();
  await task(tab, "rotate a key", async (tab) => {
    await tab.click("nav a[href='/keys']");
    await tab.click("main th a[href='/keys/key?name=chat']");
    await tab.submit("form[action='/keys/rotate']", { overlap: "24h" });
    const second = await key();
    assert.notEqual(first, second);
    for (const key of [first, second]) await chat({ ...server, key }, "alice");
    // The page that the screenshot shows has no key.
    await tab.evaluate(`document.querySelector("input.key").value = "sk-cs-…"`);
  });
  await task(tab, "forget with a dry run", async (tab) => {
    await tab.goto(`${server.admin}/user?id=peggy`);
    await tab.click("a[href^='/user/forget']");
    assert.match(await tab.text(), /1 requests that name this user/);
    await tab.submit("form[action='/user/forget']", { confirm: "peggy" });
    assert.match(await tab.text(), /1 requests no longer name the user/);
  });
  await task(tab, "slow today", async (tab) => {
    await tab.click("a[href='/speed']");
    assert.match(await tab.text(), /First output, median[\s\S]*95 %[\s\S]*Tokens per second/);
  });
  await task(tab, "why refused", async (tab) => {
    await tab.submit("form.search", { id: complaint });
    assert.match(await tab.text(), /Limit that refused it\s*rpm/);
  });
  await task(tab, "a bill for the accountant", async (tab) => {
    await tab.click("a[href='/apps']");
    await tab.click("a[href*='range=month']");
    const file = await tab.evaluate(`document.querySelector("a[download]").href`);
    const csv = await (await fetch(file, { headers: { cookie: await cookies(tab, file) } })).text();
    assert.match(csv, /"total"/);
  });
  await task(tab, "an alert before the budget", async (tab) => {
    await tab.click("nav a[href='/settings']");
    await tab.submit("form[action='/alerts/test']");
    assert.match(await tab.text(), /test/i);
    const { signature, body } = await alerts.first;
    assert.match(signature, /^v1,/);
    assert.match(body, /test/);
  });
  await tab.evaluate(`document.querySelector("form[action='/logout']").submit()`, true);
  await task(tab, "a colleague who may only read", async (tab) => {
    await tab.submit("form", { token: COLLEAGUE });
    await tab.click("main tbody a[href^='/user?id=mallory']");
    const block = { method: "POST", body: new URLSearchParams({ id: "bob", unseen: "1" }), headers: { origin: server.admin, cookie: await cookies(tab, server.admin) } };
    const { status: refused } = await fetch(`${server.admin}/user/block`, block);
    assert.equal(refused, 403, "reading only");
    await chat(server, "bob");
  });
  assert.deepEqual(TASKS, {}, "every task was done");
  await browser.close();
  console.log("an operator can do these in the browser");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
