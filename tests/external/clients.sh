#!/usr/bin/env bash
# needs: curl go java javac node npm php python3 ruby
#
# Runs the real SDKs as clients of callsign and compares the results with docs/CLIENTS.md. Installs pinned versions from
# npm and PyPI once, and takes the HTTP libraries of other languages from Debian; see tests/clients/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tests/clients/run
