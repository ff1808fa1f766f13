// openai (Node): chat completions, the Responses API, the model list, embeddings, images, speech and transcription.

import OpenAI, { toFile } from "openai";
import { VERSION } from "openai/version";
import {
  BASE, DOCUMENTS, HEADERS, KEY, PIXEL, RECORDING, SPOOF_BODY, STRANGER, VECTOR, WEATHER, arrival, assert, assertSpeech, cancelled, deep,
  raises, run,
} from "./harness.mjs";

const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: KEY, maxRetries: 0, defaultHeaders: HEADERS });
const model = "openai/gpt-4o-mini";
const messages = [{ role: "user", content: "Who am I?" }];
const spoof = { user: "mallory", metadata: { user_id: "mallory" }, safety_identifier: "mallory", prompt_cache_key: "mallory", ...SPOOF_BODY };
const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER } }];
const chat = (more = {}, options = {}) => client.chat.completions.create({ model, messages, ...more }, options);

async function all(stream) {
  const events = [];
  for await (const event of await stream) events.push(event);
  return events;
}

await run("openai (Node)", VERSION, {
  async plain() {
    const { answer, body, said, attributed } = await arrival(() => chat({ temperature: 0.5, ...spoof }));
    attributed();
    assert.equal(answer.choices[0].message.content, said);
    assert.deepEqual([body.messages, body.temperature, answer.usage.total_tokens], [messages, 0.5, 18]);
  },
  async streaming() {
    const { answer, said, attributed } = await arrival(() => all(chat({ stream: true, ...spoof })));
    attributed();
    assert.equal(answer.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "").join(""), said);
    assert.equal(answer.at(-1).usage.total_tokens, 18);
  },
  async responses() {
    const ask = (more) => client.responses.create({ model, input: "Who am I?", store: false, ...spoof, ...more });
    const whole = await arrival(() => ask());
    whole.attributed();
    assert.equal(whole.answer.output_text, whole.said);
    const streamed = await arrival(() => all(ask({ stream: true })));
    streamed.attributed();
    assert.equal(streamed.answer.at(-1).response.output_text, streamed.said);
  },
  async tools() {
    const { answer, body, attributed } = await arrival(() => chat({ model: "mock/tool-call", tools, ...spoof }));
    attributed();
    const [call] = answer.choices[0].message.tool_calls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments), body.tools], ["weather", { city: "Paris" }, tools]);
    const chunks = await all(chat({ model: "mock/tool-call", tools, stream: true }));
    const pieces = chunks.flatMap((chunk) => chunk.choices).flatMap((choice) => choice.delta.tool_calls ?? []);
    assert.deepEqual(JSON.parse(pieces.map((piece) => piece.function.arguments).join("")), { city: "Paris" });
  },
  async images() {
    const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: PIXEL } }];
    const { body, attributed } = await arrival(() => chat({ messages: [{ role: "user", content }], ...spoof }));
    attributed();
    assert.deepEqual(body.messages[0].content, content);
  },
  async errors() {
    await arrival(async () => {
      const stranger = client.withOptions({ apiKey: STRANGER });
      const refused = await raises(OpenAI.AuthenticationError, () => stranger.chat.completions.create({ model, messages }));
      assert.deepEqual([refused.status, refused.code, refused.headers.get("x-callsign-error")], [401, "invalid_credential", "invalid_credential"]);
      assert.equal((await raises(OpenAI.BadRequestError, () => chat({ deep: deep() }))).code, "invalid_json");
      assert.equal((await raises(OpenAI.NotFoundError, () => client.files.list())).code, "not_exposed");
      // A form for OpenAI's own API; OpenRouter takes JSON.
      const form = await raises(OpenAI.APIError, () => client.videos.create({ model, prompt: "a dot" }));
      assert.deepEqual([form.status, form.code], [415, "unsupported_media_type"]);
    }, 0);
    await arrival(async () => {
      await raises(OpenAI.NotFoundError, () => chat({ model: "mock/error-404" }));
      const limited = await raises(OpenAI.RateLimitError, () => chat({ model: "mock/error-429" }));
      assert.equal(limited.headers.get("retry-after"), "1");
      await raises(OpenAI.InternalServerError, () => chat({ model: "mock/error-502" }));
      await raises(OpenAI.APIError, () => all(chat({ model: "mock/mid-error", stream: true })));
    }, 4);
    // A stream that breaks upstream breaks for the client too.
    await raises(Error, () => all(chat({ model: "mock/cut-after-3", stream: true })));
    await arrival(() => raises(OpenAI.RateLimitError, () => chat({ model: "mock/error-429" }, { maxRetries: 1 })), 2);
  },
  async cancelling() {
    await cancelled(async () => {
      const stream = await chat({ model: "mock/hang-after-3", stream: true });
      for await (const chunk of stream) {
        assert.ok(chunk.choices);
        stream.controller.abort();
      }
    });
  },
  async models() {
    // callsign may have the list already.
    const answer = await all(client.models.list());
    assert.ok(answer.some(({ id }) => id === model));
  },
  async embeddings() {
    for (const encoding of [{}, { encoding_format: "float" }]) {
      const asked = { model, input: DOCUMENTS, ...spoof, ...encoding };
      const { answer, body, sent, attributed } = await arrival(() => client.embeddings.create(asked));
      attributed();
      assert.deepEqual(body.input, DOCUMENTS);
      assert.deepEqual(answer.data.map(({ embedding }) => Array.from(embedding)), [VECTOR, VECTOR]);
      assert.equal(answer.usage.prompt_tokens, sent().usage.prompt_tokens);
    }
  },
  async images_made() {
    const asked = { model, prompt: "a pixel", ...spoof };
    const whole = await arrival(() => client.images.generate(asked));
    whole.attributed();
    assert.equal(whole.body.prompt, "a pixel");
    assert.equal(PIXEL, `data:image/png;base64,${whole.answer.data[0].b64_json}`);
    const streamed = await arrival(() => all(client.images.generate({ ...asked, stream: true })));
    streamed.attributed();
    const { type, b64_json } = streamed.answer.at(-1);
    assert.deepEqual([type, PIXEL], ["image_generation.completed", `data:image/png;base64,${b64_json}`]);
  },
  async speech() {
    const asked = { model, voice: "alloy", input: "Who am I?", ...spoof };
    const { answer, body, attributed } = await arrival(async () => (await client.audio.speech.create(asked)).arrayBuffer());
    attributed();
    assert.equal(body.input, "Who am I?");
    assertSpeech(answer);
  },
  async transcription() {
    const file = await toFile(RECORDING, "a.mp3", { type: "audio/mpeg" });
    const { answer, body, sent, attributed } = await arrival(() => client.audio.transcriptions.create({ model, file, ...spoof }));
    attributed();
    assert.deepEqual([body.file, body.model, answer.text], [RECORDING.toString(), model, sent().text]);
  },
});
