#!/usr/bin/env bash
# needs: apache2 caddy curl haproxy nginx npm python3
#
# Runs the proxies of docs/PROXIES.md with the page's own lines in front of callsign and the mock OpenRouter. See proxies.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CALLSIGN:?names the callsign binary to test}"

source tests/clients/peers.sh
install_clients
export PATH="$CLIENTS/venv/bin:$PATH"
start_standin
export CALLSIGN_APP_KEY=sk-cs-key-of-the-proxies-app-0000 OPENROUTER_API_KEY=sk-or-v1-key-of-the-operator OPENROUTER_ORG_ID=org_of_a_test
CALLSIGN_PRESET=generic SEND_END_USER_ID=true start_callsign
export CALLSIGN_URL SCRATCH
python3 tests/external/proxies.py "$@"
