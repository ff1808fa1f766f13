#!/usr/bin/env bash
# Tests limits and blocks over Redis: the same suite as in memory, random histories against memory, two nodes, outages.
# The test starts its own servers on sockets in temporary directories.
# needs: redis-server
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo test --locked --test redis
