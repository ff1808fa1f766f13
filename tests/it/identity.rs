//! Identifiers sent upstream: none that the client claims, and exactly those that the operator's valves allow.
//!
//! The claims come from `support/claims.rs` and contain the mark `mallory`.

use std::collections::BTreeSet;

use callsign_core::endpoint::{Endpoint, INFERENCE};
use hmac::{Hmac, KeyInit, Mac};
use mock_openrouter::{MockServer, Received};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::claims::{MARKED_NUMBER, borrowed, claiming_body, claiming_headers};
use crate::support::client::{self, Headers, Persistent};
use crate::support::json::{members, values};
use crate::support::proxy::{ALICE, ALICE_KEY, APP, APP_KEY, Callsign, OPERATOR_KEY, Setup, VALVES, callsign};
use crate::support::within;

/// Returns all of a received request as text, for searching.
fn everything(received: &Received) -> String {
    let lines = received.headers.iter().map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()].concat());
    let mut bytes = lines.collect::<Vec<_>>().join(&b'\n');
    bytes.extend_from_slice(format!("\n{} {} {:?}\n", received.method, received.path, received.query).as_bytes());
    bytes.extend_from_slice(&received.body);
    String::from_utf8_lossy(&bytes).to_ascii_lowercase()
}

#[track_caller]
fn assert_nothing_claimed(received: &Received) {
    let text = everything(received);
    for mark in ["mallory", MARKED_NUMBER, APP_KEY, ALICE_KEY] {
        assert!(!text.contains(mark), "{mark} in {text:.2000}");
    }
}

fn header_names(received: &Received) -> Vec<&str> {
    let mut names: Vec<_> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn sent(mock: &MockServer, callsign: &Callsign, path: &str, headers: Headers<'_>, body: &str) -> Received {
    let answer = client::post(&callsign.url(path), headers, body.to_owned()).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    within("the record", mock.next_received()).await
}

/// Sends a chat request with only a `model` and returns the members that arrive.
async fn written(mock: &MockServer, callsign: &Callsign, headers: Headers<'_>) -> Vec<(String, Value)> {
    let received = sent(mock, callsign, "chat/completions", headers, r#"{"model":"m"}"#).await;
    assert_nothing_claimed(&received);
    values(&received.body).split_off(1)
}

fn object(members: Vec<(String, Value)>) -> Value {
    let count = members.len();
    let object = Value::Object(members.into_iter().collect());
    assert_eq!(object.as_object().unwrap().len(), count, "duplicate member: {object}");
    object
}

#[tokio::test]
async fn nothing_that_a_client_claims_leaves() {
    let (body, kept) = claiming_body();
    let claims = claiming_headers();
    for hold in ["0", "262144"] {
        let (mock, callsign) =
            callsign(&[("CALLSIGN_PROMPT_CACHE_KEY", "drop"), ("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        let bearer = format!("Bearer {APP_KEY}");
        let credentials: [&[(&str, &str)]; 4] = [
            &[("authorization", &bearer)],
            &[("x-api-key", APP_KEY)],
            &[("api-key", APP_KEY)],
            &[("authorization", &bearer), ("x-api-key", APP_KEY), ("api-key", APP_KEY)],
        ];
        for (number, endpoint) in INFERENCE.iter().enumerate() {
            let headers = [&borrowed(&claims), credentials[number % 4]].concat();
            let path = format!("{}?user=mallory&session_id=mallory", endpoint.path);
            let received = sent(&mock, &callsign, &path, &headers, &body).await;
            assert_nothing_claimed(&received);
            assert_eq!(received.header("authorization"), Some(&*format!("Bearer {OPERATOR_KEY}")));
            let expected = ["authorization", "content-length", "content-type", "host", "user-agent"];
            assert_eq!(header_names(&received), expected, "{path}");
            assert_eq!(received.query, None, "{path}");
            let left: Vec<String> = members(&received.body).into_iter().map(|(name, _)| name).collect();
            assert_eq!(left, kept, "{path}");
        }
    }
}

#[tokio::test]
async fn reading_the_catalogue_says_nothing_either() {
    let (mock, callsign) = callsign(&VALVES).await;
    let claims = claiming_headers();
    let headers = [&borrowed(&claims), APP].concat();
    for path in ["models", "models/count", "providers", "models/openai%2Fgpt-4o", "models/openai/gpt-4o/endpoints"] {
        let answer = client::get(&callsign.url(path), &headers).await;
        assert_eq!(answer.status, 200, "{path}");
        let received = within("the record", mock.next_received()).await;
        assert_nothing_claimed(&received);
        assert_eq!(header_names(&received), ["authorization", "host", "user-agent"], "{path}");
    }
}

#[tokio::test]
async fn a_claim_is_blanked_wherever_it_stands() {
    let (mock, callsign) = callsign(&[]).await;
    for body in [
        r#"{"user":"mallory"}"#,
        r#"{"user":"mallory","model":"m"}"#,
        r#"{"model":"m","user":"mallory"}"#,
        r#"{"model":"m","user":"mallory","n":1}"#,
        r#"{"user":"mallory","user":"mallory","model":"m","user":"mallory"}"#,
        "{\n  \"user\" : { \"a\" : \"mallory\" } ,\n  \"model\" : \"m\"\n}\n",
        r#"{"model":"m","prompt_cache_key":["mallory"],"user":"mallory"}"#,
    ] {
        let received = sent(&mock, &callsign, "chat/completions", APP, body).await;
        assert_nothing_claimed(&received);
        let names: Vec<_> = members(&received.body).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| name == "model" || name == "n"), "{body} became {names:?}");
    }
}

#[tokio::test]
async fn open_valves_write_exactly_the_table_of_endpoints() {
    let ids = json!({"user_id": "u-1", "session_id": "s-1", "chat_id": "c-1", "message_id": "m-1"});
    let chat = json!({"user": "u-1", "session_id": "s-1", "metadata": ids, "trace": ids});
    let mut responses = chat.clone();
    responses["safety_identifier"] = json!("u-1");
    let messages = json!({"user": "u-1", "session_id": "s-1", "metadata": {"user_id": "u-1"}, "trace": ids});
    let media = json!({"user": "u-1", "session_id": "s-1", "trace": ids});
    // docs/SPEC.md#inference-endpoints: the members written into the body, and true if a header repeats the session.
    let table: [(&str, Value, bool); 13] = [
        ("chat/completions", chat.clone(), false),
        ("completions", chat, false),
        ("responses", responses, false),
        ("messages", messages.clone(), false),
        ("messages/count_tokens", messages, false),
        ("embeddings", media.clone(), true),
        ("rerank", media.clone(), true),
        ("images", media.clone(), true),
        ("images/generations", media.clone(), true),
        ("audio/speech", media.clone(), true),
        ("audio/transcriptions", media.clone(), true),
        ("videos", media.clone(), false),
        ("systemone", media, false),
    ];
    assert_eq!(table.len(), INFERENCE.len());
    let (body, kept) = claiming_body();
    let own = [("x-user-id", "u-1"), ("x-session-id", "s-1"), ("x-chat-id", "c-1"), ("x-message-id", "m-1")];
    let mut claims = claiming_headers();
    claims.retain(|(name, _)| own.iter().all(|(own, _)| own != name));
    let headers = [&borrowed(&claims), &own[..], APP].concat();
    for hold in ["0", "262144"] {
        let (mock, callsign) =
            callsign(&[&VALVES[..], &[("SEND_TRACE", "1"), ("CALLSIGN_BUFFER_BODY_BYTES", hold)]].concat()).await;
        for (path, expected, in_header) in &table {
            let received = sent(&mock, &callsign, path, &headers, &body).await;
            assert_nothing_claimed(&received);
            assert_eq!(received.header("x-session-id"), in_header.then_some("s-1"), "{path}");
            assert_eq!(received.headers.get_all("x-session-id").iter().count(), usize::from(*in_header));
            let mut left = members(&received.body);
            let ours = left.split_off(kept.len());
            assert!(left.iter().map(|(name, _)| name).eq(&kept), "{path}");
            let read = |(name, raw): (String, String)| (name, serde_json::from_str(&raw).unwrap());
            assert_eq!(object(ours.into_iter().map(read).collect()), *expected, "{path}");
        }
    }
    let row = |(path, members, header): &(&str, Value, bool)| {
        let order = ["user", "session_id", "safety_identifier", "metadata", "trace"];
        let names: Vec<_> =
            order.iter().filter(|name| members.get(**name).is_some()).map(|name| format!("`{name}`")).collect();
        format!("| `{path}` | {} | {} |\n", names.join(", "), if *header { "`x-session-id`" } else { "–" })
    };
    let documented = include_str!("../../docs/SPEC.md");
    assert!(documented.contains(&table.iter().map(row).collect::<String>()), "the table in docs/SPEC.md differs");
}

#[tokio::test]
async fn a_form_full_of_claims_carries_the_caller_in_its_last_parts() {
    let claims = ["user", "User", "session_id", "metadata[user_id]", "metadata", "trace", "safety_identifier"];
    let part = |boundary: &str, (name, content): (&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let claimed: String = claims.iter().map(|name| part("x", (name, "mallory"))).collect();
    let body = format!("{claimed}{}{claimed}--x--\r\n", part("x", ("model", "m")));
    let user_headers = [("x-user-id", "u-1"), ("x-session-id", "sé"), ("x-chat-id", "c-1")];
    let authorization = APP[0];
    let headers = [&[authorization, ("content-type", "multipart/form-data; boundary=x")], &user_headers[..]].concat();
    for hold in ["0", "262144"] {
        let (mock, callsign) =
            callsign(&[&VALVES[..], &[("SEND_TRACE", "1"), ("CALLSIGN_BUFFER_BODY_BYTES", hold)]].concat()).await;
        let received = sent(&mock, &callsign, "audio/transcriptions", &headers, &body).await;
        assert_nothing_claimed(&received);
        let ours = received.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
        let trace = r#"{"user_id":"u-1","session_id":"sé","chat_id":"c-1"}"#;
        let parts = [("model", "m"), ("user", "u-1"), ("session_id", "sé"), ("trace", trace)];
        let parts: String = parts.into_iter().map(|written| part(ours, written)).collect();
        assert_eq!(String::from_utf8_lossy(&received.body), format!("{parts}--{ours}--\r\n"));
        assert_eq!(received.header("x-session-id"), None, "the session is not visible ASCII");
    }
}

#[tokio::test]
async fn a_preset_reads_its_own_headers_and_no_others() {
    let ids = |user: &str, more: &[(&str, &str)]| {
        let mut metadata = json!({"user_id": user});
        for (name, value) in more {
            metadata[*name] = json!(value);
        }
        metadata
    };
    let all: &[(&str, &str)] = &[("session_id", "s"), ("chat_id", "c"), ("message_id", "m")];
    let cases: [(&str, [&str; 4], Value); 6] = [
        ("generic", ["X-User-Id", "X-Session-Id", "X-Chat-Id", "X-Message-Id"], ids("u", all)),
        (
            "openwebui",
            ["X-OpenWebUI-User-Id", "X-OpenWebUI-Session-Id", "X-OpenWebUI-Chat-Id", "X-OpenWebUI-Message-Id"],
            ids("u", all),
        ),
        (
            "librechat",
            ["X-LibreChat-User-Id", "", "X-LibreChat-Conversation-Id", "X-LibreChat-Message-Id"],
            ids("u", &all[1..]),
        ),
        ("oauth2-proxy", ["X-Forwarded-User", "", "", ""], ids("u", &[])),
        ("authentik", ["X-authentik-uid", "", "", ""], ids("u", &[])),
        ("house", ["X-House-User", "X-House-Session", "X-House-Chat", "X-House-Message"], ids("u", all)),
    ];
    let house = "[presets.house]\nuser = \"X-House-User\"\nsession = \"X-House-Session\"\nchat = \"X-House-Chat\"\n\
                 message = \"X-House-Message\"\n";
    for (preset, names, metadata) in cases {
        let mock = MockServer::start().await.unwrap();
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&[("CALLSIGN_PRESET", preset)]).toml(house).start();
        let own: Vec<_> = names.into_iter().zip(["u", "s", "c", "m"]).filter(|(name, _)| !name.is_empty()).collect();
        let mut claims = claiming_headers();
        claims.extend(["User", "Session"].map(|part| (format!("x-house-{part}"), "mallory".to_owned())));
        claims.retain(|(name, _)| own.iter().all(|(own, _)| !own.eq_ignore_ascii_case(name)));
        let written = object(written(&mock, &callsign, &[&borrowed(&claims), &own, APP].concat()).await);
        let mut expected = json!({"user": "u", "metadata": metadata});
        if let Some(session) = metadata.get("session_id") {
            expected["session_id"] = session.clone();
        }
        assert_eq!(written, expected, "{preset}");
    }
}

#[tokio::test]
async fn a_personal_key_is_its_user_whatever_the_headers_say() {
    let (mock, callsign) = callsign(&VALVES).await;
    let claims = claiming_headers();
    let headers = [&borrowed(&claims), ALICE].concat();
    let expected = json!({"user": "alice", "metadata": {"user_id": "alice"}});
    assert_eq!(object(written(&mock, &callsign, &headers).await), expected);

    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(b"sk-cs-a-key-of-bob-0123456789"));
    let key = format!(
        "[[keys]]\nname = \"bob-laptop\"\nsha256 = \"{digest}\"\nuser = \"bob\"\n\
         headers = {{ chat = \"X-Chat-Id\" }}\nmetadata = {{ app = \"laptop\" }}\n"
    );
    let callsign = Setup::to(&mock.url()).set(&VALVES).toml(&key).start();
    let headers = [
        ("authorization", "Bearer sk-cs-a-key-of-bob-0123456789"),
        ("x-user-id", "mallory"),
        ("x-session-id", "mallory"),
        ("x-message-id", "mallory"),
        ("x-chat-id", "c-9"),
    ];
    let expected = json!({"user": "bob", "metadata": {"user_id": "bob", "chat_id": "c-9", "app": "laptop"}});
    assert_eq!(object(written(&mock, &callsign, &headers).await), expected);
}

#[tokio::test]
async fn a_pass_through_key_pays_for_itself_in_a_namespace_of_its_own() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .set(&[
            ("CALLSIGN_PASSTHROUGH", "true"),
            ("CALLSIGN_APP_KEY", ""),
            ("CALLSIGN_USER_KEYS", ""),
            ("OPENROUTER_API_KEY", ""),
            ("USER_ID_FORMAT", "{sha256:16 tenant user}"),
        ])
        .start();
    let mut ids = BTreeSet::new();
    let mut cache_keys = BTreeSet::new();
    for key in ["sk-or-v1-first-callers-own-key", "sk-or-v1-second-callers-own-key"] {
        let bearer = format!("Bearer {key}");
        for header in [("authorization", bearer.as_str()), ("x-api-key", key)] {
            let headers = [header, ("x-user-id", "u-1")];
            let body = r#"{"model":"m","user":"mallory","prompt_cache_key":"mine"}"#;
            let received = sent(&mock, &callsign, "chat/completions", &headers, body).await;
            assert_eq!(received.header("authorization"), Some(&*bearer));
            assert_eq!((received.header("x-api-key"), received.header("x-user-id")), (None, None));
            let body = received.json().unwrap();
            ids.insert(body["user"].as_str().unwrap().to_owned());
            cache_keys.insert(body["prompt_cache_key"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!((ids.len(), cache_keys.len()), (2, 2), "the same user id of two keys is two people");
    let stranger = client::post(&callsign.url("chat/completions"), &[("authorization", "Bearer sk-other")], "{}").await;
    assert_eq!((stranger.status.as_u16(), stranger.header("x-callsign-error")), (401, "invalid_credential"));
}

#[tokio::test]
async fn a_missing_user_is_omitted_refused_or_shared() {
    let long = "x".repeat(129);
    let missing: [Option<&str>; 9] = [
        None,
        Some(""),
        Some("null"),
        Some("undefined"),
        Some("None"),
        Some("{{LIBRECHAT_USER_ID}}"),
        Some("a\u{200b}b"),
        Some("a\tb"),
        Some(&long),
    ];
    for (policy, expected) in [
        ("omit", json!({"session_id": "s-1", "metadata": {"session_id": "s-1"}})),
        ("reject", Value::Null),
        (
            "shared:everybody",
            json!({"user": "everybody", "session_id": "s-1",
            "metadata": {"user_id": "everybody", "session_id": "s-1"}}),
        ),
    ] {
        let chat_needs_user = ("CHAT_ID_FORMAT", "{user}-{chat}");
        let settings = [&VALVES[..], &[("CALLSIGN_MISSING_USER", policy), chat_needs_user]].concat();
        let (mock, callsign) = callsign(&settings).await;
        for user in missing {
            let headers = [&[("x-session-id", "s-1"), ("x-chat-id", "c-1")], APP].concat();
            let headers = headers.into_iter().chain(user.map(|user| ("x-user-id", user))).collect::<Vec<_>>();
            if expected.is_null() {
                let answer = client::post(&callsign.url("chat/completions"), &headers, "{}").await;
                let refused = (answer.status.as_u16(), answer.header("x-callsign-error"));
                assert_eq!(refused, (403, "user_required"), "{user:?}");
                continue;
            }
            let mut written = object(written(&mock, &callsign, &headers).await);
            if user == Some(&*long) {
                // An id over the limit is not missing: it is omitted, not cut and not shared. The metadata limit is
                // larger.
                assert_eq!(written["metadata"]["chat_id"], format!("{long}-c-1"));
                written["metadata"].as_object_mut().unwrap().remove("chat_id");
                assert_eq!(written, json!({"session_id": "s-1", "metadata": {"session_id": "s-1"}}), "{policy}");
            } else {
                assert_eq!(written, expected, "{policy}, {user:?}");
            }
        }
        let expected_begun = if expected.is_null() { 0 } else { missing.len() };
        assert_eq!(mock.begun(), expected_begun, "{policy}");
    }
    let (mock, callsign) = callsign(&[("CALLSIGN_MISSING_USER", "reject")]).await;
    let refused = client::post(&callsign.url("chat/completions"), APP, "{}").await;
    assert_eq!((refused.status.as_u16(), mock.begun()), (403, 0), "`reject` applies whatever the valves");
    assert_eq!(client::get(&callsign.url("models"), APP).await.status, 200, "reading needs no user");
}

/// Computes a bound value (docs/SPEC.md#binding) from tenant, subject, purpose and value.
fn bound(secret: Option<&str>, subject: &str, purpose: &str, value: &str) -> String {
    let text = format!("\u{1f}{subject}\u{1f}{purpose}\u{1f}{value}");
    let digest: [u8; 32] = match secret {
        None => Sha256::digest(text).into(),
        Some(secret) => Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .unwrap()
            .chain_update(text.as_bytes())
            .finalize()
            .into_bytes()
            .into(),
    };
    data_encoding::HEXLOWER.encode(&digest)
}

#[tokio::test]
async fn cache_keys_and_client_sessions_are_bound_to_their_caller() {
    let secret = "a secret of this test, long enough";
    for secret in [None, Some(secret)] {
        let (mock, callsign) = callsign(&[
            ("SEND_SESSION_ID", "true"),
            ("SEND_CHAT_ID", "true"),
            ("CALLSIGN_CLIENT_SESSION", "bind"),
            ("CALLSIGN_PRESET", "openwebui"),
            ("CALLSIGN_ID_SECRET", secret.unwrap_or_default()),
        ])
        .await;
        for (subject, user) in [("u-1", Some("u-1")), ("u-2", Some("u-2")), ("\u{1f}app", None)] {
            for session in ["x-session-id", "x-claude-code-session-id", "session_id", "conversation_id"] {
                let mut headers = [&[(session, "tab-mallory")], APP].concat();
                headers.extend(user.map(|user| ("x-openwebui-user-id", user)));
                let body = r#"{"prompt_cache_key":"not this","prompt_cache_key":"mallory\u0021é"}"#;
                let received = sent(&mock, &callsign, "responses", &headers, body).await;
                assert_nothing_claimed(&received);
                let session = bound(secret, subject, "session", "tab-mallory");
                let expected = json!({
                    "session_id": session, "metadata": {"session_id": session, "chat_id": session},
                    "prompt_cache_key": bound(secret, subject, "cache", "mallory!é"),
                });
                assert_eq!(object(values(&received.body)), expected, "{subject}");
            }
        }
    }
    // Client sessions are dropped by default, and do not replace a session of the identity source.
    let (mock, callsign) = callsign(&VALVES).await;
    let headers = [&[("session-id", "mallory"), ("x-user-id", "u-1")], APP].concat();
    let plain = object(written(&mock, &callsign, &headers).await);
    assert_eq!(plain, json!({"user": "u-1", "metadata": {"user_id": "u-1"}}));
}

#[tokio::test]
async fn a_cache_key_is_kept_only_on_request() {
    let body = r#"{"prompt_cache_key":"mine"}"#;
    for (policy, expected) in [("keep", json!({"prompt_cache_key": "mine"})), ("drop", json!({}))] {
        let (mock, callsign) = callsign(&[("CALLSIGN_PROMPT_CACHE_KEY", policy)]).await;
        let received = sent(&mock, &callsign, "chat/completions", APP, body).await;
        assert_eq!(object(values(&received.body)), expected, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_users_of_one_key_are_told_apart() {
    const USERS: usize = 50;
    const CONNECTIONS: usize = 20;
    const EACH: usize = 100;
    let settings = [&VALVES[..], &[("SEND_CACHE_SESSION_ID", "1"), ("CACHE_SESSION_ID_FORMAT", "{user}/{chat}")]];
    let (mock, callsign) = callsign(&settings.concat()).await;
    let url = callsign.url("chat/completions");
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let url = url.clone();
        connections.spawn(async move {
            // Consecutive requests on one connection are from different users.
            let mut client = Persistent::connect(&url).await;
            for turn in 0..EACH {
                let number = connection * EACH + turn;
                let user = (number * 7 + connection) % USERS;
                let [user, session, chat] = ["user", "session", "chat"].map(|kind| format!("{kind}-{user}"));
                let own = [("x-user-id", &*user), ("x-session-id", &*session), ("x-chat-id", &*chat)];
                let body = json!({"prompt": user, "number": number, "user": "mallory"}).to_string();
                let answer = client.post(&url, &[&own, APP].concat(), body).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done.unwrap();
    }
    let received = mock.received();
    assert_eq!(received.len(), CONNECTIONS * EACH);
    let mut numbers = BTreeSet::new();
    for received in &received {
        let body = received.json().unwrap();
        let user = body["prompt"].as_str().unwrap();
        let number = user.strip_prefix("user-").unwrap();
        numbers.insert(body["number"].as_u64().unwrap());
        let (session, chat) = (format!("session-{number}"), format!("chat-{number}"));
        let expected = json!({
            "prompt": user, "number": body["number"], "user": user, "session_id": format!("{user}/{chat}"),
            "metadata": {"user_id": user, "session_id": session, "chat_id": chat},
        });
        assert_eq!(object(values(&received.body)), expected);
    }
    assert_eq!(numbers.len(), received.len());
}

#[test]
fn the_table_of_endpoints_is_the_documented_one() {
    let documented = "chat/completions completions responses messages messages/count_tokens embeddings rerank images \
                    images/generations audio/speech audio/transcriptions videos systemone";
    assert!(INFERENCE.iter().map(|endpoint| endpoint.path).eq(documented.split_whitespace()));
    for base in ["/v1/", "/api/v1/"] {
        let found = Endpoint::find(&http::Method::POST, &format!("{base}messages"), false, false);
        assert!(matches!(found, Ok(Endpoint::Inference(endpoint)) if endpoint.path == "messages"));
    }
}
