"""openai-python: chat completions, the Responses API, the model list, embeddings, images, speech and transcription."""

import base64

import openai
from openai import OpenAI

from harness import *

client = OpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, default_headers=HEADERS)
stranger = client.with_options(api_key="sk-cs-nobody-has-this-key")
MODEL = "openai/gpt-4o-mini"
ASK = [{"role": "user", "content": "Who am I?"}]
SPOOF = {"user": "mallory", "metadata": {"user_id": "mallory"}, "safety_identifier": "mallory", "prompt_cache_key": "mallory", "extra_body": SPOOF_BODY}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def plain():
    with Arrival() as arrival:
        answer = client.chat.completions.create(model=MODEL, messages=ASK, temperature=1.10, **SPOOF)
    assert answer.choices[0].message.content == arrival.attributed().said()
    assert (arrival.body["messages"], arrival.body["temperature"]) == (ASK, 1.10)
    assert answer.usage.total_tokens == 18


def streaming():
    with Arrival() as arrival:
        chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True, **SPOOF))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == arrival.attributed().said()
    assert chunks[-1].usage.total_tokens == 18


def responses():
    with Arrival() as arrival:
        answer = client.responses.create(model=MODEL, input="Who am I?", store=False, **SPOOF)
    assert answer.output_text == arrival.attributed().said()
    with Arrival() as arrival:
        events = list(client.responses.create(model=MODEL, input="Who am I?", stream=True, store=False, **SPOOF))
    assert events[-1].response.output_text == arrival.attributed().said()
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == arrival.said()


def tools():
    with Arrival() as arrival:
        answer = client.chat.completions.create(model="mock/tool-call", messages=ASK, tools=[TOOL], **SPOOF)
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    assert arrival.attributed().body["tools"] == [TOOL]
    result = [*ASK, answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    with Arrival() as arrival:
        client.chat.completions.create(model=MODEL, messages=result, tools=[TOOL], **SPOOF)
    assert arrival.attributed().body["messages"][-1]["content"] == "rain"
    chunks = client.chat.completions.create(model="mock/tool-call", messages=ASK, tools=[TOOL], stream=True)
    pieces = [piece for chunk in chunks for choice in chunk.choices for piece in choice.delta.tool_calls or []]
    assert pieces[0].function.name == "weather"
    assert json.loads("".join(piece.function.arguments for piece in pieces)) == {"city": "Paris"}


def images():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with Arrival() as arrival:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}], **SPOOF)
    assert arrival.attributed().body["messages"][0]["content"] == parts


def errors():
    def ask(model=MODEL, with_client=client, **more):
        return lambda: with_client.chat.completions.create(model=model, messages=ASK, **more)

    with Arrival(0):
        refused = raises(openai.AuthenticationError, ask(with_client=stranger), 401)
        assert refused.code == "invalid_credential" and refused.response.headers["x-callsign-error"] == refused.code
        assert raises(openai.BadRequestError, ask(extra_body={"deep": deep()}), 400).code == "invalid_json"
        assert raises(openai.NotFoundError, client.files.list, 404).code == "not_exposed"
        # A form for OpenAI's own API; OpenRouter takes JSON.
        assert raises(openai.APIStatusError, lambda: client.videos.create(model=MODEL, prompt="a dot"), 415).code == "unsupported_media_type"
    with Arrival(4):
        raises(openai.NotFoundError, ask("mock/error-404"), 404)
        limited = raises(openai.RateLimitError, ask("mock/error-429"), 429)
        assert limited.response.headers["retry-after"] == "1" and "x-callsign-error" not in limited.response.headers
        raises(openai.InternalServerError, ask("mock/error-502"), 502)
        raises(openai.APIError, lambda: list(ask("mock/mid-error", stream=True)()))
    # A stream that breaks upstream breaks for the client too.
    with Arrival(1):
        cut = ask("mock/cut-after-3", stream=True)()
        assert next(iter(cut)).choices
        raises(openai.APIConnectionError, lambda: list(cut))
    with Arrival(2):
        raises(openai.RateLimitError, ask("mock/error-429", client.with_options(max_retries=1)), 429)


def cancelling():
    with Cancelled():
        stream = client.chat.completions.create(model="mock/hang-after-3", messages=ASK, stream=True)
        assert next(iter(stream)).choices
        stream.close()


def models():
    # callsign may have the list already.
    assert MODEL in [model.id for model in client.models.list()]


# What these endpoints' methods have no parameter for.
CLAIMS = {**SPOOF_BODY, "metadata": {"user_id": "mallory"}, "safety_identifier": "mallory"}


def embeddings():
    for encoding in [{}, {"encoding_format": "float"}]:
        with Arrival() as arrival:
            answer = client.embeddings.create(model=MODEL, input=DOCUMENTS, user="mallory", extra_body=CLAIMS, **encoding)
        assert arrival.attributed().body["input"] == DOCUMENTS
        assert [item.embedding for item in answer.data] == [VECTOR, VECTOR]
        assert answer.usage.prompt_tokens == arrival.sent()["usage"]["prompt_tokens"]


def images_made():
    with Arrival() as arrival:
        answer = client.images.generate(model=MODEL, prompt="a pixel", user="mallory", extra_body=CLAIMS)
    assert arrival.attributed().body["prompt"] == "a pixel"
    assert answer.data[0].b64_json == arrival.sent()["data"][0]["b64_json"]
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")
    with Arrival() as arrival:
        events = list(client.images.generate(model=MODEL, prompt="a pixel", stream=True, user="mallory", extra_body=CLAIMS))
    arrival.attributed()
    assert (events[-1].type, events[-1].b64_json) == ("image_generation.completed", answer.data[0].b64_json)


def speech():
    with Arrival() as arrival:
        answer = client.audio.speech.create(model=MODEL, voice="alloy", input="Who am I?", extra_body={**CLAIMS, "user": "mallory"})
    assert arrival.attributed().body["input"] == "Who am I?"
    assert answer.content.startswith(b"RIFF") and answer.content[44:] == SAMPLES


def transcription():
    with Arrival() as arrival:
        answer = client.audio.transcriptions.create(model=MODEL, file=("a.mp3", RECORDING, "audio/mpeg"), extra_body={**CLAIMS, "user": "mallory"})
    assert arrival.attributed().body["file"] == RECORDING.decode()
    assert arrival.body["model"] == MODEL
    assert answer.text == arrival.sent()["text"]


run("openai (Python)", openai.__version__, [
    plain, streaming, responses, tools, images, errors, cancelling, models, embeddings, images_made, speech, transcription,
])
