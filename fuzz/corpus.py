#!/usr/bin/env python3
"""Packs and unpacks the kept inputs of a fuzz target. A pack is a ZIP file, `fuzz/corpus/TARGET.pack`.

fuzz/corpus.py unpack TARGET [DIR]   writes the inputs into DIR; other files in DIR stay
fuzz/corpus.py pack TARGET [DIR]     replaces the pack with the files in DIR, in order of name

DIR is fuzz/corpus/TARGET unless given, which is where `cargo fuzz run TARGET` reads and writes inputs. Git ignores it.
"""

import os
import pathlib
import sys
import zipfile

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
# Limits of a pack. Every `cargo test` replays all inputs, and git stores each version of a pack.
MAX_FILES = 300
MAX_BYTES = 1_000_000
# A fixed time and mode, so that equal inputs give equal packs. ZIP cannot express an earlier time.
TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644


def unpack(archive, directory):
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as pack:
        pack.extractall(directory)
        print(f"{directory}: {len(pack.namelist())} inputs unpacked")


def pack(archive, directory):
    files = sorted(path for path in directory.iterdir() if path.is_file())
    inputs = [(path.name, path.read_bytes()) for path in files]
    total = sum(len(content) for _, content in inputs)
    if not inputs:
        sys.exit(f"FAILED: no files in {directory}")
    if len(inputs) > MAX_FILES or total > MAX_BYTES:
        sys.exit(f"FAILED: {directory} has {len(inputs)} files and {total} bytes; at most {MAX_FILES} files and "
                 f"{MAX_BYTES} bytes are kept. Run `cargo fuzz cmin` first (docs/TESTING.md)")
    # Written beside the pack and renamed, so that an interrupted run leaves the old pack.
    new = archive.with_suffix(".new")
    with zipfile.ZipFile(new, "w") as made:
        for name, content in inputs:
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3
            entry.external_attr = MODE << 16
            # Stored: deflated bytes differ between versions of zlib, and git compresses the pack anyway.
            made.writestr(entry, content, zipfile.ZIP_STORED)
    os.replace(new, archive)
    print(f"{archive}: {len(inputs)} inputs packed")


def main(arguments):
    commands = {"pack": pack, "unpack": unpack}
    if len(arguments) not in (2, 3) or arguments[0] not in commands:
        sys.exit(__doc__)
    command, target = arguments[:2]
    directory = pathlib.Path(arguments[2]) if len(arguments) == 3 else CORPUS / target
    archive = CORPUS / f"{target}.pack"
    needed = archive if command == "unpack" else directory
    if not needed.exists():
        sys.exit(f"FAILED: {needed} does not exist")
    commands[command](archive, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
