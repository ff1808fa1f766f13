#!/usr/bin/env bash
# Tests the image end to end: builds it from the Dockerfile, starts it hardened (read-only root, no capabilities,
# unprivileged user, secrets in files), sends requests and stops it. Runs in a network namespace with only a loopback.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
  deploy/test/build.sh
  exec unshare --net "$0" inside
fi
# shellcheck source=deploy/test/store.sh
. deploy/test/store.sh

IMAGE=localhost/callsign:test
# The largest image, in bytes. It holds little more than the binary.
MAX_BYTES=20000000
USER_ID=65532
DATA=http://127.0.0.1:8484/v1/chat/completions
ADMIN=http://127.0.0.1:8485
UPSTREAM_PORT=9000
APP_KEY=sk-cs-key-of-an-app-0123456789
OPERATOR_KEY=sk-or-v1-key-of-the-operator
ADMIN_TOKEN=token-of-the-admin-port-0123456789
# The longest wait for an event, in tenths of a second.
TIMEOUT_TENTHS=300

directory="$(mktemp -d)"
background=()
cleanup() {
  podman rm --all --force --time 0 > /dev/null 2>&1 || true
  [ "${#background[@]}" -eq 0 ] || kill "${background[@]}" 2> /dev/null || true
  rm -rf "$directory"
}
trap cleanup EXIT

step() {
  printf '   %s\n' "$*"
}

# until_true COMMAND...: repeats a command until it succeeds.
until_true() {
  local _
  for _ in $(seq "$TIMEOUT_TENTHS"); do
    "$@" > /dev/null 2>&1 && return
    sleep 0.1
  done
  podman logs callsign >&2 || true
  fail "timed out waiting for: $*"
}

# callsign OPTIONS... -- ARGUMENTS...: starts the container `callsign`.
callsign() {
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  podman run --detach --name callsign --network host --read-only --read-only-tmpfs=false --cap-drop all \
    --security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --stop-timeout 30 \
    "${options[@]}" "$IMAGE" "${@:2}" > /dev/null
}

settings=(
  --volume "$directory/secrets:/run/secrets:ro"
  --env OPENROUTER_API_KEY_FILE=/run/secrets/openrouter --env CALLSIGN_APP_KEY_FILE=/run/secrets/app
  --env CALLSIGN_ADMIN_TOKEN_FILE=/run/secrets/admin --env "CALLSIGN_UPSTREAM_URL=http://127.0.0.1:$UPSTREAM_PORT/api/v1"
  --env SEND_END_USER_ID=true --env SEND_CHAT_ID=true
)

stop() {
  podman stop callsign > /dev/null
  local code
  code="$(podman inspect --format '{{.State.ExitCode}}' callsign)"
  [ "$code" = 0 ] || fail "exit code $code"
  podman rm callsign > /dev/null
}

# ask MODEL: sends a chat request of alice whose body claims to be mallory.
ask() {
  curl --silent --show-error --no-buffer --max-time 60 "$DATA" -H "Authorization: Bearer $APP_KEY" -H 'X-User-Id: alice' \
    -H 'X-Chat-Id: chat-7' -H 'Content-Type: application/json' \
    -d '{"model":"'"$1"'","stream":true,"user":"mallory","messages":[{"role":"user","content":"Hi"}]}'
}

# said FILE TEXT: fails unless the file contains the text.
said() {
  grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "no ${2@Q} in $(basename "$1")"; }
}

ip link set lo up
mkdir "$directory/secrets" "$directory/data"
printf '%s\n' "$OPERATOR_KEY" > "$directory/secrets/openrouter"
printf '%s\n' "$APP_KEY" > "$directory/secrets/app"
printf '%s\n' "$ADMIN_TOKEN" > "$directory/secrets/admin"
chmod 400 "$directory"/secrets/*
chown -R "$USER_ID:$USER_ID" "$directory/secrets" "$directory/data"
chmod 755 "$directory"
mkfifo "$directory/release"
python3 deploy/test/upstream.py "$UPSTREAM_PORT" "$directory" &
background+=($!)

step "one static binary with the list of its packages, its defaults, the licences; a number for a user; $MAX_BYTES bytes at most"
bytes="$(podman image inspect --format '{{.Size}}' "$IMAGE")"
[ "$bytes" -le "$MAX_BYTES" ] || fail "the image has $bytes bytes"
[ "$(podman image inspect --format '{{.Config.User}}' "$IMAGE")" = "$USER_ID:$USER_ID" ] || fail "the image's user"
podman create --name files "$IMAGE" > /dev/null
podman export files | tar --list | grep -v '/$' | grep -vE '^(dev|etc|proc|run|sys)/(console|hostname|hosts|resolv.conf|mtab|\.containerenv)$' | sort > "$directory/files"
diff "$directory/files" <(printf '%s\n' callsign etc/callsign/defaults.toml licenses/LICENSE-APACHE licenses/LICENSE-MIT) ||
  fail "the image's files"
podman rm files > /dev/null
readelf --sections --wide "$STORE/callsign" | grep -qF .dep-v0 || fail "the binary has no list of its packages"
if podman run --rm --network host --entrypoint /bin/sh "$IMAGE" -c true 2> /dev/null; then
  fail "there is a shell"
fi

step "a demonstration, with nothing but a read-only root"
callsign -- serve --demo
until_true podman exec callsign /callsign healthcheck
podman logs callsign > "$directory/log" 2>&1
# Runs the commands that the demo prints.
grep -o 'curl http.*' "$directory/log" > "$directory/paste.sh"
bash "$directory/paste.sh" > "$directory/answer" 2> /dev/null
said "$directory/answer" 'written by callsign'
said "$directory/answer" "the client's claim, removed"
stop

step "a chat request, with nowhere to write"
# As behind a load balancer: while draining it is not ready for five seconds and still accepts requests.
callsign "${settings[@]}" --env CALLSIGN_DRAIN_DELAY_SECONDS=5 -- serve
until_true curl --silent --fail "$ADMIN/readyz"
podman exec callsign /callsign healthcheck || fail "the health check by hand"
podman healthcheck run callsign > /dev/null || fail "the health check of the image"
[ "$(podman exec callsign /callsign --version | cut -d ' ' -f 1)" = callsign ] || fail "--version"
ask quick > "$directory/answer"
said "$directory/answer" '"content":"Hello"'
said "$directory/answer" '[DONE]'
python3 - "$directory/requests" "Bearer $OPERATOR_KEY" <<'PYTHON' || fail "what reached the upstream"
import json, sys
[request] = map(json.loads, open(sys.argv[1]))
assert request["path"] == "/api/v1/chat/completions", request
assert request["headers"]["authorization"] == sys.argv[2], request
assert request["body"]["user"] == "alice", request
assert request["body"]["metadata"] == {"user_id": "alice", "chat_id": "chat-7"}, request
assert "mallory" not in json.dumps(request), request
PYTHON
podman logs callsign > "$directory/log" 2>&1
said "$directory/log" 'the ledger is off: its directory cannot be used'
podman inspect callsign > "$directory/inspected"
for secret in "$OPERATOR_KEY" "$APP_KEY" "$ADMIN_TOKEN"; do
  ! grep -qF "$secret" "$directory/log" "$directory/inspected" || fail "a secret is in the log or in the output of podman inspect"
done

step "SIGTERM while an answer runs: not ready, the answer ends, exit 0"
ask slow > "$directory/slow" &
asking=$!
until_true grep -q Hello "$directory/slow"
podman kill --signal TERM callsign > /dev/null
until_true eval '[ "$(curl --silent --output /dev/null --write-out "%{http_code}" "$ADMIN/readyz")" = 503 ]'
! grep -q DONE "$directory/slow" || fail "the answer did not wait"
: > "$directory/release"
wait "$asking" || fail "the running answer was cut"
said "$directory/slow" '[DONE]'
code="$(podman wait callsign)"
[ "$code" = 0 ] || fail "exit code $code"
podman rm callsign > /dev/null

step "a volume at /data holds the ledger, across containers"
callsign "${settings[@]}" --volume "$directory/data:/data" -- serve
until_true curl --silent --fail "$ADMIN/readyz"
ask quick > "$directory/answer"
said "$directory/answer" '[DONE]'
stop
callsign "${settings[@]}" --volume "$directory/data:/data" -- serve
until_true curl --silent --fail "$ADMIN/readyz"
curl --silent --fail -H "Authorization: Bearer $ADMIN_TOKEN" "$ADMIN/api/v1/admin/usage?by=user" > "$directory/usage"
said "$directory/usage" '"user":"alice"'
said "$directory/usage" '"cost_usd":"0.5"'
stop

echo "the image has $bytes bytes and does what it should"
