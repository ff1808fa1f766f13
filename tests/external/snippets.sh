#!/usr/bin/env bash
# needs: curl nginx node npm openssl python3 sqlite3
#
# Every snippet of README.md and docs/**/*.md is run against callsign, with the stand-in for OpenRouter behind it: see
# tests/snippets/run.py. `tests/external/snippets.sh NAME...` tries only the pages whose names contain a NAME.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CALLSIGN:?names the callsign binary to test}"

source tests/clients/peers.sh
install_clients
start_standin
export CALLSIGN CLIENTS
PYTHONDONTWRITEBYTECODE=1 "$CLIENTS/venv/bin/python" tests/snippets/run.py "$@"
