// Reads the rewritten bodies of `json_readers.sh` with Node's JSON.parse.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const OWNED = new Set(["user", "session_id", "metadata", "safety_identifier", "trace", "client_metadata", "callback_url", "__proto__"]);
const OURS = { user: "u-1", session_id: "s-1", metadata: { user_id: "u-1" } };
const DEEPEST = 1024;

const lines = (path) => readFileSync(path, "utf8").trimEnd().split("\n");
const fold = (name) => name.split("\0")[0].replaceAll("ſ", "s").replaceAll("\u212a", "k").toLowerCase();

function depth(text) {
  let deepest = 0, now = 0, inString = false, escaped = false;
  for (const character of text) {
    if (inString) {
      inString = escaped || character !== '"';
      escaped = character === "\\" && !escaped;
    } else if (character === '"') {
      inString = true;
    } else if ("{[".includes(character)) {
      now += 1;
      deepest = Math.max(deepest, now);
    } else if ("}]".includes(character)) {
      now -= 1;
    }
  }
  return deepest;
}

function read(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value = JSON.parse(text);
  assert.ok(value !== null && typeof value === "object" && !Array.isArray(value), "an object");
  assert.ok(depth(text) <= DEEPEST, "too deep");
  return value;
}

function parses(bytes) {
  try {
    read(bytes);
    return true;
  } catch {
    return false;
  }
}

const [before, after] = process.argv.slice(2).map(lines);
assert.equal(before.length, after.length);
let accepted = 0, refused = 0;
before.forEach((line, number) => {
  const came = Buffer.from(line, "base64");
  const shown = came.toString().slice(0, 500);
  if (after[number].startsWith("invalid ")) {
    assert.ok(!parses(came), `refused, but Node reads it: ${shown}`);
    refused += 1;
    return;
  }
  assert.ok(parses(came), `accepted, but Node does not read it: ${shown}`);
  const value = read(Buffer.from(after[number], "base64"));
  const seen = Object.entries(value).filter(([name]) => OWNED.has(fold(name)));
  assert.deepEqual(Object.fromEntries(seen), OURS, shown);
  assert.ok(Object.getPrototypeOf(Object.assign({}, value)) === Object.prototype, shown);
  accepted += 1;
});
console.log(`node: ${accepted} rewritten bodies hold only our identifiers, ${refused} refused ones are not JSON`);
