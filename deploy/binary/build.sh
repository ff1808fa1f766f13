#!/usr/bin/env bash
# Builds the program that is shipped: see `deploy/binary/build.sh --help`.
set -euo pipefail

usage() {
  cat <<'HELP'
Builds the program that is shipped: static, small, and optimised by the profile of a typical load.

Usage: deploy/binary/build.sh [--untrained] FILE

Builds a first program that counts its branches, runs it under a typical load (deploy/binary/train.sh), and builds the program again
with these counts. This takes about a quarter of an hour on two cores. Compiled files stay in target/ (CARGO_TARGET_DIR), so a second
run takes less.

FILE         the path of the program
--untrained  builds once, without counts, in half the time; a short request then takes about 1.3 times the CPU time

Needs Rust 1.95 or newer for glibc, a C compiler, glibc 2.36 or newer, and cargo-auditable; for the load also curl, openssl, awk, and
the llvm-profdata of Rust's LLVM (`rustup component add llvm-tools`, or Debian's package llvm-VERSION).
HELP
}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

trained=true
case "${1:-}" in
  --help | -h)
    usage
    exit
    ;;
  --untrained)
    trained=false
    shift
    ;;
esac
[ $# -eq 1 ] || { usage >&2; exit 2; }
file="$(realpath -m "$1")"
cd "$(dirname "$0")/../.."

target="$(rustc -vV | sed -n 's/^host: //p')"
directory="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
built="$directory/$target/dist/callsign"
training="$directory/training"

# These flags remove unused parts, a sixth of the program: unwind tables (a panic aborts), unpacked relocations, SQLite's full-text and
# spatial search, JSON, statistics, shared cache and authorizer, and AWS-LC's AES for AVX-512 (TLS then uses the one for AVX2).
FLAGS="-C target-feature=+crt-static -C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs \
-C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,$PWD/deploy/binary/no-unwinding.ld"
export CFLAGS="-fno-asynchronous-unwind-tables -DMY_ASSEMBLER_IS_TOO_OLD_FOR_512AVX"
export LIBSQLITE3_FLAGS="-USQLITE_ENABLE_FTS3 -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 -USQLITE_ENABLE_RTREE \
-USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_STAT4 -DSQLITE_OMIT_JSON -DSQLITE_OMIT_SHARED_CACHE \
-DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_DEPRECATED -DSQLITE_DEFAULT_MEMSTATUS=0"

# With an explicit target, `crt-static` does not apply to build scripts and procedural macros, which cannot be static.
WHAT=(--profile dist --locked --package callsign --bin callsign --target "$target")

# build FLAGS: builds the program with these flags of rustc as well.
build() {
  RUSTFLAGS="$FLAGS $1" cargo auditable build "${WHAT[@]}"
}

# build_counting: builds the program that counts. What follows the two dashes is for the last step, which takes minutes with full
# optimisation; the counters are in the code before it.
build_counting() {
  RUSTFLAGS="$FLAGS -C profile-generate --cfg training" cargo auditable rustc "${WHAT[@]}" -- -C lto=thin -C opt-level=0
}

# profdata ARGUMENT...: runs llvm-profdata. It must have the version of Rust's LLVM, whose format no other reads for certain.
profdata() {
  local version tool
  version="$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"
  for tool in "$(rustc --print sysroot)/lib/rustlib/$target/bin/llvm-profdata" "llvm-profdata-$version"; do
    if command -v "$tool" > /dev/null; then
      "$tool" "$@"
      return
    fi
  done
  fail "no llvm-profdata of LLVM $version: run rustup component add llvm-tools, install the package llvm-$version, or build with --untrained"
}

# train: makes the profile, unless there is one of the same program and load. Its name depends on both, because cargo builds again only for
# another name.
train() {
  local of
  of="$(cat "$built" deploy/binary/train.sh | sha256sum | head -c 16)"
  profile="$training/$of.profdata"
  [ ! -e "$profile" ] || return 0
  rm -rf "$training"
  deploy/binary/train.sh "$built" "$training/counts"
  profdata merge --output "$training/merged" "$training"/counts/*.profraw
  rm -rf "$training/counts"
  mv "$training/merged" "$profile"
}

if [ "$trained" = true ]; then
  profdata --version > /dev/null
  build_counting
  train
  # Does not warn that it ignores the counts of the few functions that were not optimised above.
  build "-C profile-use=$profile -C llvm-args=-no-pgo-warn-mismatch"
else
  build ""
fi

# The image has no libraries.
ldd "$built" 2>&1 | grep -Eq 'statically linked|not a dynamic executable' || fail "$built is not static"
"$built" --version
install -D -m 755 "$built" "$file"
