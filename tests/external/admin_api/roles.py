"""Each call of the OpenAPI document with each kind of token."""

from concurrent.futures import ThreadPoolExecutor

from rig import ADMIN, token

# What the tokens may: nothing is needed, `persons`, `operator`. A wrong and a missing token may nothing.
CALLERS = {
    "viewer": (token("viewer"), {None}),
    "viewer with persons": (token("persons"), {None, "persons"}),
    "operator": (token("operator"), {None, "persons", "operator"}),
    "CALLSIGN_ADMIN_TOKEN": (ADMIN, {None, "persons", "operator"}),
    "a wrong token": ("a-wrong-token-of-somebody", set()),
    "no token": (None, set()),
}


def matrix(callsign, document):
    """Checks all of it with an id that nobody has. Returns the number of answers."""
    cells = [
        (path, method, operation, caller)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for caller in CALLERS
    ]
    with ThreadPoolExecutor(16) as pool:
        problems = pool.map(lambda cell: check(callsign, document, cell), enumerate(cells))
        wrong = "\n".join(filter(None, problems))
    assert not wrong, wrong
    return len(cells)


def check(callsign, document, numbered):
    """Returns what is wrong with one answer."""
    number, (path, method, operation, caller) = numbered
    bearer, may = CALLERS[caller]
    [security] = operation.get("security", document["security"])
    need = security["adminToken"][0] if security["adminToken"] else None
    target = path.replace("{user_id}", "nobody").replace("{id}", "nobody").replace("{name}", "nobody")
    # Wrong tokens are counted by address.
    answer = callsign.api(method.upper(), target, bearer=bearer, source=f"127.0.1.{number % 250 + 1}")
    if not may:
        is_right = answer.status == 401
    else:
        is_right = (answer.status == 403) == (need not in may) and answer.status != 401
    if is_right and str(answer.status) in operation["responses"]:
        return None
    return f"{method} {path}, which needs {need}, by {caller}: {answer.status} {answer.text}"
