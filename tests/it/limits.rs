//! Limits through the running program: refusals, their answers, and refunds.

pub(crate) mod suite;

use mock_openrouter::MockServer;

use crate::support::client::{self, Answer, Headers};
use crate::support::program;
use crate::support::proxy::{ALICE, APP, Callsign, Setup, callsign};
use crate::support::within;

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;

#[tokio::test]
async fn counting_in_memory_keeps_its_promises() {
    suite::all(&callsign_store::limits::Memory::default()).await;
}

/// Returns the app's headers with a user.
fn of(user: &str) -> Vec<(&str, &str)> {
    [APP, &[("x-user-id", user)]].concat()
}

async fn ask(callsign: &Callsign, headers: Headers<'_>) -> Answer {
    client::post(&callsign.url("chat/completions"), headers, PLAIN).await
}

fn assert_refused(answer: &Answer, words: &str) {
    let said = (answer.status.as_u16(), answer.header("x-callsign-error"));
    assert_eq!(said, (429, "rate_limited"), "{}", answer.text());
    assert!(answer.text().contains(words), "{}", answer.text());
}

async fn metric(callsign: &Callsign, name: &str) -> u64 {
    let text = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

/// Waits until no request is in flight; a request may end shortly after its answer.
async fn rest(callsign: &Callsign) {
    within("rest", async { while metric(callsign, "callsign_in_flight").await != 0 {} }).await;
}

#[tokio::test]
async fn requests_in_a_minute_are_refused_in_both_dialects() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_RPM", "2")]).await;
    let ada = of("ada");
    for _ in 0..2 {
        assert_eq!(ask(&callsign, &ada).await.status, 200);
    }
    let begun = mock.begun();
    let refused = ask(&callsign, &ada).await;
    assert_refused(&refused, "the 2 requests that you may in a minute");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(refused.headers.get("x-should-retry").is_none(), "worth waiting for");
    assert_eq!(refused.header("x-ratelimit-limit-requests"), "2");
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert!(refused.header("x-ratelimit-reset-requests").ends_with(['s', 'm']));
    assert_eq!(refused.json()["error"]["code"], "rate_limited");
    let refused = client::post(&callsign.url("messages"), &ada, PLAIN).await;
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    // Limits are checked before the content type (docs/SPEC.md#order-of-checks).
    let text = [ada.as_slice(), &[("content-encoding", "deflate")]].concat();
    assert_refused(&ask(&callsign, &text).await, "in a minute");
    assert_eq!(mock.begun(), begun, "a refused request was sent upstream");
    // Other users are not limited. A read of the catalogue that goes to OpenRouter is a request.
    assert_eq!(ask(&callsign, &of("bob")).await.status, 200);
    assert_eq!(ask(&callsign, ALICE).await.status, 200);
    assert_refused(&client::get(&callsign.url("models"), &ada).await, "in a minute");
    assert_eq!(metric(&callsign, r#"callsign_limits_refused_total{limit="rpm"}"#).await, 4);
}

#[tokio::test]
async fn what_is_refused_later_is_given_back() {
    let all = [
        ("CALLSIGN_LIMIT_RPM", "1"),
        ("CALLSIGN_LIMIT_MESSAGES_24H", "1"),
        ("CALLSIGN_LIMIT_CONCURRENT", "1"),
        ("CALLSIGN_LIMIT_TOKENS_DAY", "2000"),
        ("CALLSIGN_LIMIT_USD_DAY", "0.01"),
        ("CALLSIGN_LIMIT_USD_MONTH", "0.01"),
    ];
    let (_mock, callsign) = callsign(&all).await;
    let chat = callsign.url("chat/completions");
    for _ in 0..3 {
        let bad = client::post(&chat, ALICE, "not json").await;
        assert_eq!(bad.header("x-callsign-error"), "invalid_json");
        rest(&callsign).await;
        let coded = [ALICE, &[("content-encoding", "deflate")]].concat();
        assert_eq!(client::post(&chat, &coded, PLAIN).await.status, 415);
        rest(&callsign).await;
    }
    assert_eq!(ask(&callsign, ALICE).await.status, 200);
    rest(&callsign).await;
    assert_refused(&ask(&callsign, ALICE).await, "your budget of $0.01 for this month");
}

#[tokio::test]
async fn an_upstream_that_is_not_reached_takes_nothing() {
    let unreachable = crate::support::chaos::Chaos::refusing_url().await;
    let callsign = Setup::to(&unreachable).set(&[("CALLSIGN_LIMIT_RPM", "1")]).start();
    for _ in 0..3 {
        assert_eq!(ask(&callsign, ALICE).await.header("x-callsign-error"), "upstream_unreachable");
        rest(&callsign).await;
    }
}

#[tokio::test]
async fn a_budget_is_charged_with_what_answers_say() {
    // The mock charges 0.00042 USD for each request.
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_USD_DAY", "0.0112")]).await;
    let ada = of("ada");
    for _ in 0..2 {
        assert_eq!(ask(&callsign, &ada).await.status, 200);
        rest(&callsign).await;
    }
    // An error costs nothing. An answer without a cost counts as estimated.
    let error = client::post(&callsign.url("chat/completions"), &ada, r#"{"model":"mock/error-500"}"#).await;
    assert_eq!(error.status, 500);
    rest(&callsign).await;
    assert_eq!(ask(&callsign, &ada).await.status, 200);
    rest(&callsign).await;
    let refused = ask(&callsign, &ada).await;
    assert_refused(&refused, "your budget of $0.0112 for today (UTC) is used up");
    assert_eq!(refused.header("x-ratelimit-limit-usd-day"), "0.0112");
    assert_eq!(refused.header("x-ratelimit-remaining-usd-day"), "0.00994");
    // Retrying is not advised, except near midnight.
    if refused.header("retry-after").parse::<u32>().unwrap() > 60 {
        assert_eq!(refused.header("x-should-retry"), "false");
    }
}

#[tokio::test]
async fn parallel_first_requests_do_not_overrun_a_budget() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_USD_DAY", "0.03")]).await;
    let ada = of("ada");
    let all = (0..20).map(|_| ask(&callsign, &ada));
    let body = r#"{"model":"mock/gate-head","messages":[]}"#;
    let url = callsign.url("chat/completions");
    let held = (0..3).map(|_| client::post(&url, &ada, body));
    let held = futures_util::future::join_all(held);
    let refused = async {
        within("three", async {
            while mock.begun() < 3 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let answers = futures_util::future::join_all(all).await;
        mock.release(usize::MAX >> 4);
        answers
    };
    let (answers, _) = tokio::join!(refused, held);
    assert!(answers.iter().all(|answer| answer.status == 429), "three estimates of 0.01 are all there is");
}

#[tokio::test]
async fn what_no_answer_tells_is_charged_as_estimated() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_TOKENS_DAY", "3999")]).await;
    mock.release(1);
    let held = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
    let mut stream = client::stream(&callsign.url("chat/completions"), ALICE, held).await;
    stream.until("data:").await;
    drop(stream);
    rest(&callsign).await;
    assert_refused(&ask(&callsign, ALICE).await, "budget of 3999 tokens for today");
}

#[tokio::test]
async fn requests_at_the_same_time_are_counted_while_they_run() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_CONCURRENT", "1")]).await;
    mock.release(1);
    let held = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
    let mut stream = client::stream(&callsign.url("chat/completions"), ALICE, held).await;
    stream.until("data:").await;
    assert_refused(&ask(&callsign, ALICE).await, "wait until one has ended");
    mock.release(usize::MAX >> 4);
    assert_eq!(stream.finish().await.cut, None);
    rest(&callsign).await;
    assert_eq!(ask(&callsign, ALICE).await.status, 200);
}

#[tokio::test]
async fn one_turn_of_an_app_is_one_message() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_MESSAGES_24H", "2")]).await;
    let message = |id: &'static str| [APP, &[("x-user-id", "ada"), ("x-message-id", id)]].concat();
    for _ in 0..4 {
        assert_eq!(ask(&callsign, &message("m-1")).await.status, 200);
    }
    assert_eq!(client::post(&callsign.url("embeddings"), &message("m-9"), PLAIN).await.status, 200, "no message");
    assert_eq!(client::post(&callsign.url("messages"), &message("m-2"), PLAIN).await.status, 200);
    assert_refused(&ask(&callsign, &message("m-3")).await, "the 2 messages");
    assert_refused(&ask(&callsign, &of("ada")).await, "the 2 messages");
    assert_eq!(ask(&callsign, &message("m-1")).await.status, 200, "the turn goes on");
}

#[tokio::test]
async fn the_closest_limit_holds_and_a_reload_changes_it() {
    let mock = MockServer::start().await.unwrap();
    let toml =
        "[limits]\nrpm = 1\n[[users]]\nid = \"ada\"\nlimits.rpm = 2\n[[users]]\nid = \"eve\"\nlimits.rpm = \"off\"\n";
    let callsign = Setup::to(&mock.url()).toml(toml).start();
    for (user, passes) in [("bob", 1), ("ada", 2), ("eve", 5)] {
        for _ in 0..passes {
            assert_eq!(ask(&callsign, &of(user)).await.status, 200, "{user}");
        }
        assert_eq!(ask(&callsign, &of(user)).await.status == 429, user != "eve", "{user}");
    }
    // Without a user the key is the subject.
    assert_eq!(ask(&callsign, APP).await.status, 200);
    assert_eq!(ask(&callsign, APP).await.status, 429);
}

#[tokio::test]
async fn a_dry_run_counts_and_refuses_nobody() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_RPM", "1"), ("CALLSIGN_LIMIT_DRY_RUN", "true")]).await;
    for _ in 0..3 {
        assert_eq!(ask(&callsign, ALICE).await.status, 200);
    }
    assert_eq!(metric(&callsign, r#"callsign_limits_would_refuse_total{limit="rpm"}"#).await, 2);
    assert_eq!(metric(&callsign, r#"callsign_limits_refused_total{limit="rpm"}"#).await, 0);
}

#[tokio::test]
async fn counters_survive_a_restart_and_the_command_shows_them() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let variables =
        [("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LIMIT_MESSAGES_24H", "2"), ("CALLSIGN_LIMIT_USD_DAY", "5")];
    let start = || Setup::to(&mock.url()).set(&variables).start();
    let show = || program::callsign("limits show ada", &variables);
    let first = start();
    assert_eq!(ask(&first, &of("ada")).await.status, 200);
    within("the count to be written", async { while !show().out.contains("0.00042 ") {} }).await;
    drop(first);
    // Within one process, the first callsign needs a moment to stop.
    let lock = std::fs::File::open(directory.path().join("limits-0.lock")).unwrap();
    within("its end", async {
        while lock.try_lock().is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(lock);
    let second = start();
    assert_eq!(ask(&second, &of("ada")).await.status, 200);
    assert_refused(&ask(&second, &of("ada")).await, "the 2 messages");
    within("the count to be written", async { while !show().out.contains("0.00084 ") {} }).await;
    let shown = show();
    assert_eq!(shown.code, 0, "{shown:?}");
    let line = shown.out.lines().find(|line| line.starts_with("messages_24h")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(&words[..4], ["messages_24h", "2", "2", "in"], "{line}");
    assert!(!std::fs::read_to_string(directory.path().join("limits-1.jsonl")).unwrap_or_default().contains("ada"));
    assert_eq!(program::callsign("limits show ada", &[]).out, "ada has no limits\n");
    assert_eq!(program::callsign("limits show ada", &variables[1..]).code, 1);
}
