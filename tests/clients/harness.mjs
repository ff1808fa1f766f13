// The harness of the JavaScript clients; harness.py explains its rules.

import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";

export { assert };
const environment = process.env;
export const BASE = environment.CALLSIGN_URL;
export const KEY = environment.CLIENTS_APP_KEY;
export const STRANGER = "sk-cs-nobody-has-this-key";

// The app's identity headers and the identifiers that the formats render: sha256("alice") begins with these digits.
export const IDENTITY = { "X-User-Id": "alice", "X-Session-Id": "tab-1", "X-Chat-Id": "chat-7", "X-Message-Id": "message-9" };
export const USER = "acme_2bd806c97f0e00af";
const METADATA = { user_id: USER, session_id: "tab-1", chat_id: "chat-7", message_id: "message-9" };

// Identity claims of a client.
const SPOOF_HEADERS = {
  Cookie: "session=mallory",
  "X-OpenWebUI-User-Id": "mallory",
  "X-Forwarded-For": "192.0.2.66",
  "X-Forwarded-User": "mallory",
  "X-Claude-Code-Session-Id": "mallory",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};
export const HEADERS = { ...IDENTITY, ...SPOOF_HEADERS };
export const SPOOF_BODY = { session_id: "mallory", trace: { user: "mallory" }, client_metadata: { user: "mallory" } };

export const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
// The mock's vector and the samples of its WAV file, and what the clients send it.
export const VECTOR = [0.5, -0.25, 0.125, 0.0625];
export const SAMPLES = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
export const DOCUMENTS = ["first text", "second text"];
export const RECORDING = Buffer.from("ID3 \u00fc\r\n--not-a-boundary\r\n".repeat(40));
export const WEATHER = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

// The headers that callsign may send upstream (docs/SPEC.md#request-headers), and those of HTTP itself.
const ALLOWED = new Set([
  "accept", "accept-encoding", "anthropic-version", "anthropic-beta", "x-anthropic-beta", "openai-beta", "http-referer", "x-title",
  "x-openrouter-title", "x-openrouter-categories", "user-agent", "authorization", "content-type", "content-length",
  "transfer-encoding", "host",
]);
// The endpoints whose requests carry no `metadata`, and the session in a header too (docs/SPEC.md#inference-endpoints).
const MEDIA = ["/embeddings", "/rerank", "/images", "/images/generations", "/audio/speech", "/audio/transcriptions"];
// `/videos` carries neither.
const isMedia = (path) => MEDIA.some((end) => path.endsWith(end));

async function control(path) {
  const answer = await fetch(environment.MOCK_CONTROL + path, { signal: AbortSignal.timeout(20_000) });
  return answer.json();
}

// Runs `ask`, during which exactly `count` requests must arrive upstream. Returns the result of `ask` and the last
// request.
export async function arrival(ask, count = 1) {
  const before = (await control("/received")).length;
  const answer = await ask();
  const all = await control(`/received?after=${before}`);
  assert.equal(all.length, count, "requests that arrived");
  all.forEach(assertClean);
  const last = all.at(-1);
  const body = last && (last.body ?? form(last));
  const sent = () => JSON.parse(last.sent.text);
  return { answer, all, last, body, sent, said: last && said(last), attributed: () => attributed(last, body) };
}

// Checks that the identifiers are alice's, rendered by the formats, in the members of the endpoint.
function attributed({ path, headers }, body) {
  const { user, session_id, metadata, safety_identifier } = body;
  const media = isMedia(path);
  const bare = media || path.endsWith("/videos");
  assert.deepEqual({ user, session_id, metadata }, { user: USER, session_id: "tab-1", metadata: bare ? undefined : METADATA });
  assert.equal(Object.fromEntries(headers)["x-session-id"], media ? "tab-1" : undefined);
  assert.equal(safety_identifier, path.endsWith("/responses") ? USER : undefined);
  for (const gone of ["trace", "client_metadata"]) assert.ok(!(gone in body), gone);
}

function assertClean(request) {
  const headers = Object.fromEntries(request.headers);
  assert.equal(Object.keys(headers).length, request.headers.length, "a header occurs twice");
  for (const name of Object.keys(headers)) {
    assert.ok(ALLOWED.has(name) || (name === "x-session-id" && isMedia(request.path)), `${name} left`);
  }
  assert.equal(headers.authorization, `Bearer ${environment.OPENROUTER_API_KEY}`);
  assert.match(headers["user-agent"], /^callsign\//);
  const everything = JSON.stringify(headers) + request.text;
  for (const secret of ["mallory", "alice", KEY, environment.CLIENTS_ALICE_KEY, "192.0.2.66"]) {
    assert.ok(!everything.includes(secret), `${secret} left`);
  }
}

// Returns the parts of a multipart form by name, each of which occurs once.
function form({ headers, text }) {
  const boundary = /^multipart\/form-data; boundary="?([^"]+)"?$/.exec(Object.fromEntries(headers)["content-type"])?.[1];
  if (!boundary) return undefined;
  const parts = `\r\n${text}`.split(`\r\n--${boundary}`);
  assert.deepEqual([parts.shift(), parts.pop().trim()], ["", "--"]);
  const named = parts.map((part) => {
    const end = part.indexOf("\r\n\r\n");
    return [/ name="([^"]*)"/.exec(part.slice(0, end))[1], part.slice(end + 4)];
  });
  assert.equal(new Set(named.map(([name]) => name)).size, named.length, "a part occurs twice");
  return Object.fromEntries(named);
}

// Checks that a job was created and polled, and its content fetched, in this order.
export function assertJobs([created, ...reads], content) {
  attributed(created, created.body);
  const { id } = JSON.parse(created.sent.text);
  const paths = reads.map(({ method, path }) => `${method} ${path.split("/videos/")[1]}`);
  assert.deepEqual(paths, [`GET ${id}`, `GET ${id}/content`]);
  assert.ok(Buffer.from(content).toString("latin1").endsWith("a video of the mock OpenRouter"));
}

// Checks that the mock's WAV file arrived unchanged.
export function assertSpeech(bytes) {
  assert.equal(Buffer.from(bytes).subarray(0, 4).toString(), "RIFF");
  assert.deepEqual(Buffer.from(bytes).subarray(44), SAMPLES);
}

// Returns the text that the mock sent, if any.
function said({ path, sent }) {
  if (isMedia(path) || path.includes("/videos")) return undefined;
  if (!sent.text.includes("data:")) {
    const body = JSON.parse(sent.text);
    return path.endsWith("/responses") ? body.output?.[0]?.content?.[0]?.text : body.choices?.[0]?.message?.content;
  }
  const events = sent.text.split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)));
  return path.endsWith("/responses")
    ? events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta).join("")
    : events.flatMap((event) => event.choices).map((choice) => choice.delta.content ?? "").join("");
}

// Runs `ask`, then waits until the mock counts one more request cancelled by its client.
export async function cancelled(ask) {
  const before = (await control("/cancelled")).cancelled;
  await ask();
  await control(`/cancelled?count=${before + 1}`);
}

// Returns the error of `ask`, which must be of this class.
export async function raises(kind, ask) {
  const error = await Promise.resolve().then(ask).then(
    () => assert.fail(`no ${kind.name}`),
    (error) => error,
  );
  // The AI SDK's packages contain copies of one class, whose `isInstance` recognises all of them.
  assert.ok(kind.isInstance?.(error) ?? error instanceof kind, `${error?.constructor?.name} ${error}, not ${kind.name}`);
  return error;
}

// Returns a value nested deeper than callsign accepts: 400 `invalid_json`.
export function deep() {
  let nested = [];
  for (let depth = 0; depth < 1100; depth += 1) nested = [nested];
  return nested;
}

// Runs all checks and appends a line of JSON to CLIENTS_RESULTS for each that passes.
export async function run(client, version, checks) {
  for (const [capability, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAILED ${client} ${capability}\n${error?.stack ?? error}`);
      continue;
    }
    console.log(`ok     ${client} ${version}: ${capability}`);
    appendFileSync(environment.CLIENTS_RESULTS, `${JSON.stringify({ client, version, capability })}\n`);
  }
}
