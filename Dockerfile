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
# Downloads the dependencies in a layer that changes only with the manifests.
COPY --from=manifests /manifests ./
RUN cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
COPY crates ./crates
COPY src ./src
COPY deploy/no-unwinding.ld ./deploy/
# These flags remove unused parts, a sixth of the binary: unwind tables (a panic aborts), unpacked relocations, SQLite's
# full-text and spatial search, JSON, statistics, shared cache and authorizer, and AWS-LC's AES for AVX-512 (TLS then uses
# the one for AVX2).
ENV RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs \
      -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,/src/deploy/no-unwinding.ld" \
    CFLAGS="-fno-asynchronous-unwind-tables -DMY_ASSEMBLER_IS_TOO_OLD_FOR_512AVX" \
    LIBSQLITE3_FLAGS="-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE \
      -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_STAT4 -DSQLITE_OMIT_JSON -DSQLITE_OMIT_SHARED_CACHE \
      -DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_DEPRECATED -DSQLITE_DEFAULT_MEMSTATUS=0"
# With an explicit target, `crt-static` does not apply to build scripts and procedural macros, which cannot be static. ldd
# checks that the binary is static, since the image has no libraries.
RUN set -eu; \
    target="$(rustc -vV | sed -n 's/^host: //p')"; \
    PATH="/src/target/tools/bin:$PATH"; \
    cargo auditable build --profile dist --locked --package callsign --bin callsign --target "$target"; \
    cp "target/$target/dist/callsign" /callsign; \
    ldd /callsign 2>&1 | grep -Eq 'statically linked|not a dynamic executable'; \
    /callsign --version; \
    mkdir /data

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
