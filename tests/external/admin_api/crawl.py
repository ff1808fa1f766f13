"""Fetches all that callsign shows and searches it for the canaries: only the archive may show a prompt or a reply."""

import base64
import itertools
import subprocess
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from rig import ADMIN, APP, OF_ACME, PASSWORD, quoted
from upstream import CANARY

# The first pages. All but one are errors.
FIRST = ["/", "/requests?status=x", "/request?id=nobody", "/user?id=nobody", "/nothing"]
# More than the pages of a filled callsign.
MOST_PAGES = 6000
# The parameters that select a period or an order. Of pages that differ in these alone, the first few are fetched.
VARIANTS = {"range", "since", "until", "from", "to", "sort"}
MOST_VARIANTS = 6


def spellings():
    """Returns the canary in plain text, hexadecimal, and base64 at each of the three offsets."""
    raw = CANARY.encode()
    encoded = [base64.b64encode(b"x" * offset + raw)[4 if offset else 0 :] for offset in range(3)]
    # The last characters depend on what follows.
    return [raw, raw.hex().encode(), *(text[:20] for text in encoded)]


SPELLINGS = spellings()


def clean(what, content):
    """Fails if `content` holds a canary."""
    content = content.encode() if isinstance(content, str) else content
    lower = content.lower()
    for spelling in SPELLINGS:
        at = lower.find(spelling) if spelling.islower() else content.find(spelling)
        assert at < 0, f"{what} shows a canary: {content[max(0, at - 300) : at + 100]!r}"


class Links(HTMLParser):
    """The targets of links, images and style sheets, and of forms that are sent with GET."""

    def __init__(self):
        super().__init__()
        self.targets, self.form = [], None

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        if tag in ("a", "link"):
            self.targets.append(of.get("href"))
        elif tag == "img":
            self.targets.append(of.get("src"))
        elif tag == "form" and of.get("method", "get").lower() == "get":
            self.form = (of.get("action"), [])
        elif tag == "input" and self.form and of.get("name"):
            self.form[1].append((of["name"], of.get("value") or ""))

    def handle_endtag(self, tag):
        if tag == "form" and self.form:
            action, fields = self.form
            self.targets.append(f"{action or ''}?{urlencode(fields)}")
            self.form = None


def pages(callsign):
    """Fetches the pages that FIRST leads to, signed in as operator. Returns the number of pages."""
    origin = {"origin": f"http://{callsign.admin}", "content-type": "application/x-www-form-urlencoded"}
    signed_in = callsign.send(callsign.admin, "POST", "/login", origin, f"token={ADMIN}")
    session = {"cookie": signed_in.headers["set-cookie"].split(";")[0]}
    queue, seen, variants = list(FIRST), set(FIRST), Counter()
    for number, target in zip(itertools.count(1), iter(lambda: queue.pop(0) if queue else None, None)):
        assert number <= MOST_PAGES, f"more than {MOST_PAGES} pages; the last is {target}"
        page = callsign.send(callsign.admin, "GET", target, session)
        assert page.status < 500, (target, page.status, page.text)
        clean(target, f"{page.headers}\n{page.text}")
        if "html" not in page.headers.get("content-type", ""):
            continue
        links = Links()
        links.feed(page.text)
        for link in filter(None, links.targets):
            parts = urlsplit(urljoin(f"http://{callsign.admin}{target}", link))
            assert parts.netloc == callsign.admin, f"{target} leads to {link}"
            following = f"{parts.path}?{parts.query}" if parts.query else parts.path
            kind = (parts.path, *(pair for pair in parse_qsl(parts.query, True) if pair[0] not in VARIANTS))
            if following not in seen and variants[kind] < MOST_VARIANTS:
                seen.add(following)
                variants[kind] += 1
                queue.append(following)
    return len(seen)


def calls(callsign, document):
    """Fetches each GET call of the document with all ids that the ledger has. Returns the number of answers."""
    requests = callsign.api("GET", "/requests?limit=1000").json()["requests"]
    sent = {id for request in requests for id in request["sent"].values()}
    ids = {request[name] for request in requests for name in ("request_id", "generation", "user", "key")} | sent
    queries = ["", "tenant=acme", "since=24h", "by=key", "by=user,model", "format=csv", "limit=3", "error=x", "x=1"]
    number = 0
    for path, operations in document["paths"].items():
        for id in filter(None, ids if "{" in path else ["-"]):
            for query in queries if "get" in operations else []:
                target = f'{path.replace("{user_id}", quoted(id)).replace("{id}", quoted(id))}?{query}'
                answer = callsign.api("GET", target)
                assert answer.status < 500, (target, answer.text)
                clean(f"GET {target}", f"{answer.headers}\n{answer.text}")
                number += 1
    return number


def ports(callsign):
    """Fetches what needs no admin token: health and metrics, and what callers see about themselves."""
    for path in ("/metrics", "/readyz", "/healthz", "/login", "/nothing"):
        clean(path, callsign.send(callsign.admin, "GET", path, {}).text)
    for key, user in [(APP, "alice"), (APP, "mallory"), (OF_ACME, "carol")]:
        caller = {"authorization": f"Bearer {key}", "x-user-id": user}
        me = callsign.send(callsign.data, "GET", "/callsign/v1/me", caller)
        assert me.status == 200, me.text
        clean("/callsign/v1/me", me.text)


def commands(callsign):
    """Runs the commands that read, also over all requests. Returns their number."""
    requests = callsign.api("GET", "/requests?limit=1000").json()["requests"]
    found = [["request", request["request_id"]] for request in requests]
    found += [["whois", id] for request in requests for id in request["sent"].values() if id]
    found += [["usage"], *(["usage", "--by", by] for by in ("model", "key", "provider", "tenant,user", "hour"))]
    found += [["requests"], ["requests", "--user", "alice"], ["audit"], ["key", "list"], ["limits", "show", "alice"]]
    found += [["config"], ["archive", "list"], ["archive", "verify"], ["ledger", "rejected"]]
    both = ("request", "requests", "whois", "usage", "audit")
    found += [[*command, "--format", "json"] for command in found if command[0] in both]
    for command in found:
        printed, code = callsign.run(*command)
        assert code == 0, (command, printed)
        clean(f"callsign {command}", printed)
    return len(found)


def bundles(callsign):
    """Writes bundles of `export` and `case`: only with the archives may they hold a canary."""
    password = callsign.directory / "password"
    password.write_text(PASSWORD)
    for options, is_shown in [([], False), (["--with-archives"], True)]:
        for command, id in [("export", "alice"), ("case", user_as_sent(callsign))]:
            output = callsign.directory / f"{command}-{len(options)}"
            asked = [command, id, "--output", str(output), "--password-file", str(password), *options]
            printed, code = callsign.run(*asked)
            assert code == 0, (asked, printed)
            clean(f"callsign {asked}", printed)
            bundle = output / "export.zip" if command == "export" else output
            opened = subprocess.run(["7z", "x", "-so", f"-p{PASSWORD}", str(bundle)], check=True, capture_output=True)
            assert (CANARY.encode() in opened.stdout) == is_shown, asked


def user_as_sent(callsign):
    return callsign.api("GET", "/requests?user=alice&status=200&limit=1").json()["requests"][0]["sent"]["user"]


def files(callsign):
    """Reads all files that callsign has written. Returns the number of archives."""
    shown, _ = callsign.run("archive", "show", "message-0")
    assert CANARY in shown, "`archive show` shows the prompt and the reply"
    number = 0
    for path in (path for path in callsign.directory.rglob("*") if path.is_file()):
        clean(str(path), path.read_bytes())
        number += path.is_relative_to(callsign.directory / "archive")
    return number
