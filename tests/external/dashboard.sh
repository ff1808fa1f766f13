#!/usr/bin/env bash
# needs: node chromium
#
# The dashboard in a real browser: every page loads under its policy without a word on the console, fits a phone, a tablet and
# a desktop without sideways scrolling, in light and dark; the form signs in and out; hostile names stay text.
#
#   tests/external/dashboard.sh [--shots DIR]      also writes screenshots there
#
# A ledger with history is used if CALLSIGN_LEDGER_FILL names a program that fills one (see examples/fill_ledger.rs).
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${CALLSIGN:?names the callsign binary to test}"
exec node tests/external/dashboard.mjs "$@"
