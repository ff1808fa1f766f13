//! `test-mapping`: tries one caller's ids and reports what arrived.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callsign_console::self_test::{Pending, Report, SelfTest, SelfTestError, Trial};
use callsign_core::endpoint::REMOVED_FIELDS;
use callsign_core::usage::generation;
use http::{HeaderMap, Response};
use mock_openrouter::Received;
use serde_json::{Map, Value, json};

use super::sample::Sample;
use super::test_caller::TestCaller;
use super::{Selftest, comparison, perform};
use crate::config::Config;
use crate::run::running::Start;

/// Longest wait for a live answer.
const LIVE_LIMIT: Duration = Duration::from_mins(1);

/// Returns the self-test of the configuration that `in_force` returns.
pub(crate) fn self_test(start: Start, in_force: impl Fn() -> Arc<Config> + Send + Sync + 'static) -> SelfTest {
    SelfTest(Arc::new(move |trial| -> Pending { Box::pin(run(start, in_force(), trial)) }))
}

async fn run(start: Start, config: Arc<Config>, trial: Trial) -> Result<Report, SelfTestError> {
    let failed = |error: &dyn std::error::Error| SelfTestError::Failed(error.to_string());
    let (test_caller, key) =
        TestCaller::for_trial(&config, &trial).map_err(|error| SelfTestError::Invalid(error.to_string()))?;
    let sample =
        Sample::new(&config, trial.endpoint, &test_caller, trial.model.as_deref()).map_err(|error| failed(&error))?;
    let expected = sample
        .expected(&config, &test_caller)
        .map_err(|required| SelfTestError::Invalid(format!("403 user_required: {required}")))?;
    let mut copy = Config::clone(&config);
    copy.admin.listen = None;
    copy.data.tls = None;
    copy.callers.issuers.clear();
    copy.callers.passthrough = None;
    copy.callers.keys = vec![key];

    let selftest =
        Selftest::start(start, copy.clone()).await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let (_, received) = selftest.exchange(sample.request()).await.map_err(SelfTestError::Failed)?;
    let compared = comparison::compare(&expected, &received.headers, &received.body);
    let mut passed = compared.iter().all(|(_, outcome)| outcome.is_ok());
    let live = if trial.live && passed {
        let answer = perform(start, copy, sample.live_request(trial.model.as_deref()), LIVE_LIMIT).await;
        passed = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        live(answer)
    } else {
        Value::Null
    };
    let (body, identifiers) = arrived(&received);
    Ok(Report { identifiers, headers: headers(&received.headers), body, passed, live })
}

/// Returns the body that arrived, and the identifiers in it and in the headers.
fn arrived(received: &Received) -> (Value, Value) {
    let body = received.json().unwrap_or_default();
    let names = REMOVED_FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone())));
    let mut identifiers: Map<_, _> = names.collect();
    if let Some(session) = received.header("x-session-id") {
        identifiers.insert("headers".to_owned(), json!({ "x-session-id": session }));
    }
    (body, Value::Object(identifiers))
}

/// Returns the headers without credentials.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let shown = headers.iter().filter(|(_, value)| !value.is_sensitive());
    shown.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect()
}

fn live(answer: Result<Response<Bytes>, String>) -> Value {
    match answer {
        Ok(answer) => {
            let status = answer.status().as_u16();
            json!({ "status": status, "generation_id": generation::id(answer.headers()), "error": null })
        }
        Err(error) => json!({ "status": null, "generation_id": null, "error": error }),
    }
}
