# callsign in an otherwise empty image: one static binary, its defaults, the licences.
#
#   docker build -t callsign .
#
# The build stage can be any image for amd64 or arm64 with Rust >= 1.95, a C compiler and glibc >= 2.36 (older versions do
# not support packed relocations in a static binary):
#
#   docker build --build-arg RUST_IMAGE=my-rust-image -t callsign .
ARG RUST_IMAGE=rust:1-bookworm

# The manifests alone. cargo reads a crate's manifest only if the crate has a source file, so each gets an empty one.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /manifests
COPY Cargo.toml Cargo.lock ./
COPY crates ./crates
RUN set -eu; \
    find crates -mindepth 2 -not -name Cargo.toml -delete; \
    for crate in crates/*; do mkdir "$crate/src"; : > "$crate/src/lib.rs"; done

FROM ${RUST_IMAGE} AS build
WORKDIR /src
# Writes the list of packages and versions into the binary, where scanners of known vulnerabilities find it.
RUN cargo install --locked --root target/tools cargo-auditable@0.7.7
# Has llvm-profdata. An image without rustup needs the package of its own.
RUN if command -v rustup > /dev/null; then rustup component add llvm-tools; fi
# Downloads the dependencies in a layer that changes only with the manifests.
COPY --from=manifests /manifests ./
RUN cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
COPY crates ./crates
COPY src ./src
COPY deploy/binary ./deploy/binary
# Builds twice, because the program is optimised by a profile of its own load. `--build-arg BUILD_OPTIONS=--untrained` builds once.
ARG BUILD_OPTIONS=
RUN PATH="/src/target/tools/bin:$PATH" deploy/binary/build.sh ${BUILD_OPTIONS} /callsign && mkdir /data

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="callsign" \
      org.opencontainers.image.description="An OpenAI-compatible reverse proxy that gives every OpenRouter request its caller's sign" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE-MIT LICENSE-APACHE /licenses/
# The lowest layer of the configuration. ENV is not used, since variables would override the operator's file.
COPY deploy/defaults.toml /etc/callsign/defaults.toml
COPY --from=build /callsign /callsign
# The data directory. A new volume mounted here gets this owner. Without a volume, and with a read-only root, callsign logs
# an error and starts without a ledger.
COPY --from=build --chown=65532:65532 /data /data
# A numeric id, so that Kubernetes can check that the user is not root.
USER 65532:65532
# 8484: apps. 8485: health, metrics and console; do not publish it.
EXPOSE 8484 8485
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/callsign", "healthcheck"]
ENTRYPOINT ["/callsign"]
CMD ["serve"]
