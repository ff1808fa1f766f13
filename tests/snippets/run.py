"""Tests every block of README.md and docs/**/*.md: `run.py [NAME...]` tests the pages whose names contain a NAME.

| language | test |
|---|---|
| `sh` | run; if it points a client at callsign, that client's first call is made |
| `console` | the commands after `$ ` are run and must succeed; the text below a command is its output (`…` matches anything) |
| `toml` | becomes the page's `callsign.toml`; `cargo test` loads all of them (`tests/it/snippets.rs`) |
| `python`, `js`, `ts` | run with the pinned clients; a request with an identifier must arrive upstream |
| `yaml`, `json` | parsed; then as `sh` |
| `nginx` | checked by `nginx -t` within a server block |
| `caddy`, `apache`, `haproxy` | run by `tests/external/proxies.sh` |
| `text`, none | not tested |
"""

import json
import os
import re
import sys
import time
import traceback
import urllib.request

import yaml

from blocks import blocks_of, pages
from session import Issuers, Session

HERE = os.path.dirname(os.path.abspath(__file__))
NO_CODE = {"", "text"}
# Issuers whose keys are fetched. Tests serve the keys on loopback, since they cannot sign with the real ones.
KEYS_OF_ISSUERS = re.compile(r'^preset = "(clerk|supabase|firebase|auth0|keycloak)"$', re.M)
# Names that a block expects from the reader's program. Each is defined unless the block defines it.
THERE = {
    "messages": [{"role": "user", "content": "Hello"}], "user": {"id": "alice"}, "userId": "alice", "user_id": "alice",
    "chat": {"id": "chat-7"}, "chatId": "chat-7", "chat_id": "chat-7",
}


def arrived():
    """Returns the requests that arrived, without callsign's own question about the account."""
    with urllib.request.urlopen(f"{os.environ['MOCK_CONTROL']}/received", timeout=20) as answer:
        return [request for request in json.load(answer) if not request["path"].endswith("/key")]


def shell(session, block):
    said, status = session.run(block.text)
    assert status == 0, f"exit {status}: {said}"
    point(session, block)


def as_shown(said, shown):
    """Returns a match if a command printed the text of the page, where … matches anything."""
    pattern = ".*".join(re.escape(part) for part in "\n".join(map(str.rstrip, shown.splitlines())).split("…"))
    return re.fullmatch(pattern, "\n".join(map(str.rstrip, said.strip().splitlines())), re.S)


def patiently(session, command, shown):
    """Runs a command. Repeats commands that query recorded requests, since records appear up to a second after their requests."""
    until = time.monotonic() + 10
    while True:
        said, status = session.run(command)
        holds = status == 0 and (not shown or as_shown(said, shown))
        waits = re.search(r"\b(archive|whois|usage|forget|block|limits)\b", command) and time.monotonic() < until
        if holds or not waits:
            return said, status


def commands(text):
    """Pairs of a command and what is shown below it."""
    found = []
    for line in text.splitlines():
        continues = found and not found[-1][1] and found[-1][0].endswith("\\")
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif continues:
            found[-1][0] += "\n" + line
        elif found:
            found[-1][1].append(line)
        else:
            raise AssertionError(f"nothing is run: {line!r}")
    return found


def console(session, block):
    listed, asked = commands(block.text), block.attributes.get("asked")
    serves = asked and any(command.endswith("callsign serve") for command, _ in listed)
    if asked:
        session.complete()
        if not serves:
            session.asked(int(asked))
    for command, lines in listed:
        shown = "\n".join(lines).strip()
        said, status = patiently(session, command, shown)
        assert status == 0, f"{command}\nexit {status}: {said}"
        if serves and command.endswith("callsign serve"):
            session.asked(int(asked))
        if command.endswith("serve --demo"):
            pasted(session, said)
        assert not shown or as_shown(said, shown), f"{command}\nprints:\n{said}\nnot:\n{shown}"
    point(session, block)


def pasted(session, said):
    """Runs the demo's commands: OpenRouter gets the caller's identifier, and no claim of the body."""
    listed = re.findall(r"^ +(curl http.*)$", said, re.M)
    assert len(listed) == 2, said
    for command in listed:
        answer, status = session.run(command.replace("curl", "curl -sS", 1))
        got, person = answer.partition("OpenRouter got")[2].split("Who it was")
        assert status == 0 and "written by callsign" in got and "mallory" not in got and "alice" in person, answer


def point(session, block):
    """Makes the first call of every client that the block points at callsign."""
    text = session.fill_in(block.text)
    if "callsign serve" in text or "curl" in text:
        return
    known = re.findall(r"(?:API_KEY|AUTH_TOKEN|apiKey|[a-z_]*[Kk]ey)[\"']?\s*[=:]\s*[\"']?(sk-cs-[\w-]+)", text)
    people = session.variable("CALLSIGN_USER_KEYS").partition("=")[2].partition(",")[0]
    key = known[0] if known else session.variable("CALLSIGN_APP_KEY") or people or "sk-cs--filled-in-0000"
    for name, url in re.findall(r"(\w+)[\"']?\s*[=:]\s*[\"']?(http://127\.0\.0\.1:\d+[\w/]*)", text):
        if not url.startswith(f"http://127.0.0.1:{session.data}"):
            continue
        if name.startswith("ANTHROPIC"):
            before = len(arrived())
            session.ask(f"{url}/v1/messages?beta=true", key, {"model": "m", "max_tokens": 9, "messages": THERE["messages"]})
            assert len(arrived()) == before + 1
        elif re.search(r"/v1$", url):
            assert session.ask(f"{url}/models", key)["data"], "no models"


def toml(session, block):
    if "of" in block.attributes:
        import tomllib

        assert tomllib.loads(block.text)
        return point(session, block)
    with open(os.path.join(session.work, "callsign.toml"), "w") as file:
        file.write(session.fill_in(KEYS_OF_ISSUERS.sub(rf'\g<0>\njwks_url = "{session.jwks}"', block.text)))


def read_yaml(session, block):
    assert isinstance(yaml.safe_load(block.text), dict)
    point(session, block)


def read_json(session, block):
    json.loads(block.text)
    point(session, block)


def attributed(before, directly):
    """Checks that a request with an identifier arrived, written by callsign unless the block calls OpenRouter directly."""
    came = arrived()[before:]
    assert came, "no request arrived upstream"
    asked = [request for request in came if request["method"] == "POST"]
    for request in asked:
        headers = dict(request["headers"])
        assert directly or headers["user-agent"].startswith("callsign/"), headers
        assert (request["body"] or {}).get("user"), f"no user in the request: {request['text']}"


def program(session, block, name, source, line):
    """Runs a program with the page's variables, in the directory of the clients."""
    with open(os.path.join(session.programs, name), "w") as file:
        file.write(source)
    before = len(arrived())
    said, status = session.run('export OPENROUTER_API_KEY CALLSIGN_APP_KEY="${CALLSIGN_APP_KEY:-sk-cs--filled-in-0000}"; : "${OPENROUTER_API_KEY:=sk-or-filled-in}"; ' + line)
    assert status == 0, f"exit {status}: {said}\n{source}"
    attributed(before, "openrouter.ai/api/v1" in block.text)


def python(session, block):
    text = session.fill_in(block.text)
    there = [f"{name} = {value!r}" for name, value in THERE.items() if not re.search(rf"^{name} =", text, re.M)]
    kinds = "from types import SimpleNamespace as S\nuser, chat = S(id='alice'), S(id='chat-7')\n"
    source = "import os\n" + "\n".join(there) + "\n" + kinds + text
    program(session, block, "snippet.py", source, f"python '{session.programs}/snippet.py'")


def typescript(session, block):
    text = session.fill_in(block.text)
    declared = set(re.findall(r"\b(?:const|let|function)\s+(\w+)", text)) | set(re.findall(r"^import (\w+)", text, re.M))
    there = [f"const {name} = {json.dumps(value)};" for name, value in THERE.items() if name not in declared]
    source = 'import { getAccessTokenSilently, keycloak, supabase } from "./there.mjs";\n' + "\n".join(there) + "\n" + text
    handler = re.search(r"export async function (POST)\b", text)
    if handler:
        # The body that the AI SDK's chat hook posts.
        shown = [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]
        source += f"\nconst posted = {json.dumps({'id': 'chat-7', 'messages': shown})};"
        source += '\nconst handled = await POST(new Request("http://app.example/api/chat", { method: "POST", body: JSON.stringify(posted) }));'
        source += '\nif (!handled.ok) throw new Error(`the handler answers ${handled.status}`);\nawait handled.text();\n'
    # Strips types as newer versions of Node do.
    line = f"node '{session.programs}/strip.mjs' snippet && node '{session.programs}/snippet.mjs'"
    program(session, block, "snippet.ts", source, line)


def nginx(session, block):
    frame = "events {}\nhttp {\naccess_log off;\nserver {\nlisten 127.0.0.1:%d;\n%s\n}\n}\n"
    path = os.path.join(session.directory, "nginx.conf")
    with open(path, "w") as file:
        file.write(frame % (session.data, session.fill_in(block.text)))
    said, status = session.run(f"nginx -t -q -p {session.directory} -e stderr -c {path} -g 'pid {session.directory}/nginx.pid;'")
    assert status == 0, said


def elsewhere(session, block):
    """`tests/external/proxies.sh` runs these proxies with the lines of this page."""
    assert block.page == "docs/PROXIES.md"


WAYS = {
    "sh": shell, "console": console, "toml": toml, "yaml": read_yaml, "json": read_json, "python": python,
    "js": typescript, "ts": typescript, "nginx": nginx,
    "caddy": elsewhere, "apache": elsewhere, "haproxy": elsewhere,
}


def metrics(session, page):
    """Checks that every metric named by a page exists, if the page runs a callsign with an admin port."""
    with open(page) as file:
        named = set(re.findall(r"`(callsign_[a-z_]+)", file.read()))
    if not named or not os.path.exists(os.path.join(session.directory, "pid")):
        return
    # Some metrics appear after their first count: sends a request with a bad key, and one without a user.
    ask = "curl -sS -o /dev/null http://127.0.0.1:8484/v1/chat/completions -H 'Content-Type: application/json' -d '{\"model\":\"m\"}'"
    session.run(f"{ask} -H 'Authorization: Bearer nobody'; {ask} -H \"Authorization: Bearer $CALLSIGN_APP_KEY\"")
    said, status = session.run("curl -sS http://127.0.0.1:8485/metrics")
    there = set(re.findall(r"^# TYPE (\w+)", said, re.M))
    missing = {name for name in named if name not in there and name.removesuffix("_total") not in there}
    assert status == 0 and not missing, f"no such metrics: {missing}"


def main(names):
    tried, marked, failed = 0, [], 0
    issuers = Issuers()
    for page in pages():
        if names and not any(name in page for name in names):
            continue
        session = Session(os.environ["CALLSIGN_UPSTREAM_URL"], issuers)
        for block in blocks_of(page):
            if block.language in NO_CODE:
                continue
            if "not-run" in block.attributes:
                marked.append(f"{block}: {block.attributes['not-run']}")
                continue
            tried += 1
            try:
                assert block.language in WAYS, f"no test for the language {block.language!r}"
                WAYS[block.language](session, block)
            except Exception as error:
                failed += 1
                reason = error if isinstance(error, AssertionError) else traceback.format_exc()
                print(f"FAILED {block}: {reason}\n", flush=True)
        try:
            metrics(session, page)
        except AssertionError as error:
            failed += 1
            print(f"FAILED {page}: {error}\n", flush=True)
        session.close()
    print(f"{tried} blocks tested, {failed} failed; {len(marked)} are marked not-run:")
    print("".join(f"  {each}\n" for each in marked))
    sys.exit(1 if failed or not tried else 0)


main(sys.argv[1:])
