#!/usr/bin/env bash
# needs: 7z python3
#
# The admin API and the console of a filled callsign:
# * no page, no call, no command, no metric and no log line shows a prompt or a reply (canaries);
# * each call answers each kind of token as its OpenAPI document says;
# * schemathesis (PyPI, pinned) drives all calls from that document: no 5xx, nothing that is not documented.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${CALLSIGN:?names the callsign binary to test}"

here=tests/external/admin_api
venv="$(realpath -m "${CARGO_TARGET_DIR:-target}")/admin_api"
# Installs schemathesis, unless exactly this version is installed. The only step that needs a network.
if ! cmp --silent "$here/requirements.txt" "$venv/installed"; then
  echo "installing schemathesis into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed"
fi

# In memory, if possible: a slow disk is no fault of the API.
scratch="$(mktemp -d -p /dev/shm 2> /dev/null || mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
PYTHONDONTWRITEBYTECODE=1 PATH="$venv/bin:$PATH" "$venv/bin/python" "$here/main.py" "$scratch"
