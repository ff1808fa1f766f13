#!/usr/bin/env bash
# needs: node chromium
#
# CORS in a real browser: pages of an allowed origin, an extension among them, call callsign; pages of other origins, data:
# pages and sandboxed frames cannot. For origins that Chromium opens only inside an application, the answer's headers.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${CALLSIGN:?names the callsign binary to test}"
exec node tests/external/cors.mjs
