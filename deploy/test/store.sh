# Storage of images, containers and builds for the image tests, used by buildah and podman. It is separate from the
# machine's own storage and needs no overlay file system. Sourced from the repository's root.

STORE="$(realpath "${CARGO_TARGET_DIR:-target}")/image"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

buildah() {
  command buildah --root "$STORE/storage" --runroot "$STORE/run" --storage-driver vfs "$@"
}

# Without systemd no timer runs the health checks, and podman warns about that each time; therefore the log level
# `fatal`. Errors that make a command fail are printed anyway.
podman() {
  command podman --log-level fatal --root "$STORE/storage" --runroot "$STORE/run" --storage-driver vfs --tmpdir "$STORE/tmp" \
    --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}
