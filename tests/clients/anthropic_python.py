"""anthropic: the Messages API, whose errors have another shape than OpenAI's."""

import anthropic
from anthropic import Anthropic

from harness import *

client = Anthropic(base_url=BASE, auth_token=KEY, api_key=None, max_retries=0, default_headers=HEADERS)
stranger = Anthropic(base_url=BASE, api_key="sk-cs-nobody-has-this-key", max_retries=0)
MODEL = "anthropic/claude-sonnet-4.5"
ASK = {"max_tokens": 99, "messages": [{"role": "user", "content": "Who am I?"}]}
SPOOF = {"metadata": {"user_id": "mallory"}, "extra_body": {**SPOOF_BODY, "user": "mallory"}}
TOOL = {"name": "weather", "input_schema": WEATHER}


def plain():
    with Arrival() as arrival:
        answer = client.messages.create(model=MODEL, **ASK, **SPOOF)
    assert answer.content[0].text == arrival.attributed().said()
    assert (arrival.body["messages"], arrival.body["max_tokens"]) == (ASK["messages"], 99)
    # The key may be in Anthropic's header, too.
    with Arrival() as arrival:
        Anthropic(base_url=BASE, api_key=KEY, default_headers=HEADERS).messages.create(model=MODEL, **ASK)
    arrival.attributed()
    with Arrival() as arrival:
        assert client.messages.count_tokens(model=MODEL, messages=ASK["messages"]).input_tokens == 11
    assert (arrival.last["path"], arrival.body["user"]) == ("/api/v1/messages/count_tokens", USER)
    # Claude Code's query parameter and the header of beta endpoints.
    with Arrival() as arrival:
        beta = {"betas": ["interleaved-thinking-2025-05-14"], "extra_query": {"beta": "true"}}
        client.beta.messages.create(model=MODEL, **beta, **ASK)
    kept = (arrival.attributed().last["query"], dict(arrival.last["headers"])["anthropic-beta"])
    assert kept == ("beta=true", "interleaved-thinking-2025-05-14"), kept


def streaming():
    with Arrival() as arrival:
        with client.messages.stream(model=MODEL, **ASK, **SPOOF) as stream:
            text = "".join(stream.text_stream)
            assert stream.get_final_message().usage.output_tokens == 7
    assert text == arrival.attributed().said()


def tools():
    with Arrival() as arrival:
        answer = client.messages.create(model="mock/tool-call", tools=[TOOL], **ASK, **SPOOF)
    [call] = answer.content
    assert (answer.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert arrival.attributed().body["tools"] == [TOOL]
    with client.messages.stream(model="mock/tool-call", tools=[TOOL], **ASK) as stream:
        [call] = stream.get_final_message().content
    assert (call.name, call.input) == ("weather", {"city": "Paris"})


def images():
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    with Arrival() as arrival:
        client.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": parts}], **SPOOF)
    assert arrival.attributed().body["messages"][0]["content"] == parts


def errors():
    def ask(model=MODEL, with_client=client, **more):
        return lambda: with_client.messages.create(model=model, **ASK, **more)

    with Arrival(0):
        refused = raises(anthropic.AuthenticationError, ask(with_client=stranger), 401)
        assert refused.body["error"]["type"] == "authentication_error"
        assert refused.response.headers["x-callsign-error"] == "invalid_credential"
        invalid = raises(anthropic.BadRequestError, ask(extra_body={"deep": deep()}), 400)
        assert invalid.body["error"]["type"] == "invalid_request_error"
        raises(anthropic.NotFoundError, client.messages.batches.list, 404)
    with Arrival(4):
        raises(anthropic.NotFoundError, ask("mock/error-404"), 404)
        assert raises(anthropic.RateLimitError, ask("mock/error-429"), 429).body["error"]["type"] == "rate_limit_error"
        raises(anthropic.InternalServerError, ask("mock/error-502"), 502)
        raises(anthropic.APIStatusError, lambda: list(ask("mock/mid-error", stream=True)()))


def cancelling():
    with Cancelled():
        stream = client.messages.create(model="mock/hang-after-5", stream=True, **ASK)
        assert next(iter(stream)).type == "message_start"
        stream.close()


def models():
    # callsign may have the list already.
    assert MODEL in [model.id for model in client.models.list()]


run("anthropic (Python)", anthropic.__version__, [plain, streaming, tools, images, errors, cancelling, models])
