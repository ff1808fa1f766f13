"""Drives all calls with schemathesis, from the OpenAPI document of the running callsign."""

import json
import subprocess

from rig import ADMIN, HOSTILE

SEED = 21
# Per call and phase.
EXAMPLES = 30
TIME_LIMIT = 600
# The excluded checks. roles.py checks tokens. The schema does not say all about the form of a text, so 400 may be right
# for a text that fits it.
NO_CHECKS = "ignored_auth,positive_data_acceptance"
# How often a parameter has a value that callsign knows.
SHARE = 0.7


def schemathesis(callsign):
    """Fails if an answer is a 5xx, or its status, its type or its content is not documented."""
    config = callsign.directory / "schemathesis.toml"
    config.write_text(dictionaries(callsign))
    document = f"http://{callsign.admin}/api/v1/admin/openapi.json"
    command = ["schemathesis", "--config-file", str(config), "--no-color", "run", document]
    command += ["--header", f"Authorization: Bearer {ADMIN}", "--seed", str(SEED), "--max-examples", str(EXAMPLES)]
    command += ["--exclude-checks", NO_CHECKS, "--continue-on-failure", "--warnings", "off"]
    done = subprocess.run(command, cwd=callsign.directory, timeout=TIME_LIMIT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout[done.stdout.rindex("API Operations:") :])


def dictionaries(callsign):
    """Returns the configuration that gives parameters the values that callsign knows."""
    requests = callsign.api("GET", "/requests?limit=1000").json()["requests"]
    ids = [request[name] for request in requests for name in ("request_id", "generation")]
    sent = [id for request in requests for id in request["sent"].values()]
    users = ["alice", "bob", "mallory", "carol", *HOSTILE]
    times = ["24h", "7d", "2026-01-31", "2026-01-31T12:00:00+02:00", "0h"]
    known = {
        "path.user_id": [*users, *filter(None, sent)],
        "path.id": [*filter(None, ids + sent)],
        "path.name": ["alice", "webui", "carol", "app"],
        "query.user": [*users, ""],
        "query.tenant": ["", "acme"],
        "query.since": times,
        "query.until": times,
        "query.by": ["user", "model,day", "key,month", "provider", "tenant", "hour,user", "admin"],
        "query.model": ["m", "a/<b>model</b>"],
        "query.key": ["app", "of-acme"],
        "query.provider": ["Provider"],
        "query.error": ["rate_limited", "status_502", "user_blocked"],
        "query.before": [request["request_id"] for request in requests],
        "body.user": ["alice", "dora"],
        "body.user_id": users,
        "body.tenant": ["acme"],
        "body.endpoint": ["chat", "responses", "messages", "embeddings"],
        "body.preset": ["generic", "openwebui"],
    }
    names = {name: name.replace(".", "-") for name in known}
    values = [f"{word} = {{ values = {json.dumps(known[name])} }}" for name, word in names.items()]
    bound = [f'"{name}" = {{ dictionary = "{word}", probability = {SHARE} }}' for name, word in names.items()]
    return "\n".join(["[dictionaries]", *values, "[parameters]", *bound])
