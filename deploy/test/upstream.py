"""A mock upstream on the loopback that records requests: `upstream.py PORT DIRECTORY`.

Each request becomes one line of DIRECTORY/requests. The response is a stream of two events. If the model is `slow`, the second
event waits until DIRECTORY/release, a named pipe, is opened for writing.
"""

import http.server
import json
import sys

PORT, DIRECTORY = int(sys.argv[1]), sys.argv[2]
FIRST = b'data: {"id":"gen-1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"}}]}\n\n'
LAST = b'data: {"id":"gen-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"cost":0.5}}\n\ndata: [DONE]\n\n'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}, "body": body}
        with open(f"{DIRECTORY}/requests", "a", encoding="utf-8") as requests:
            print(json.dumps(request), file=requests)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.chunk(FIRST)
        if body["model"] == "slow":
            with open(f"{DIRECTORY}/release", encoding="utf-8"):
                pass
        self.chunk(LAST)
        self.chunk(b"")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
