"""A small OpenRouter on a loopback port, whose replies hold a canary wherever a reply can hold text."""

import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# In every prompt and every reply of this run, and nowhere else.
CANARY = f"canary{secrets.token_hex(8)}"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.00042}
USAGE_OF_ITEMS = {"input_tokens": 11, "output_tokens": 7, "cost": 0.00042}


def canary(place):
    return f"{CANARY}-{place}"


def chat(generation, model, **choice):
    head = {"id": generation, "object": "chat.completion", "created": 1790000000, "model": model}
    choices = [{"index": 0, "finish_reason": "stop"} | choice]
    return head | {"provider": "Provider", "choices": choices, "usage": USAGE}


def spoken():
    function = {"name": "f", "arguments": json.dumps({"a": canary("call")})}
    calls = [{"id": "call_1", "type": "function", "function": function}]
    return {"role": "assistant", "content": canary("reply"), "reasoning": canary("reasoning"), "tool_calls": calls}


def of_responses(generation, model):
    content = [{"type": "output_text", "text": canary("output")}]
    output = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}]
    head = {"id": generation, "object": "response", "model": model, "status": "completed", "created_at": 1790000000}
    return head | {"output": output, "usage": USAGE_OF_ITEMS}


def of_messages(generation, model):
    content = [{"type": "text", "text": canary("message")}]
    head = {"id": generation, "type": "message", "role": "assistant", "model": model, "stop_reason": "end_turn"}
    return head | {"content": content, "usage": USAGE_OF_ITEMS}


def of_embeddings(generation, model):
    data = {"object": "list", "data": [], "note": canary("embedding")}
    return {"id": generation, "model": model, "usage": USAGE} | data


WHOLE = {"/responses": of_responses, "/messages": of_messages, "/embeddings": of_embeddings}


def error(status):
    metadata = {"raw": canary("raw"), "provider_name": "Provider"}
    return {"error": {"code": status, "message": f"no: {canary('error')}", "metadata": metadata}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.received.append(self.path)
        self.answer(404, error(404))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(f"{self.path} {body.decode()}")
        if self.path == "/alerts":
            return self.answer(200, {})
        request = json.loads(body)
        model = request.get("model", "")
        generation = f"gen-1790000000-{len(self.server.received)}"
        if model.startswith("status/"):
            return self.answer(int(model[7:]), error(int(model[7:])))
        if request.get("stream"):
            return self.stream(generation, model)
        whole = WHOLE.get(self.path.split("?")[0], lambda *of: chat(*of, message=spoken()))
        self.answer(200, whole(generation, model))

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-note", canary("header"))
        self.end_headers()
        self.wfile.write(content)

    def stream(self, generation, model):
        """Streams a reply; for the models `mock/cut` and `mock/error` one that breaks, or ends with an error."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.chunk(f": {canary('comment')}\n\n")
        self.event(chat(generation, model, delta=spoken()) | {"usage": None})
        if model == "mock/cut":
            return
        if model == "mock/error":
            self.event(error(502) | {"id": generation, "choices": []})
        else:
            self.event(chat(generation, model, delta={}))
        self.chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, event):
        self.chunk(f"data: {json.dumps(event)}\n\n")

    def chunk(self, text):
        content = text.encode()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """`received` lists the requests."""

    received = []

    def handle_error(self, *_):
        # A client may close after the head.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(*_)


def start():
    """Returns a running server."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
