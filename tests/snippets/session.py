"""The shell session of a page: variables, processes and files of its blocks are available to later blocks.

`callsign` is the program under test. `callsign serve` starts it in the background in front of the mock OpenRouter, and replaces
the one that the page started before. The documented addresses are mapped to the page's ports, and placeholders are filled in.
"""

import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
KEYS_FETCHED = re.compile("PRESET=(clerk|supabase|firebase|auth0|keycloak)")
CLIENTS = os.environ["CLIENTS"]
END = "the-end-of-the-command"

# `serve` of this wrapper returns when callsign listens.
CALLSIGN = """#!/usr/bin/env bash
for word; do
  if [ "$word" = serve ]; then
    [ ! -e "$PAGE/pid" ] || kill -KILL "$(cat "$PAGE/pid")" 2> /dev/null
    : > "$PAGE/serve.out"
    "$REAL_CALLSIGN" "$@" > "$PAGE/serve.out" 2> "$PAGE/serve.err" < /dev/null 9>&- &
    echo $! > "$PAGE/pid"
    until grep -q "listening on" "$PAGE/serve.out"; do
      kill -0 $! 2> /dev/null || { cat "$PAGE/serve.out" "$PAGE/serve.err"; exit 2; }
    done
    cat "$PAGE/serve.out"
    exit 0
  fi
done
exec "$REAL_CALLSIGN" "$@"
"""

# `cargo run -- …` and `cargo install --path .` use the built program.
CARGO = """#!/usr/bin/env bash
case "$*" in
  run*" -- "*) while [ "$1" != -- ]; do shift; done; shift; exec callsign "$@" ;;
  "install --path .") exec test -f Cargo.toml ;;
  *) echo "cargo $*: mark this block" >&2; exit 1 ;;
esac
"""


# Settings with which every documented query works. Settings of the page take precedence.
COMPLETE = """
: "${OPENROUTER_API_KEY:=sk-or-filled-in}" "${CALLSIGN_APP_KEY:=sk-cs--filled-in-0000}" "${CALLSIGN_PRESET:=openwebui}"
: "${CALLSIGN_DATA_DIR:=/var/lib/callsign}" "${CALLSIGN_LIMIT_MESSAGES_24H:=200}" "${CALLSIGN_LIMIT_USD_DAY:=5}"
export OPENROUTER_API_KEY CALLSIGN_APP_KEY CALLSIGN_PRESET CALLSIGN_DATA_DIR CALLSIGN_LIMIT_MESSAGES_24H CALLSIGN_LIMIT_USD_DAY
"""
# The generation id in the pages.
GENERATION = "gen-1764041931-x7"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Issuers:
    """Serves the key set of the issuers in the pages on its own port, and has a token of each issuer for alice."""

    def __init__(self):
        made = subprocess.run(["node", f"{HERE}/tokens.mjs"], check=True, capture_output=True, text=True)
        self.tokens, keys = (json.dumps(part) for part in json.loads(made.stdout))

        class KeySet(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(keys.encode())

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeySet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.jwks = f"http://127.0.0.1:{server.server_port}/jwks.json"


class Session:
    def __init__(self, standin, issuers):
        self.directory = tempfile.mkdtemp(prefix="callsign-page-")
        self.data, self.admin = free_ports(2)
        self.work = os.path.join(self.directory, "work")
        self.secrets = os.path.join(self.directory, "secrets")
        self.jwks = issuers.jwks
        # The generation of the last answer to alice.
        self.generation = GENERATION
        self.programs = os.path.join(self.directory, "programs")
        programs = os.path.join(self.directory, "bin")
        for made in (self.work, self.secrets, programs):
            os.mkdir(made)
        # Node resolves packages next to a file: the clients, and replacements of the sign-in libraries.
        shutil.copytree(f"{HERE}/there", self.programs)
        os.rename(f"{self.programs}/packages", f"{self.programs}/node_modules")
        for package in ("@ai-sdk", "@openrouter", "ai", "amaro", "openai", "zod"):
            os.symlink(f"{CLIENTS}/node_modules/{package}", f"{self.programs}/node_modules/{package}")
        for name in ("Cargo.toml", "config", "deploy", "docs"):
            os.symlink(os.path.abspath(name), os.path.join(self.work, name))
        for name, text in (("callsign", CALLSIGN), ("cargo", CARGO)):
            path = os.path.join(programs, name)
            with open(path, "w") as file:
                file.write(text)
            os.chmod(path, 0o755)
        self.environment = {
            "PATH": f"{programs}:{CLIENTS}/venv/bin:{os.environ['PATH']}",
            "HOME": self.work,
            # A demo that is killed leaves its directory.
            "TMPDIR": self.directory,
            "PAGE": self.directory,
            "TOKENS": issuers.tokens,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "REAL_CALLSIGN": os.environ["CALLSIGN"],
            "CALLSIGN_UPSTREAM_URL": standin,
            "CALLSIGN_LISTEN": f"127.0.0.1:{self.data}",
            "CALLSIGN_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            # Requests to real issuers fail at this proxy.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
        }
        self.shell = subprocess.Popen(
            ["bash"], cwd=self.work, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def fill_in(self, text):
        """Replaces ports, keys and files in a text of the page."""
        text = re.sub(r"sk-(cs|or)-((?:[a-z0-9]+-)*[a-z0-9]*)…", r"sk-\1-\2-filled-in-0000", text)
        text = re.sub(r"\b(CALLSIGN_[A-Z_]+=|_secret = \")…", r"\1filled-in-0123456789abcdef", text)
        if "CALLSIGN_ISSUER_PRESET=" in text and KEYS_FETCHED.search(text):
            text = text.replace("CALLSIGN_ISSUER_PRESET=", f"CALLSIGN_JWKS_URL={self.jwks} CALLSIGN_ISSUER_PRESET=")
        text = text.replace("https://openrouter.ai/api/v1", self.environment["CALLSIGN_UPSTREAM_URL"])
        text = text.replace("…64 hex…", hashlib.sha256(b"sk-cs--filled-in-0000").hexdigest())
        for port, own in (("8484", self.data), ("8485", self.admin)):
            text = re.sub(rf"\b(127\.0\.0\.1|localhost|callsign):{port}\b", f"127.0.0.1:{own}", text)
        for name in re.findall(r"/run/secrets/([\w-]+)", text):
            path = os.path.join(self.secrets, name)
            if not os.path.exists(path):
                with open(path, "w") as file:
                    file.write(f"filled-in-secret-{name}-0123456789\n")
        text = text.replace("/run/secrets/", f"{self.secrets}/").replace("/var/lib/callsign", f"{self.directory}/data")
        text = text.replace("/backup/", f"{self.directory}/backup/").replace(GENERATION, self.generation)
        for made in ("data", "backup"):
            os.makedirs(f"{self.directory}/{made}", exist_ok=True)
        return text

    def documented(self, text):
        """Replaces the page's ports in an output by the documented addresses."""
        return text.replace(f"127.0.0.1:{self.data}", "127.0.0.1:8484").replace(f"127.0.0.1:{self.admin}", "127.0.0.1:8485")

    def run(self, script):
        """Runs a shell script. Returns its output and exit status."""
        path = os.path.join(self.directory, "script")
        with open(path, "w") as file:
            file.write(self.fill_in(script))
        self.shell.stdin.write(f'. "{path}" < /dev/null; printf "\\n{END} %d\\n" $?\n')
        self.shell.stdin.flush()
        said = ""
        for line in self.shell.stdout:
            if line.startswith(END):
                return self.documented(said[:-1]), int(line.split()[1])
            said += line
        raise AssertionError(f"the shell ended: {said}")

    def variable(self, name):
        return self.run(f'printf %s "${{{name}-}}"')[0]

    def ask(self, url, key, body=None):
        """Sends a request to callsign and returns the answer's JSON."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def complete(self):
        """Sets the settings with which every documented query works."""
        self.run(COMPLETE)

    def asked(self, times):
        """Sends this many requests of alice in one chat to the page's callsign."""
        if not os.path.exists(os.path.join(self.directory, "pid")):
            said, status = self.run("callsign serve")
            assert status == 0, said
        headers = {
            "Authorization": f"Bearer {self.variable('CALLSIGN_APP_KEY')}", "Content-Type": "application/json",
            "X-OpenWebUI-User-Id": "alice", "X-OpenWebUI-Chat-Id": "chat-1",
        }
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()
        for number in range(times):
            headers["X-OpenWebUI-Message-Id"] = f"msg-{number + 1}"
            request = urllib.request.Request(f"http://127.0.0.1:{self.data}/v1/chat/completions", body, headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.generation = answer.headers["x-generation-id"]
                answer.read()

    def close(self):
        try:
            with open(os.path.join(self.directory, "pid")) as file:
                os.kill(int(file.read()), 9)
        except (OSError, ValueError):
            pass
        self.shell.stdin.close()
        self.shell.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
