#!/usr/bin/env bash
# Builds and runs the container image with deploy/test/image.sh. After tests/external/run, which takes its binary from
# the image, this build compiles nothing.
# needs: buildah curl ip podman python3 runc unshare
set -euo pipefail
exec deploy/test/image.sh
