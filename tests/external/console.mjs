// A running callsign with its console, and a signed-in browser.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser } from "./browser.mjs";
import { Tab } from "./tab.mjs";

export const TOKEN = "an-admin-token-for-the-browser";

const directory = mkdtempSync(join(tmpdir(), "callsign-console-"));
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

/** A running callsign in front of its own mock OpenRouter, with a ledger in a temporary directory. `file`: TOML. */
export async function callsign(settings = {}, file = "") {
  const data = join(directory, "data");
  mkdirSync(data);
  const config = join(directory, "callsign.toml");
  writeFileSync(config, file);
  if (process.env.CALLSIGN_LEDGER_FILL) {
    const filled = spawnSync(process.env.CALLSIGN_LEDGER_FILL, [join(data, "ledger.db"), "40000"], { stdio: "inherit" });
    assert.equal(filled.status, 0, "the ledger could not be filled");
  }
  // The mock OpenRouter runs until its standard input ends.
  const mock = spawn(process.env.MOCK_OPENROUTER, [], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(mock);
  const [, upstream] = await until(mock.stdout, /^(http:\/\/\S+) /);
  const key = "sk-cs-a-key-of-the-browsers-app";
  const child = spawn(process.env.CALLSIGN, ["serve"], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {
      CALLSIGN_UPSTREAM_URL: upstream,
      OPENROUTER_API_KEY: "sk-or-v1-of-a-test",
      OPENROUTER_ORG_ID: "org_of_a_test",
      CALLSIGN_APP_KEY: key,
      SEND_END_USER_ID: "true",
      SEND_SESSION_ID: "true",
      SEND_CHAT_ID: "true",
      SEND_MESSAGE_ID: "true",
      CALLSIGN_LISTEN: "127.0.0.1:0",
      CALLSIGN_ADMIN_LISTEN: "127.0.0.1:0",
      CALLSIGN_ADMIN_TOKEN: TOKEN,
      CALLSIGN_CONFIG: config,
      CALLSIGN_DATA_DIR: data,
      CALLSIGN_LEDGER_MODE: "strict",
      USER_ID_FORMAT: "acme_{sha256:16 user}",
      CACHE_SESSION_ID_FORMAT: "{sha256 user chat}",
      ...settings,
    },
  });
  children.push(child);
  const match = await until(child.stdout, /listening on (http:\/\/\S+), admin on (http:\/\/\S+)/);
  return { data: match[1], admin: match[2], key };
}

/** Sends a chat request of this user. */
export async function chat({ data, key }, user, status = 200) {
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
  assert.equal(answer.status, status, user);
  await answer.arrayBuffer().catch(() => {});
  return answer;
}

/** Waits until this user's request is counted: sums follow their rows within about a second. */
export async function counted({ admin }, user) {
  const url = `${admin}/api/v1/admin/user-mapping/user/${encodeURIComponent(user)}/mapping`;
  for (let tries = 0; tries < 400; tries += 1) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    await answer.arrayBuffer();
    if (answer.status === 200) return;
    await new Promise((wake) => setTimeout(wake, 25));
  }
  assert.fail(`${user} was never counted`);
}

/** Opens a tab of a new browser. */
export async function open() {
  const browser = new Browser(directory);
  children.push(browser.child);
  return { browser, tab: await Tab.open(browser) };
}
