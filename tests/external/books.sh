#!/usr/bin/env bash
# Three strict nodes write one ledger in PostgreSQL while clients leave early, nodes are killed and PostgreSQL restarts.
# Afterwards the ledger must agree with the mock OpenRouter's account books to the nano-dollar. BOOKS_REQUESTS=100000 is
# the full run.
# needs: pg_lsclusters
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/external/postgres.inc.sh
. tests/external/postgres.inc.sh

as_owner createdb --host "$directory/socket" --username callsign books
# The test runs this program to crash PostgreSQL and start it again.
cat > "$directory/restart" <<SCRIPT
#!/usr/bin/env bash
exec $([ "$(id -u)" -eq 0 ] && echo "runuser -u $OWNER --") "$(command -v pg_ctl)" restart --mode immediate --wait --silent \
  --pgdata "$directory/data" --log "$directory/server.log" > /dev/null
SCRIPT
chmod 755 "$directory/restart"
touch "$directory/server.log"
[ "$(id -u)" -ne 0 ] || chown "$OWNER" "$directory/server.log"

export BOOKS_POSTGRES="postgres://callsign@$socket/books"
export BOOKS_RESTART="$directory/restart"
export BOOKS_REQUESTS="${BOOKS_REQUESTS:-10000}"
cargo test --locked --test books
