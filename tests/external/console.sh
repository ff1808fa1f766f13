#!/usr/bin/env bash
# needs: chromium node npm
#
# The console in a real browser: every page loads under its content security policy without console messages, fits a
# phone, a tablet and a desktop without horizontal scrolling, in light and dark, and has no serious finding of axe-core.
# The form signs in and out, and hostile names are shown as text. Then what operators need to do, step by step.
#
#   tests/external/console.sh [--shots DIR]      --shots also writes screenshots to DIR
#
# CALLSIGN_LEDGER_FILL may name a program that fills a ledger with history (see examples/fill_ledger.rs).
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${CALLSIGN:?names the callsign binary to test}"
modules="${CARGO_TARGET_DIR:-target}/axe"
mkdir -p "$modules"
cp tests/external/package.json tests/external/package-lock.json "$modules"
npm ci --silent --no-audit --no-fund --prefix "$modules"
AXE="$(realpath "$modules/node_modules/axe-core/axe.min.js")"
export AXE
cargo build --quiet --locked --example mock_openrouter
MOCK_OPENROUTER="$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/mock_openrouter")"
export MOCK_OPENROUTER

node tests/external/console_pages.mjs "$@"
node tests/external/ten_things.mjs "$@"
