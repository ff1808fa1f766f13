"""openrouter, OpenRouter's SDK for Python, which validates every answer against its schema."""

import base64
import importlib.metadata

import httpx
from openrouter import OpenRouter
from openrouter import errors as kinds
from openrouter.utils import BackoffStrategy, RetryConfig

from harness import *

MODEL = "openai/gpt-4o-mini"
ASK = [{"role": "user", "content": "Who am I?"}]
SPOOF = {"user": "mallory", "session_id": "mallory", "trace": {"user": "mallory"}}
CHAT = {**SPOOF, "metadata": {"user_id": "mallory"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def sdk(key=KEY):
    http = httpx.Client(headers=HEADERS, follow_redirects=True)
    return OpenRouter(api_key=key, server_url=f"{BASE}/api/v1", client=http, retry_config=None)


client = sdk()


def plain():
    with Arrival() as arrival:
        answer = client.chat.send(model=MODEL, messages=ASK, **CHAT)
    assert answer.choices[0].message.content == arrival.attributed().said()
    assert arrival.body["messages"] == ASK
    assert answer.usage.total_tokens == 18


def streaming():
    with Arrival() as arrival:
        with client.chat.send(model=MODEL, messages=ASK, stream=True, **CHAT) as stream:
            chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == arrival.attributed().said()


def tools():
    with Arrival() as arrival:
        answer = client.chat.send(model="mock/tool-call", messages=ASK, tools=[TOOL], **CHAT)
    arrival.attributed()
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})


def images():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with Arrival() as arrival:
        client.chat.send(model=MODEL, messages=[{"role": "user", "content": parts}], **CHAT)
    assert PIXEL in arrival.attributed().last["text"]


def errors():
    def ask(model=MODEL, by=client):
        return lambda: by.chat.send(model=model, messages=ASK)

    with Arrival(0):
        # The schema requires a number as `error.code`; callsign's errors have a name there, as OpenAI's.
        refused = raises(kinds.OpenRouterError, ask(by=sdk("sk-cs-nobody-has-this-key")), 401)
        assert refused.headers["x-callsign-error"] == "invalid_credential"
        assert json.loads(refused.body)["error"]["code"] == "invalid_credential"
    with Arrival(3):
        raises(kinds.NotFoundResponseError, ask("mock/error-404"), 404)
        raises(kinds.TooManyRequestsResponseError, ask("mock/error-429"), 429)
        raises(kinds.BadGatewayResponseError, ask("mock/error-502"), 502)


def cancelling():
    with Cancelled():
        with client.chat.send(model="mock/hang-after-3", messages=ASK, stream=True) as stream:
            assert next(iter(stream)).choices


def models():
    # callsign may have the list already.
    assert MODEL in [model.id for model in client.models.list().result.data]


def embeddings():
    with Arrival() as arrival:
        answer = client.embeddings.generate(model=MODEL, input=DOCUMENTS, **SPOOF)
    assert arrival.attributed().body["input"] == DOCUMENTS
    assert [item.embedding for item in answer.data] == [VECTOR, VECTOR]


def rerank():
    with Arrival() as arrival:
        answer = client.rerank.rerank(model=MODEL, query="which?", documents=DOCUMENTS, **SPOOF)
    assert (arrival.attributed().body["query"], arrival.body["documents"]) == ("which?", DOCUMENTS)
    assert [(result.index, result.document.text) for result in answer.results] == list(enumerate(DOCUMENTS))


def images_made():
    with Arrival() as arrival:
        answer = client.images.generate(model=MODEL, prompt="a pixel", **SPOOF)
    assert arrival.attributed().body["prompt"] == "a pixel"
    assert answer.data[0].b64_json == arrival.sent()["data"][0]["b64_json"]
    assert base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG")


def speech():
    with Arrival() as arrival:
        answer = client.tts.create_speech(model=MODEL, input="Who am I?", voice="alloy", **SPOOF)
        content = answer.read()
    assert arrival.attributed().body["input"] == "Who am I?"
    assert content.startswith(b"RIFF") and content[44:] == SAMPLES


def transcription():
    audio = {"data": base64.b64encode(RECORDING).decode(), "format": "mp3"}
    with Arrival() as arrival:
        answer = client.stt.create_transcription(model=MODEL, input_audio=audio, **SPOOF)
    assert arrival.attributed().body["input_audio"] == audio
    assert answer.text == arrival.sent()["text"]
    part = {"file_name": "a.mp3", "content": RECORDING, "content_type": "audio/mpeg"}
    claims = {**SPOOF, "trace": '{"user":"mallory"}'}
    with Arrival() as arrival:
        answer = client.stt.create_transcription_multipart(model=MODEL, file=part, **claims)
    assert arrival.attributed().body["file"] == RECORDING.decode()
    assert answer.text == arrival.sent()["text"]


def videos():
    with Arrival(3) as arrival:
        job = client.video_generation.generate(model=MODEL, prompt="a dot", callback_url="https://mallory.example", **SPOOF)
        finished = client.video_generation.get_generation(job_id=job.id)
        content = client.video_generation.get_video_content(job_id=job.id).read()
    assert_jobs(arrival)
    assert (arrival.body["prompt"], finished.id, finished.status) == ("a dot", job.id, "completed")
    assert content.endswith(VIDEO)


run("openrouter (Python)", importlib.metadata.version("openrouter"), [
    plain, streaming, tools, images, errors, cancelling, models, embeddings, rerank, images_made, speech, transcription,
    videos,
])
