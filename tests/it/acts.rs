//! The audit log (docs/SPEC.md#audit-log), and forgotten users in blocks, run-time limits and this log.

use std::fs;

use http::Method;
use mock_openrouter::MockServer;
use serde_json::Value;

use crate::support::client::{self, Answer};
use crate::support::program::{Said, callsign_beside};
use crate::support::proxy::{APP, Callsign, Setup, VALVES};

const TOKEN: &str = "an-admin-token-of-tests";

struct Rig {
    _mock: MockServer,
    callsign: Callsign,
    directory: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let settings = Self::settings(directory.path().to_str().unwrap());
        let callsign =
            Setup::to(&mock.url()).set(&VALVES).set(&settings).set(&[("CALLSIGN_ADMIN_TOKEN", TOKEN)]).start();
        Self { _mock: mock, callsign, directory }
    }

    fn settings(directory: &str) -> [(&'static str, &str); 4] {
        [
            ("CALLSIGN_DATA_DIR", directory),
            ("CALLSIGN_LEDGER_MODE", "strict"),
            ("CALLSIGN_RECONCILE", "off"),
            ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
        ]
    }

    async fn said(&self, line: &str) -> Said {
        let settings = Self::settings(self.directory.path().to_str().unwrap());
        callsign_beside(line, &[&VALVES[..], &settings].concat()).await
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> Answer {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let url = self.callsign.admin_url(&format!("api/v1/admin/{path}"));
        client::request(method, &url, &headers, body.to_owned()).await
    }

    async fn ask(&self, user: &str) -> Answer {
        let headers = [APP, &[("x-user-id", user)]].concat();
        client::post(&self.callsign.url("chat/completions"), &headers, r#"{"model":"m","messages":[]}"#).await
    }

    /// Returns the acts that the command lists, latest first: who did what, to whom.
    async fn acts(&self, filters: &str) -> Vec<(String, String, String)> {
        let said = self.said(&format!("audit --format json {filters}")).await;
        assert_eq!(said.code, 0, "{said:?}");
        let acts: Vec<Value> = serde_json::from_str(&said.out).unwrap();
        let text = |act: &Value, name: &str| act[name].as_str().unwrap().to_owned();
        acts.iter().map(|act| (text(act, "by"), text(act, "act"), text(act, "subject"))).collect()
    }
}

#[tokio::test]
async fn every_act_is_in_the_log_of_command_and_api() {
    let rig = Rig::start().await;
    assert_eq!(rig.ask("alice").await.status, 200);
    let out = rig.directory.path().join("out");
    for line in [
        "block alice --reason rude".to_owned(),
        "unblock alice".to_owned(),
        "limits set alice rpm=5 usd_day=2.5".to_owned(),
        "limits reset alice".to_owned(),
        format!("export alice --output {}", out.display()),
        format!("case alice --output {}", out.join("case.zip").display()),
    ] {
        let said = rig.said(&line).await;
        assert_eq!(said.code, 0, "{line}: {said:?}");
    }
    // What changes nothing is no act.
    assert_eq!(rig.said("unblock alice").await.code, 1);
    assert_eq!(rig.said("limits reset alice").await.code, 1);
    let said = rig.said("limits set alice rpm=5 rpm=6").await;
    assert!(said.code == 1 && said.err.contains("rpm is given twice"), "{said:?}");
    assert_eq!(rig.admin(Method::PUT, "users/bob/block", r#"{"unseen":true}"#).await.status, 200);
    assert_eq!(rig.admin(Method::PUT, "limits/alice", r#"{"limits":{"rpm":7}}"#).await.status, 200);
    assert_eq!(rig.admin(Method::DELETE, "limits/alice", "").await.status, 200);
    assert_eq!(rig.admin(Method::DELETE, "users/bob/block", "").await.status, 200);

    let by_cli = ["case", "export", "reset_limits", "set_limits", "unblock", "block"];
    let by_api = [("unblock", "bob"), ("reset_limits", "alice"), ("set_limits", "alice"), ("block", "bob")];
    let acts = rig.acts("").await;
    let (of_api, of_cli) = acts.split_at(by_api.len());
    let who = of_cli[0].0.as_str();
    assert!(who.starts_with("cli:") && who.len() > 4, "{who}");
    for ((by, act, subject), expected) in of_cli.iter().zip(by_cli) {
        assert_eq!((by.as_str(), act.as_str(), subject.as_str()), (who, expected, "alice"));
    }
    assert_eq!(of_cli.len(), by_cli.len());
    for ((by, act, subject), expected) in of_api.iter().zip(by_api) {
        assert_eq!((by.as_str(), (act.as_str(), subject.as_str())), ("admin", expected));
    }
    assert_eq!(rig.acts("--by admin").await, of_api);
    assert_eq!(rig.acts("--since 2000-01-01").await, acts);
    assert_eq!(rig.acts("--since 2999-01-01").await, []);
    let table = rig.said("audit").await.out;
    assert!(table.contains("rpm=5 usd_day=2.5") && table.contains("permanently; rude"), "{table}");

    let listed = rig.admin(Method::GET, "audit?by=admin", "").await.json();
    assert_eq!(listed.as_array().unwrap().len(), by_api.len());
    assert_eq!(listed[2]["detail"], "rpm=7");
    assert_eq!(rig.admin(Method::GET, "audit?who=admin", "").await.status, 400);
}

#[tokio::test]
async fn a_forgotten_user_stays_blocked_and_is_named_in_no_file() {
    for by_api in [false, true] {
        let rig = Rig::start().await;
        for user in ["wilhelmina", "bob"] {
            assert_eq!(rig.ask(user).await.status, 200);
            assert_eq!(rig.said(&format!("limits set {user} rpm=9")).await.code, 0);
            assert_eq!(rig.said(&format!("block {user} --reason wilhelmina-was-rude")).await.code, 0);
        }
        let sent = rig.said("id --user wilhelmina").await.out;
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let sent = sent["user"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
        assert_eq!(rig.said(&format!("block {sent} --reason again")).await.code, 0);
        if by_api {
            assert_eq!(rig.admin(Method::DELETE, "users/wilhelmina", "").await.status, 200);
        } else {
            assert_eq!(rig.said("forget wilhelmina --yes").await.code, 0);
        }
        assert_eq!(rig.ask("wilhelmina").await.status, 403, "by API: {by_api}");
        let listed = rig.said("block --list").await.out;
        assert!(listed.contains(" (a forgotten user)") && listed.contains("bob since"), "{listed}");
        assert_eq!(rig.said("unblock bob").await.code, 0);
        assert_eq!(rig.said("unblock wilhelmina").await.code, 0);
        assert_eq!(rig.ask("wilhelmina").await.header("x-ratelimit-limit-requests"), "9");
        let directory = rig.directory;
        drop(rig.callsign);
        crate::support::proxy::until_free(directory.path()).await;
        // Afterwards the user has come again, under this name: only the ledger may know it.
        for name in ["state.db", "state.db-wal"] {
            let Ok(bytes) = fs::read(directory.path().join(name)) else { continue };
            for secret in [sent.as_str(), "again"] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} is in {name}, by API: {by_api}");
            }
        }
    }
}

#[tokio::test]
async fn an_act_whose_row_cannot_be_stored_is_refused() {
    let rig = Rig::start().await;
    assert_eq!(rig.ask("alice").await.status, 200);
    let directory = rig.directory;
    drop(rig.callsign);
    crate::support::proxy::until_free(directory.path()).await;
    let state = directory.path().join("state.db");
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _absent = fs::remove_file(directory.path().join(name));
    }
    fs::write(&state, "this is no database, but a text that is long enough to be read as one").unwrap();
    let settings = Rig::settings(directory.path().to_str().unwrap());
    let out = directory.path().join("out");
    for line in [format!("export alice --output {}", out.display()), "forget alice --yes".to_owned()] {
        let said = callsign_beside(&line, &settings).await;
        assert!(said.code == 1 && said.err.contains("state.db"), "{said:?}");
    }
    assert!(!out.exists());
    fs::remove_file(&state).unwrap();
    let said = callsign_beside("requests --user alice --format json", &settings).await;
    assert!(said.out.contains(r#""user": "alice""#), "the ledger is untouched: {said:?}");
}
