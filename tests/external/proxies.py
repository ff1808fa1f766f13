"""Starts each proxy of docs/PROXIES.md with the page's lines, and sends requests through it: `proxies.py [NAME...]`."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

CALLSIGN = os.environ["CALLSIGN_URL"].removeprefix("http://")
KEY = os.environ["CALLSIGN_APP_KEY"]
CONTROL = os.environ["MOCK_CONTROL"]
SCRATCH = os.environ["SCRATCH"]
TIME_LIMIT = 30


def snippet(language):
    with open("docs/PROXIES.md") as page:
        [found] = re.findall(rf"^```{language}\n(.*?)^```$", page.read(), re.M | re.S)
    return found.replace("callsign:8484", CALLSIGN)


def nginx(port, directory):
    frame = f"daemon off;\npid {directory}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        frame += f"{kind}_temp_path {directory}/{kind};\n"
    config = write(directory, "nginx.conf", f"{frame}server {{\nlisten 127.0.0.1:{port};\n{snippet('nginx')}}}\n}}\n")
    return ["nginx", "-p", directory, "-e", "stderr", "-c", config]


def caddy(port, directory):
    body = snippet("caddy").replace(":8080 {", f"http://127.0.0.1:{port} {{\nbind 127.0.0.1", 1)
    options = "{\nadmin off\nauto_https off\ngrace_period 1s\n}\n"
    return ["caddy", "run", "--adapter", "caddyfile", "--config", write(directory, "Caddyfile", options + body)]


def apache(port, directory):
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "proxy", "proxy_http", "headers", "env", "authz_core")
    )
    frame = f"ServerRoot {directory}\nPidFile {directory}/pid\nErrorLog /dev/stderr\nServerName test\n"
    listen = f"Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>\n{snippet('apache')}</VirtualHost>\n"
    user = "User www-data\nGroup www-data\n" if os.getuid() == 0 else ""
    return ["apache2", "-D", "FOREGROUND", "-f", write(directory, "apache.conf", modules + frame + user + listen)]


def haproxy(port, directory):
    text = snippet("haproxy").replace("bind :8080", f"bind 127.0.0.1:{port}")
    return ["haproxy", "-db", "-q", "-f", write(directory, "haproxy.cfg", text)]


def traefik(port, directory):
    routes = write(directory, "routes.yaml", snippet("yaml"))
    entry = f"--entryPoints.web.address=127.0.0.1:{port}"
    quiet = ["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false", "--log.level=ERROR"]
    return ["traefik", entry, f"--providers.file.filename={routes}", "--providers.file.watch=false", *quiet]


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def control(path):
    with urllib.request.urlopen(f"{CONTROL}{path}", timeout=TIME_LIMIT) as answer:
        return json.load(answer)


def curl(url, body, *options):
    path = write(SCRATCH, "body", json.dumps(body))
    headers = ["-H", f"Authorization: Bearer {KEY}", "-H", "Content-Type: application/json", "-H", "X-User-Id: mallory"]
    return ["curl", "-sSN", "--max-time", str(TIME_LIMIT), *options, *headers, "--data-binary", f"@{path}", url]


def whole_answer(url):
    done = subprocess.run(curl(url, {"model": "m", "stream": True, "messages": []}), capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("data: [DONE]\n\n"), (done.returncode, done.stderr, done.stdout)
    last = control("/received")[-1]
    assert "user" not in last["body"], "a client's identity header passed"


def cut_answer(url):
    for model in ("mock/cut-after-3", "mock/cut-mid-chunk"):
        done = subprocess.run(curl(url, {"model": model, "stream": True, "messages": []}), capture_output=True, text=True)
        assert done.returncode != 0, f"{model}: a cut answer looks complete: {done.stdout}"
        assert "data: " in done.stdout and "[DONE]" not in done.stdout, done.stdout


def large_body(url):
    content = "x" * 1_500_000
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    done = subprocess.run(curl(url, body, "-w", "\n%{http_code}"), capture_output=True, text=True)
    assert done.stdout.endswith("\n200"), (done.returncode, done.stderr, done.stdout[-500:])
    assert len(control("/received")[-1]["text"]) > 1_500_000


def unbuffered(url):
    """The mock sends three events and then waits: they must arrive although the answer does not end."""
    asking = subprocess.Popen(curl(url, {"model": "mock/hang-after-3", "stream": True, "messages": []}), stdout=subprocess.PIPE)
    seen = b""
    while seen.count(b"data: ") < 3:
        piece = asking.stdout.read1(65536)
        assert piece, f"the stream ended: {seen}"
        seen += piece
    asking.kill()
    asking.wait()


def checks(start):
    """Caddy before 2.8 ends a cut answer as if it were whole, as the page says."""
    every = [whole_answer, unbuffered, large_body]
    if start is caddy:
        said = subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout
        if tuple(map(int, re.match(r"v?(\d+)\.(\d+)", said).groups())) < (2, 8):
            return every
    return [*every, cut_answer]


def started(proxy, port):
    """Traefik listens before it knows its routes."""
    until = time.monotonic() + TIME_LIMIT
    while time.monotonic() < until and proxy.poll() is None:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1).close()
        except urllib.error.HTTPError as answer:
            if answer.code == 401:
                # callsign's answer: the request has no key.
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("the proxy did not start")


def main(names):
    failed = False
    for start in (nginx, caddy, apache, haproxy, traefik):
        if names and start.__name__ not in names:
            continue
        port, directory = free_port(), os.path.join(SCRATCH, start.__name__)
        os.mkdir(directory)
        environment = {**os.environ, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory}
        proxy = subprocess.Popen(start(port, directory), env=environment)
        try:
            started(proxy, port)
            for check in checks(start):
                check(f"http://127.0.0.1:{port}/v1/chat/completions")
                print(f"ok     {start.__name__}: {check.__name__}", flush=True)
        except Exception as error:
            failed = True
            print(f"FAILED {start.__name__}: {error!r}", flush=True)
        finally:
            proxy.terminate()
            try:
                # Apache waits some seconds for the stream that `unbuffered` left.
                proxy.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                proxy.kill()
                proxy.wait()
    sys.exit(1 if failed else 0)


main(sys.argv[1:])
