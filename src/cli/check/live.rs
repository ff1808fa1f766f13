//! `callsign check --live`: sends one small request to OpenRouter and compares its generation record with the request.
//!
//! The request goes through the whole program with this configuration, including its ledger. It must not pass by
//! reading logs.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::report::Report;
use crate::cli::{record, summary};
use crate::config::Config;
use crate::run;
use crate::selftest;
use crate::selftest::comparison::Outcome;
use crate::selftest::test_caller::{TestCaller, bearer};
use callsign_core::secret::Secret;
use callsign_core::usage::generation;
use callsign_core::usage::money::NanoUsd;
use callsign_core::visible::printable;
use callsign_gateway::openrouter::{Account, Budget, OpenRouterClient, OpenRouterError, Record};
use callsign_store::ledger::Reader;

/// Maximum time for the response. A working model answers one word much faster.
const LIMIT: Duration = Duration::from_mins(1);
/// Maximum time for the generation record, which OpenRouter usually has within a second of the response's end.
const RECORDED: Duration = Duration::from_secs(30);
/// Time between two requests for the record.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Number of characters of an unexpected response to show.
const SHOWN: usize = 300;

/// The identifiers that OpenRouter must have recorded.
struct Expected {
    user: Option<String>,
    session: Option<String>,
}

/// Sends the request to `model` and adds the results to the report.
///
/// # Errors
/// I/O errors of `err`, and errors of the system's random source.
pub(super) async fn check(config: &Config, model: &str, report: &mut Report, err: &mut impl Write) -> io::Result<()> {
    let Some(operator) = &config.upstream.api_key else {
        report.add("live: upstream", Err("no OpenRouter key pays for the request; set OPENROUTER_API_KEY".to_owned()));
        return Ok(());
    };
    let (test_caller, key) = TestCaller::like_first_app(config)?;
    let mut copy = config.clone();
    copy.callers.keys.extend(key);
    let headers = headers(&test_caller)?;
    let expected = match expected(config, &test_caller, &headers) {
        Ok(expected) => expected,
        Err(required) => {
            report.add("live: attribution", Err(required));
            return Ok(());
        }
    };
    writeln!(err, "callsign: sending a request for {} to {}", printable(model), config.upstream.url)?;
    let began = Instant::now();
    let answer = selftest::perform(run::start_beside, copy, request(model, headers), LIMIT).await;
    let generation = match answered(answer, began) {
        Ok((generation, found)) => {
            report.add("live: upstream", Ok(found));
            generation
        }
        Err(wrong) => {
            report.add("live: upstream", Err(wrong));
            return Ok(());
        }
    };
    let records = OpenRouterClient::new(&config.upstream);
    let record = match records {
        Ok(records) => recorded(&records, operator, &generation).await,
        Err(error) => Err(error),
    };
    match record {
        Ok(record) => {
            report.add("live: external_user", same("external_user", expected.user, record.external_user));
            report.add("live: session_id", same("session_id", expected.session, record.session_id));
        }
        Err(error) => report.add("live: attribution", Err(error.to_string())),
    }
    report.add("live: ledger", written_down(config, &generation).await);
    report.add("live: audit log", audited(config, &test_caller, &generation, err).await?);
    report.add("live: budget", remaining(config, operator).await);
    Ok(())
}

/// Describes the rest of the account's budget.
async fn remaining(config: &Config, operator: &Secret) -> Outcome {
    let account = match OpenRouterClient::new(&config.upstream) {
        Ok(client) => client.account(operator).await,
        Err(error) => Err(error),
    };
    described(&account.map_err(|error| format!("OpenRouter did not tell the key's budget: {error}"))?)
}

/// Fails if nothing is left: OpenRouter then refuses the requests of all callers.
fn described(account: &Account) -> Outcome {
    let of_key = account.remaining.map(|rest| {
        let limit = account.limit.map(|limit| format!(" of ${limit}")).unwrap_or_default();
        (rest, format!("${rest}{limit} of the key's limit"))
    });
    let of_budget = account.budget.as_ref().map(|Budget { remaining, resets_at }| {
        let until = resets_at.as_ref().map(|at| format!(" until {}", printable(at))).unwrap_or_default();
        (*remaining, format!("${remaining} of the account's budget{until}"))
    });
    let all: Vec<_> = of_key.into_iter().chain(of_budget).collect();
    let text = all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        Ok("OpenRouter has no limit for the key and no budget".to_owned())
    } else if all.iter().any(|(rest, _)| *rest == NanoUsd::ZERO) {
        Err(format!("nothing is left ({text}): OpenRouter refuses requests until it is raised or begins again"))
    } else {
        Ok(format!("left: {text}"))
    }
}

fn headers(test_caller: &TestCaller) -> io::Result<HeaderMap> {
    let mut headers: HeaderMap = test_caller.identity.iter().cloned().collect();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(http::header::AUTHORIZATION, bearer(test_caller.credential.expose())?);
    Ok(headers)
}

fn request(model: &str, headers: HeaderMap) -> Request<Bytes> {
    let body = json!({
        "model": model,
        "messages": [{"role": "user", "content": "Say yes."}],
        "max_tokens": 16,
    });
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/v1/chat/completions".parse().unwrap_or_default();
    *request.headers_mut() = headers;
    request
}

fn expected(config: &Config, test_caller: &TestCaller, headers: &HeaderMap) -> Result<Expected, String> {
    let sources = test_caller.caller(config, headers);
    let identifiers = config.tenants.operator.identify(&sources, &test_caller.metadata, summary::chat_fields());
    let identifiers = identifiers.map_err(|required| required.to_string())?;
    Ok(Expected { user: identifiers.user.clone(), session: identifiers.session_id.clone() })
}

/// Returns the generation id and a description of the response.
fn answered(answer: Result<Response<Bytes>, String>, began: Instant) -> Result<(String, String), String> {
    let answer = answer?;
    if !answer.status().is_success() {
        let body: String = String::from_utf8_lossy(answer.body()).chars().take(SHOWN).collect();
        return Err(format!("expected a success status, got {}: {}", answer.status(), printable(&body)));
    }
    let header = generation::id(answer.headers()).map(str::to_owned);
    let member = || Some(serde_json::from_slice::<serde_json::Value>(answer.body()).ok()?["id"].as_str()?.to_owned());
    let generation = header.or_else(member).ok_or("the response has no generation id")?;
    let found = format!("answered in {} ms, generation {}", began.elapsed().as_millis(), printable(&generation));
    Ok((generation, found))
}

/// Waits for the generation record.
async fn recorded(records: &OpenRouterClient, key: &Secret, generation: &str) -> Result<Record, OpenRouterError> {
    let until = Instant::now() + RECORDED;
    loop {
        match records.generation(key, generation).await {
            Err(OpenRouterError::NotFound | OpenRouterError::RetryLater { .. }) if Instant::now() < until => {
                sleep(ASK_AGAIN).await;
            }
            other => return other,
        }
    }
}

/// Compares an identifier as recorded with the one that was sent.
fn same(name: &str, sent: Option<String>, recorded: Option<String>) -> Outcome {
    let recorded = recorded.filter(|id| !id.is_empty());
    match (sent, recorded) {
        (Some(sent), Some(recorded)) if sent == recorded => Ok(format!("recorded as {}", printable(&sent))),
        (None, None) => Ok("none was sent (its valve is off, or there is no value) and none is recorded".to_owned()),
        (Some(sent), None) => Err(format!("{name} {} was sent and is not recorded", printable(&sent))),
        (None, Some(recorded)) => Err(format!("none was sent, and {} is recorded", printable(&recorded))),
        (Some(sent), Some(recorded)) => {
            Err(format!("{} was sent, and {} is recorded", printable(&sent), printable(&recorded)))
        }
    }
}

/// Records the test in the audit log.
async fn audited(
    config: &Config,
    test_caller: &TestCaller,
    generation: &str,
    err: &mut impl Write,
) -> io::Result<Outcome> {
    if record::live_test(config, &test_caller.person(), generation, err).await? {
        return Ok(Ok("has the test, if there is an audit log".to_owned()));
    }
    Ok(Err("does not have the test; the reason is above".to_owned()))
}

/// Checks that the ledger has exactly one row of the request.
async fn written_down(config: &Config, generation: &str) -> Outcome {
    if config.ledger.store.is_none() {
        return Ok("off: set CALLSIGN_DATA_DIR to turn it on".to_owned());
    }
    let owners = match Reader::open(&config.ledger) {
        Ok(reader) => reader.owner_of(generation).await,
        Err(error) => Err(error),
    };
    match owners.map_err(|error| printable(&error.to_string()))?.as_slice() {
        [owner] => Ok(format!("has the row, with key {}", printable(&owner.key))),
        [] => Err("has no row of the request; see the log for ledger errors".to_owned()),
        several => Err(format!("has {} rows of the request, expected one", several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_without_a_rest_fails() {
        let account = |limit, remaining, budget: Option<i64>, resets_at: Option<&str>| Account {
            label: String::new(),
            limit: Option::map(limit, NanoUsd),
            remaining: Option::map(remaining, NanoUsd),
            budget: budget.map(|rest| Budget { remaining: NanoUsd(rest), resets_at: resets_at.map(str::to_owned) }),
            organization: None,
            creator: None,
        };
        let dollar = 1_000_000_000;
        for (account, expected) in [
            (account(None, None, None, None), Ok("OpenRouter has no limit for the key and no budget")),
            (account(Some(2 * dollar), Some(dollar), None, None), Ok("left: $1 of $2 of the key's limit")),
            (
                account(None, None, Some(dollar), Some("2026-12-01")),
                Ok("left: $1 of the account's budget until 2026-12-01"),
            ),
            (account(Some(dollar), Some(0), None, None), Err("nothing is left ($0 of $1 of the key's limit)")),
            (account(Some(dollar), Some(dollar), Some(0), None), Err("$0 of the account's budget)")),
        ] {
            match (described(&account), expected) {
                (Ok(told), Ok(text)) => assert_eq!(told, text),
                (Err(told), Err(part)) => assert!(told.contains(part), "{told}"),
                (told, expected) => panic!("{told:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_is_recorded_must_be_what_was_sent() {
        let id = |text: &str| Some(text.to_owned());
        for (sent, recorded, fine) in [
            (id("a"), id("a"), true),
            (None, None, true),
            (None, id(""), true),
            (id("a"), None, false),
            (id("a"), id("b"), false),
            (None, id("a"), false),
        ] {
            assert_eq!(same("external_user", sent.clone(), recorded.clone()).is_ok(), fine, "{sent:?} {recorded:?}");
        }
    }
}
