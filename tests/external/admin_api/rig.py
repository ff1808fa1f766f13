"""A running callsign with an encrypted archive, whose ledger, archive, keys and blocks are filled by requests."""

import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse
from hashlib import sha256
from pathlib import Path

from upstream import canary

ADMIN = "an-admin-token-of-this-test"
# Role and `persons` of each further token.
TOKENS = {"viewer": ("viewer", False), "persons": ("viewer", True), "operator": ("operator", False)}
APP, OF_ACME = "sk-cs-key-of-the-app-0123456789", "sk-cs-key-of-acme-0123456789ab"
PASSWORD = "a-password-of-this-test"
HOSTILE = ["<script>alert(1)</script>!", "=cmd|' /C calc'!A0", "a/b?c=d&e=%2F#f", "..", "Größe", "x" * 200]
WAIT = 20


def token(name):
    return f"token-of-{name}-0123456789"


def settings():
    """Returns the TOML of the configuration."""
    tokens = (
        f'[[admin.tokens]]\nname = "{name}"\nsha256 = "{digest(token(name))}"\nrole = "{role}"\n'
        f"persons = {str(persons).lower()}\n"
        for name, (role, persons) in TOKENS.items()
    )
    return "\n".join([
        *tokens,
        '[[tenants]]\nname = "acme"\nformats = { user = "of-acme_{user}" }',
        f'[[keys]]\nname = "of-acme"\nsha256 = "{digest(OF_ACME)}"\npreset = "generic"\ntenant = "acme"',
        '[[users]]\nid = "bob"\nlimits = { rpm = 1000, usd_day = 5.5, tokens_day = 1000000 }',
    ])


def digest(text):
    return sha256(text.encode()).hexdigest()


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        try:
            self.body = response.read()
        except http.client.IncompleteRead as cut:
            self.body = cut.partial

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Callsign:
    """The program. `directory` holds its data, its archive and its standard error."""

    def __init__(self, upstream, directory):
        self.directory = Path(directory)
        url = f"http://127.0.0.1:{upstream.server_port}"
        (self.directory / "callsign.toml").write_text(settings())
        self.environment = {
            "PATH": os.environ["PATH"],
            "CALLSIGN_CONFIG": f"{directory}/callsign.toml",
            "CALLSIGN_LISTEN": "127.0.0.1:0",
            "CALLSIGN_ADMIN_LISTEN": "127.0.0.1:0",
            "CALLSIGN_ADMIN_TOKEN": ADMIN,
            "CALLSIGN_UPSTREAM_URL": url,
            "CALLSIGN_ALERT_WEBHOOK": f"{url}/alerts",
            "CALLSIGN_APP_KEY": APP,
            "CALLSIGN_ID_SECRET": "an-identifier-secret-of-this-test",
            "CALLSIGN_DATA_DIR": f"{directory}/data",
            "CALLSIGN_ARCHIVE_DIR": f"{directory}/archive",
            "CALLSIGN_ARCHIVE_PASSWORD": PASSWORD,
            "CALLSIGN_LEDGER_MODE": "strict",
            "CALLSIGN_LOG": "trace",
            "OPENROUTER_API_KEY": "sk-or-v1-key-of-the-operator",
            "USER_ID_FORMAT": "acme_{sha256:16 user}",
            **{f"SEND_{valve}": "true" for valve in ("END_USER_ID", "SESSION_ID", "CHAT_ID", "MESSAGE_ID")},
        }
        self.errors = open(self.directory / "stderr", "wb")
        self.process = self.start(["serve"], stdout=subprocess.PIPE, stderr=self.errors, text=True)
        found = re.search(r"listening on http://(\S+), admin on http://(\S+)", self.process.stdout.readline())
        assert found, f"callsign did not start: {self.log()}"
        self.data, self.admin = found.groups()

    def start(self, arguments, **options):
        return subprocess.Popen([os.environ["CALLSIGN"], *arguments], env=self.environment, **options)

    def run(self, *arguments):
        """Runs a command and returns what it prints, on both outputs, with its exit code."""
        process = self.start(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return process.communicate(timeout=60)[0].decode(), process.returncode

    def log(self):
        return (self.directory / "stderr").read_text()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, "callsign did not end well"

    def api(self, method, path, body=None, bearer=ADMIN, source=None):
        """Calls the admin API. `source` is the client's address."""
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
        return self.send(self.admin, method, f"/api/v1/admin{path}", headers, body, source)

    def send(self, address, method, target, headers, body=None, source=None):
        connection = http.client.HTTPConnection(address, timeout=60, source_address=source and (source, 0))
        try:
            sent = body if body is None or isinstance(body, str) else json.dumps(body)
            connection.request(method, target, sent, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def ask(self, path, user, body, key=APP, number=1):
        """Sends a request of this user with canaries at each place that is not an identifier."""
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "x-session-id": "session-1",
            "x-chat-id": "chat-1",
            "x-message-id": f"message-{number}",
            "x-note": canary("header"),
            "user-agent": canary("agent"),
            "x-forwarded-for": canary("forwarded"),
        }
        if user is not None:
            headers["x-user-id"] = user.encode().decode("latin-1")
        spoofed = {name: canary(name) for name in ("user", "session_id", "safety_identifier")}
        spoofed["metadata"] = {"user_id": canary("metadata")}
        return self.send(self.data, "POST", f"/v1/{path}?note={canary('query')}", headers, spoofed | body)


def fill(callsign):
    """Sends requests of all kinds, makes keys, blocks and limits, and waits until all of it is counted. Returns the
    number of requests."""
    messages = [{"role": "system", "content": canary("system")}, {"role": "user", "content": canary("prompt")}]
    tools = [{"type": "function", "function": {"name": "f", "description": canary("tool"), "parameters": {}}}]
    plain = {"model": "a/<b>model</b>", "messages": messages, "tools": tools}
    kinds = [
        ("chat/completions", plain),
        ("chat/completions", plain | {"stream": True}),
        ("chat/completions", plain | {"stream": True, "model": "mock/cut"}),
        ("chat/completions", plain | {"stream": True, "model": "mock/error"}),
        *(("chat/completions", plain | {"model": f"status/{status}"}) for status in (400, 403, 429, 502)),
        ("responses", {"model": "m", "input": canary("input"), "instructions": canary("instructions")}),
        ("messages", {"model": "m", "max_tokens": 9, "system": canary("system"), "messages": messages[1:]}),
        ("embeddings", {"model": "m", "input": [canary("embedded")]}),
        ("completions", {"model": "m", "prompt": canary("text")}),
        # Refused by callsign.
        ("chat/completions", plain | {"tools": [{"type": "openrouter:bash", "note": canary("bash")}]}),
    ]
    requests = [(path, "alice", body, APP) for path, body in kinds]
    requests += [("chat/completions", user, plain, APP) for user in ["bob", "mallory", None, *HOSTILE]]
    requests += [("chat/completions", user, plain, OF_ACME) for user in ["bob", "carol"]]
    replies = [callsign.ask(path, user, body, key, n) for n, (path, user, body, key) in enumerate(requests)]
    without = [reply.text for reply in replies if canary("") not in reply.text]
    assert len(without) == 1, f"only the refused request has no canary in its reply: {without}"
    for method, path, body, status in [
        ("PUT", "/users/mallory/block", {"reason": "report 17", "seconds": 86400}, 200),
        ("PUT", "/users/never-seen/block", {"unseen": True, "cut": True}, 200),
        ("PUT", "/limits/bob?tenant=acme", {"limits": {"rpm": 5, "usd_day": "0.5"}, "seconds": 3600}, 200),
        ("POST", "/keys", {"user": "alice", "expires_seconds": 7776000, "limits": {"rpm": 60}}, 201),
        ("POST", "/keys", {"app": "webui", "preset": "openwebui", "tenant": "acme"}, 201),
        ("POST", "/keys", {"user": "carol", "tenant": "acme", "allowed_networks": ["10.0.0.0/8"]}, 201),
        ("POST", "/keys/alice/rotate", None, 200),
        ("DELETE", "/keys/carol", None, 200),
    ]:
        answer = callsign.api(method, path, body)
        assert answer.status == status, (method, path, answer.text)
    assert callsign.ask("chat/completions", "mallory", plain).status == 403
    wait(lambda: callsign.api("GET", "/user-mapping/statistics").json()["total_users"] == 5 + len(HOSTILE), "sums")
    return len(requests) + 1


def wait(is_so, what):
    end = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.05)


def quoted(text):
    return urllib.parse.quote(text, safe="")
