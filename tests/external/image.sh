#!/usr/bin/env bash
# The container image, built and run: deploy/test/image.sh. Where the binary under test is the one out of the image, as in
# tests/external/run, building it again compiles nothing.
# needs: buildah curl ip podman python3 runc unshare
set -euo pipefail
exec deploy/test/image.sh
