#!/usr/bin/env bash
# Builds the image from the unchanged Dockerfile, without a registry, and extracts the binary.
#
#   deploy/test/build.sh            builds localhost/callsign:test; the binary is target/image/callsign
#
# The base image of the Dockerfile is made from this machine: an empty image with the usual directories of a Linux, into
# which this machine's /usr, its Rust and its cargo downloads are mounted during the build. Compiled files stay in
# target/image/build, so that a second build compiles only what has changed.
#
# The images are in target/image/storage, separate from the machine's own.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=deploy/test/store.sh
. deploy/test/store.sh

# The name in the Dockerfile. buildah looks for a name without a host on this machine first.
BASE="$(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile)"
IMAGE=localhost/callsign:test
SYSROOT="$(rustc --print sysroot)"
CARGO="${CARGO_HOME:-$HOME/.cargo}"

[ "$(id -u)" -eq 0 ] || fail "buildah --isolation chroot needs root here"
for program in buildah rustc cargo cc; do
  command -v "$program" > /dev/null || fail "$program is not installed"
done

make_base() {
  local container root
  container="$(buildah from --pull-never scratch)"
  root="$(buildah mount "$container")"
  mkdir -p "$root"/{etc,dev,proc,sys,tmp,usr,rust,cargo}
  chmod 1777 "$root/tmp"
  # Links into /usr, as on this machine.
  for directory in /bin /lib /lib64 /sbin; do
    [ ! -L "$directory" ] || ln -s "$(readlink "$directory")" "$root$directory"
  done
  # Debian's compilers are links into /etc/alternatives; its certificates are in /etc/ssl.
  cp -a /etc/alternatives /etc/ssl "$root/etc/"
  buildah config --env PATH=/rust/bin:/usr/local/bin:/usr/bin:/bin --env CARGO_HOME=/cargo "$container"
  buildah umount "$container" > /dev/null
  buildah commit --quiet --rm "$container" "$BASE" > /dev/null
}

mkdir -p "$STORE/build" "$CARGO"
# Remove images of earlier builds.
podman image prune --force > /dev/null 2>&1 || true
make_base
buildah bud --isolation chroot --pull-never --layers=false --format docker \
  --volume /usr:/usr:ro --volume "$SYSROOT:/rust:ro" --volume "$CARGO:/cargo" --volume "$STORE/build:/src/target" \
  --build-arg "REVISION=$(git rev-parse HEAD 2> /dev/null || echo unknown)" --tag "$IMAGE" . >&2

container="$(buildah from --pull-never "$IMAGE")"
cp "$(buildah mount "$container")/callsign" "$STORE/callsign"
buildah rm "$container" > /dev/null
echo "$STORE/callsign"
