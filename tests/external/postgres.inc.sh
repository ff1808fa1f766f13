# shellcheck shell=bash
# Starts a PostgreSQL in a temporary directory, which listens only on a socket there. Installs nothing.
# To be sourced. Sets `socket`, the URL-encoded directory of that socket, and stops the server when the shell ends.

# The server refuses to run as root. Root runs it as this user of Debian's package.
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

# Uses pg_ctl, since a fast shutdown needs SIGINT and a shell starts background programs with SIGINT ignored.
stop_server() {
  as_owner pg_ctl stop --pgdata "$directory/data" --mode "$1" --silent --timeout 30
}

cleanup() {
  if [ -n "$server" ]; then
    stop_server fast || stop_server immediate || true
    wait "$server" 2> /dev/null || true
  fi
  rm -rf "$directory"
}

# Debian installs each version's programs outside of PATH.
for bin in /usr/lib/postgresql/*/bin; do
  PATH="$PATH:$bin"
done
for program in createdb initdb pg_ctl postgres; do
  command -v "$program" > /dev/null || fail "there is no $program (Debian: apt-get install postgresql)"
done
[ "$(id -u)" -ne 0 ] || id "$OWNER" > /dev/null 2>&1 || fail "root needs a user $OWNER to run the server as"

directory="$(mktemp -d)"
server=""
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
# shellcheck disable=SC2034
socket="$(printf %s "$directory/socket" | sed 's,/,%2F,g')"
