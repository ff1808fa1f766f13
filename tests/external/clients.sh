#!/usr/bin/env bash
# needs: node npm python3
#
# Runs the real SDKs as clients of callsign and compares the results with docs/CLIENTS.md. Installs pinned versions from
# npm and PyPI once; see tests/clients/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tests/clients/run
