//! One judgement of an answer serves ledger, limits, metrics and log (docs/SPEC.md#answer-outcome).
//!
//! Each row of [`CASES`] is asked through callsign. The four consumers and the mock server's account books must agree.
//! `tests/external/postgres.sh` repeats the test over PostgreSQL.

use mock_openrouter::MockServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{self, Headers};
use crate::support::log;
use crate::support::proxy::{APP_KEY, Callsign, Setup};
use crate::support::within;

const TOKEN: &str = "an-admin-token-of-this-test";
const OPERATOR: Headers<'static> = &[("authorization", "Bearer an-admin-token-of-this-test")];

/// A request, and what every consumer must be told of its answer.
struct Case {
    name: &'static str,
    path: &'static str,
    model: &'static str,
    stream: bool,
    /// True if the client leaves after the first bytes.
    leaves: bool,
    status: u16,
    ending: &'static str,
    error: Option<&'static str>,
    /// The ledger's `cost`: `free`, `known` or `never`. A pending cost becomes known.
    bill: &'static str,
    /// OpenRouter's charge and the provider's bill in nano-dollars.
    cost: u64,
    provider: u64,
}

impl Case {
    const fn known(name: &'static str, path: &'static str, model: &'static str, cost: u64) -> Self {
        Self {
            name,
            path,
            model,
            stream: false,
            leaves: false,
            status: 200,
            ending: "complete",
            error: None,
            bill: "known",
            cost,
            provider: 0,
        }
    }

    const fn stream(name: &'static str, path: &'static str, model: &'static str, cost: u64) -> Self {
        Self { stream: true, ..Self::known(name, path, model, cost) }
    }

    const fn free(name: &'static str, model: &'static str, status: u16, error: Option<&'static str>) -> Self {
        Self { status, error, bill: "free", ..Self::known(name, "chat/completions", model, 0) }
    }
}

const CASES: [Case; 33] = [
    Case::known("chat", "chat/completions", "mock/cost-2000000", 2_000_000),
    Case::stream("chat stream", "chat/completions", "mock/cost-2000000", 2_000_000),
    Case::known("completions", "completions", "mock/cost-3000000", 3_000_000),
    Case::known("responses", "responses", "mock/cost-2000000", 2_000_000),
    Case::stream("responses stream", "responses", "mock/cost-2000000", 2_000_000),
    Case::known("messages", "messages", "mock/cost-2000000", 2_000_000),
    Case::stream("messages stream", "messages", "mock/cost-2000000", 2_000_000),
    Case::known("embeddings", "embeddings", "mock/cost-1000000", 1_000_000),
    Case::known("rerank", "rerank", "mock/cost-1000000", 1_000_000),
    Case::known("decisions", "systemone", "mock/cost-1000000", 1_000_000),
    Case::known("images", "images", "mock/cost-40000000", 40_000_000),
    Case::known("image generations", "images/generations", "mock/cost-40000000", 40_000_000),
    Case::known("speech, late", "audio/speech", "mock/cost-5000000", 5_000_000),
    Case::known("transcription", "audio/transcriptions", "mock/cost-6000000", 6_000_000),
    Case { bill: "free", ..Case::known("token count", "messages/count_tokens", "m", 0) },
    Case { provider: 36_079_000, ..Case::known("byok", "chat/completions", "mock/byok-36079000+cost-0", 0) },
    Case { provider: 36_079_000, ..Case::stream("byok stream", "responses", "mock/byok-36079000+cost-0", 0) },
    Case::known("server tool", "chat/completions", "mock/cost-2000000+tool-cost-1000000", 3_000_000),
    Case::known("cache write", "messages", "mock/cost-2000000+cache-write-100", 2_000_000),
    Case::known("reasoning", "responses", "mock/cost-2000000+reasoning-50", 2_000_000),
    Case::known("nothing charged", "chat/completions", "mock/cost-0", 0),
    Case::free("status 502", "mock/error-502", 502, Some("502")),
    Case::free("status 429", "mock/error-429", 429, Some("429")),
    Case::free("HTML of a CDN", "mock/html-503", 503, Some("status_503")),
    Case::free("moderated", "mock/moderated", 403, Some("moderation")),
    Case::free("error in a 200", "mock/start-error", 200, Some("200")),
    Case { stream: true, ..Case::free("error in a stream", "mock/start-error", 200, Some("provider_unavailable")) },
    Case {
        error: Some("provider_unavailable"),
        ..Case::stream("error after output", "chat/completions", "mock/mid-error+cost-2000000", 2_000_000)
    },
    Case {
        error: Some("error"),
        ..Case::stream("finish reason error", "chat/completions", "mock/finish-error+cost-2000000", 2_000_000)
    },
    Case::stream("fusion panel failed", "responses", "mock/panel-failed+cost-2000000", 2_000_000),
    Case::known("gzip, late", "chat/completions", "mock/compressed-always+cost-2000000", 2_000_000),
    Case {
        ending: "upstream_cut",
        error: Some("upstream_cut"),
        ..Case::stream("cut by OpenRouter", "chat/completions", "mock/cut-after-1+cost-2000000", 2_000_000)
    },
    Case {
        leaves: true,
        ending: "client_gone",
        ..Case::stream("left by the client", "chat/completions", "mock/gate+cost-2000000", 2_000_000)
    },
];

fn start(mock: &MockServer, directory: &TempDir) -> Callsign {
    let data = directory.path().to_str().unwrap();
    #[expect(clippy::disallowed_methods, reason = "names the database of tests/external/postgres.sh")]
    let ledger = std::env::var("JUDGEMENTS_LEDGER").unwrap_or_default();
    Setup::to(&mock.url())
        .set(&[
            ("CALLSIGN_DATA_DIR", data),
            ("CALLSIGN_LEDGER", &ledger),
            ("CALLSIGN_LEDGER_MODE", "strict"),
            ("CALLSIGN_RECONCILE", "on"),
            ("CALLSIGN_ADMIN_TOKEN", TOKEN),
            ("SEND_END_USER_ID", "true"),
            ("CALLSIGN_LIMIT_USD_DAY", "1000"),
            ("CALLSIGN_LIMIT_TOKENS_DAY", "1000000"),
        ])
        .start()
}

/// Sends a case's request. Returns the status and the request id.
async fn ask(callsign: &Callsign, case: &Case, user: &str) -> (u16, String) {
    let body = json!({"model": case.model, "stream": case.stream, "messages": [], "input": "x"}).to_string();
    let authorization = format!("Bearer {APP_KEY}");
    let headers = [("authorization", &*authorization), ("content-type", "application/json"), ("x-user-id", user)];
    let streaming = client::stream(&callsign.url(case.path), &headers, body).await;
    let id = streaming.headers["x-callsign-request-id"].to_str().unwrap().to_owned();
    let status = streaming.status.as_u16();
    if !case.leaves {
        streaming.finish().await;
    }
    (status, id)
}

/// Returns the ledger's row once its cost is settled.
async fn row(callsign: &Callsign, id: &str) -> Value {
    let url = callsign.admin_url(&format!("api/v1/admin/requests/{id}"));
    within("the ledger's row", async {
        loop {
            let answer = client::get(&url, OPERATOR).await;
            let row = if answer.status == 200 { answer.json() } else { Value::Null };
            if row["cost"].is_string() && row["cost"] != "pending" {
                return row;
            }
        }
    })
    .await
}

/// Waits until the caller's limits count this many nano-dollars and tokens.
async fn counted(callsign: &Callsign, user: &str, nano_usd: u64, tokens: u64, what: &str) {
    let authorization = format!("Bearer {APP_KEY}");
    let headers = [("authorization", &*authorization), ("x-user-id", user)];
    let url = callsign.url("").replace("/v1/", "/callsign/v1/me");
    within(what, async {
        loop {
            let limits = client::get(&url, &headers).await.json()["limits"].clone();
            let usd = limits["usd_day"]["used"].as_str().and_then(|text| text.parse::<f64>().ok());
            let wanted = f64::from(u32::try_from(nano_usd / 1000).unwrap()) / 1e6;
            if usd.is_some_and(|usd| (usd - wanted).abs() < 1e-9) && limits["tokens_day"]["used"] == tokens {
                return;
            }
        }
    })
    .await;
}

/// Returns an amount in nano-dollars. A free request has none.
fn nano(text: &Value) -> u64 {
    let text = text.as_str().unwrap_or("0");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<9}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_one_judgement() {
    let run = data_encoding::HEXLOWER.encode(&getrandom::u64().unwrap().to_le_bytes());
    let mut wrong = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        let (mock, directory) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
        let callsign = start(&mock, &directory);
        let (name, user) = (case.name, format!("{run}-{number}"));
        let (status, id) = ask(&callsign, case, &user).await;
        assert_eq!(status, case.status, "{name}");

        let row = row(&callsign, &id).await;
        let told = json!([row["status"], row["ending"], row["error"], row["cost"]]);
        let expected = json!([case.status, case.ending, case.error, case.bill]);
        if told != expected {
            wrong.push(format!("{name}: {told}, expected {expected}"));
            continue;
        }
        assert_eq!(nano(&row["cost_usd"]), case.cost + case.provider, "{name}: {row}");
        assert_eq!(nano(&row["provider_cost_usd"]), case.provider, "{name}: {row}");
        assert_eq!(row["user"], user, "{name}");

        let books = mock.books().total();
        assert_eq!((books.cost, books.provider_cost), (case.cost, case.provider), "the books of {name}");

        let tokens = ["prompt_tokens", "completion_tokens"].iter().filter_map(|name| row[*name].as_u64()).sum();
        counted(&callsign, &user, case.cost + case.provider, tokens, &format!("the limits of {name}: {row}")).await;

        let metric = format!(
            "callsign_requests_total{{endpoint=\"{}\",status=\"{}\",outcome=\"{}\"}}",
            case.path, case.status, case.ending
        );
        assert_eq!(callsign.metric(&metric).await, 1, "{name}");

        let line = log::request(&id).await;
        let told = (&line["status"], &line["outcome"], line.get("error").cloned());
        assert_eq!(told, (&json!(case.status), &json!(case.ending), case.error.map(|error| json!(error))), "{name}");
    }
    assert!(wrong.is_empty(), "the ledger's rows:\n{}", wrong.join("\n"));
}
