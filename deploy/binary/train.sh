#!/usr/bin/env bash
# Makes the profile of a typical load: see `deploy/binary/train.sh --help`.
set -euo pipefail

usage() {
  cat <<'HELP'
Runs callsign, built with `-C profile-generate`, under a typical load, and writes which branches it took.

Usage: deploy/binary/train.sh PROGRAM DIRECTORY

PROGRAM    callsign, built with `-C profile-generate`
DIRECTORY  gets the files *.profraw, which `llvm-profdata merge` joins for `-C profile-use`

The load: chats, histories, images, streams and errors; clients of HTTP/1.1 and HTTP/2; an upstream with and without TLS; keys and tokens;
with and without ledger and log; a few pages of the console. Everything runs on free ports of the loopback interface and ends after about
half a minute. The answers come from the mock OpenRouter of `callsign serve --demo`. Needs curl, openssl and awk.
HELP
}

fail() {
  echo "FAILED: $*" >&2
  [ ! -d "${work:-}" ] || tail -n 5 "$work"/*.log >&2 || true
  exit 1
}

case "${1:-}" in
  --help | -h)
    usage
    exit
    ;;
esac
[ $# -eq 2 ] || { usage >&2; exit 2; }
program="$(realpath "$1")"
mkdir -p "$2"
counts="$(realpath "$2")"
for needed in curl openssl awk; do
  command -v "$needed" > /dev/null || fail "$needed is not installed"
done

# Nobody else uses these: the ports are on the loopback interface and close after the training.
APP_KEY=sk-cs-key-of-the-training-0123456789
UPSTREAM_KEY=key-of-the-upstream-0123456789
ADMIN_TOKEN=token-of-the-training-0123456789
TOKEN_SECRET=secret-of-the-tokens-0123456789
ISSUER=https://issuer.example
AUDIENCE=training
# Number of requests that are sent at once.
PARALLEL=32

work="$(mktemp -d)"
processes=()
cleanup() {
  [ "${#processes[@]}" -eq 0 ] || kill "${processes[@]}" 2> /dev/null || true
  wait
  rm -rf "$work"
}
trap cleanup EXIT

# start NAME VARIABLE=VALUE... [-- ARGUMENT...]: starts a callsign that logs to NAME.log, and waits until it listens.
start() {
  local log="$work/$1.log" variables=() _
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    variables+=("$1")
    shift
  done
  env -i LLVM_PROFILE_FILE="${COUNTS:-$counts/%p.profraw}" TMPDIR="$work" CALLSIGN_LISTEN=127.0.0.1:0 CALLSIGN_ADMIN_LISTEN=127.0.0.1:0 \
    "${variables[@]}" "$program" serve "${@:2}" > "$log" 2>&1 &
  processes+=($!)
  for _ in $(seq 200); do
    grep -q 'listening on' "$log" && return
    kill -0 "${processes[-1]}" 2> /dev/null || break
    sleep 0.1
  done
  fail "callsign did not start"
}

# address NAME data|admin: prints the URL of a port of a started callsign.
address() {
  local name=listening
  [ "$2" = data ] || name=admin
  sed -n "s,.*$name on \(https\?://[0-9.:]*\).*,\1,p" "$work/$1.log" | head -n 1
}

# send COUNT STATUS URL ARGUMENT...: sends a request COUNT times, PARALLEL at once, and fails if an answer has another status.
send() {
  local count="$1" status="$2" url="$3" others
  # The fragment is not sent; curl repeats the URL for each of its numbers. The user's settings and proxies do not apply.
  curl --disable --noproxy '*' --no-progress-meter --http2 --cacert "$work/tls.crt" --parallel --parallel-max "$PARALLEL" \
    --max-time 60 --output /dev/null --write-out '%{http_code}\n' "${@:4}" "$url#[1-$count]" \
    > "$work/statuses" 2>> "$work/curl.log" || fail "curl: $url"
  others="$(grep -vx "$status" "$work/statuses" | sort | uniq -c | xargs || true)"
  [ -z "$others" ] || fail "$url answered with other statuses than $status: $others (number, status)"
}

# conversation MODEL STREAM TURNS TEXT: prints the body of a chat.
conversation() {
  awk -v model="$1" -v stream="$2" -v turns="$3" -v text="${4//\\/\\\\}" 'BEGIN {
    printf "{\"model\":\"%s\",\"stream\":%s,\"temperature\":0.7,\"user\":\"mallory\",\"messages\":[", model, stream
    for (turn = 0; turn < turns; turn++)
      printf "%s{\"role\":\"%s\",\"content\":\"%s\"}", turn ? "," : "", turn % 2 ? "assistant" : "user", text
    printf "]}"
  }'
}

# repeated COUNT TEXT: prints the text COUNT times.
repeated() {
  awk -v count="$1" -v text="${2//\\/\\\\}" 'BEGIN { while (count-- > 0) printf "%s", text }'
}

bodies() {
  local plain chinese escaped
  plain="$(repeated 10 'A paragraph with \"quotes\", a line break\n and some more words. ')"
  chinese="$(repeated 7 '调用者的身份由代理写入请求，客户端自己写的标识会被移除。响应按原样返回，一个字节也不改变。\n')"
  escaped="$(repeated 40 '\u8c03\u7528\u8005\u7684\u8eab')"
  conversation openai/gpt-4o false 1 "$plain" > "$work/chat"
  conversation openai/gpt-4o true 1 "$plain" > "$work/paced"
  conversation mock/no-gaps+long-180 true 1 "$plain" > "$work/burst"
  conversation openai/gpt-4o false 250 "$plain" > "$work/history"
  conversation openai/gpt-4o false 215 "$chinese" > "$work/chinese"
  conversation openai/gpt-4o false 160 "$escaped" > "$work/escaped"
  awk 'BEGIN {
    printf "{\"model\":\"openai/gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"Go on.\"}],\"tools\":["
    for (tool = 0; tool < 68; tool++) {
      printf "%s{\"type\":\"function\",\"function\":{\"name\":\"tool_%d\",\"description\":\"Changes a file.\",", tool ? "," : "", tool
      printf "\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{"
      for (number = 0; number < 6; number++)
        printf "%s\"name_%d\":{\"type\":\"string\",\"description\":\"A path\",\"minLength\":1}", number ? "," : "", number
      printf "},\"required\":[\"name_1\"],\"additionalProperties\":false}}}"
    }
    printf "]}"
  }' > "$work/tools"
  {
    printf '{"model":"openai/gpt-4o","messages":[{"role":"user","content":['
    printf '{"type":"image_url","image_url":{"url":"data:image/png;base64,'
    head -c 3000000 /dev/urandom | openssl base64 -A
    printf '"}}]}]}'
  } > "$work/image"
  printf '{"model":"openai/gpt-4o","input":"What is a callsign?","stream":false}' > "$work/responses"
  printf '{"model":"openai/gpt-4o","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}' > "$work/messages"
  printf '{"model":"openai/text-embedding-3-small","input":"Hello"}' > "$work/embeddings"
  printf '{"model":"openai/gpt-4o","messages":[}' > "$work/broken"
}

# token: prints a token (HS256) that is valid for an hour.
token() {
  local now text
  now="$(date +%s)"
  url_safe() { openssl base64 -A | tr '+/' '-_' | tr -d =; }
  text="$(printf '{"alg":"HS256","typ":"JWT"}' | url_safe)"
  text+=".$(printf '{"iss":"%s","aud":"%s","sub":"alice","iat":%d,"exp":%d}' "$ISSUER" "$AUDIENCE" "$now" $((now + 3600)) | url_safe)"
  printf '%s.%s' "$text" "$(printf '%s' "$text" | openssl dgst -sha256 -hmac "$TOKEN_SECRET" -binary | url_safe)"
}

# load DATA_URL APP_KEY CHATS: the load of one data port, with this number of short chats. With TLS the client uses HTTP/2.
load() {
  local url="$1" chats="$3" headers=(-H "Authorization: Bearer $2" -H 'X-User-Id: user_2N4ZuACdqJrGGgz5c2egqQnwZaN' -H 'X-Session-Id: sess_1'
    -H 'X-Chat-Id: chat_1' -H 'X-Message-Id: msg_1' -H 'Accept: application/json' -H 'X-Stainless-Lang: python'
    -H 'User-Agent: OpenAI/Python 3.54.0' -H 'Content-Type: application/json' -H 'Expect:')
  # post COUNT PATH BODY
  post() { send "$1" 200 "$url/v1/$2" "${headers[@]}" --data-binary "@$work/$3"; }
  post "$chats" chat/completions chat
  post 400 chat/completions burst
  post 32 chat/completions paced
  post 200 chat/completions history
  post 20 chat/completions chinese
  post 20 chat/completions escaped
  post 40 chat/completions tools
  post 4 chat/completions image
  post 200 responses responses
  post 200 messages messages
  post 200 embeddings embeddings
  send 100 200 "$url/v1/models" "${headers[@]}"
  send 100 400 "$url/v1/chat/completions" "${headers[@]}" --data-binary "@$work/broken"
  send 100 401 "$url/v1/chat/completions" "${headers[@]:2}" -H 'Authorization: Bearer sk-cs-nobody' --data-binary "@$work/chat"
}

bodies
# Without the machine's settings, which would make it the certificate of an authority.
printf '[req]\ndistinguished_name = name\n[name]\n' > "$work/openssl.cnf"
openssl req -x509 -config "$work/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.crt" 2> /dev/null

# Without its counts: the mock OpenRouter is not what is optimised.
COUNTS=/dev/null start mock -- --demo
mock="$(sed -n 's/.*CALLSIGN_UPSTREAM_URL=\([^ ]*\).*/\1/p' "$work/mock.log")"

# All load comes from one address and one caller.
settings=(CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS=1000 CALLSIGN_MAX_IN_FLIGHT_PER_CALLER=1000
  OPENROUTER_API_KEY="$UPSTREAM_KEY" CALLSIGN_ID_SECRET="$TOKEN_SECRET")
for valve in END_USER_ID SESSION_ID CHAT_ID MESSAGE_ID CACHE_SESSION_ID TRACE; do
  settings+=("SEND_$valve=true")
done
start lean "${settings[@]}" CALLSIGN_LOG=off CALLSIGN_UPSTREAM_URL="$mock" CALLSIGN_APP_KEY="$APP_KEY" \
  USER_ID_FORMAT='acme_{hmac:32 user}' SESSION_ID_FORMAT='{hmac:32 user session}' CHAT_ID_FORMAT='{hmac:32 user chat}' \
  MESSAGE_ID_FORMAT='{hmac:32 user message}'
start tls "${settings[@]}" CALLSIGN_LOG=off CALLSIGN_UPSTREAM_URL="$mock" CALLSIGN_APP_KEY="$UPSTREAM_KEY" \
  CALLSIGN_TLS_CERT="$work/tls.crt" CALLSIGN_TLS_KEY="$work/tls.key"
start full "${settings[@]}" CALLSIGN_UPSTREAM_URL="$(address tls data)/v1" SSL_CERT_FILE="$work/tls.crt" \
  CALLSIGN_APP_KEY="$APP_KEY" CALLSIGN_ADMIN_TOKEN="$ADMIN_TOKEN" CALLSIGN_DATA_DIR="$work/data" \
  USER_ID_FORMAT='acme_{sha256:32 user}' CHAT_ID_FORMAT='{seal chat}' \
  CALLSIGN_ISSUER="$ISSUER" CALLSIGN_JWT_SECRET="$TOKEN_SECRET" CALLSIGN_AUDIENCE="$AUDIENCE"

load "$(address lean data)" "$APP_KEY" 20000
load "$(address full data)" "$APP_KEY" 20000
load "$(address tls data)" "$UPSTREAM_KEY" 8000
send 3000 200 "$(address full data)/v1/chat/completions" -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' \
  --data-binary "@$work/chat"
for page in healthz metrics "api/v1/admin/usage?by=user" "api/v1/admin/usage?by=model" api/v1/admin/requests; do
  send 20 200 "$(address full admin)/$page" -H "Authorization: Bearer $ADMIN_TOKEN"
done

# callsign writes its profile when it ends.
kill "${processes[@]}"
for process in "${processes[@]}"; do
  wait "$process" || fail "callsign ended with the exit code $?"
done
processes=()
