"""The harness of the Python clients: callsign's address, the requests that arrive upstream, and the file for results.

A check is a function named after its capability. It sends a request through the client, then checks the client's result and the
request that arrived at the mock OpenRouter. Every client claims to be mallory wherever it can; `Arrival` fails if a claim passes.
"""

import json
import os
import re
import sys
import traceback
import urllib.request

BASE = os.environ["CALLSIGN_URL"]
KEY = os.environ["CLIENTS_APP_KEY"]
ALICE = os.environ["CLIENTS_ALICE_KEY"]
CONTROL = os.environ["MOCK_CONTROL"]
OPERATOR = os.environ["OPENROUTER_API_KEY"]

# The app's identity headers and the identifiers that the formats render: sha256("alice") begins with these digits.
IDENTITY = {"X-User-Id": "alice", "X-Session-Id": "tab-1", "X-Chat-Id": "chat-7", "X-Message-Id": "message-9"}
USER = "acme_2bd806c97f0e00af"
METADATA = {"user_id": USER, "session_id": "tab-1", "chat_id": "chat-7", "message_id": "message-9"}

# Identity claims of a client.
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
# The mock's vector and the samples of its WAV file, and what the clients send it.
VECTOR = [0.5, -0.25, 0.125, 0.0625]
SAMPLES = bytes(range(256)) * 4
DOCUMENTS = ["first text", "second text"]
VIDEO = b"a video of the mock OpenRouter"
RECORDING = "ID3 \u00fc\r\n--not-a-boundary\r\n".encode() * 40
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

# The headers that callsign may send upstream (docs/SPEC.md#request-headers), and those of HTTP itself.
ALLOWED = {
    "accept", "accept-encoding", "anthropic-version", "anthropic-beta", "x-anthropic-beta", "openai-beta", "http-referer", "x-title",
    "x-openrouter-title", "x-openrouter-categories", "user-agent", "authorization", "content-type", "content-length",
    "transfer-encoding", "host",
}
# The endpoints whose requests carry no `metadata`, and the session in a header too (docs/SPEC.md#inference-endpoints).
# `/videos` carries neither.
MEDIA = ("/embeddings", "/rerank", "/images", "/images/generations", "/audio/speech", "/audio/transcriptions")


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
            self.body = self.last["body"] or form(self.last)

    def attributed(self):
        """Checks that the identifiers are alice's, rendered by the formats, in the members of the endpoint."""
        path, body = self.last["path"], self.body
        assert body["user"] == USER, body["user"]
        assert body["session_id"] == "tab-1", body.get("session_id")
        if path.endswith(MEDIA):
            assert "metadata" not in body, body["metadata"]
            assert ["x-session-id", "tab-1"] in self.last["headers"]
        elif path.endswith("/videos"):
            assert "metadata" not in body, body["metadata"]
        else:
            assert body["metadata"] == ({"user_id": USER} if path.endswith("/messages") else METADATA), body["metadata"]
        assert body.get("safety_identifier") == (USER if path.endswith("/responses") else None)
        for gone in ("trace", "client_metadata"):
            assert gone not in body, gone
        return self

    def sent(self):
        """Returns the JSON that the mock sent."""
        return json.loads(self.last["sent"]["text"])

    def said(self):
        """Returns the text that the mock sent."""
        return text_of(self.last["path"], self.last["sent"]["text"])


def assert_jobs(arrival):
    """Checks that a job was created, polled and fetched, in this order."""
    created, *reads = arrival.all
    arrival.last, arrival.body = created, created["body"]
    arrival.attributed()
    job = arrival.sent()["id"]
    assert [read["method"] for read in reads] == ["GET", "GET"]
    assert [read["path"].split("/videos/")[1] for read in reads] == [job, f"{job}/content"]


def assert_clean(request):
    headers = dict(request["headers"])
    assert len(headers) == len(request["headers"]), f"a header twice: {request['headers']}"
    allowed = ALLOWED | {"x-session-id"} if request["path"].endswith(MEDIA) else ALLOWED
    assert headers.keys() <= allowed, headers.keys() - allowed
    assert headers["authorization"] == f"Bearer {OPERATOR}"
    assert headers["user-agent"].startswith("callsign/"), headers["user-agent"]
    everything = json.dumps(headers) + request["text"]
    for secret in ("mallory", "alice", KEY, ALICE, "192.0.2.66"):
        assert secret not in everything, f"{secret} left"


def form(request):
    """Returns the parts of a multipart form by name, each of which occurs once; `None` if the request is no form."""
    boundary = re.fullmatch(r'multipart/form-data; boundary="?([^"]+)"?', dict(request["headers"]).get("content-type", ""))
    if boundary is None:
        return None
    first, *parts, last = f"\r\n{request['text']}".split(f"\r\n--{boundary[1]}")
    assert (first, last.strip()) == ("", "--"), (first, last)
    named = [(re.search(r' name="([^"]*)"', head)[1], content) for head, content in (part.split("\r\n\r\n", 1) for part in parts)]
    assert len(dict(named)) == len(named), f"a part twice: {[name for name, _ in named]}"
    return dict(named)


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
    """Waits at the end of the block until the mock counts one more request cancelled by its client."""

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
    """Returns a value nested deeper than callsign accepts: 400 `invalid_json`."""
    sys.setrecursionlimit(20_000)
    nested = []
    for _ in range(1100):
        nested = [nested]
    return nested


def run(client, version, checks):
    """Runs all checks and appends a line of JSON to CLIENTS_RESULTS for each that passes."""
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
