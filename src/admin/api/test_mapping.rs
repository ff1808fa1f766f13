//! Tries a user out: a request of theirs goes through the real program into the stand-in, and what arrived is shown.
//!
//! The request claims to be somebody else, so that `passed` also says that nothing of that got through. With `live` the same
//! request goes to OpenRouter as well, by the operator's (or the tenant's) key; it costs a fraction of a cent and is no
//! row of the ledger, since nobody's app has sent it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::admin::Operator;
use crate::admin::answer::ApiError;
use crate::admin::ask::OfTenant;
use crate::caller::forwarded;
use crate::caller::key::{Grant, Key};
use crate::caller::preset::Preset;
use crate::config::Config;
use crate::endpoint::{Inference, REMOVED};
use crate::identifiers::sources::Sources;
use crate::rehearsal::{self, Rehearsal};
use crate::relay::generation;
use crate::secret::Secret;
use crate::standin::Received;

/// The name of the key that the request comes with.
const KEY_NAME: &str = "callsign-test-mapping";
/// What the request claims for itself.
const SPOOFED: &str = "spoofed-by-test-mapping";
/// A live answer that takes longer has failed.
const LIVE_LIMIT: Duration = Duration::from_mins(1);

/// What is to be tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    user_id: String,
    session_id: Option<String>,
    chat_id: Option<String>,
    message_id: Option<String>,
    endpoint: Option<String>,
    model: Option<String>,
    #[serde(default)]
    live: bool,
}

/// `POST test-mapping`.
pub(super) async fn test_mapping(
    State(operator): State<Arc<Operator>>,
    Query(of): Query<OfTenant>,
    trial: Result<Json<Trial>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(trial) = trial.map_err(|rejection| ApiError::Invalid(rejection.body_text()))?;
    let endpoint = trial.endpoint.as_deref().unwrap_or("chat");
    let endpoint = Inference::named(endpoint).map_err(|names| ApiError::Invalid(format!("endpoint: {names}")))?;
    let config = operator.config();
    let tenant = of.tenant.filter(|name| !name.is_empty());
    let policy = config.policy_of(tenant.as_deref())?;
    let (copy, request) = prepare(&config, tenant.clone(), endpoint, &trial)?;
    let expected = policy.identify(&trial.sources(tenant.as_deref()), &[], endpoint.fields);
    let expected = expected.map_err(|required| ApiError::Invalid(format!("403 user_required: {required}")))?;

    let _stage = operator.stage.lock().await;
    let rehearsal = Rehearsal::start(copy.clone()).await.map_err(|error| ApiError::Rehearsal(error.to_string()))?;
    let rehearsal = rehearsal.map_err(|error| ApiError::Rehearsal(error.to_string()))?;
    let (_, received) = rehearsal.exchange(request.clone()).await.map_err(ApiError::Rehearsal)?;
    let (body, identifiers) = arrived(&received);
    let mut passed = identifiers == Value::Object(expected.to_json());
    let live = if trial.live && passed {
        let answer = rehearsal::perform(copy, request, LIVE_LIMIT).await;
        passed = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        Some(live(answer))
    } else {
        None
    };
    Ok(Json(json!({
        "identifiers": identifiers,
        "received": { "headers": headers(&received.headers), "body": body },
        "passed": passed,
        "live": live,
    })))
}

impl Trial {
    fn sources<'a>(&'a self, tenant: Option<&'a str>) -> Sources<'a> {
        let [user, session, chat, message] =
            self.values().map(|(_, value)| value.and_then(|value| forwarded::meaning(value.as_bytes())));
        Sources { tenant, key: KEY_NAME, user, session, chat, message, client_session: None }
    }

    /// By the header that they come in.
    fn values(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("x-user-id", Some(&self.user_id)),
            ("x-session-id", self.session_id.as_deref()),
            ("x-chat-id", self.chat_id.as_deref()),
            ("x-message-id", self.message_id.as_deref()),
        ]
    }

    /// A small request for what the endpoint does, which also claims to be somebody else's.
    fn body(&self, endpoint: &Inference) -> Bytes {
        let of_embeddings = endpoint.path == "embeddings";
        let by_default = if of_embeddings { "openai/text-embedding-3-small" } else { "openai/gpt-4o-mini" };
        let mut body = json!({ "model": self.model.as_deref().unwrap_or(by_default) });
        let asked = match endpoint.path {
            "chat/completions" | "messages" | "messages/count_tokens" => {
                json!({ "messages": [{ "role": "user", "content": "Say hi." }], "max_tokens": 16 })
            }
            "completions" => json!({ "prompt": "Say hi.", "max_tokens": 16 }),
            "responses" => json!({ "input": "Say hi.", "max_output_tokens": 16 }),
            "rerank" => json!({ "query": "hi", "documents": ["hi"] }),
            "images" | "images/generations" => json!({ "prompt": "A dot." }),
            "audio/transcriptions" => json!({ "input_audio": { "data": "", "format": "wav" } }),
            _ => json!({ "input": "hi" }),
        };
        let claims = REMOVED.iter().map(|name| ((*name).to_owned(), json!({ "user_id": SPOOFED })));
        let asked = asked.as_object().cloned().unwrap_or_default();
        if let Value::Object(body) = &mut body {
            body.extend(asked.into_iter().chain(claims));
        }
        Bytes::from(body.to_string())
    }
}

/// The configuration with nobody in it but one app, and that app's request.
fn prepare(
    config: &Config,
    tenant: Option<String>,
    endpoint: &Inference,
    trial: &Trial,
) -> Result<(Config, Request<Bytes>), ApiError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| ApiError::Rehearsal(error.to_string()))?;
    let credential = Secret::new(data_encoding::HEXLOWER.encode(&random));
    let mut copy = config.clone();
    copy.admin.listen = None;
    copy.data.tls = None;
    copy.callers.issuers.clear();
    copy.callers.passthrough = None;
    let generic = Preset::built_in("generic").unwrap_or_default();
    copy.callers.keys = vec![Key { tenant, ..Key::new(KEY_NAME, credential.digest(), Grant::Preset(generic)) }];

    let mut request = Request::new(trial.body(endpoint));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("/v1/{}", endpoint.path).parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let bearer = HeaderValue::from_str(&format!("Bearer {}", credential.expose()));
    headers.insert(AUTHORIZATION, bearer.map_err(|error| ApiError::Rehearsal(error.to_string()))?);
    for (name, value) in trial.values() {
        let Some(value) = value else { continue };
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| ApiError::Invalid(format!("no header can carry this: {name}")))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok((copy, request))
}

/// The body that arrived, and what in it (or in a header) names somebody.
fn arrived(received: &Received) -> (Value, Value) {
    let body = received.json().unwrap_or_default();
    let names = REMOVED.iter().filter_map(|name| Some(((*name).to_owned(), body.get(name)?.clone())));
    let mut identifiers: Map<_, _> = names.collect();
    if let Some(session) = received.header("x-session-id") {
        identifiers.insert("headers".to_owned(), json!({ "x-session-id": session }));
    }
    (body, Value::Object(identifiers))
}

/// Headers by name, without the one that pays.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let shown = headers.iter().filter(|(_, value)| !value.is_sensitive());
    shown.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes())))).collect()
}

fn live(answer: Result<Response<Bytes>, String>) -> Value {
    match answer {
        Ok(answer) => {
            let status = answer.status().as_u16();
            json!({ "status": status, "generation_id": generation::told(answer.headers()), "error": null })
        }
        Err(error) => json!({ "status": null, "generation_id": null, "error": error }),
    }
}
