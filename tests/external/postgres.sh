#!/usr/bin/env bash
# Runs the ledger's suite, the table of judgements, and two nodes that share keys, on PostgreSQL.
# needs: pg_lsclusters
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/external/postgres.inc.sh
. tests/external/postgres.inc.sh

LEDGER_TEST_POSTGRES="postgres://callsign@$socket" cargo test --locked -p callsign-store --test postgres

as_owner createdb --host "$directory/socket" --username callsign judgements
JUDGEMENTS_LEDGER="postgres://callsign@$socket/judgements" cargo test --locked --test it judgements

as_owner createdb --host "$directory/socket" --username callsign keys
KEYS_POSTGRES="postgres://callsign@$socket/keys" cargo test --locked --test it keys::postgres -- --ignored
