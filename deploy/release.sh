#!/usr/bin/env bash
# Makes the files of a release from a built binary: see `deploy/release.sh --help`. The release workflow and a release by hand
# run this same script.
set -euo pipefail
cd "$(dirname "$0")/.."

CYCLONEDX_VERSION=0.5.9

usage() {
  cat <<'HELP'
Makes the files of a release from a built binary, after checking the binary and the version.

Usage: deploy/release.sh [--tag TAG] BINARY DIRECTORY

BINARY     the static binary of the image: `docker cp`, or deploy/test/build.sh
DIRECTORY  is created, with
             callsign-VERSION-TARGET.tar.gz    binary, licences, settings file, manual pages, completions
             callsign-VERSION-TARGET.cdx.json  software bill of materials (CycloneDX 1.5)
             SHA256SUMS-TARGET
--tag TAG  fails unless TAG is v and the version of Cargo.toml, and CHANGELOG.md has a section for it

The same binary makes the same archive, byte for byte. Needs cargo, python3, tar, gzip, and cargo-cyclonedx, which it
installs from crates.io if it is missing.
HELP
}

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

tag=""
if [ "${1:-}" = --tag ]; then
  [ $# -ge 2 ] || fail "--tag needs a value"
  tag="$2"
  shift 2
fi
case "${1:-}" in
  --help | -h)
    usage
    exit
    ;;
esac
[ $# -eq 2 ] || { usage >&2; exit 2; }
binary="$(realpath "$1")"
[ ! -e "$2" ] || fail "$2 exists; name a new directory"

version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
[ -n "$version" ] || fail "no version in [workspace.package] of Cargo.toml"
if [ -n "$tag" ]; then
  [ "$tag" = "v$version" ] || fail "the tag is $tag, and Cargo.toml says $version"
  grep -qF "## [$version]" CHANGELOG.md || fail "CHANGELOG.md has no section for $version"
fi
[ "$("$binary" --version)" = "callsign $version" ] || fail "$binary is not callsign $version"
ldd "$binary" 2>&1 | grep -Eq 'statically linked|not a dynamic executable' || fail "$binary is not static"

target="$(rustc -vV | sed -n 's/^host: //p')"
name="callsign-$version-$target"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# cargo-cyclonedx writes beside each manifest; only that of the program is kept.
cargo cyclonedx --version > /dev/null 2>&1 || cargo install --locked "cargo-cyclonedx@$CYCLONEDX_VERSION"
mapfile -t before < <(git ls-files --others --exclude-standard)
cargo cyclonedx --format json --spec-version 1.5 --target "$target" --no-build-deps --override-filename release-sbom
mv release-sbom.json "$work/sbom.json"
find . -name release-sbom.json -not -path './target/*' -delete
mapfile -t after < <(git ls-files --others --exclude-standard)
[ "${before[*]}" = "${after[*]}" ] || fail "cargo-cyclonedx left files: ${after[*]}"

# The list in the binary (cargo-auditable) is what was compiled. Each of its packages must be in the bill of materials. The
# paths of this machine and the time are taken out.
python3 - "$binary" "$work/sbom.json" "$work/$name.cdx.json" "$version" <<'PYTHON'
import json, os, re, subprocess, sys, zlib

binary, sbom_path, out, version = sys.argv[1:]
headers = subprocess.run(["readelf", "--sections", "--wide", binary], check=True, capture_output=True, text=True).stdout
section = re.search(r"\.dep-v0\s+PROGBITS\s+\S+\s+(\S+)\s+(\S+)", headers)
assert section, "the binary has no list of packages: build it with cargo auditable"
offset, size = (int(number, 16) for number in section.groups())
with open(binary, "rb") as file:
    file.seek(offset)
    packages = json.loads(zlib.decompress(file.read(size)))["packages"]
built = {(package["name"], package["version"]) for package in packages if package.get("kind", "runtime") == "runtime"}
text = open(sbom_path).read()
sbom = json.loads(text)
listed = {(part["name"], part["version"]) for part in sbom["components"]}
listed.add((sbom["metadata"]["component"]["name"], sbom["metadata"]["component"]["version"]))
missing = sorted(built - listed)
assert not missing, f"the bill of materials lacks {missing}"
assert ("callsign", version) in built, "the list in the binary is not that of callsign"
sbom["metadata"].pop("timestamp", None)
sbom.pop("serialNumber", None)
text = json.dumps(sbom, indent=1, sort_keys=True).replace(f"path+file://{os.getcwd()}", "path+file:///callsign")
text = re.sub(r"\?download_url=file://[^\"#]*", "", text)
assert os.getcwd() not in text, "a path of this machine is in the bill of materials"
open(out, "w").write(text + "\n")
print(f"{len(built)} packages in the binary, {len(listed)} in the bill of materials, {size} bytes of the binary are its list")
PYTHON

mkdir -p "$work/$name" "$2"
cp LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md config/callsign.toml "$work/$name/"
cp -r deploy/man deploy/completions "$work/$name/"
install -m 755 "$binary" "$work/$name/callsign"
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@0 -C "$work" -cf - "$name" | gzip -n9 > "$2/$name.tar.gz"
cp "$work/$name.cdx.json" "$2/"
(cd "$2" && sha256sum "$name.tar.gz" "$name.cdx.json" > "SHA256SUMS-$target" && sha256sum --check --quiet "SHA256SUMS-$target")
ls -l "$2"
