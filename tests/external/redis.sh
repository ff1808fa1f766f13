#!/usr/bin/env bash
# Runs limits and blocks over Redis: the suite that memory passes, histories at random against memory, two nodes, outages.
# The test starts its own servers, on sockets in directories of their own.
# needs: redis-server
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo test --locked --test redis
