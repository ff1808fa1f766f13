"""langchain-openai: ChatOpenAI over chat completions and over the Responses API."""

from importlib.metadata import version

import openai
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from harness import *

MODEL = "openai/gpt-4o-mini"
SPOOF = {"extra_body": {**SPOOF_BODY, "user": "mallory", "metadata": {"user_id": "mallory"}}}


def chat(model=MODEL, **more):
    settings = {"base_url": f"{BASE}/v1", "api_key": KEY, "max_retries": 0, "default_headers": HEADERS, **more}
    return ChatOpenAI(model=model, **settings)


def plain():
    with Arrival() as arrival:
        answer = chat().bind(**SPOOF).invoke("Who am I?")
    assert answer.content == arrival.attributed().said()
    assert answer.usage_metadata["total_tokens"] == 18


def streaming():
    with Arrival() as arrival:
        text = "".join(chunk.content for chunk in chat().bind(**SPOOF).stream("Who am I?"))
    assert text == arrival.attributed().said()


def responses():
    with Arrival() as arrival:
        answer = chat(use_responses_api=True, store=False).bind(**SPOOF).invoke("Who am I?")
    assert answer.text == arrival.attributed().said()
    assert arrival.last["path"] == "/api/v1/responses"


def tools():
    tool = {"title": "weather", "description": "The weather in a city", **WEATHER}
    with Arrival() as arrival:
        answer = chat("mock/tool-call").bind_tools([tool]).invoke("How is it in Paris?")
    [call] = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Paris"})
    arrival.attributed()


def images():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    with Arrival() as arrival:
        chat().bind(**SPOOF).invoke([HumanMessage(content=parts)])
    assert arrival.attributed().body["messages"][0]["content"] == parts


def errors():
    with Arrival(0):
        refused = raises(openai.AuthenticationError, lambda: chat(api_key="sk-cs-nobody-has-this-key").invoke("x"), 401)
        assert refused.code == "invalid_credential"
        invalid = raises(openai.BadRequestError, lambda: chat(extra_body={"deep": deep()}).invoke("x"), 400)
        assert invalid.code == "invalid_json"
    with Arrival(3):
        raises(openai.NotFoundError, lambda: chat("mock/error-404").invoke("x"), 404)
        # LangChain subclasses some of these errors.
        for status, kind in ((429, openai.RateLimitError), (502, openai.InternalServerError)):
            raises(kind, lambda: chat(f"mock/error-{status}").invoke("x"), status)


def cancelling():
    with Cancelled():
        stream = chat("mock/hang-after-3").stream("x")
        next(stream)
        stream.close()


run("langchain-openai (Python)", version("langchain-openai"), [plain, streaming, responses, tools, images, errors, cancelling])
