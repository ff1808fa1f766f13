#!/usr/bin/env bash
# needs: curl nginx node npm openssl python3 sqlite3
#
# Runs every snippet of README.md and docs/**/*.md against callsign in front of the mock OpenRouter: see
# tests/snippets/run.py. `tests/external/snippets.sh NAME...` tests only the pages whose names contain a NAME.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CALLSIGN:?names the callsign binary to test}"

source tests/clients/peers.sh
install_clients
start_standin
export CALLSIGN CLIENTS
PYTHONDONTWRITEBYTECODE=1 "$CLIENTS/venv/bin/python" tests/snippets/run.py "$@"
