"""Finds the fenced blocks of README.md and docs/**/*.md, and parses their attributes.

A block's info string is its language, then attributes:

* `not-run=REASON`: not tested, only counted and listed. For blocks that need another machine, another program or hours.
* `asked=N`: before the block, a callsign with ledger, limits and archive answers N requests of alice, so that the block has
  data to show. It is the block's callsign, or else the page's.
* `of=PROGRAM`: a file of another program. It is parsed, and its base URLs are asked for a model list.
"""

import glob
import re
from dataclasses import dataclass, field

FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.M | re.S)
ATTRIBUTES = {"asked", "not-run", "of"}


@dataclass
class Block:
    page: str
    line: int
    language: str
    text: str
    attributes: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.page}:{self.line} ({self.language})"


def pages():
    return ["README.md", *sorted(glob.glob("docs/**/*.md", recursive=True))]


def blocks_of(page):
    with open(page) as file:
        text = file.read()
    fences = sum(line.lstrip().startswith("```") for line in text.splitlines())
    found = []
    for match in FENCE.finditer(text):
        indent, info, content = match.groups()
        language, *attributes = info.split() or [""]
        block = Block(page, text.count("\n", 0, match.start()) + 1, language, re.sub(f"^{indent}", "", content, flags=re.M))
        block.attributes = dict((attribute.split("=", 1) + [""])[:2] for attribute in attributes)
        unknown = block.attributes.keys() - ATTRIBUTES
        assert not unknown, f"{block}: no attribute {unknown}"
        found.append(block)
    assert fences == 2 * len(found), f"{page}: a fence without its other half"
    return found
