"""What every Python client is tested with: callsign's address, what arrived behind it, and where results go.

A check is a function whose name is the capability. It asks through the client, then asserts what the client made of the answer and
what arrived at the stand-in. Every client says that it is mallory wherever it can; `Arrival` fails if any of that got through.
"""

import json
import os
import sys
import traceback
import urllib.request

BASE = os.environ["CALLSIGN_URL"]
KEY = os.environ["CLIENTS_APP_KEY"]
ALICE = os.environ["CLIENTS_ALICE_KEY"]
CONTROL = os.environ["STANDIN_CONTROL"]
OPERATOR = os.environ["OPENROUTER_API_KEY"]

# What the app says of its user, and what the formats make of it: sha256("alice") begins with these digits.
IDENTITY = {"X-User-Id": "alice", "X-Session-Id": "tab-1", "X-Chat-Id": "chat-7", "X-Message-Id": "message-9"}
USER = "acme_2bd806c97f0e00af"
METADATA = {"user_id": USER, "session_id": "tab-1", "chat_id": "chat-7", "message_id": "message-9"}

# What a client could claim beside it.
SPOOF_HEADERS = {
    "Cookie": "session=mallory",
    "X-OpenWebUI-User-Id": "mallory",
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-User": "mallory",
    "X-Claude-Code-Session-Id": "mallory",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
HEADERS = {**IDENTITY, **SPOOF_HEADERS}
SPOOF_BODY = {"session_id": "mallory", "trace": {"user": "mallory"}, "client_metadata": {"user": "mallory"}}

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

# All that may leave: the contract's list, and what HTTP itself needs.
ALLOWED = {
    "accept", "accept-encoding", "anthropic-version", "anthropic-beta", "x-anthropic-beta", "openai-beta", "http-referer", "x-title",
    "x-openrouter-title", "x-openrouter-categories", "user-agent", "authorization", "content-type", "content-length",
    "transfer-encoding", "host",
}


def control(path):
    with urllib.request.urlopen(f"{CONTROL}{path}", timeout=20) as answer:
        return json.load(answer)


def seen():
    return len(control("/received"))


class Arrival:
    """The requests that arrive upstream while the block runs; exactly `count` of them."""

    def __init__(self, count=1):
        self.count = count

    def __enter__(self):
        self.before = seen()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        self.all = control(f"/received?after={self.before}")
        assert len(self.all) == self.count, f"{len(self.all)} requests arrived, not {self.count}"
        for request in self.all:
            assert_clean(request)
        if self.count:
            self.last = self.all[-1]
            self.body = self.last["body"]

    def attributed(self):
        """The identifiers are alice's as the formats write them, and in the places of the endpoint."""
        path, body = self.last["path"], self.body
        assert body["user"] == USER, body["user"]
        assert body["session_id"] == "tab-1", body.get("session_id")
        assert body["metadata"] == ({"user_id": USER} if path.endswith("/messages") else METADATA), body["metadata"]
        assert body.get("safety_identifier") == (USER if path.endswith("/responses") else None)
        for gone in ("trace", "client_metadata"):
            assert gone not in body, gone
        return self

    def said(self):
        """The text that the stand-in sent."""
        return text_of(self.last["path"], self.last["sent"]["text"])


def assert_clean(request):
    headers = dict(request["headers"])
    assert len(headers) == len(request["headers"]), f"a header twice: {request['headers']}"
    assert headers.keys() <= ALLOWED, headers.keys() - ALLOWED
    assert headers["authorization"] == f"Bearer {OPERATOR}"
    assert headers["user-agent"].startswith("callsign/"), headers["user-agent"]
    everything = json.dumps(headers) + request["text"]
    for secret in ("mallory", "alice", KEY, ALICE, "192.0.2.66"):
        assert secret not in everything, f"{secret} left"


def text_of(path, sent):
    if "data:" not in sent:
        return whole(path, json.loads(sent))
    events = [json.loads(line[6:]) for line in sent.splitlines() if line.startswith("data: {")]
    if path.endswith("/chat/completions"):
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    if path.endswith("/responses"):
        return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


def whole(path, body):
    if path.endswith("/chat/completions"):
        return body["choices"][0]["message"]["content"]
    return body["output"][0]["content"][0]["text"] if path.endswith("/responses") else body["content"][0]["text"]


class Cancelled:
    """The stand-in sees one more request given up by its client once the block has ended."""

    def __enter__(self):
        self.before = control("/cancelled")["cancelled"]

    def __exit__(self, kind, *_):
        if kind is None:
            control(f"/cancelled?count={self.before + 1}")


def raises(kind, ask, status=None):
    try:
        ask()
    except kind as error:
        if status is not None:
            assert getattr(error, "status_code", None) == status, error
        return error
    raise AssertionError(f"no {kind.__name__}")


def deep():
    """More open containers than callsign reads: 400 `invalid_json`."""
    sys.setrecursionlimit(20_000)
    nested = []
    for _ in range(1100):
        nested = [nested]
    return nested


def run(client, version, checks):
    """Runs all checks; one line of JSON for each that passed goes to CLIENTS_RESULTS."""
    failed = 0
    for check in checks:
        try:
            check()
        except Exception:
            failed += 1
            print(f"FAILED {client} {check.__name__}\n{traceback.format_exc()}", flush=True)
            continue
        print(f"ok     {client} {version}: {check.__name__}", flush=True)
        with open(os.environ["CLIENTS_RESULTS"], "a") as results:
            results.write(json.dumps({"client": client, "version": version, "capability": check.__name__}) + "\n")
    sys.exit(1 if failed else 0)
