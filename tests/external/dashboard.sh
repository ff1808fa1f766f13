#!/usr/bin/env bash
# needs: node chromium
#
# The dashboard in a real browser: every page loads under its content security policy without console messages, fits a
# phone, a tablet and a desktop without horizontal scrolling, in light and dark. The form signs in and out, and hostile
# names are shown as text.
#
#   tests/external/dashboard.sh [--shots DIR]      --shots also writes screenshots to DIR
#
# CALLSIGN_LEDGER_FILL may name a program that fills a ledger with history (see examples/fill_ledger.rs).
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${CALLSIGN:?names the callsign binary to test}"
exec node tests/external/dashboard.mjs "$@"
