// Drives every page of callsign's console in headless Chromium. console.sh runs it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { TOKEN, callsign, chat, counted, open } from "./console.mjs";
import { examine } from "./tab.mjs";

const HOSTILE = ["<script>document.title='owned'</script>!", "=cmd|' /C calc'!A0", "\u05de\u05e0\u05d4\u05dc & co", `x${"y".repeat(300)}`];
const WIDTHS = { phone: 390, tablet: 820, desktop: 1280 };
const PAGES = [
  "/", "/requests", "/requests?user=alice&since=24h", "/users", "/users?find=a&sort=name", "/models", "/providers", "/apps", "/errors", "/speed",
  "/mapping", "/keys", "/keys?find=a", "/audit", "/settings", "/whois", "/whois?id=nobody", "/user/forget?id=alice", "/nothing",
  "/costs", "/costs?added=2&nano_usd=1500000&left=3", "/users?range=30d&tz=Asia/Kolkata", "/?range=month&tz=America/New_York",
];
const RANGES = ["24h", "7d", "30d", "90d", "month", "last-month"];

async function main() {
  if (process.argv[2] === "--shots") mkdirSync(process.argv[3], { recursive: true });
  const server = await callsign();
  const { browser, tab } = await open();

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
        await examine(tab, `${path} on a ${device}, ${scheme}`, device !== "tablet");
        await tab.shot(`${name}-${device}-${scheme}`);
      }
    }
    const expected = path === "/nothing" ? 404 : 200;
    assert.equal(tab.status, expected, path);
    console.log(`${path.slice(0, 60)}: fine`);
  }

  for (const [device, width] of Object.entries(WIDTHS)) {
    await tab.look(width, device === "phone" ? "dark" : "light");
    await tab.goto(`${server.data}/callsign/me`);
    await examine(tab, `/callsign/me on a ${device}`, true);
    await tab.evaluate(`document.querySelector("#key").value = ${JSON.stringify(server.key)}; document.querySelector("form").submit()`, true);
    assert.equal(tab.status, 200);
    await examine(tab, `/callsign/me with a key on a ${device}`, true);
    await tab.shot(`me-${device}`);
  }

  await tab.goto(`${server.admin}/users?range=24h`);
  const names = await tab.evaluate(`[...document.querySelectorAll("tbody th a")].map((a) => [a.textContent, a.href])`);
  assert.ok(names.some(([text]) => text === HOSTILE[0]), `shown as text: ${JSON.stringify(names)}`);
  const csv = await tab.evaluate(`document.querySelector("a[download]").getAttribute("href")`);
  assert.match(csv, /^\/export\.csv\?by=user&range=24h&sort=spend$/);
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
  console.log("the console passed in a real browser");
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
