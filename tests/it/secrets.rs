//! No key, token, prompt, secret or e-mail is in any log line, metric, error or panic message.
//!
//! `support/secrets.rs` searches the traffic of the whole suite; callsign logs at `trace` in this process and in its
//! own. The tests here prove that the search finds secrets, provoke many log lines and errors, and check the rule about
//! `unsafe`.

use std::path::Path;

use mock_openrouter::MockServer;

use crate::support::chaos::{Chaos, Then, When};
use crate::support::client;
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::proxy::{APP, Setup, callsign};
use crate::support::secrets::{self, Place};

const KEY: &str = "sk-cs-canary-of-erin-0123456789";
const OPERATOR: &str = "sk-or-v1-canary-of-the-operator";
const PROMPT: &str = "canary-prompt: my diagnosis is";
const EMAIL: &str = "erin.canary@example.org";

#[test]
fn what_is_said_would_be_found() {
    secrets::watch();
    secrets::remember(b"planted-secret-0123456789");
    tracing::trace!(target: "callsign::planted", header = "Bearer planted-secret-0123456789", "slipped out");
    secrets::search(Place::Answer, br#"{"error":{"message":"no such key: planted-secret-0123456789"}}"#);
    let found = secrets::take_found("planted");
    assert_eq!(found.len(), 2, "{found:?}");
    secrets::remember_body(br#"{"prompt_cache_key": "drop", "messages": [{"content": "planted-prompt-text"}]}"#);
    secrets::search(Place::Metrics, b"prompt_cache_key and planted-prompt-text");
    secrets::search(Place::Metrics, b"prompt_cache_key and nothing");
    assert_eq!(secrets::take_found("planted").len(), 1);
}

/// Sends requests that fail at every step, with secrets in every place that a client can fill.
async fn provoke(url: &str) {
    let bearer = format!("Bearer {KEY}");
    let good = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-user-email", EMAIL)];
    let wrong = [("authorization", "Bearer canary-of-a-wrong-key"), ("x-api-key", "canary-of-a-wrong-key")];
    let prompt = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#);
    secrets::remember(b"canary-in-a-path");
    secrets::remember(b"canary-in-a-query");
    secrets::remember(b"canary-in-a-host");
    for path in ["chat/completions", "messages", "keys/canary-in-a-path", "models?x=canary-in-a-query"] {
        for headers in [&good[..], &wrong, &[("authorization", "Bearer canary-of-one"), ("x-api-key", "canary-of-two")]]
        {
            client::post(&format!("{url}/{path}"), headers, prompt.clone()).await;
            client::post(&format!("{url}/{path}"), headers, format!("{prompt} and more")).await;
        }
    }
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5";
    client::post(&format!("{url}/chat/completions"), &[("authorization", &format!("Bearer {token}"))], prompt.clone())
        .await;
    let encoded = [&good[..], &[("content-encoding", "canary-encoding")]].concat();
    client::post(&format!("{url}/chat/completions"), &encoded, prompt).await;
}

#[tokio::test]
async fn nothing_slips_out_where_everything_goes_wrong() {
    let (_mock, working) = callsign(&[("CALLSIGN_USER_KEYS", &format!("erin={KEY}"))]).await;
    let cut = Chaos::start(When::Head, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncan", Then::Reset).await;
    let garbage = Chaos::start(When::Head, format!("{EMAIL} {PROMPT}\r\n\r\n"), Then::Close).await;
    let mut running = vec![working];
    for upstream in [cut.url(), garbage.url(), Chaos::refusing_url()] {
        running.push(Setup::to(&upstream).set(&[("CALLSIGN_USER_KEYS", &format!("erin={KEY}"))]).start());
    }
    for callsign in &running {
        provoke(callsign.url("").trim_end_matches('/')).await;
        // Requests that HTTP libraries do not send.
        for raw in [
            "GET /v1/canary-in-a-path HTTP/9.9\r\n\r\n",
            "canary-in-a-path\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: canary-in-a-host\r\nhost: canary-in-a-host\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ncanary-in-a-path canary-in-a-path",
        ] {
            let mut peer = Peer::connect(callsign.address()).await;
            let _ = peer.send(raw.as_bytes()).await;
            peer.half_close().await;
            peer.read_to_close().await;
        }
        client::get(&callsign.admin_url("metrics"), &[]).await;
    }
    drop(running);
    let searched = secrets::searched();
    assert!(searched.values().all(|count| *count > 0), "{searched:?}");
    secrets::assert_none_found();
}

#[tokio::test]
async fn a_forged_line_is_one_line_wherever_it_comes_in() {
    let mock = MockServer::start().await.unwrap();
    let url = mock.url();
    let forged = "k\u{2028}INFO forged\u{1b}[31m";
    let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(KEY));
    // A key's name comes from the operator and is escaped in the log all the same.
    let toml = format!("[[keys]]\nname = \"k\\u2028INFO forged\"\nsha256 = \"{digest}\"\nuser = \"erin\"\n");
    let file = crate::support::program::file(&toml);
    let line = format!("serve --config {}", file.path().display());
    let mut server = Server::start(&line, &[("OPENROUTER_API_KEY", OPERATOR), ("CALLSIGN_UPSTREAM_URL", &url)]).await;
    let base = format!("http://{}/v1", server.data);
    provoke(&base).await;
    let mut peer = Peer::connect(server.data).await;
    let request = format!("GET /v1/{forged} HTTP/1.1\r\nhost: {forged}\r\nx-user-id: {forged}\r\n\r\n");
    let _ = peer.send(request.as_bytes()).await;
    peer.half_close().await;
    peer.read_to_close().await;
    server.logged("status=200").await;
    server.terminate();
    let (_, said) = server.ended().await;
    for line in said.lines().filter(|line| line.contains("forged")) {
        assert!(line.contains("request") && line.contains("\\u{2028}INFO forged"), "{line}");
    }
    assert!(!said.contains(['\u{2028}', '\u{1b}', '\r']), "{said}");
    secrets::assert_none_found();
}

#[tokio::test]
async fn an_app_key_tells_nobody_who_its_users_are() {
    let (_mock, callsign) = callsign(&[("SEND_END_USER_ID", "true")]).await;
    let user = "canary-user-of-the-app";
    let headers = [APP, &[("x-user-id", user)]].concat();
    assert_eq!(client::post(&callsign.url("chat/completions"), &headers, r#"{"model":"m"}"#).await.status, 200);
    let metrics = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    assert!(metrics.contains("callsign_requests_total{") && !metrics.contains("canary"), "{metrics}");
    drop(callsign);
    secrets::assert_none_found();
}

#[test]
fn the_rooms_that_decide_forbid_unsafe_code_and_the_rest_denies_it() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(repository.join(path)).unwrap();
    for room in
        ["crates/core/src/rewrite", "crates/core/src/identity", "crates/core/src/auth", "crates/gateway/src/shed"]
    {
        let text = read(&format!("{room}.rs"));
        assert!(text.lines().any(|line| line == "#![forbid(unsafe_code)]"), "{room}");
    }
    assert!(read("Cargo.toml").contains("\nunsafe_code = \"deny\"\n"));
}
