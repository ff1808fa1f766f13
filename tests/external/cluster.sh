#!/usr/bin/env bash
# Three nodes of the shipped binary share one Redis and one PostgreSQL, serve 200 users and are killed at random: no
# limit may be overrun, no row lost or duplicated, and attribution must be exact. CLUSTER_REQUESTS=100000 is the full
# run.
# needs: pg_lsclusters redis-server
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/external/postgres.inc.sh
. tests/external/postgres.inc.sh

as_owner createdb --host "$directory/socket" --username callsign cluster
export CLUSTER_POSTGRES="postgres://callsign@$socket/cluster"
export CLUSTER_REQUESTS="${CLUSTER_REQUESTS:-30000}"
cargo test --locked --test cluster
