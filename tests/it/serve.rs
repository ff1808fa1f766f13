//! `callsign serve` as a process: start, health, drain.

use http::StatusCode;
use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::program::{Server, callsign, file};
use crate::support::within;

const KEY: &str = "sk-cs-very-secret-key";
const OPERATOR: &str = "sk-or-v1-very-secret";

#[test]
fn a_wrong_configuration_is_told_whole_and_without_secrets() {
    let file = file("listn = \"127.0.0.1:1\"\n[[keys]]\nname = \"a\"\nsha256 = \"sk-cs-pasted-by-mistake\"\n");
    let variables = [
        ("OPENROUTER_API_KEY", "sk-or very-secret with blanks"),
        ("CALLSIGN_APP_KEY", "very-secret"),
        ("CALLSIGN_USER_KEYS", "very-secret-without-a-user"),
        ("CALLSIGN_ID_SECRET", "very-secret"),
        ("CALLSIGN_ADMIN_LISTEN", "nowhere"),
        ("SEND_END_USER_ID", "maybe"),
        ("USER_ID_FORMAT", "{usr}"),
        ("CALLSIGN_LISTN", "127.0.0.1:1"),
    ];
    let said = callsign(&format!("serve --config {}", file.path().display()), &variables);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    for (name, _) in variables {
        assert!(said.err.contains(name), "{name} in {}", said.err);
    }
    assert!(said.err.contains(":1: listn") && said.err.contains(":4: keys"), "{}", said.err);
    for secret in ["very-secret", "pasted"] {
        assert!(!said.err.contains(secret), "{}", said.err);
    }
}

#[tokio::test]
async fn every_line_is_json_if_the_log_is() {
    let json = [("CALLSIGN_LOG_FORMAT", "json")];
    let are_json = |text: &str| {
        let objects = text.lines().map(|line| serde_json::from_str::<serde_json::Map<_, _>>(line).expect(line));
        assert!(objects.inspect(|object| assert!(object.contains_key("message"), "{text}")).count() > 0, "{text}");
    };
    let invalid = callsign("serve", &json);
    assert_eq!(invalid.code, 2);
    are_json(&invalid.err);
    let mock = MockServer::start().await.unwrap();
    let (url, key) = (mock.url(), format!("alice={KEY}"));
    let caller = [("OPENROUTER_API_KEY", OPERATOR), ("CALLSIGN_USER_KEYS", &key), ("CALLSIGN_UPSTREAM_URL", &url)];
    let server = Server::start("serve", &[&json[..], &caller].concat()).await;
    let taken = format!("{}", server.data);
    let refused = callsign("serve", &[&json[..], &caller, &[("CALLSIGN_LISTEN", &taken)]].concat());
    assert!(refused.err.contains("cannot start"), "{refused:?}");
    are_json(&refused.err);
    server.terminate();
    are_json(&server.ended().await.1);
}

#[tokio::test]
async fn it_says_where_it_listens_is_ready_and_drains_on_sigterm() {
    let mock = MockServer::start().await.unwrap();
    let url = mock.url();
    let mut server = Server::start(
        "serve",
        &[
            ("OPENROUTER_API_KEY", OPERATOR),
            ("CALLSIGN_USER_KEYS", &format!("alice={KEY}")),
            ("CALLSIGN_UPSTREAM_URL", &url),
            ("SEND_END_USER_ID", "true"),
        ],
    )
    .await;
    assert_eq!(
        server.line().await,
        "attribution on: SEND_END_USER_ID (off: SEND_SESSION_ID SEND_CHAT_ID \
                SEND_MESSAGE_ID SEND_CACHE_SESSION_ID SEND_TRACE)"
    );
    assert!(server.line().await.starts_with("sample: user user_2N4Z"));

    let admin = server.admin.unwrap();
    let ready = client::get(&format!("http://{admin}/readyz"), &[]).await;
    assert_eq!((ready.status, ready.text().as_str()), (StatusCode::OK, "ready\n"));
    let (data, admin) = (server.data.to_string(), admin.to_string());
    let healthy = callsign("healthcheck", &[("CALLSIGN_LISTEN", &data), ("CALLSIGN_ADMIN_LISTEN", &admin)]);
    assert_eq!((healthy.code, healthy.err.as_str()), (0, ""));

    // A running stream ends normally.
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = r#"{"model":"mock/gate","stream":true,"messages":[],"user":"mallory"}"#;
    let mut stream = client::stream(&format!("http://{data}/v1/chat/completions"), &headers, body).await;
    mock.release(1);
    stream.until("data:").await;
    server.terminate();
    server.logged("draining").await;
    mock.release(usize::MAX);
    let answer = stream.finish().await;
    assert_eq!(answer.cut, None);
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());

    let (status, said) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("very-secret"), "{said}");
    let received = within("the request", mock.next_received()).await;
    assert_eq!(received.json().unwrap()["user"], "alice");
    let unhealthy = callsign("healthcheck", &[("CALLSIGN_LISTEN", &data), ("CALLSIGN_ADMIN_LISTEN", &admin)]);
    assert_eq!(unhealthy.code, 1);
}

#[tokio::test]
async fn healthcheck_takes_the_data_port_where_there_is_no_admin_port() {
    let certificate = rcgen::generate_simple_self_signed(["callsign.example".to_owned()]).unwrap();
    let (cert, key) = (file(&certificate.cert.pem()), file(&certificate.signing_key.serialize_pem()));
    let tls =
        [("CALLSIGN_TLS_CERT", cert.path().to_str().unwrap()), ("CALLSIGN_TLS_KEY", key.path().to_str().unwrap())];
    for tls in [&[], tls.as_slice()] {
        let common = [("OPENROUTER_API_KEY", OPERATOR), ("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_ADMIN_LISTEN", "off")];
        let variables = [common.as_slice(), tls].concat();
        let server = Server::start("serve", &variables).await;
        assert_eq!(server.admin, None);
        let data = server.data.to_string();
        let said = callsign("healthcheck", &[variables.as_slice(), &[("CALLSIGN_LISTEN", &data)]].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{tls:?}");
    }
}

#[tokio::test]
async fn a_taken_port_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("OPENROUTER_API_KEY", OPERATOR), ("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_LISTEN", &address)];
    let said = callsign("serve", &variables);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    let expected = format!("callsign: cannot start: cannot listen on {address}: ");
    assert!(said.err.contains(&expected) && said.err.contains("(CALLSIGN_LISTEN); choose another"), "{}", said.err);
}

#[test]
fn an_unusable_data_directory_is_named_with_its_setting() {
    for directory in ["/dev/null", "/dev/null/x"] {
        let variables = [("OPENROUTER_API_KEY", OPERATOR), ("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_DATA_DIR", directory)];
        let expected = format!("cannot use the data directory {directory} (CALLSIGN_DATA_DIR): ");
        for line in [
            "serve",
            "check",
            "check --format json",
            "usage",
            "requests",
            "request req_1",
            "ledger rejected",
            "whois acme_1",
            "reconcile",
            "case acme_1 --output /dev/null/case.zip",
            "export alice --output /dev/null/export",
            "forget alice --yes",
            "audit",
            "block alice --unseen",
            "block --list",
            "unblock alice",
            "limits show alice",
            "limits set alice rpm=1 --unseen",
            "key list",
            "key create --user alice",
            "key revoke alice",
            "backup --output /dev/null/backup",
            "restore /dev/null/backup",
        ] {
            let said = callsign(line, &variables);
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}: {}", said.err);
            let remedy = "choose one that this user can write, or run callsign as its owner";
            assert!(said.err.contains(&expected) && said.err.contains(remedy), "{line}: {}", said.err);
        }
        // These use nothing that is stored.
        for line in ["id --user alice", "config", "key create --user alice --print-only"] {
            assert_eq!(callsign(line, &variables).code, 0, "{line}");
        }
    }
    let archive = [
        ("OPENROUTER_API_KEY", OPERATOR),
        ("CALLSIGN_APP_KEY", KEY),
        ("CALLSIGN_ARCHIVE_DIR", "/dev/null/x"),
        ("CALLSIGN_ARCHIVE_PASSWORD", "a-password-of-this-test"),
    ];
    for line in ["serve", "archive list"] {
        let said = callsign(line, &archive);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}: {}", said.err);
        assert!(said.err.contains("CALLSIGN_ARCHIVE_DIR"), "{line}: {}", said.err);
    }
}

#[tokio::test]
async fn a_self_test_does_not_warn_of_its_own_server() {
    let mock = MockServer::start().await.unwrap();
    let (url, directory) = (mock.url(), tempfile::tempdir().unwrap());
    let variables = [
        ("OPENROUTER_API_KEY", OPERATOR),
        ("CALLSIGN_APP_KEY", KEY),
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("CALLSIGN_ADMIN_TOKEN", "a-token-of-this-test-0123456789"),
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
    ];
    let server = Server::start("serve", &variables).await;
    let url = format!("http://{}/api/v1/admin/user-mapping/test-mapping", server.admin.unwrap());
    let headers = [("authorization", "Bearer a-token-of-this-test-0123456789"), ("content-type", "application/json")];
    let tried = client::post(&url, &headers, r#"{"user_id":"alice","live":true}"#).await;
    assert_eq!((tried.status, &tried.json()["passed"]), (StatusCode::OK, &true.into()), "{}", tried.text());
    server.terminate();
    let (status, said) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    for warning in ["only in memory", "drain timeout reached"] {
        assert!(!said.contains(warning), "{said}");
    }
}
