"""Compares the table of docs/CLIENTS.md with the passed checks, or writes it: `table.py [--write] RESULTS PAGE`."""

import json
import sys

CAPABILITIES = [
    "plain", "streaming", "responses", "tools", "images", "errors", "cancelling", "models", "embeddings", "rerank", "images_made",
    "speech", "transcription", "videos", "forms",
]
BEGIN, END = "<!-- clients -->\n", "<!-- /clients -->"


def table(results):
    clients = {}
    for line in results:
        passed = json.loads(line)
        clients.setdefault((passed["client"], passed["version"]), set()).add(passed["capability"])
    unknown = set().union(*clients.values()) - set(CAPABILITIES)
    assert not unknown, f"no column for {unknown}"
    rows = [["client", "version", *(name.replace("_", " ") for name in CAPABILITIES)], ["---"] * (len(CAPABILITIES) + 2)]
    for (client, version), passed in sorted(clients.items(), key=lambda row: row[0][0].lower()):
        rows.append([f"`{client}`", version, *("✓" if name in passed else "–" for name in CAPABILITIES)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main():
    write = "--write" in sys.argv
    results, page = sys.argv[-2:]
    with open(results) as lines, open(page) as text:
        made, page_text = table(lines), text.read()
    before, rest = page_text.split(BEGIN)
    shown, after = rest.split(END)
    if shown == made:
        print(f"{page} shows what passed")
    elif write:
        with open(page, "w") as out:
            out.write(before + BEGIN + made + END + after)
        print(f"{page} written")
    else:
        sys.exit(f"{page} does not show what passed (tests/clients/run --write):\n{made}")


main()
