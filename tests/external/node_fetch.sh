#!/usr/bin/env bash
# An upload that is refused while Node's fetch sends it.
# needs: node
set -euo pipefail
cd "$(dirname "$0")"

out="$(mktemp)"
env -i OPENROUTER_API_KEY=sk-or-of-a-test CALLSIGN_USER_KEYS=alice=sk-cs-a-key-of-alice-0000 \
  CALLSIGN_UPSTREAM_URL=http://127.0.0.1:9/api/v1 CALLSIGN_LISTEN=127.0.0.1:0 CALLSIGN_ADMIN_LISTEN=off \
  "$CALLSIGN" serve > "$out" &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -f "$out"' EXIT

# The first printed line has the address.
until address="$(sed -n 's/.* listening on \(http:[^,]*\).*/\1/p' "$out")" && [ -n "$address" ]; do
  kill -0 "$server" || { echo "callsign did not start" >&2; exit 1; }
done
node node_fetch.mjs "$address"
