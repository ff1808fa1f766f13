//! Limits through the running program: refusals, their answers, and refunds.

mod run_time;
pub(crate) mod suite;

use mock_openrouter::MockServer;

use crate::support::client::{self, Answer, Headers};
use crate::support::program;
use crate::support::proxy::{ALICE, APP, Callsign, Setup, callsign, until_free};
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
    assert_refused(&refused, "the limit rpm is reached: 0 of 2 requests in a minute are left");
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
        ("CALLSIGN_LIMIT_RPM", "8"),
        // Not reached at the end: on the last day of a month its wait would be longer than that of `usd_month`.
        ("CALLSIGN_LIMIT_MESSAGES_24H", "3"),
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
    let refused = ask(&callsign, ALICE).await;
    assert_refused(&refused, "limit usd_month is reached: $0.00958 of $0.01 for this month are left");
    assert!(refused.text().contains("would reserve $0.01"), "{}", refused.text());
    // Requests in a minute are not given back: six were refused later, and one was answered.
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "1");
}

#[tokio::test]
async fn an_upstream_that_is_not_reached_takes_nothing() {
    let unreachable = crate::support::chaos::Chaos::refusing_url();
    let limits = [("CALLSIGN_LIMIT_MESSAGES_24H", "1"), ("CALLSIGN_LIMIT_TOKENS_DAY", "2000")];
    let callsign = Setup::to(&unreachable).set(&limits).start();
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
    let error =
        client::post(&callsign.url("chat/completions"), &ada, r#"{"model":"mock/error-500","max_tokens":10}"#).await;
    assert_eq!(error.status, 500);
    rest(&callsign).await;
    assert_eq!(ask(&callsign, &ada).await.status, 200);
    rest(&callsign).await;
    let refused = ask(&callsign, &ada).await;
    assert_refused(&refused, "the limit usd_day is reached: $0.00994 of $0.0112 for today are left");
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
    callsign.priced().await;
    let before = mock.begun();
    let ada = of("ada");
    let all = (0..20).map(|_| ask(&callsign, &ada));
    // Not in the list of prices, so that the default estimate holds.
    let body = r#"{"model":"mock/gate-head+cost-420000","messages":[]}"#;
    let url = callsign.url("chat/completions");
    let held = (0..3).map(|_| client::post(&url, &ada, body));
    let held = futures_util::future::join_all(held);
    let refused = async {
        within("three", async {
            while mock.begun() < before + 3 {
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
    assert_refused(&ask(&callsign, ALICE).await, "of 3999 tokens for today are left");
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
    // A request that OpenRouter refused is no message.
    let failed = r#"{"model":"mock/error-502","messages":[]}"#;
    for _ in 0..3 {
        rest(&callsign).await;
        let answer = client::post(&callsign.url("chat/completions"), &message("m-2"), failed).await;
        assert_eq!(answer.status, 502);
    }
    assert_refused(&ask(&callsign, &message("m-3")).await, "of 2 messages in 24 hours are left");
    assert_refused(&ask(&callsign, &of("ada")).await, "of 2 messages in 24 hours are left");
    assert_eq!(ask(&callsign, &message("m-1")).await.status, 200, "the turn goes on");
}

#[tokio::test]
async fn requests_without_a_message_id_join_the_open_message_of_their_chat() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_MESSAGES_24H", "2")]).await;
    let chat = |id: &'static str| [APP, &[("x-user-id", "ada"), ("x-chat-id", id)]].concat();
    // An answer, and title, tags and follow-ups after it; then the same for another chat.
    for id in ["c-1", "c-2"] {
        for _ in 0..4 {
            assert_eq!(ask(&callsign, &chat(id)).await.status, 200, "{id}");
        }
    }
    assert_refused(&ask(&callsign, &chat("c-3")).await, "of 2 messages in 24 hours are left");
    assert_eq!(ask(&callsign, &chat("c-2")).await.status, 200, "the turn goes on");
}

#[tokio::test]
async fn callers_who_name_their_own_messages_are_counted_by_requests() {
    let mock = MockServer::start().await.unwrap();
    let toml = format!(
        "[limits]\nmessages_24h = 2\n[[keys]]\nname = \"laptop\"\nsha256 = \"{}\"\nuser = \"ada\"\n\
         headers = {{ chat = \"X-Chat-Id\", message = \"X-Message-Id\" }}\n",
        callsign_core::secret::KeyDigest::of(b"sk-cs-a-personal-key-of-ada").to_hex()
    );
    let callsign = Setup::to(&mock.url()).toml(&toml).start();
    let ada = [("authorization", "Bearer sk-cs-a-personal-key-of-ada"), ("x-message-id", "m"), ("x-chat-id", "c")];
    for _ in 0..2 {
        assert_eq!(ask(&callsign, &ada).await.status, 200);
    }
    assert_refused(&ask(&callsign, &ada).await, "of 2 messages in 24 hours are left");
}

#[tokio::test]
async fn a_budget_reserves_the_list_price_and_leaving_early_does_not_beat_it() {
    // The mock's list says $0.00001 and $0.00004428 a token, so that a request reserves $0.0888 for 2,000 tokens.
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_USD_DAY", "0.9")]).await;
    callsign.priced().await;
    let url = callsign.url("chat/completions");
    let before = mock.begun();
    let begun = || mock.begun() - before;
    let gate = r#"{"model":"mock/gate-head","models":["openai/gpt-4o-mini"],"messages":[],"stream":true}"#;
    let ada = of("ada");
    // In parallel: the model thinks for long before it speaks, and all clients leave meanwhile.
    let asked = async { futures_util::future::join_all((0..100).map(|_| client::post(&url, &ada, gate))).await };
    let reached = async {
        within("the reservations", async {
            let refused = r#"callsign_limits_refused_total{limit="usd_day"}"#;
            while metric(&callsign, refused).await < 100 - u64::try_from(begun()).unwrap() {}
        })
        .await;
    };
    tokio::select! {
        _ = asked => panic!("some wait for their heads"),
        () = reached => {}
    }
    assert!((1..=10).contains(&begun()), "{} at $0.0888 each", begun());
    // One after another: what is reserved for those who left stays, because their cost is not known.
    let refused = loop {
        let next = before + begun() + 1;
        tokio::select! {
            answer = client::post(&url, &ada, gate) => break answer,
            () = mock.wait_begun(next) => {}
        }
    };
    assert_refused(&refused, "the limit usd_day is reached");
    assert!(refused.text().contains("would reserve $0.088"), "{}", refused.text());
    assert_eq!(begun(), 10, "the budget divided by the list price");
    // A cheaper request fits: at most 100 tokens of output.
    let cheap = r#"{"model":"openai/gpt-4o-mini","max_tokens":100,"messages":[]}"#;
    assert_eq!(client::post(&url, &ada, cheap).await.status, 200);
}

#[tokio::test]
async fn a_large_body_is_refused_before_its_last_byte_leaves() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_USD_DAY", "0.1"), ("CALLSIGN_BUFFER_BODY_BYTES", "0")]).await;
    callsign.priced().await;
    let url = callsign.url("chat/completions");
    // 100,000 tokens in strings of 10 kB cost a dollar, which is capped at the budget; a request before it has used some.
    assert_eq!(ask(&callsign, ALICE).await.status, 200);
    rest(&callsign).await;
    let text = "x".repeat(10_000);
    let parts = vec![format!("\"{text}\""); 40].join(",");
    let body = format!(r#"{{"model":"openai/gpt-4o-mini","messages":[{parts}]}}"#);
    let whole = mock.received().len();
    let refused = client::post(&url, ALICE, body).await;
    assert_refused(&refused, "the limit usd_day is reached");
    assert_eq!(mock.received().len(), whole, "OpenRouter got the whole request");
    rest(&callsign).await;
    assert_eq!(ask(&callsign, ALICE).await.status, 200, "the refused request took nothing");
}

#[tokio::test]
async fn totals_refuse_without_figures() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).toml("[limits]\nrpm = 9\ntotal.rpm = 2\n").start();
    for user in ["ada", "bob"] {
        assert_eq!(ask(&callsign, &of(user)).await.header("x-ratelimit-remaining-requests"), "8");
    }
    let refused = ask(&callsign, &of("eve")).await;
    assert_refused(&refused, "a limit that its operator has set for all its users");
    assert!(refused.headers.get("x-ratelimit-limit-requests").is_none());
    assert_eq!(metric(&callsign, r#"callsign_limits_refused_total{limit="account.rpm"}"#).await, 1);
}

#[tokio::test]
async fn only_allowed_models_are_sent() {
    let mock = MockServer::start().await.unwrap();
    let toml = "[limits]\nmodels = [\"openai/*\", \"m\"]\n[[users]]\nid = \"eve\"\nlimits.models = [\"other\"]\n";
    for buffered in ["0", "65536"] {
        let callsign = Setup::to(&mock.url()).toml(toml).set(&[("CALLSIGN_BUFFER_BODY_BYTES", buffered)]).start();
        let chat = callsign.url("chat/completions");
        let whole = mock.received().len();
        for (body, user, sent) in [
            (r#"{"model":"m"}"#, "ada", true),
            (r#"{"model":"openai/gpt-4o-mini","models":["m"]}"#, "ada", true),
            (r#"{"model":"n"}"#, "ada", false),
            (r#"{"model":"n","model":"m"}"#, "ada", false),
            (r#"{"model":"m","models":["m","n"]}"#, "ada", false),
            (r#"{"messages":[]}"#, "ada", false),
            (r#"{"model":"m"}"#, "eve", false),
        ] {
            let answer = client::post(&chat, &of(user), body).await;
            if sent {
                assert_eq!(answer.status, 200, "{body}: {}", answer.text());
            } else {
                assert_eq!(
                    (answer.status.as_u16(), answer.header("x-callsign-error")),
                    (403, "model_not_allowed"),
                    "{body}"
                );
                assert!(answer.text().contains("limits.models"), "{}", answer.text());
            }
        }
        assert_eq!(mock.received().len(), whole + 2, "a refused request was sent upstream");
    }
}

#[tokio::test]
async fn a_caller_sees_their_limits_in_headers_and_in_me() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_LIMIT_RPM", "5"), ("CALLSIGN_LIMIT_USD_MONTH", "2")]).await;
    let answer = ask(&callsign, ALICE).await;
    assert_eq!(answer.header("x-ratelimit-limit-requests"), "5");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "4");
    assert_eq!(answer.header("x-ratelimit-remaining-usd-month"), "1.99");
    rest(&callsign).await;
    let me = client::get(&callsign.url("me").replace("/v1/me", "/callsign/v1/me"), ALICE).await.json();
    assert_eq!(me["limits"]["rpm"], serde_json::json!({"limit": 5, "used": 1, "remaining": 4, "reset_seconds": 0}));
    assert_eq!(me["limits"]["usd_month"]["used"], "0.00042");
    assert_eq!(me["limits"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn invented_keys_leave_no_counters() {
    let (mock, callsign) = callsign(&[("CALLSIGN_LIMIT_RPM", "1"), ("CALLSIGN_PASSTHROUGH", "true")]).await;
    let key = [("authorization", "Bearer sk-or-v1-a-key-that-was-made-up"), ("x-user-id", "eve")];
    mock.refuse_account(Some(mock_openrouter::AccountRefusal::Unauthorized));
    for _ in 0..3 {
        assert_eq!(ask(&callsign, &key).await.status, 401, "not counted");
    }
    mock.refuse_account(None);
    assert_eq!(ask(&callsign, &key).await.status, 200, "the first that OpenRouter accepts");
    rest(&callsign).await;
    assert_refused(&ask(&callsign, &key).await, "the limit rpm is reached");
}

#[tokio::test]
async fn budgets_are_rebuilt_from_the_ledger() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let with = |limit| [("CALLSIGN_DATA_DIR", data), limit];
    let first = Setup::to(&mock.url()).set(&with(("CALLSIGN_LIMIT_RPM", "99"))).start();
    for _ in 0..2 {
        assert_eq!(ask(&first, &of("ada")).await.status, 200);
    }
    rest(&first).await;
    within("the rows", async {
        while !program::callsign("usage", &with(("CALLSIGN_LIMIT_RPM", "99"))).out.contains("0.00084") {}
    })
    .await;
    drop(first);
    until_free(directory.path()).await;
    // The new process has a budget that the old one did not have.
    let second = Setup::to(&mock.url()).set(&with(("CALLSIGN_LIMIT_USD_DAY", "0.0105"))).start();
    within("the budget", async {
        loop {
            let me = client::get(&second.url("me").replace("/v1/me", "/callsign/v1/me"), &of("ada")).await.json();
            if me["limits"]["usd_day"]["used"] == "0.00084" {
                break;
            }
        }
    })
    .await;
    assert_refused(&ask(&second, &of("ada")).await, "the limit usd_day is reached");
    assert_eq!(ask(&second, &of("bob")).await.status, 200);
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
    until_free(directory.path()).await;
    let second = start();
    assert_eq!(ask(&second, &of("ada")).await.status, 200);
    assert_refused(&ask(&second, &of("ada")).await, "of 2 messages in 24 hours are left");
    within("the count to be written", async { while !show().out.contains("0.00084 ") {} }).await;
    let shown = show();
    assert_eq!(shown.code, 0, "{shown:?}");
    let line = shown.out.lines().find(|line| line.starts_with("messages_24h")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(&words[..4], ["messages_24h", "2", "2", "in"], "{line}");
    let elsewhere = program::callsign("limits show ada", &[]);
    assert_eq!(elsewhere.out, "ada has no limits in this configuration\n");
    assert!(elsewhere.err.contains("run the command with the settings of the server"), "{}", elsewhere.err);
    assert_eq!(program::callsign("limits show ada", &variables[1..]).code, 1);
}
