#!/usr/bin/env bash
# Checks the systemd unit with systemd-analyze: no unknown directives, and a low exposure level.
# needs: systemd-analyze
set -euo pipefail
cd "$(dirname "$0")/../.."

UNIT=deploy/systemd/callsign.service
# systemd's exposure level goes from 0 (closed) to 100 (open). The network, which a proxy needs, counts 12.
MOST_EXPOSED=15

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# `verify` needs the program to exist, and reports problems on standard error.
sed "s,/usr/bin/callsign,$CALLSIGN," "$UNIT" > "$directory/callsign.service"
systemd-analyze verify --man=no "$directory/callsign.service" 2> "$directory/said" || { cat "$directory/said"; fail "verify"; }
# Problems of this machine's other units are ignored.
! grep callsign "$directory/said" || fail "systemd-analyze verify reports a problem"
systemd-analyze security --offline=true --no-pager --threshold="$MOST_EXPOSED" "$directory/callsign.service" | tail -n 1
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "the exposure level is above $MOST_EXPOSED"
