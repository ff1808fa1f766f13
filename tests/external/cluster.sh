#!/usr/bin/env bash
# Three nodes of the release build share one Redis and one PostgreSQL, serve two hundred users and are killed at random:
# no limit overrun, no row lost or doubled, attribution exact. CLUSTER_REQUESTS=100000 is the whole of it.
# needs: pg_lsclusters redis-server
set -euo pipefail
cd "$(dirname "$0")/../.."

# A server does not run as root; then it runs as this user, whom Debian's package brings.
OWNER=postgres

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

as_owner() {
  if [ "$(id -u)" -eq 0 ]; then
    runuser -u "$OWNER" -- "$@"
  else
    "$@"
  fi
}

# Debian keeps the server's programs off the PATH, each version in a directory of its own.
for bin in /usr/lib/postgresql/*/bin; do
  PATH="$PATH:$bin"
done
for program in createdb initdb pg_ctl postgres; do
  command -v "$program" > /dev/null || fail "there is no $program (Debian: apt-get install postgresql)"
done
[ "$(id -u)" -ne 0 ] || id "$OWNER" > /dev/null 2>&1 || fail "root needs a user $OWNER to run the server as"

directory="$(mktemp -d)"
server=""
cleanup() {
  if [ -n "$server" ]; then
    # By its own tool: a shell starts background programs deaf to SIGINT, which the fast shutdown would need.
    as_owner pg_ctl stop --pgdata "$directory/data" --mode fast --silent --timeout 30 || as_owner pg_ctl stop --pgdata "$directory/data" --mode immediate --silent || true
    wait "$server" 2> /dev/null || true
  fi
  rm -rf "$directory"
}
trap cleanup EXIT
chmod 755 "$directory"
mkdir "$directory/socket"
[ "$(id -u)" -ne 0 ] || chown "$OWNER" "$directory" "$directory/socket"

as_owner initdb --pgdata "$directory/data" --username callsign --auth trust --encoding UTF8 --no-sync > "$directory/initdb.log" 2>&1 ||
  { cat "$directory/initdb.log"; fail "initdb"; }
as_owner postgres -D "$directory/data" -c listen_addresses='' -c unix_socket_directories="$directory/socket" -c fsync=off \
  > "$directory/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
  [ -S "$directory/socket/.s.PGSQL.5432" ] && break
  kill -0 "$server" 2> /dev/null || { cat "$directory/server.log"; fail "the server ended"; }
  sleep 0.1
done
[ -S "$directory/socket/.s.PGSQL.5432" ] || { cat "$directory/server.log"; fail "the server does not listen"; }

socket="$(printf %s "$directory/socket" | sed 's,/,%2F,g')"
as_owner createdb --host "$directory/socket" --username callsign cluster
export CLUSTER_POSTGRES="postgres://callsign@$socket/cluster"
export CLUSTER_REQUESTS="${CLUSTER_REQUESTS:-30000}"
cargo test --locked --test cluster
