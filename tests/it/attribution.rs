//! Traffic without a user is visible: in the log, in warnings and in a metric (docs/SPEC.md#unattributed-traffic). The
//! operator sees which key is refused.

use mock_openrouter::MockServer;

use crate::support::client::{self, Headers};
use crate::support::program::{self, Server, Variables};
use crate::support::proxy::{APP, OPERATOR_KEY};

const BODY: &str = r#"{"model":"m","messages":[]}"#;
const USER: Headers<'static> = &[("x-user-id", "canary-user")];

async fn server(mock: &MockServer, variables: Variables<'_>) -> Server {
    let url = mock.url();
    let common = [
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789"),
        ("CALLSIGN_LOG", "info"),
    ];
    Server::start("serve", &[&common, variables].concat()).await
}

/// Sends one request and returns its log line.
async fn line_of(server: &mut Server, path: &str, headers: Headers<'_>) -> String {
    let answer = client::post(&format!("http://{}/v1/{path}", server.data), headers, BODY).await;
    server.logged(answer.header("x-callsign-request-id")).await
}

#[tokio::test]
async fn the_log_says_if_a_request_is_attributed_and_never_to_whom() {
    let mock = MockServer::start().await.unwrap();
    let with_user = [APP, USER].concat();
    let open = ("SEND_END_USER_ID", "true");
    let cases: [(Variables<'_>, Headers<'_>, &str, &str); 7] = [
        (&[open], &with_user, "chat/completions", "user=\"present\""),
        (&[open], APP, "chat/completions", "user=\"absent\""),
        (&[open, ("CALLSIGN_MISSING_USER", "shared:everybody")], APP, "chat/completions", "user=\"shared\""),
        (&[("CALLSIGN_MISSING_USER", "shared:everybody")], APP, "chat/completions", "user=\"absent\""),
        (&[], &with_user, "chat/completions", "user=\"omitted\""),
        (&[open, ("CALLSIGN_MAX_ID_CHARS", "8")], &with_user, "chat/completions", "user=\"omitted\""),
        (&[open], &with_user, "rerank", "user=\"present\""),
    ];
    for (variables, headers, path, wanted) in cases {
        let mut server = server(&mock, variables).await;
        let line = line_of(&mut server, path, headers).await;
        assert!(line.contains(wanted) && !line.contains("canary"), "{wanted} for {variables:?} in {line}");
    }
    let mut server = server(&mock, &[]).await;
    let line = line_of(&mut server, "chat/completions", &[]).await;
    assert!(line.contains("status=401") && !line.contains("user="), "the caller is not known: {line}");
}

#[tokio::test]
async fn a_key_without_users_is_warned_of_once() {
    let mock = MockServer::start().await.unwrap();
    let digest = callsign_core::secret::KeyDigest::of(b"sk-cs-another-key-0123456789").to_hex();
    let file =
        program::file(&format!("[[keys]]\nname = \"b\\u2028FORGED\"\nsha256 = \"{digest}\"\npreset = \"generic\"\n"));
    let server = {
        let url = mock.url();
        let line = format!("serve --config {}", file.path().display());
        let variables = [
            ("OPENROUTER_API_KEY", OPERATOR_KEY),
            ("CALLSIGN_UPSTREAM_URL", url.as_str()),
            ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789"),
            ("CALLSIGN_LOG", "info"),
        ];
        Server::start(&line, &variables).await
    };
    let other = [("authorization", "Bearer sk-cs-another-key-0123456789"), ("content-type", "application/json")];
    let with_user = [APP, USER].concat();
    for headers in [APP, APP, &other, &other, &with_user] {
        line_of_all(&server, headers).await;
    }
    // Refused before it left: no traffic.
    let url = format!("http://{}/v1/chat/completions", server.data);
    assert_eq!(client::post(&url, APP, "{").await.status, 400);
    let metrics = client::get(&format!("http://{}/metrics", server.admin.unwrap()), &[]).await.text();
    for line in [
        "callsign_attributed_requests_total{attribution=\"absent\"} 4",
        "callsign_attributed_requests_total{attribution=\"omitted\"} 1",
        "callsign_attributed_requests_total{attribution=\"present\"} 0",
        "callsign_attributed_requests_total{attribution=\"shared\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    server.terminate();
    let (_, said) = server.ended().await;
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("CALLSIGN_MISSING_USER=reject")).collect();
    assert_eq!(warnings.len(), 2, "{said}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("key=app user=\"absent\""), "{warnings:?}");
    assert!(warnings[1].contains("key=b\\u{2028}FORGED user=\"absent\""), "{warnings:?}");
}

async fn line_of_all(server: &Server, headers: Headers<'_>) {
    let url = format!("http://{}/v1/chat/completions", server.data);
    assert_eq!(client::post(&url, headers, BODY).await.status, 200);
}

#[tokio::test]
async fn the_log_names_a_disabled_or_expired_key_and_the_answer_does_not() {
    let mock = MockServer::start().await.unwrap();
    let keys = [
        ("retired", "sk-cs-a-disabled-key-0123456789", "disabled = true", "key_disabled"),
        ("summer", "sk-cs-an-expired-key-0123456789", "expires = 2020-01-01T00:00:00Z", "key_expired"),
        ("office", "sk-cs-a-network-key-0123456789", "allowed_networks = [\"192.0.2.0/24\"]", "key_network"),
    ];
    let entries = keys.map(|(name, key, rule, _)| {
        let digest = callsign_core::secret::KeyDigest::of(key.as_bytes()).to_hex();
        format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nuser = \"u\"\n{rule}\n")
    });
    let (file, url) = (program::file(&entries.concat()), mock.url());
    let variables = [("OPENROUTER_API_KEY", OPERATOR_KEY), ("CALLSIGN_UPSTREAM_URL", url.as_str())];
    let mut server = Server::start(&format!("serve --config {}", file.path().display()), &variables).await;
    let url = format!("http://{}/v1/chat/completions", server.data);
    let unknown = client::post(&url, &[("authorization", "Bearer sk-cs-a-key-of-nobody-0123456789")], BODY).await;
    let line = server.logged(unknown.header("x-callsign-request-id")).await;
    assert!(!line.contains("key=") && !line.contains("reason="), "{line}");
    for (name, key, _, reason) in keys {
        let bearer = format!("Bearer {key}");
        let answer = client::post(&url, &[("authorization", &bearer)], BODY).await;
        assert_eq!((answer.status, &answer.body), (unknown.status, &unknown.body), "callers learn nothing");
        let line = server.logged(answer.header("x-callsign-request-id")).await;
        let wanted = format!("code=\"invalid_credential\" reason=\"{reason}\" key={name} ");
        assert!(line.contains(&wanted), "{wanted} in {line}");
    }
}
