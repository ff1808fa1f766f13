//! Each 4xx of callsign's own says what was expected, what to do, and where that is explained
//! (docs/SPEC.md#error-messages).

use std::collections::HashSet;
use std::time::Duration;

use callsign_core::endpoint::Dialect;
use callsign_core::error_code;
use callsign_gateway::server::{Timeouts, UploadTimeouts};
use mock_openrouter::MockServer;

use crate::refusals::assert_refused;
use crate::support::client;
use crate::support::proxy::Setup;

const WRONG_KEY: (&str, &str) = ("authorization", "Bearer sk-wrong-key-of-nobody-0123456789");
const KEY: (&str, &str) = ("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends one request for each code of a 4xx, in both dialects where its endpoint has both.
#[tokio::test]
async fn each_4xx_names_its_code_and_the_next_step() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let silent = UploadTimeouts { idle: Duration::from_millis(50), ..UploadTimeouts::default() };
    let callsign = Setup::to(&mock.url())
        .set(&[
            ("CALLSIGN_MISSING_USER", "reject"),
            ("CALLSIGN_MAX_BODY_BYTES", "1000"),
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ])
        .toml(
            "[limits]\nmodels = [\"m\"]\n[[users]]\nid = \"eve\"\nblocked = true\n\
             [[users]]\nid = \"carol\"\nlimits = { rpm = 1 }\n",
        )
        .timeouts(Timeouts { upload: silent, ..Timeouts::default() })
        .start();
    let (long, plain) = (format!("{{\"a\":\"{}\"}}", "x".repeat(1000)), r#"{"model":"m"}"#);
    let of = |user: &'static str| vec![KEY, JSON, ("x-user-id", user)];
    let alice = of("alice");
    let with = |name, value| [&alice[..], &[(name, value)]].concat();
    let text: Vec<_> = alice
        .iter()
        .map(|&(name, value)| if name == "content-type" { (name, "text/plain") } else { (name, value) })
        .collect();
    let shell = r#"{"model":"m","tools":[{"type":"openrouter:shell"}]}"#;
    let cases = [
        ("invalid_json", 400, alice.clone(), "{"),
        ("ambiguous_identity", 400, with("x-user-id", "bob"), plain),
        ("ambiguous_credential", 400, with("x-api-key", "sk-wrong"), plain),
        ("bad_request", 400, with("content-encoding", "gzip"), plain),
        ("missing_credential", 401, vec![JSON], plain),
        ("invalid_credential", 401, vec![WRONG_KEY, JSON], plain),
        ("user_required", 403, vec![KEY, JSON], plain),
        ("user_blocked", 403, of("eve"), plain),
        ("tool_not_allowed", 403, alice.clone(), shell),
        ("model_not_allowed", 403, alice.clone(), "{}"),
        ("body_too_large", 413, alice.clone(), &long),
        ("unsupported_media_type", 415, text, plain),
        ("unsupported_encoding", 415, with("content-encoding", "deflate"), plain),
        ("rate_limited", 429, of("carol"), plain),
    ];
    let mut answered: HashSet<_> = cases.iter().map(|(code, ..)| *code).collect();
    assert_eq!(client::post(&callsign.url("chat/completions"), &of("carol"), plain).await.status, 200);
    for (path, dialect) in [("chat/completions", Dialect::OpenAi), ("messages", Dialect::Anthropic)] {
        for (code, status, headers, body) in &cases {
            let answer = client::post(&callsign.url(path), headers, (*body).to_owned()).await;
            assert_refused(&answer, dialect, *status, code);
        }
        let (_upload, answer) = client::upload(&callsign.url(path), &[&alice[..], &[("content-length", "9")]].concat());
        assert_refused(&answer.await.unwrap().finish().await, dialect, 408, "request_timeout");
        assert_refused(&client::get(&callsign.url(path), &alice).await, dialect, 405, "method_not_allowed");
        let twice = client::post(&callsign.url(&format!("v1/{path}")), &alice, plain).await;
        assert_refused(&twice, dialect, 404, "not_exposed");
    }
    let other = r#"{"model":"m","previous_job_id":"gen-vid-1"}"#;
    assert_refused(&client::post(&callsign.url("videos"), &alice, other).await, Dialect::OpenAi, 403, "not_yours");
    let handshake = [("connection", "upgrade"), ("upgrade", "websocket")];
    let upgrade = client::get(&callsign.url("responses"), &handshake).await;
    assert_refused(&upgrade, Dialect::OpenAi, 426, "websocket_unsupported");
    answered.extend(["request_timeout", "method_not_allowed", "not_exposed", "not_yours", "websocket_unsupported"]);
    let all: HashSet<_> = error_code::TABLE.iter().filter(|row| row.status < 500).map(|row| row.name).collect();
    assert_eq!(answered, all);
}

/// Mistakes of a first hour: the key of the wrong side, and a header that the preset does not read.
#[tokio::test]
async fn a_first_request_learns_which_key_and_which_header() {
    let mock = MockServer::start().await.unwrap();
    for (preset, header) in [("generic", "x-user-id"), ("openwebui", "x-openwebui-user-id")] {
        let variables = [("CALLSIGN_MISSING_USER", "reject"), ("CALLSIGN_PRESET", preset)];
        let callsign = Setup::to(&mock.url()).set(&variables).start();
        let ask = async |key, user| {
            let headers = [key, JSON, (user, "alice")];
            client::post(&callsign.url("chat/completions"), &headers, r#"{"model":"m"}"#).await.json()["error"].clone()
        };
        let swapped = ask(("authorization", "Bearer sk-or-v1-0123456789abcdef"), header).await;
        assert_eq!(swapped["code"], "invalid_credential");
        let text = swapped["message"].as_str().unwrap();
        assert!(text.contains("a key of OpenRouter") && text.contains("CALLSIGN_APP_KEY"), "{text}");
        let unnamed = ask(KEY, "x-some-other-user-id").await;
        assert_eq!(unnamed["code"], "user_required");
        let text = unnamed["message"].as_str().unwrap();
        assert!(text.contains(&format!("send the user's id in the header `{header}`")), "{text}");
    }
}
