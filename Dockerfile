# callsign in an empty image: one static binary, its defaults, the licences.
#
#   docker build -t callsign .
#
# The build stage may be any image with Rust >= 1.95, a C compiler and glibc >= 2.36 (older ones do not unpack the
# relocations of a static binary), for amd64 or arm64:
#
#   docker build --build-arg RUST_IMAGE=my-rust-image -t callsign .
ARG RUST_IMAGE=rust:1-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
# The dependencies change seldom: a layer of their own.
COPY Cargo.toml Cargo.lock ./
RUN cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
COPY migrations ./migrations
COPY src ./src
COPY deploy/no-unwinding.ld ./deploy/
# What nothing here uses is left out, a sixth of the binary together: tables for unwinding, since a panic ends the process
# (and the log has no names for frames anyway), relocations written out one by one, SQLite's full-text and spatial search,
# its JSON, statistics, shared cache and authorizer, and AWS-LC's second AES for processors with AVX-512 (TLS takes the one
# for AVX2 there).
ENV RUSTFLAGS="-C target-feature=+crt-static -C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs \
      -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,/src/deploy/no-unwinding.ld" \
    CFLAGS="-fno-asynchronous-unwind-tables -DMY_ASSEMBLER_IS_TOO_OLD_FOR_512AVX" \
    LIBSQLITE3_FLAGS="-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE \
      -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_STAT4 -DSQLITE_OMIT_JSON -DSQLITE_OMIT_SHARED_CACHE \
      -DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_DEPRECATED -DSQLITE_DEFAULT_MEMSTATUS=0"
# Naming the target keeps `crt-static` away from build scripts and procedural macros, which cannot be static. ldd must
# find nothing to load, or the binary could not start in an empty image.
RUN set -eu; \
    target="$(rustc -vV | sed -n 's/^host: //p')"; \
    cargo build --release --locked --bin callsign --target "$target"; \
    cp "target/$target/release/callsign" /callsign; \
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
# The lowest layer of the configuration. Not ENV: variables would win over the operator's own file.
COPY deploy/defaults.toml /etc/callsign/defaults.toml
COPY --from=build /callsign /callsign
# Where the ledger is kept. A volume that is mounted here for the first time gets this owner; without one, and with a
# read-only root, callsign starts without a ledger and says so.
COPY --from=build --chown=65532:65532 /data /data
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# 8484: apps. 8485: health and metrics; keep it inside.
EXPOSE 8484 8485
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/callsign", "healthcheck"]
ENTRYPOINT ["/callsign"]
CMD ["serve"]
