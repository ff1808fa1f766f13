#!/usr/bin/env bash
# Reads rewritten bodies with the JSON parsers of Node and Python: kept inputs of the fuzzer, and generated ones.
# needs: node python3
set -euo pipefail

BODIES=4000

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"

python3 fuzz/corpus.py unpack rewrite "$work/kept"
python3 tests/external/json_readers.py generate "$BODIES" "$work/kept" > "$work/bodies"
cargo run --quiet --locked --example rewrite < "$work/bodies" > "$work/rewritten"
python3 tests/external/json_readers.py check "$work/bodies" "$work/rewritten"
node tests/external/json_readers.mjs "$work/bodies" "$work/rewritten"
