"""Generates bodies for `json_readers.sh`, and reads the rewritten ones with Python's json, taking the first and the last of
duplicate names.

generate COUNT FOLDER   prints bodies in base64, one per line: those in the fuzzer's folder, and COUNT generated ones
check BODIES REWRITTEN  compares both files line by line
"""

import base64
import json
import pathlib
import random
import sys

OWNED = {"user", "session_id", "metadata", "safety_identifier", "trace", "client_metadata", "callback_url", "__proto__"}
CACHE_KEY = "prompt_cache_key"
OURS = {"user": "u-1", "session_id": "s-1", "metadata": {"user_id": "u-1"}}
DEEPEST = 1024

NAMES = ["user", "User", "USER", "uſer", r"\u0075ser", r"us\u017fer", r"u\u017Fer", r"user\u0000", r"user\u0000x", "users", "",
         "session_id", r"SESSION\u005fID", "metadata", "trace", "__proto__", "prompt_cache_key", "prompt_cache_\u212aey",
         r"\ud800", "model", "messages", "é", r"a\"b", r"\\", " user", r"\u0000user", "n" * 400, "user" + "x" * 200]
VALUES = ["1", "1.10", "-0", "1e400", "12345678901234567890123", "true", "false", "null", '""', '"x,}]{"', r'"\ud83d"', '"é😀"', r'"\\"',
          r'"\"user\":1"', "[]", "{}", "NaN", "Infinity", "-Infinity", "01", "'a'", "undefined"]
SPACES = ["", "", "", " ", "\n", "\t\r\n ", " " * 5000]


def body(dice):
    """Generates a body. A third of them are damaged."""
    def value(depth):
        kind = dice.random()
        if depth < 4 and kind < 0.15:
            return "[" + ",".join(value(depth + 1) for _ in range(dice.randrange(4))) + "]"
        if depth < 4 and kind < 0.3:
            return members(depth + 1)
        # The last six values are not JSON, and rarely used.
        return dice.choice(VALUES if dice.random() < 0.02 else VALUES[:-6])

    def members(depth):
        space = lambda: dice.choice(SPACES if depth == 0 and dice.random() < 0.05 else SPACES[:-1])
        return "{" + space() + ",".join(
            f'{space()}"{dice.choice(NAMES)}"{space()}:{space()}{value(depth)}{space()}' for _ in range(dice.randrange(7))) + "}"

    text = (dice.choice(SPACES[:-1]) + members(0) + dice.choice(SPACES[:-1])).encode()
    if dice.random() < 1 / 3:
        at = dice.randrange(len(text) + 1)
        damage = bytes([dice.choice([*range(256), *b'{}[],:"\\u0-.+e'])])
        text = text[:at] + dice.choice([b"", damage]) + text[at + dice.randrange(2):]
    return text


def generate(count, folder):
    dice = random.Random(8484)
    kept = [path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())]
    # A kept input is options and splits, then the body.
    bodies = [data[2 + (data[1] & 15):] for data in kept if len(data) > 1] + [body(dice) for _ in range(count)]
    for depth in (DEEPEST - 1, DEEPEST, DEEPEST + 1):
        bodies.append(b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}")
    for made in bodies:
        print(base64.b64encode(made).decode())


class Refused(ValueError):
    """Returns true for values that Python accepts and RFC 8259 does not."""


def read(text):
    """Reads the members of an object with Python's parser, duplicates included."""
    def constant(name):
        raise Refused(name)
    last = []
    def pairs(found):
        last[:] = [found]
        return dict(found)
    result = json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    if not isinstance(result, dict):
        raise Refused("no object")
    return last[0], result


def depth(text):
    deepest = now = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            now += 1
            deepest = max(deepest, now)
        elif character in "}]":
            now -= 1
    return deepest


def fold(name):
    return name.split("\0")[0].replace("ſ", "s").replace("\u212a", "k").lower()


def parses(raw):
    try:
        text = raw.decode("utf-8", "strict")
        read(text)
    except ValueError:
        return False
    return depth(text) <= DEEPEST


def check(before, after):
    accepted = refused = 0
    with open(before) as befores, open(after) as afters:
        lines = list(zip(befores, afters, strict=True))
    for came, left in lines:
        came, left = base64.b64decode(came), left.strip()
        if left.startswith("invalid "):
            assert not parses(came), f"refused, but Python reads it: {came!r}"
            refused += 1
            continue
        assert parses(came), f"accepted, but Python does not read it: {came!r}"
        pairs, by_last = read(base64.b64decode(left).decode("utf-8", "strict"))
        seen = [(name, value) for name, value in pairs if fold(name) in OWNED]
        assert seen == list(OURS.items()), f"{seen} of {came!r}"
        keys = [(name, value) for name, value in pairs if fold(name) == CACHE_KEY]
        assert len(keys) <= 1 and all(len(value) == 64 for _, value in keys), f"{keys} of {came!r}"
        by_first = dict(reversed(pairs))
        for name, value in OURS.items():
            assert by_last[name] == by_first[name] == value
        kept = [(name, value) for name, value in read(came.decode())[0] if fold(name) not in OWNED | {CACHE_KEY}]
        assert repr(kept) == repr([pair for pair in pairs if pair not in seen and pair not in keys]), repr(came)
        accepted += 1
    assert accepted > 1000 and refused > 500, f"{accepted} accepted, {refused} refused: not much of a sample"
    print(f"python: {accepted} rewritten bodies hold only our identifiers, {refused} refused ones are not JSON")


if __name__ == "__main__":
    sys.setrecursionlimit(20_000)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    command, *arguments = sys.argv[1:]
    if command == "generate":
        generate(int(arguments[0]), arguments[1])
    else:
        check(*arguments)
