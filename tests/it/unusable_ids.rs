//! Identity headers that were sent but name nobody (`docs/SPEC.md#unusable-ids`): who is refused, and what tells it.

use callsign_core::secret::KeyDigest;
use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::program::{self, Server};
use crate::support::proxy::{APP, Callsign, OPERATOR_KEY, Setup, VALVES};

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;
/// One value of each kind.
const UNUSABLE: [&str; 5] = ["NULL", "[object Object]", "alice, bob", "al\u{202e}ice", "al\u{200b}ice"];

/// Sends a request with this user header. Returns the status, and the code and message of callsign's own answer.
async fn ask(callsign: &Callsign, user: &str) -> (u16, String, String) {
    let headers = [APP, &[("x-user-id", user)]].concat();
    let answer = client::post(&callsign.url("chat/completions"), &headers, PLAIN).await;
    let json = answer.json();
    let text = |name: &str| json["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), text("code"), text("message"))
}

#[tokio::test]
async fn an_unusable_user_id_is_refused_where_it_could_evade_a_block_or_a_limit() {
    let mock = MockServer::start().await.unwrap();
    let start = |toml: &str| Setup::to(&mock.url()).set(&VALVES).toml(toml).start();
    for (toml, refused) in [
        ("", false),
        ("[limits]\nrpm = 1000\ndry_run = true\n", false),
        ("[[users]]\nid = \"mallory\"\nblocked = true\n", true),
        ("[limits]\nrpm = 1000\n", true),
        ("[[users]]\nid = \"mallory\"\nlimits = { rpm = 5 }\n", true),
        ("missing_user = \"reject\"\n", true),
    ] {
        let callsign = start(toml);
        for user in UNUSABLE {
            let (status, code, message) = ask(&callsign, user).await;
            if refused {
                assert_eq!((status, code.as_str()), (403, "user_required"), "{toml}, {user:?}");
                assert!(message.starts_with("header `x-user-id` has no usable user id: it "), "{message}");
                assert!(!message.contains(user), "{message}");
            } else {
                assert_eq!((status, code.as_str()), (200, ""), "{toml}, {user:?}");
            }
        }
        assert_eq!(ask(&callsign, "alice").await.0, 200, "{toml}");
    }
    let sent = mock.received();
    let users: Vec<_> =
        sent.iter().filter_map(|request| request.json().unwrap()["user"].as_str().map(str::to_owned)).collect();
    assert!(!users.is_empty() && users.iter().all(|user| user == "alice"), "{users:?}");
}

#[tokio::test]
async fn only_an_unusable_user_id_is_refused() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&VALVES).toml("[limits]\nrpm = 1000\n").start();
    let headers = [APP, &[("x-user-id", "alice"), ("x-chat-id", "null"), ("x-message-id", "a,b")]].concat();
    assert_eq!(client::post(&callsign.url("chat/completions"), &headers, PLAIN).await.status, 200);
    // Not sent, or empty: `CALLSIGN_MISSING_USER` decides.
    assert_eq!(client::post(&callsign.url("chat/completions"), APP, PLAIN).await.status, 200);
    assert_eq!(ask(&callsign, " ").await.0, 200);
}

#[tokio::test]
async fn a_preset_in_latin_1_reads_latin_1_only() {
    let mock = MockServer::start().await.unwrap();
    let toml = "preset = \"house\"\n[presets.house]\nuser = \"X-House-User\"\ncharset = \"latin-1\"\n";
    let callsign = Setup::to(&mock.url()).set(&VALVES).toml(toml).start();
    let headers = [APP, &[("x-house-user", "José")]].concat();
    assert_eq!(client::post(&callsign.url("chat/completions"), &headers, PLAIN).await.status, 200);
    // The test's client writes UTF-8, whose bytes are two characters in Latin-1.
    assert_eq!(mock.received().last().unwrap().json().unwrap()["user"], "JosÃ©");
}

#[tokio::test]
async fn the_log_names_the_header_once_an_hour_and_a_metric_counts() {
    let mock = MockServer::start().await.unwrap();
    let (app, other) = ("sk-cs-a-key-of-one-app-0123456789", "sk-cs-another-key-0123456789");
    let digest = KeyDigest::of(other.as_bytes()).to_hex();
    let file = program::file(&format!("[[keys]]\nname = \"other\"\nsha256 = \"{digest}\"\npreset = \"generic\"\n"));
    let url = mock.url();
    let variables = [
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("CALLSIGN_APP_KEY", app),
        ("CALLSIGN_LOG", "info"),
    ];
    let server = Server::start(&format!("serve --config {}", file.path().display()), &variables).await;
    for (key, user) in [(app, "null"), (app, "undefined"), (app, "a,b"), (other, "null"), (app, "alice")] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("x-user-id", user)];
        let url = format!("http://{}/v1/chat/completions", server.data);
        assert_eq!(client::post(&url, &headers, PLAIN).await.status, 200);
    }
    let metrics = client::get(&format!("http://{}/metrics", server.admin.unwrap()), &[]).await.text();
    for line in [
        "callsign_unusable_ids_total{field=\"user\",reason=\"placeholder\"} 3",
        "callsign_unusable_ids_total{field=\"user\",reason=\"joined\"} 1",
        "callsign_unusable_ids_total{field=\"chat\",reason=\"too_long\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    server.terminate();
    let (_, said) = server.ended().await;
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("of a request is unusable")).collect();
    assert_eq!(warnings.len(), 2, "{said}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("key=app header=\"x-user-id\""), "{warnings:?}");
}

#[test]
fn id_and_explain_tell_the_reason_and_the_consequence() {
    for command in ["id --user none", "explain --user none"] {
        let said = program::callsign_reading(command, &[("SEND_END_USER_ID", "true")], PLAIN);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("the user id is ignored in a header: it is a placeholder"), "{said:?}");
        assert!(said.err.contains("while somebody is blocked, such a request is 403 user_required"), "{said:?}");
        let limited = [("SEND_END_USER_ID", "true"), ("CALLSIGN_LIMIT_RPM", "5")];
        let said = program::callsign_reading(command, &limited, PLAIN);
        assert!(said.err.contains("such a request is 403 user_required, because"), "{said:?}");
    }
}
