//! `callsign check --live`: one tiny request to OpenRouter itself, and whether it was recorded as it was sent.
//!
//! It goes through the whole program, with this configuration, its ledger included; nothing passes by looking at logs.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::selftest::comparison::Outcome;
use crate::selftest::guest::{Guest, bearer};
use super::report::Report;
use crate::cli::summary;
use crate::config::{Config, printable};
use callsign_store::ledger::Reader;
use callsign_gateway::openrouter::{RecordError, Record, Records};
use crate::selftest;
use callsign_core::usage::generation;

/// A model that takes longer for one word is not what is checked here.
const LIMIT: Duration = Duration::from_mins(1);
/// OpenRouter has a record a moment after the answer's end, usually within a second.
const RECORDED: Duration = Duration::from_secs(30);
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How much of an unexpected answer is repeated, in characters.
const SHOWN: usize = 300;

/// What OpenRouter must have recorded.
struct Expected {
    user: Option<String>,
    session: Option<String>,
}

/// Sends the request to `model` and adds to the report what became of it.
///
/// # Errors
/// Those of `err`, and of the system's random numbers.
pub(super) async fn check(config: &Config, model: &str, report: &mut Report, err: &mut impl Write) -> io::Result<()> {
    let Some(operator) = &config.upstream.api_key else {
        report.add("live: upstream", Err("nobody's key could pay for a request; set OPENROUTER_API_KEY".to_owned()));
        return Ok(());
    };
    let (guest, key) = Guest::invite(config)?;
    let mut copy = config.clone();
    copy.callers.keys.extend(key);
    let headers = headers(&guest)?;
    let expected = match expected(config, &guest, &headers) {
        Ok(expected) => expected,
        Err(required) => {
            report.add("live: attribution", Err(required));
            return Ok(());
        }
    };
    writeln!(err, "callsign: asking {} at {} for a word", printable(model), config.upstream.url)?;
    let began = Instant::now();
    let answer = selftest::perform(copy, request(model, headers), LIMIT).await;
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
    let records = Records::new(&config.upstream);
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
    Ok(())
}

fn headers(guest: &Guest) -> io::Result<HeaderMap> {
    let mut headers: HeaderMap = guest.identity.iter().cloned().collect();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(http::header::AUTHORIZATION, bearer(guest.credential.expose())?);
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

fn expected(config: &Config, guest: &Guest, headers: &HeaderMap) -> Result<Expected, String> {
    let sources = guest.caller(config, headers);
    let identifiers = config.tenants.operator.identify(&sources, &guest.metadata, summary::chat_fields());
    let identifiers = identifiers.map_err(|required| required.to_string())?;
    Ok(Expected { user: identifiers.user.clone(), session: identifiers.session_id.clone() })
}

/// The generation's id, and what to say of the answer.
fn answered(answer: Result<Response<Bytes>, String>, began: Instant) -> Result<(String, String), String> {
    let answer = answer?;
    if !answer.status().is_success() {
        let body: String = String::from_utf8_lossy(answer.body()).chars().take(SHOWN).collect();
        return Err(format!("it answers {}: {}", answer.status(), printable(&body)));
    }
    let header = generation::told(answer.headers()).map(str::to_owned);
    let member = || Some(serde_json::from_slice::<serde_json::Value>(answer.body()).ok()?["id"].as_str()?.to_owned());
    let generation = header.or_else(member).ok_or("its answer has no generation id")?;
    let found = format!("answers in {} ms, generation {}", began.elapsed().as_millis(), printable(&generation));
    Ok((generation, found))
}

/// The record, once there is one.
async fn recorded(records: &Records, key: &callsign_core::secret::Secret, generation: &str) -> Result<Record, RecordError> {
    let until = Instant::now() + RECORDED;
    loop {
        match records.generation(key, generation).await {
            Err(RecordError::NotThere | RecordError::Later { .. }) if Instant::now() < until => sleep(ASK_AGAIN).await,
            other => return other,
        }
    }
}

/// Whether this was recorded as it was sent.
fn same(name: &str, sent: Option<String>, recorded: Option<String>) -> Outcome {
    let recorded = recorded.filter(|id| !id.is_empty());
    match (sent, recorded) {
        (Some(sent), Some(recorded)) if sent == recorded => Ok(format!("recorded as {}", printable(&sent))),
        (None, None) => Ok("none was sent (its valve is off, or has no source) and none is recorded".to_owned()),
        (Some(sent), None) => Err(format!("{name} {} was sent and is not recorded", printable(&sent))),
        (None, Some(recorded)) => Err(format!("none was sent, and {} is recorded", printable(&recorded))),
        (Some(sent), Some(recorded)) => {
            Err(format!("{} was sent, and {} is recorded", printable(&sent), printable(&recorded)))
        }
    }
}

/// Whether the ledger has the row.
async fn written_down(config: &Config, generation: &str) -> Outcome {
    if config.ledger.store.is_none() {
        return Ok("off: nothing can be read back later (CALLSIGN_DATA_DIR turns it on)".to_owned());
    }
    let owners = match Reader::open(&config.ledger) {
        Ok(reader) => reader.owner_of(generation).await,
        Err(error) => Err(error),
    };
    match owners.map_err(|error| printable(&error.to_string()))?.as_slice() {
        [owner] => Ok(format!("has its row, under key {}", printable(&owner.key))),
        [] => Err("has no row of it".to_owned()),
        several => Err(format!("has {} rows of it", several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
