"""The HTTP libraries of other languages, from Debian packages: each sends a transcription form. The programs are in forms/."""

import re
import subprocess
import tempfile
from pathlib import Path

from harness import *

PROGRAMS = Path(__file__).parent / "forms"
JARS = ":".join(f"/usr/share/java/{name}.jar" for name in ("httpclient", "httpcore", "httpmime", "commons-logging", "commons-codec"))
SCRATCH = Path(tempfile.mkdtemp())
CONTENT = "ID3 \u00fc\r\n--not-a-boundary\r\n" * 40
URL = f"{BASE}/v1/audio/transcriptions"
# Without a session, which would leave in the header `x-session-id`.
SENT = {"Authorization": f"Bearer {KEY}", **{name: value for name, value in HEADERS.items() if name != "X-Session-Id"}}


def output(*command):
    environment = {**os.environ, "FORM_HEADERS": json.dumps(SENT), "GOCACHE": str(SCRATCH / "go"), "GO111MODULE": "off"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def curl(url, path=None):
    if url == "version":
        return re.match(r"curl (\S+)", output("curl", "--version"))[1]
    headers = [option for name, value in SENT.items() for option in ("-H", f"{name}: {value}")]
    parts = ["user=mallory", "model=openai/whisper-1", f"file=@{path};type=audio/mpeg", "session_id=mallory"]
    return output("curl", "-sS", *headers, *(option for part in parts for option in ("-F", part)), url)


def program(*command):
    return lambda *arguments: output(*command, *map(str, arguments))


def build():
    output("javac", "-cp", JARS, "-d", str(SCRATCH), str(PROGRAMS / "Form.java"))
    output("go", "build", "-o", str(SCRATCH / "form"), str(PROGRAMS / "form.go"))


def java(kind):
    return program("java", "-cp", f"{SCRATCH}:{JARS}", "Form", kind)


def checked(client):
    def forms():
        path = SCRATCH / "two words.mp3"
        path.write_text(CONTENT, newline="")
        with Arrival() as arrival:
            answer = json.loads(client(URL, path))
        assert answer["text"] == json.loads(arrival.last["sent"]["text"])["text"]
        text = arrival.last["text"]
        names = re.findall(r'^Content-Disposition: form-data; name="([^"]*)"(?:; filename="([^"]*)")?\r$', text, re.M)
        assert names == [("model", ""), ("file", "two words.mp3"), ("user", "")], names
        assert "mallory" not in text
        assert "openai/whisper-1" in text and CONTENT in text
        assert "Content-Transfer-Encoding" not in text and "Content-Length" not in text

    return forms


build()
CLIENTS = {
    "Apache HttpClient (Java)": java("apache"),
    "curl": curl,
    "Guzzle (PHP)": program("php", str(PROGRAMS / "guzzle.php")),
    "java.net.http (Java)": java("jdk"),
    "net/http (Go)": program(str(SCRATCH / "form")),
    "net/http (Ruby)": program("ruby", str(PROGRAMS / "form.rb")),
}
failed = False
for name, client in CLIENTS.items():
    try:
        run(name, client("version").strip(), [checked(client)])
    except SystemExit as end:
        failed |= bool(end.code)
sys.exit(1 if failed else 0)
