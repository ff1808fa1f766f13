// @openrouter/sdk, which validates every answer against its schema.

import { readFileSync } from "node:fs";
import { OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";
import { HTTPClient } from "@openrouter/sdk/lib/http.js";
import {
  BASE, DOCUMENTS, HEADERS, KEY, PIXEL, RECORDING, STRANGER, VECTOR, WEATHER, arrival, assert, assertJobs, assertSpeech, cancelled, raises, run,
} from "./harness.mjs";

const { version } = JSON.parse(readFileSync(new URL("node_modules/@openrouter/sdk/package.json", import.meta.url)));
const MODEL = "openai/gpt-4o-mini";

function sdk(apiKey = KEY) {
  const httpClient = new HTTPClient();
  httpClient.addHook("beforeRequest", (request) => {
    for (const [name, value] of Object.entries(HEADERS)) request.headers.set(name, value);
  });
  return new OpenRouter({ apiKey, serverURL: `${BASE}/api/v1`, httpClient, retryConfig: { strategy: "none" } });
}

const client = sdk();
const messages = [{ role: "user", content: "Who am I?" }];
const spoof = { user: "mallory", sessionId: "mallory", metadata: { user_id: "mallory" }, trace: { user: "mallory" } };
const claims = { user: "mallory", sessionId: "mallory", trace: { user: "mallory" } };
const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER } }];
const chat = (more = {}, options = {}, by = client) =>
  by.chat.send({ chatRequest: { model: MODEL, messages, ...spoof, ...more } }, options);

async function all(stream) {
  const events = [];
  for await (const event of await stream) events.push(event);
  return events;
}

await run("@openrouter/sdk", version, {
  async plain() {
    const { answer, said, attributed } = await arrival(() => chat());
    attributed();
    assert.equal(answer.choices[0].message.content, said);
  },
  async streaming() {
    const { answer, said, attributed } = await arrival(() => all(chat({ stream: true })));
    attributed();
    assert.equal(answer.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "").join(""), said);
  },
  async tools() {
    const { answer, attributed } = await arrival(() => chat({ model: "mock/tool-call", tools }));
    attributed();
    const [call] = answer.choices[0].message.toolCalls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["weather", { city: "Paris" }]);
  },
  async images() {
    const content = [{ type: "text", text: "What is it?" }, { type: "image_url", imageUrl: { url: PIXEL } }];
    const { last, attributed } = await arrival(() => chat({ messages: [{ role: "user", content }] }));
    attributed();
    assert.ok(last.text.includes(PIXEL), "the image arrived");
  },
  async errors() {
    await arrival(async () => {
      // The SDK's schema requires a number as `error.code`. callsign's refusals have OpenAI's shape, where it is a
      // name. So the error has the SDK's base class and reports a parse failure; status, headers and body are
      // available.
      const refused = await raises(errors.OpenRouterError, () => chat({}, {}, sdk(STRANGER)));
      assert.deepEqual([refused.statusCode, refused.headers.get("x-callsign-error")], [401, "invalid_credential"]);
      assert.equal(JSON.parse(refused.body).error.code, "invalid_credential");
    }, 0);
    await arrival(async () => {
      await raises(errors.NotFoundResponseError, () => chat({ model: "mock/error-404" }));
      await raises(errors.TooManyRequestsResponseError, () => chat({ model: "mock/error-429" }));
      await raises(errors.BadGatewayResponseError, () => chat({ model: "mock/error-502" }));
    }, 3);
  },
  async cancelling() {
    await cancelled(async () => {
      const leaving = new AbortController();
      const stream = await chat({ model: "mock/hang-after-3", stream: true }, { fetchOptions: { signal: leaving.signal } });
      await raises(Error, async () => {
        for await (const chunk of stream) {
          assert.ok(chunk.choices);
          leaving.abort();
        }
      });
    });
  },
  async models() {
    // callsign may have the list already.
    const answer = await client.models.list();
    assert.ok(answer.result.data.some(({ id }) => id === MODEL));
  },
  async embeddings() {
    const requestBody = { model: MODEL, input: DOCUMENTS, ...claims };
    const { answer, body, attributed } = await arrival(() => client.embeddings.generate({ requestBody }));
    attributed();
    assert.deepEqual(body.input, DOCUMENTS);
    assert.deepEqual(answer.data.map(({ embedding }) => embedding), [VECTOR, VECTOR]);
  },
  async rerank() {
    const requestBody = { model: MODEL, query: "which?", documents: DOCUMENTS, ...claims };
    const { answer, body, attributed } = await arrival(() => client.rerank.rerank({ requestBody }));
    attributed();
    assert.deepEqual([body.query, body.documents], ["which?", DOCUMENTS]);
    assert.deepEqual(answer.results.map(({ index, document }) => [index, document.text]), [...DOCUMENTS.entries()]);
  },
  async images_made() {
    const imageGenerationRequest = { model: MODEL, prompt: "a pixel", ...claims };
    const whole = await arrival(() => client.images.generate({ imageGenerationRequest }));
    whole.attributed();
    assert.deepEqual([whole.body.prompt, PIXEL], ["a pixel", `data:image/png;base64,${whole.answer.data[0].b64Json}`]);
  },
  async speech() {
    const speechRequest = { model: MODEL, input: "Who am I?", voice: "alloy", ...claims };
    const { answer, body, attributed } = await arrival(async () => {
      return new Response(await client.tts.createSpeech({ speechRequest })).arrayBuffer();
    });
    attributed();
    assert.equal(body.input, "Who am I?");
    assertSpeech(answer);
  },
  async videos() {
    const videoGenerationRequest = { model: MODEL, prompt: "a dot", callbackUrl: "https://mallory.example", ...claims };
    const { answer, all: arrived } = await arrival(async () => {
      const { id: jobId } = await client.videoGeneration.generate({ videoGenerationRequest });
      const finished = await client.videoGeneration.getGeneration({ jobId });
      assert.deepEqual([finished.id, finished.status], [jobId, "completed"]);
      return new Response(await client.videoGeneration.getVideoContent({ jobId })).arrayBuffer();
    }, 3);
    assertJobs(arrived, answer);
    assert.equal(arrived[0].body.prompt, "a dot");
  },
  async transcription() {
    const inputAudio = { data: RECORDING.toString("base64"), format: "mp3" };
    const sttRequest = { model: MODEL, inputAudio, ...claims };
    const json = await arrival(() => client.stt.createTranscription({ sttRequest }));
    json.attributed();
    assert.deepEqual([json.body.input_audio, json.answer.text], [inputAudio, json.sent().text]);
    const file = new File([RECORDING], "a.mp3", { type: "audio/mpeg" });
    const requestBody = { model: MODEL, file, ...claims, trace: JSON.stringify(claims.trace) };
    const form = await arrival(() => client.stt.createTranscriptionMultipart({ requestBody }));
    form.attributed();
    assert.deepEqual([form.body.file, form.answer.text], [RECORDING.toString(), form.sent().text]);
  },
});
