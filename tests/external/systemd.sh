#!/usr/bin/env bash
# The systemd unit, as systemd reads it: no word that it does not know, and a sandbox that it calls tight.
# needs: systemd-analyze
set -euo pipefail
cd "$(dirname "$0")/../.."

UNIT=deploy/systemd/callsign.service
# systemd's measure goes from 0, closed, to 100, open. A proxy needs the network, which alone is 12.
MOST_EXPOSED=15

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
# verify wants the program to be there, and says on standard error what else it does not like.
sed "s,/usr/bin/callsign,$CALLSIGN," "$UNIT" > "$directory/callsign.service"
systemd-analyze verify --man=no "$directory/callsign.service" 2> "$directory/said" || { cat "$directory/said"; fail "verify"; }
# Units of this machine's own are no business of ours.
! grep callsign "$directory/said" || fail "verify has something to say"
systemd-analyze security --offline=true --no-pager --threshold="$MOST_EXPOSED" "$directory/callsign.service" | tail -n 1
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "too much is open"
