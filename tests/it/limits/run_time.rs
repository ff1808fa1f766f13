//! Limits that operators set while callsign runs (docs/SPEC.md#run-time-limits).

use http::Method;
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{self, Answer};
use crate::support::program::{self, Said};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, until_free};
use crate::support::within;

const TOKEN: &str = "an-admin-token-of-tests";

struct Rig {
    mock: MockServer,
    directory: TempDir,
    callsign: Callsign,
}

impl Rig {
    async fn start(toml: &str) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = TempDir::new().unwrap();
        let callsign = Self::on(&mock, &directory, toml);
        Self { mock, directory, callsign }
    }

    fn on(mock: &MockServer, directory: &TempDir, toml: &str) -> Callsign {
        let variables = [
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_ADMIN_TOKEN", TOKEN),
            ("CALLSIGN_LEDGER", "off"),
        ];
        Setup::to(&mock.url()).set(&variables).toml(toml).start()
    }

    async fn restart(self, toml: &str) -> Self {
        let Self { mock, directory, callsign } = self;
        drop(callsign);
        until_free(directory.path()).await;
        let callsign = Self::on(&mock, &directory, toml);
        Self { mock, directory, callsign }
    }

    fn command(&self, line: &str) -> Said {
        let data = self.directory.path().to_str().unwrap();
        program::callsign(line, &[("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER", "off")])
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let url = self.callsign.admin_url(&format!("api/v1/admin/{path}"));
        let answer = client::request(method, &url, &headers, body.to_owned()).await;
        (answer.status.as_u16(), answer.json())
    }

    async fn ask(&self, user: &str) -> Answer {
        let headers = [APP, &[("x-user-id", user)]].concat();
        client::post(&self.callsign.url("chat/completions"), &headers, r#"{"model":"m","messages":[]}"#).await
    }

    /// Returns the limit of requests per minute that the answers to a person name.
    async fn rpm(&self, user: &str) -> String {
        self.ask(user).await.header("x-ratelimit-limit-requests").to_owned()
    }
}

#[tokio::test]
async fn a_command_sets_and_resets_limits_of_one_person_on_a_running_server() {
    let rig = Rig::start("[limits]\nrpm = 60\n").await;
    assert_eq!(rig.rpm("ada").await, "60");
    let said = rig.command("limits set ada rpm=5 usd_day=2.50 --for 7d");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("ada: rpm=5 until ") && said.out.contains("ada: usd_day=2.5 until "), "{said:?}");
    assert!(said.out.ends_with("applied by 1 running server\n"), "{said:?}");
    assert_eq!((rig.rpm("ada").await.as_str(), rig.rpm("bob").await.as_str()), ("5", "60"));
    assert_eq!(rig.ask("ada").await.header("x-ratelimit-limit-usd-day"), "2.5");
    let shown = rig.command("limits show ada").out;
    assert!(shown.starts_with("rpm=5 until ") && shown.contains("set by cli:"), "{shown}");
    let config = rig.command("config").out;
    assert!(config.contains("\n  ada: rpm=5 until ") && config.contains("set by cli:"), "{config}");

    let said = rig.command("limits set ada rpm=off usd_day=default");
    assert!(said.code == 0 && said.out.contains("ada: 1 returned to what is configured"), "{said:?}");
    let answer = rig.ask("ada").await;
    assert_eq!((answer.header("x-ratelimit-limit-requests"), answer.header("x-ratelimit-limit-usd-day")), ("", ""));

    let rig = rig.restart("[limits]\nrpm = 60\n").await;
    assert_eq!(rig.rpm("ada").await, "", "the limit is kept over a restart");
    let said = rig.command("limits reset ada");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(rig.rpm("ada").await, "60");
    let said = rig.command("limits reset ada");
    assert!(said.code == 1 && said.err.contains("ada has no run-time limits"), "{said:?}");
}

#[tokio::test]
async fn a_run_time_limit_refuses_and_counts_what_was_used_before() {
    let rig = Rig::start("").await;
    // Nothing is counted without a limit.
    assert_eq!(rig.ask("ada").await.status, 200);
    assert_eq!(rig.command("limits set ada rpm=2").code, 0);
    for status in [200, 200, 429] {
        assert_eq!(rig.ask("ada").await.status, status);
    }
    assert_eq!(rig.command("limits set ada rpm=3").code, 0);
    assert_eq!(rig.ask("ada").await.status, 200, "two of three are used");
    assert_eq!(rig.ask("ada").await.status, 429);
}

#[tokio::test]
async fn a_budget_that_is_set_while_callsign_runs_reads_answers_and_prices() {
    let rig = Rig::start("").await;
    assert_eq!(rig.command("limits set ada usd_day=1").code, 0);
    assert_eq!(rig.ask("ada").await.status, 200);
    let used = async || {
        let (status, shown) = rig.admin(Method::GET, "limits/ada", "").await;
        assert_eq!(status, 200, "{shown}");
        shown["limits"]["usd_day"]["used"].clone()
    };
    within("the cost", async { while used().await != json!("0.00042") {} }).await;
    // Prices are looked for every ten seconds.
    within("prices", rig.callsign.priced()).await;
}

#[tokio::test]
async fn a_configured_block_and_wrong_words_stay_as_they_are() {
    let rig = Rig::start("[[users]]\nid = \"mallory\"\nblocked = true\n").await;
    assert_eq!(rig.command("limits set mallory rpm=off").code, 0);
    assert_eq!(rig.ask("mallory").await.status, 403);
    for (line, expected) in [
        ("limits set ada rpx=5", "the limits are rpm, messages_24h, concurrent, tokens_day, usd_day, usd_month"),
        ("limits set ada rpm=-1", "rpm takes a whole number from 1 to 10^15, or off, or default"),
        ("limits set ada rpm", "expected LIMIT=VALUE, as rpm=5"),
        ("limits set ada", "LIMIT=VALUE"),
    ] {
        let said = rig.command(line);
        assert!(said.code == 2 && said.err.contains(expected), "{line}: {said:?}");
    }
}

#[tokio::test]
async fn the_admin_api_does_the_same() {
    let rig = Rig::start("[limits]\nrpm = 60\n").await;
    let body = r#"{"limits":{"rpm":5,"usd_day":"2.50","concurrent":"off"},"seconds":3600,"unseen":true}"#;
    let (status, told) = rig.admin(Method::PUT, "limits/ada", body).await;
    assert_eq!((status, &told["user"], &told["applied"]), (200, &json!("ada"), &json!(1)), "{told}");
    assert_eq!(told["set"].as_array().unwrap().len(), 3);
    assert_eq!(rig.rpm("ada").await, "5");
    let (_, shown) = rig.admin(Method::GET, "limits/ada", "").await;
    assert_eq!(shown["limits"]["rpm"]["limit"], "5");
    assert!(
        shown["set"].as_array().unwrap().iter().all(|one| one["by"] == "admin" && one["until"].is_string()),
        "{shown}"
    );
    for (body, expected) in [
        (r#"{"limits":{"rpx":5}}"#, "limits.rpx: unknown limit"),
        (r#"{"limits":{"rpm":0}}"#, "limits.rpm: rpm takes a whole number"),
        (r#"{"limits":{"rpm":1.5}}"#, "limits.rpm: rpm takes a whole number"),
        (r#"{"limits":{}}"#, "expected a body such as"),
        (r#"{"limits":{"rpm":5},"seconds":0}"#, "seconds takes a number from 1"),
        (r#"{"rpm":5}"#, "unknown field"),
    ] {
        let (status, error) = rig.admin(Method::PUT, "limits/ada", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(error["error"]["message"].as_str().unwrap().contains(expected), "{body}: {error}");
    }
    let (status, told) = rig.admin(Method::DELETE, "limits/ada", "").await;
    assert_eq!((status, &told["reset"]), (200, &json!(3)), "{told}");
    assert_eq!(rig.rpm("ada").await, "60");
}

#[tokio::test]
async fn run_time_limits_in_redis_only_tighten() {
    // Nobody answers there. The copy in the data directory has the change.
    let directory = TempDir::new().unwrap();
    let variables = [
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LEDGER", "off"),
        ("CALLSIGN_LIMIT_STORE", "redis://127.0.0.1:1"),
        ("CALLSIGN_LIMIT_RPM", "60"),
    ];
    // A server would have made it.
    assert_eq!(program::callsign("limits set ada rpm=5", &[variables[0], variables[1]]).code, 0);
    for value in ["61", "off"] {
        let said = program::callsign(&format!("limits set ada rpm={value}"), &variables);
        assert!(said.code == 1 && said.err.contains("run-time limits in Redis only tighten"), "{said:?}");
    }
    let said = program::callsign("limits set ada rpm=60 tokens_day=5", &variables);
    assert!(said.out.contains("ada: rpm=60") && said.out.contains("ada: tokens_day=5"), "{said:?}");
}

#[tokio::test]
async fn a_key_without_users_keeps_its_limits() {
    let rig = Rig::start("[limits]\nrpm = 60\n").await;
    assert_eq!(rig.command("limits set alice rpm=5").code, 0);
    let answer = client::post(&rig.callsign.url("chat/completions"), APP, r#"{"model":"m","messages":[]}"#).await;
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "60");
    let answer = client::post(&rig.callsign.url("chat/completions"), ALICE, r#"{"model":"m","messages":[]}"#).await;
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "5", "a personal key is its user");
}
