#!/usr/bin/env bash
# Opens callsign's archives with 7-Zip: the right password yields every byte, a wrong one yields nothing.
# needs: 7z curl
set -euo pipefail

PASSWORD="correct horse battery staple"
KEY="sk-cs-a-key-of-alice-0123456789"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

directory="$(mktemp -d)"
server=""
mock=""
cleanup() {
  [ -z "$mock" ] || kill "$mock" 2> /dev/null || true
  if [ -n "$server" ]; then
    kill "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
  fi
  rm -rf "$directory"
}
trap cleanup EXIT

# The upstream is the mock OpenRouter, whose answers describe their request. It runs until its standard input ends.
cargo build --quiet --locked --example mock_openrouter
mkfifo "$directory/in"
exec 9<> "$directory/in"
"${CARGO_TARGET_DIR:-target}/debug/examples/mock_openrouter" < "$directory/in" > "$directory/mock" &
mock=$!
until [ -s "$directory/mock" ]; do
  kill -0 "$mock" 2> /dev/null || fail "the mock OpenRouter ended"
  sleep 0.1
done
read -r upstream _ < "$directory/mock"
export CALLSIGN_ARCHIVE_DIR="$directory/archive" CALLSIGN_ARCHIVE_PASSWORD="$PASSWORD"
env CALLSIGN_LISTEN=127.0.0.1:0 CALLSIGN_ADMIN_LISTEN=off CALLSIGN_USER_KEYS="alice=$KEY" SEND_END_USER_ID=true \
  CALLSIGN_UPSTREAM_URL="$upstream" OPENROUTER_API_KEY=sk-or-v1-of-a-test OPENROUTER_ORG_ID=org_of_a_test \
  "$CALLSIGN" serve > "$directory/out" 2>&1 &
server=$!
url=""
for _ in $(seq 100); do
  url="$(sed -n 's,.*listening on \(http://[0-9.:]*\).*,\1,p' "$directory/out" | head -n 1)"
  [ -z "$url" ] || break
  kill -0 "$server" 2> /dev/null || { cat "$directory/out"; fail "the server ended"; }
  sleep 0.1
done
[ -n "$url" ] || { cat "$directory/out"; fail "the server does not listen"; }

request='{"model":"openai/gpt-4o","stream":true,"user":"mallory","messages":[{"role":"user","content":"Grüße, 世界"}]}'
curl --silent --fail --no-buffer "$url/v1/chat/completions" -H "authorization: Bearer $KEY" \
  -H "content-type: application/json" -d "$request" > "$directory/answer"
grep -q '^data: \[DONE\]' "$directory/answer" || fail "no whole answer: $(cat "$directory/answer")"

# A clean shutdown writes queued archives.
kill "$server"
wait "$server" || fail "the server did not end well"
server=""
archives=("$directory"/archive/alice/*/*.zip)
[ "${#archives[@]}" -eq 1 ] && [ -f "${archives[0]}" ] || fail "not one archive: ${archives[*]}"
archive="${archives[0]}"

echo "7-Zip reads the method"
7z l -slt "$archive" | grep '^Method = ' | sort | uniq -c
[ "$(7z l -slt "$archive" | grep -c '^Method = AES-256 Deflate')" -eq 4 ] || fail "not four entries with AES-256"
[ "$(7z l -slt "$archive" | grep -c '^CRC = [0-9A-F]')" -eq 0 ] || fail "the archive has checksums of the clear text (AE-1)"

echo "the right password opens it"
7z t -p"$PASSWORD" "$archive" > "$directory/log" || { cat "$directory/log"; fail "7z t"; }
7z x -p"$PASSWORD" -o"$directory/right" "$archive" > "$directory/log" || { cat "$directory/log"; fail "7z x"; }
cmp "$directory/right/response.sse" "$directory/answer"
# The client's `user` is blanked and every other byte is unchanged.
grep -q 'Grüße, 世界' "$directory/right/request.json" || fail "the request is not there"
! grep -q mallory "$directory/right/request.json" || fail "the client's identifier was sent upstream"
grep -q '"alice"' "$directory/right/meta.json" || fail "meta.json does not name the user"
! grep -rq "$KEY" "$directory/right" || fail "a credential is in the archive"
for name in headers.json request.json response.sse; do
  sum="$(sha256sum "$directory/right/$name" | cut -d ' ' -f 1)"
  grep -q "$sum" "$directory/right/meta.json" || fail "the checksum of $name is not the one in meta.json"
done

echo "a wrong password does not"
for wrong in "correct horse battery stapl" "Correct horse battery staple" "wrong"; do
  if 7z x -y -p"$wrong" -o"$directory/wrong" "$archive" > "$directory/log" 2>&1; then
    fail "7z x with a wrong password"
  fi
  grep -qi 'wrong password' "$directory/log" || { cat "$directory/log"; fail "7z failed for another reason than the password"; }
  ! grep -rq 'Grüße' "$directory/wrong" 2> /dev/null || fail "clear text without the password"
done

echo "callsign reads the same"
"$CALLSIGN" archive show alice --part response > "$directory/shown"
cmp "$directory/shown" "$directory/answer"
"$CALLSIGN" archive verify
