# Where the tests of the image keep their images, containers and builds, for buildah and podman alike: apart from the
# machine's own, and without needing an overlay file system. Sourced from the repository's root.

STORE="$(realpath "${CARGO_TARGET_DIR:-target}")/image"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

buildah() {
  command buildah --root "$STORE/storage" --runroot "$STORE/run" --storage-driver vfs "$@"
}

# Without systemd there is nobody to ask a health check every ten seconds, which podman says each time: hence fatal. What
# makes a command fail is said all the same.
podman() {
  command podman --log-level fatal --root "$STORE/storage" --runroot "$STORE/run" --storage-driver vfs --tmpdir "$STORE/tmp" \
    --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}
