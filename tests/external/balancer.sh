#!/usr/bin/env bash
# Two callsigns behind deploy/haproxy/haproxy.cfg: HAProxy accepts the file and spreads requests, and no request fails
# while the nodes are restarted one after the other.
# needs: curl haproxy python3
set -euo pipefail
cd "$(dirname "$0")/../.."

CONFIGURATION=deploy/haproxy/haproxy.cfg
KEY=sk-cs-key-of-a-test-0123456789
# Concurrent clients; each sends one request after the other.
CLIENTS=4
# The longest wait for an event, in tenths of a second.
TIMEOUT_TENTHS=300

fail() {
  echo "FAILED: $*" >&2
  tail -n 20 "$directory"/*.log >&2 || true
  exit 1
}

directory="$(mktemp -d)"
declare -A running=()
cleanup() {
  { [ "${#running[@]}" -eq 0 ] || kill -KILL "${running[@]}" || true; wait; } 2> /dev/null
  rm -rf "$directory"
}
trap cleanup EXIT

until_true() {
  local _
  for _ in $(seq "$TIMEOUT_TENTHS"); do
    "$@" > /dev/null 2>&1 && return
    sleep 0.1
  done
  fail "timed out waiting for: $*"
}

# Finds free ports, which another program could take in the meantime. A node keeps its ports over a restart.
read -r lb upstream data1 admin1 data2 admin2 < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(6)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))')

# node NUMBER DATA ADMIN
node() {
  env -i OPENROUTER_API_KEY=sk-or-of-a-test CALLSIGN_APP_KEY="$KEY" CALLSIGN_UPSTREAM_URL="http://127.0.0.1:$upstream/api/v1" \
    CALLSIGN_LISTEN="127.0.0.1:$2" CALLSIGN_ADMIN_LISTEN="127.0.0.1:$3" CALLSIGN_DRAIN_DELAY_SECONDS=5 CALLSIGN_LOG=warn \
    "$CALLSIGN" serve >> "$directory/node-$1.log" 2>&1 &
  running[$1]=$!
  until_true curl --silent --fail "http://127.0.0.1:$3/readyz"
}

haproxy -c -f "$CONFIGURATION" > "$directory/check.log" 2>&1 || fail "HAProxy rejects the file"
# Replaces the names of Docker's network by addresses of this machine.
sed -e "s,bind :8484,bind 127.0.0.1:$lb," -e 's, resolvers names init-addr libc\,none,,' -e 's, check port 8485, check,' \
  -e "s,server callsign-1 .*,server callsign-1 127.0.0.1:$data1 port $admin1," \
  -e "s,server callsign-2 .*,server callsign-2 127.0.0.1:$data2 port $admin2," "$CONFIGURATION" > "$directory/haproxy.cfg"

python3 deploy/test/upstream.py "$upstream" "$directory" &
running[upstream]=$!
node 1 "$data1" "$admin1"
node 2 "$data2" "$admin2"
haproxy -db -f "$directory/haproxy.cfg" > "$directory/haproxy.log" 2>&1 &
running[lb]=$!

ask() {
  curl --silent --show-error --max-time 60 --output /dev/null --write-out '%{http_code}\n' \
    "http://127.0.0.1:$lb/v1/chat/completions" -H "Authorization: Bearer $KEY" -H 'X-User-Id: alice' \
    -H 'Content-Type: application/json' -d '{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
}
is_answered() {
  [ "$(ask)" = 200 ]
}
until_true is_answered

# answered ADMIN: prints the number of requests that this node has answered.
answered() {
  curl --silent "http://127.0.0.1:$1/metrics" | awk '/^callsign_requests_total/ { sum += $2 } END { print sum + 0 }'
}
for client in $(seq "$CLIENTS"); do
  (while [ ! -e "$directory/enough" ]; do ask; done > "$directory/answers-$client" 2>&1) &
  clients+=($!)
done
both_answer() {
  [ "$(answered "$admin1")" -gt "$1" ] && [ "$(answered "$admin2")" -gt "$1" ]
}
until_true both_answer 5

restart() {
  local old="${running[$1]}" code=0
  kill -TERM "$old"
  wait "$old" || code=$?
  [ "$code" -eq 0 ] || fail "node $1 ended with $code"
  node "$@"
  # The restarted node counts from zero.
  until_true both_answer 5
}
restart 1 "$data1" "$admin1"
restart 2 "$data2" "$admin2"
: > "$directory/enough"
wait "${clients[@]}"

total="$(cat "$directory"/answers-* | wc -l)"
failed="$(cat "$directory"/answers-* | grep -cv '^200$' || true)"
[ "$failed" -eq 0 ] || { sort "$directory"/answers-* | uniq -c; fail "$failed of $total requests failed"; }
echo "$total requests while both nodes were restarted, none failed"
