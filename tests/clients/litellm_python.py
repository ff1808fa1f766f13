"""litellm as a client: its `openai/` and its `openrouter/` providers."""

from importlib.metadata import version

import litellm

from harness import *

litellm.suppress_debug_info = True
MODEL = "openai/gpt-4o-mini"
ASK = [{"role": "user", "content": "Who am I?"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


def ask(model=f"openai/{MODEL}", key=KEY, **more):
    settings = {"api_base": f"{BASE}/v1", "api_key": key, "num_retries": 0, "max_retries": 0, "extra_headers": HEADERS}
    return litellm.completion(model=model, **{"messages": ASK, **settings, **more})


def plain():
    for provider in ("openai", "openrouter"):
        with Arrival() as arrival:
            answer = ask(f"{provider}/{MODEL}", user="mallory", extra_body=SPOOF_BODY)
        assert answer.choices[0].message.content == arrival.attributed().said()
        assert arrival.body["model"] == MODEL


def streaming():
    for provider in ("openai", "openrouter"):
        with Arrival() as arrival:
            chunks = ask(f"{provider}/{MODEL}", stream=True, user="mallory", extra_body=SPOOF_BODY)
            text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == arrival.attributed().said()


def tools():
    with Arrival() as arrival:
        answer = ask("openai/mock/tool-call", tools=[TOOL])
    [call] = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    assert arrival.attributed().body["tools"] == [TOOL]


def images():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with Arrival() as arrival:
        ask(messages=[{"role": "user", "content": parts}], user="mallory")
    assert arrival.attributed().body["messages"][0]["content"] == parts


def errors():
    with Arrival(0):
        raises(litellm.AuthenticationError, lambda: ask(key="sk-cs-nobody-has-this-key"), 401)
        raises(litellm.BadRequestError, lambda: ask(extra_body={"deep": deep()}), 400)
    with Arrival(3):
        raises(litellm.NotFoundError, lambda: ask("openai/mock/error-404"), 404)
        raises(litellm.RateLimitError, lambda: ask("openai/mock/error-429"), 429)
        raises(litellm.BadGatewayError, lambda: ask("openai/mock/error-502"), 502)


def cancelling():
    with Cancelled():
        stream = ask("openai/mock/hang-after-3", stream=True)
        next(stream)
        stream.completion_stream.close()


run("litellm (Python)", version("litellm"), [plain, streaming, tools, images, errors, cancelling])
