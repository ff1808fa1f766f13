// The Vercel AI SDK, with each of its three providers that accept a base URL.

import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import {
  APICallError, embedMany, experimental_generateSpeech as generateSpeech, experimental_transcribe as transcribe, generateImage, generateText,
  jsonSchema, streamText, tool,
} from "ai";
import {
  BASE, DOCUMENTS, HEADERS, KEY, PIXEL, RECORDING, SPOOF_BODY, STRANGER, VECTOR, WEATHER, arrival, assert, assertJobs, assertSpeech, cancelled, raises,
  run,
} from "./harness.mjs";

const MODEL = "openai/gpt-4o-mini";
const spoof = { user: "mallory", metadata: { user_id: "mallory" }, safety_identifier: "mallory", ...SPOOF_BODY };
const settings = (apiKey) => ({ baseURL: `${BASE}/v1`, apiKey, headers: HEADERS });

// For each provider: creates a model with a key, the option for the client's identity claims, and the models of the other
// endpoints by capability. `@openrouter/ai-sdk-provider` has neither speech nor transcription, and is the only one with OpenRouter's videos.
const PROVIDERS = {
  "@ai-sdk/openai": {
    model: (id, key) => createOpenAI(settings(key))(id),
    options: { openai: { user: "mallory", metadata: { user_id: "mallory" }, safetyIdentifier: "mallory", promptCacheKey: "mallory", store: false } },
    media: {
      embeddings: createOpenAI(settings(KEY)).embeddingModel(MODEL),
      images_made: createOpenAI(settings(KEY)).imageModel(MODEL),
      speech: createOpenAI(settings(KEY)).speech(MODEL),
      transcription: createOpenAI(settings(KEY)).transcription(MODEL),
    },
  },
  "@ai-sdk/openai-compatible": {
    model: (id, key) => createOpenAICompatible({ name: "callsign", ...settings(key) })(id),
    options: { callsign: spoof },
    media: {
      embeddings: createOpenAICompatible({ name: "callsign", ...settings(KEY) }).embeddingModel(MODEL),
      images_made: createOpenAICompatible({ name: "callsign", ...settings(KEY) }).imageModel(MODEL),
    },
  },
  "@openrouter/ai-sdk-provider": {
    model: (id, key) => createOpenRouter({ ...settings(key), extraBody: SPOOF_BODY })(id),
    options: { openrouter: spoof },
    media: {
      embeddings: createOpenRouter({ ...settings(KEY), extraBody: SPOOF_BODY }).textEmbeddingModel(MODEL),
      images_made: createOpenRouter({ ...settings(KEY), extraBody: SPOOF_BODY }).imageModel(MODEL),
      videos: createOpenRouter({ ...settings(KEY), extraBody: SPOOF_BODY }).videoModel(MODEL, { pollIntervalMs: 1 }),
    },
  },
};

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
}

function mediaChecks({ media, options: providerOptions }) {
  const asking = (name) => ({ model: media[name], providerOptions, maxRetries: 0 });
  const all = {
    async embeddings() {
      const { answer, body, attributed } = await arrival(() => embedMany({ ...asking("embeddings"), values: DOCUMENTS }));
      attributed();
      assert.deepEqual([body.input, answer.embeddings], [DOCUMENTS, [VECTOR, VECTOR]]);
    },
    async images_made() {
      const { answer, body, attributed } = await arrival(() => generateImage({ ...asking("images_made"), prompt: "a pixel" }));
      attributed();
      assert.deepEqual([body.prompt, PIXEL], ["a pixel", `data:image/png;base64,${answer.image.base64}`]);
    },
    async speech() {
      const { answer, body, attributed } = await arrival(() => generateSpeech({ ...asking("speech"), text: "Who am I?" }));
      attributed();
      assert.equal(body.input, "Who am I?");
      assertSpeech(answer.audio.uint8Array);
    },
    async videos() {
      const asked = { prompt: "a dot", n: 1, headers: {}, providerOptions };
      const { answer, all } = await arrival(async () => {
        const { videos } = await media.videos.doGenerate(asked);
        // The provider returns OpenRouter's own address, which needs the operator's key.
        const { pathname, search } = new URL(videos[0].url);
        const headers = { ...HEADERS, authorization: `Bearer ${KEY}` };
        return (await fetch(`${BASE}${pathname}${search}`, { headers })).arrayBuffer();
      }, 3);
      assertJobs(all, answer);
      assert.equal(all[0].body.prompt, "a dot");
    },
    async transcription() {
      const { answer, body, sent, attributed } = await arrival(() => transcribe({ ...asking("transcription"), audio: RECORDING }));
      attributed();
      assert.deepEqual([body.file, answer.text], [RECORDING.toString(), sent().text]);
    },
  };
  return Object.fromEntries(Object.keys(media).map((name) => [name, all[name]]));
}

function checks({ model, options: providerOptions }) {
  const asking = (id = MODEL, more = {}, key = KEY) => ({
    model: model(id, key), prompt: "Who am I?", providerOptions, maxRetries: 0, onError() {}, ...more,
  });
  const tools = { weather: tool({ description: "The weather in a city", inputSchema: jsonSchema(WEATHER) }) };

  // streamText reports failures within the stream.
  async function streamed(...asked) {
    const parts = [];
    for await (const part of streamText(asking(...asked)).fullStream) parts.push(part);
    const failed = parts.find((part) => part.type === "error");
    if (failed) throw failed.error;
    return parts;
  }

  return {
    async plain() {
      const { answer, said, attributed } = await arrival(() => generateText(asking()));
      attributed();
      assert.equal(answer.text, said);
      assert.equal(answer.usage.inputTokens, 11);
    },
    async streaming() {
      const { answer, said, attributed } = await arrival(() => streamed());
      attributed();
      assert.equal(answer.filter((part) => part.type === "text-delta").map((part) => part.text).join(""), said);
    },
    async tools() {
      const { answer, body, attributed } = await arrival(() => generateText(asking("mock/tool-call", { tools })));
      attributed();
      assert.deepEqual(answer.toolCalls.map((call) => [call.toolName, call.input]), [["weather", { city: "Paris" }]]);
      assert.equal(body.tools.length, 1);
      const parts = await streamed("mock/tool-call", { tools });
      assert.deepEqual(parts.find((part) => part.type === "tool-call").input, { city: "Paris" });
    },
    async images() {
      const content = [{ type: "text", text: "What is it?" }, { type: "image", image: new URL(PIXEL) }];
      const asked = { prompt: undefined, messages: [{ role: "user", content }] };
      const { last, attributed } = await arrival(() => generateText(asking(MODEL, asked)));
      attributed();
      assert.ok(last.text.includes(PIXEL), "the image arrived");
    },
    async errors() {
      await arrival(async () => {
        const refused = await raises(APICallError, () => generateText(asking(MODEL, {}, STRANGER)));
        assert.deepEqual([refused.statusCode, refused.responseHeaders["x-callsign-error"], refused.isRetryable], [401, "invalid_credential", false]);
      }, 0);
      await arrival(async () => {
        for (const [status, retryable] of [[404, false], [429, true], [502, true]]) {
          const failed = await raises(APICallError, () => generateText(asking(`mock/error-${status}`)));
          assert.deepEqual([failed.statusCode, failed.isRetryable], [status, retryable]);
        }
      }, 3);
      await raises(Error, () => streamed("mock/cut-after-3"));
    },
    async cancelling() {
      await cancelled(async () => {
        const leaving = new AbortController();
        // After the first events, which have no text.
        const { textStream } = streamText(asking("mock/hang-after-9", { abortSignal: leaving.signal }));
        for await (const text of textStream) {
          assert.ok(text);
          leaving.abort();
        }
      });
    },
  };
}

for (const [name, provider] of Object.entries(PROVIDERS)) {
  await run(name, versionOf(name), { ...checks(provider), ...mediaChecks(provider) });
}
