"""Random transcription forms, written by five independent HTTP libraries: Python's requests, Node's fetch, Guzzle, Apache HttpClient, curl.

Each form has random names, file names and contents. Either it arrives with all its parts, without the reserved ones, or it is refused,
and the refusal names a part whose name readers read in different ways. FORMS_SEED repeats a run. The programs are in forms/.
"""

import base64
import random
import re
import subprocess
import tempfile
from pathlib import Path

import requests
from harness import *

COUNT = 60
SEED = int(os.environ.get("FORMS_SEED") or random.SystemRandom().randrange(1 << 32))
PROGRAMS = Path(__file__).parent / "forms"
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("httpclient", "httpcore", "httpmime", "commons-logging", "commons-codec"))
SCRATCH = Path(tempfile.mkdtemp())
URL = f"{BASE}/v1/audio/transcriptions"
SENT = {"Authorization": f"Bearer {KEY}", "X-User-Id": "alice"}

WORDS = ["model", "file", "language", "x", "a b", "timestamp_granularities[]", "ü", "😀", "%", "%41", ";", "'", "&", "."]
ODD = ['"', "\\", "=?utf-8?q?a?=", "_charset_", "\n", '"; name="user']
RESERVED = ["user", "User", "us%65r", "user[id]", "session_id", "metadata", "trace", "prompt_cache_key"]
PIECES = ["\r\n", "--", "\r\n--x", "text", "ü", "\n", "a" * 300, ""]


def forms(seed):
    """Returns forms as lists of fields: name, file name or none, content."""
    rng = random.Random(seed)

    def text():
        words = [rng.choice(WORDS) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.15:
            words.insert(rng.randint(0, len(words)), rng.choice(ODD))
        return "".join(words)

    def content():
        return "c" + "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))

    made = []
    for _ in range(COUNT):
        fields = [("model", None, "openai/whisper-1")]
        for _ in range(rng.randint(0, 3)):
            fields.append((text(), text() if rng.random() < 0.5 else None, content()))
        if rng.random() < 0.5:
            fields.insert(rng.randint(0, len(fields)), (rng.choice(RESERVED), None, "mallory"))
        made.append(fields)
    return made


def html(text):
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def broken(text):
    return re.sub(r"\r?\n|\r", "\r\n", text)


def by_requests(cases):
    for fields in cases:
        files = [(name, (filename, content.encode())) for name, filename, content in fields]
        answer = requests.post(URL, headers=SENT, files=files, timeout=60)
        yield answer.status_code, answer.content


def by_curl(cases):
    for fields in cases:
        options = []
        for name, filename, content in fields:
            if filename is None:
                options += ["--form-string", f"{name}={content}"]
                continue
            path = SCRATCH / f"part-{len(options)}"
            path.write_bytes(content.encode())
            quoted = filename.replace("\\", "\\\\").replace('"', '\\"')
            options += ["-F", f'{name}=@{path};filename="{quoted}"']
        headers = [option for name, value in SENT.items() for option in ("-H", f"{name}: {value}")]
        done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *headers, *options, URL], capture_output=True, timeout=60, check=True)
        body, status = done.stdout.rsplit(b"\n", 1)
        yield int(status), body


def by_program(*command):
    """A program gets a folder with a file per form, and prints a line per form: status, body in base64."""

    def send(cases):
        folder = Path(tempfile.mkdtemp(dir=SCRATCH))
        pack = lambda text: "-" if text is None else base64.b64encode(text.encode()).decode() or "="
        for number, fields in enumerate(cases):
            lines = [" ".join(map(pack, field)) + "\n" for field in fields]
            (folder / f"{number:04}").write_text("".join(lines))
        environment = {**os.environ, "FORM_HEADERS": json.dumps(SENT)}
        done = subprocess.run([*command, URL, str(folder)], env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            status, body = line.split(" ")
            yield int(status), base64.b64decode(body)

    return send


def arrived(request):
    """Returns the names and contents of the parts that arrived, in order."""
    boundary = re.search(r'boundary="?([^";]+)', dict(request["headers"])["content-type"])[1]
    first, *parts, last = f"\r\n{request['text']}".split(f"\r\n--{boundary}")
    assert (first, last.strip()) == ("", "--")
    split = [part.split("\r\n\r\n", 1) for part in parts]
    return [(re.search(r' name="([^"]*)"', head)[1], content) for head, content in split]


def check(library, as_written, send):
    def forms_random():
        cases = [fields for fields in forms(SEED) if library != "curl" or all("=" not in name for name, _, _ in fields)]
        counts = {200: 0, 400: 0}
        before = seen()
        for fields, (status, body) in zip(cases, send(cases), strict=True):
            told = f"{library}, FORMS_SEED={SEED}: {fields}: {status} {body}"
            counts[status] = counts.get(status, 0) + 1
            if status == 400:
                error = json.loads(body)["error"]
                number = int(re.search(r"\(part (\d+)\)", error["message"])[1])
                assert error["code"] == "bad_request", told
                name, filename, _ = fields[number - 1]
                texts = name + (filename or "")
                assert any(odd in texts for odd in ('"', "\\", "=?", "_charset_", "\n")), told
                continue
            assert status == 200, told
            [request] = control(f"/received?after={before}")[:1]
            before += 1
            name_of, text_of_field = as_written
            kept = [
                (html(name_of(name)), content if filename else text_of_field(content))
                for name, filename, content in fields if name not in RESERVED
            ]
            assert arrived(request) == [*kept, ("user", USER)], f"{told}: {request['text']}"
        print(f"       {library}: {counts[200]} arrived, {counts[400]} refused (FORMS_SEED={SEED})")
        assert counts[200] > COUNT / 3, counts

    return forms_random


def main():
    java = ["java", "-cp", f"{SCRATCH}:{JARS}", "Forms"]
    subprocess.run(["javac", "-cp", JARS, "-d", str(SCRATCH), str(PROGRAMS / "Forms.java")], check=True)
    # The HTML standard: line breaks in names and in texts become CRLF.
    line_breaks = (broken, broken)
    ascii_only = (lambda name: re.sub(r"[^\x00-\x7f]", "?", name), lambda text: text)
    same = (lambda name: name, lambda text: text)
    writers = {
        "requests (Python)": (same, by_requests),
        "fetch (Node)": (line_breaks, by_program("node", str(PROGRAMS / "undici.mjs"))),
        "Guzzle (PHP)": (same, by_program("php", str(PROGRAMS / "guzzle_forms.php"))),
        "Apache HttpClient (Java)": (ascii_only, by_program(*java)),
        "curl": (same, by_curl),
    }
    failed = 0
    for library, (as_written, send) in writers.items():
        try:
            check(library, as_written, send)()
        except Exception:
            failed += 1
            print(f"FAILED {library} random forms\n{traceback.format_exc()}", flush=True)
            continue
        print(f"ok     {library}: random forms", flush=True)
    sys.exit(1 if failed else 0)


main()
