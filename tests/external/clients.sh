#!/usr/bin/env bash
# needs: node npm python3
#
# The genuine SDKs as clients of callsign, and docs/CLIENTS.md, which says what they were seen to do. Installs them from npm and
# PyPI in pinned versions, once; see tests/clients/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tests/clients/run
