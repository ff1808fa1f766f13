# To be sourced by tests that need clients, the mock OpenRouter and callsign. Installs and starts them, and stops them
# when the shell ends. All listen on loopback ports that the system chooses.

TARGET="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
CLIENTS="$TARGET/clients"
CALLSIGN="$(realpath "$CALLSIGN")"
SCRATCH="$(mktemp -d)"
STARTED=()

stop_all() {
  local pid
  for pid in "${STARTED[@]}"; do
    kill "$pid" 2> /dev/null || true
  done
  # They may write to the directory until they have ended.
  wait "${STARTED[@]}" 2> /dev/null || true
  rm -rf "$SCRATCH"
}
trap stop_all EXIT

# Installs the Python and Node clients, unless exactly these versions are installed. The only step that needs a network.
install_clients() {
  local here="$PWD/tests/clients" wanted started=$SECONDS
  wanted="$(cat "$here/requirements.txt" "$here/package-lock.json" | sha256sum)"
  if [ "$(cat "$CLIENTS/installed" 2> /dev/null)" = "$wanted" ]; then
    return
  fi
  echo "installing the clients into $CLIENTS"
  rm -rf "$CLIENTS"
  mkdir -p "$CLIENTS"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$CLIENTS/"
  # Without --quiet, which would hide errors.
  (cd "$CLIENTS" && npm ci --loglevel=error) &
  local npm=$!
  python3 -m venv "$CLIENTS/venv"
  "$CLIENTS/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  wait "$npm"
  echo "$wanted" > "$CLIENTS/installed"
  echo "installed in $((SECONDS - started)) s"
}

# Sets CALLSIGN_UPSTREAM_URL and MOCK_CONTROL.
start_standin() {
  local said="$SCRATCH/standin"
  cargo build --quiet --locked --example mock_openrouter
  : > "$said"
  mkfifo "$SCRATCH/stdin"
  # The mock ends with its standard input, which this shell keeps open.
  "$TARGET/debug/examples/mock_openrouter" < "$SCRATCH/stdin" > "$said" &
  local pid=$!
  exec 9> "$SCRATCH/stdin"
  STARTED+=("$pid")
  until read -r CALLSIGN_UPSTREAM_URL MOCK_CONTROL < "$said"; do
    kill -0 "$pid" || { echo "the mock OpenRouter did not start" >&2; return 1; }
  done
  export CALLSIGN_UPSTREAM_URL MOCK_CONTROL
}

# Starts callsign with the current environment and sets CALLSIGN_URL.
start_callsign() {
  local said="$SCRATCH/callsign"
  : > "$said"
  CALLSIGN_LISTEN=127.0.0.1:0 CALLSIGN_ADMIN_LISTEN=off CALLSIGN_LOG=warn "$CALLSIGN" serve > "$said" &
  local pid=$!
  STARTED+=("$pid")
  # The first printed line has the address.
  until CALLSIGN_URL="$(sed -n 's/.* listening on \(http:[^,]*\).*/\1/p' "$said")" && [ -n "$CALLSIGN_URL" ]; do
    kill -0 "$pid" || { echo "callsign did not start" >&2; return 1; }
  done
}

# Clears the environment, since clients read many variables, and keeps litellm from fetching a price list.
client_environment() {
  env -i PATH="$PATH" HOME="$SCRATCH" LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_TELEMETRY=False \
    CALLSIGN_URL="$CALLSIGN_URL" MOCK_CONTROL="$MOCK_CONTROL" OPENROUTER_API_KEY="$OPENROUTER_API_KEY" \
    CLIENTS_APP_KEY="$CLIENTS_APP_KEY" CLIENTS_ALICE_KEY="$CLIENTS_ALICE_KEY" CLIENTS_RESULTS="$CLIENTS_RESULTS" "$@"
}

run_python() {
  client_environment PYTHONDONTWRITEBYTECODE=1 "$CLIENTS/venv/bin/python" "$1"
}

# Node resolves packages next to a file, so the files are copied next to the packages.
run_node() {
  cp "$(dirname "$1")"/*.mjs "$CLIENTS/"
  client_environment node "$CLIENTS/$(basename "$1")"
}
