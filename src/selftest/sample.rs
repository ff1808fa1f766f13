//! A sample request that spoofs another caller in every known way, and the request that must arrive upstream for it.

use std::io;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

use super::comparison::{CLAIMS, Expected};
use super::test_caller::{TestCaller, bearer};
use crate::config::Config;
use crate::json_members;
use callsign_core::auth::client_session;
use callsign_core::auth::preset::Preset;
use callsign_core::endpoint::Inference;
use callsign_core::identity::missing::UserRequiredError;
use callsign_gateway::proxy::settings::PromptCacheKey;
use serde_json::{Value, json};

/// Headers that can name a caller, besides those of presets and clients.
const NAMING: [&str; 14] = [
    "x-external-user",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-real-ip",
    "x-auth-request-user",
    "x-callsign-user",
    "cf-access-authenticated-user-email",
    "cf-connecting-ip",
    "true-client-ip",
    "forwarded",
    "cookie",
    "traceparent",
    "openai-organization",
];
/// Maximum number of spoofed headers. Servers accept 100 headers; the rest is for the other ones.
const MOST_SPOOFED: usize = 80;

/// A sample request.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) endpoint: &'static Inference,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Members that must arrive: name and JSON text.
    kept: Vec<(String, String)>,
    /// A random text that every spoofed value contains.
    marker: String,
}

impl Sample {
    /// Creates the sample request of `test_caller` to `endpoint`.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn new(
        config: &Config,
        endpoint: &'static Inference,
        test_caller: &TestCaller,
        model: Option<&str>,
    ) -> io::Result<Self> {
        let marker = format!("spoofed{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let removed = |name: &str| config.bodies.remove.iter().any(|removed| removed.eq_ignore_ascii_case(name));
        let members = genuine(config, endpoint, model);
        let kept = members.iter().filter(|(name, _)| !removed(name)).cloned().collect();
        let body = mix(&members, &spoofed(config, &marker));
        Ok(Self { endpoint, headers: headers(config, test_caller, &marker)?, body, kept, marker })
    }

    /// Returns the request with an origin-form target.
    pub(crate) fn request(&self) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("/v1/{}", self.endpoint.path).parse().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Returns a request with the same headers and an ordinary body without false claims, for the real OpenRouter.
    pub(crate) fn live_request(&self, model: Option<&str>) -> Request<Bytes> {
        let members = ordinary(self.endpoint, model).into_iter().map(|(name, value)| (name.to_owned(), value));
        self.request().map(|_| Bytes::from(Value::Object(members.collect()).to_string()))
    }

    /// Computes the request that must arrive from the policy.
    ///
    /// # Errors
    /// [`UserRequiredError`], if the operator requires a user id and the test caller's headers have none.
    pub(crate) fn expected(&self, config: &Config, test_caller: &TestCaller) -> Result<Expected, UserRequiredError> {
        let caller = test_caller.caller(config, &self.headers);
        let policy = config.tenants.policy_or_operator(caller.tenant);
        let identifiers = policy.identify(&caller, &test_caller.metadata, self.endpoint.fields)?;
        let object = format!("{{{}}}", identifiers.members());
        let written = json_members::read(&object).unwrap_or_default();
        let mut written: Vec<_> = written.iter().map(|member| (member.name(), member.value.to_owned())).collect();
        if config.bodies.prompt_cache_key == PromptCacheKey::Bind && self.endpoint.cache_key {
            let mut binder = policy.cache_binder(&caller);
            binder.update(self.marker.as_bytes());
            written.push(("prompt_cache_key".to_owned(), format!("\"{}\"", binder.finish())));
        }
        let session = identifiers.session_header().and_then(|id| HeaderValue::from_str(id).ok());
        let headers = &config.headers;
        let optional = [
            ("http-referer", headers.http_referer.clone()),
            ("x-openrouter-title", headers.x_openrouter_title.clone()),
            ("x-session-id", session),
        ];
        let user_agent = HeaderValue::from_static(concat!("callsign/", env!("CARGO_PKG_VERSION")));
        let mut expected = HeaderMap::from_iter([(USER_AGENT, user_agent)]);
        for name in [CONTENT_TYPE, ACCEPT, ACCEPT_ENCODING] {
            expected.extend(self.headers.get(&name).map(|value| (name, value.clone())));
        }
        for (name, value) in optional {
            expected.extend(value.map(|value| (HeaderName::from_static(name), value)));
        }
        Ok(Expected {
            kept: self.kept.clone(),
            written,
            headers: expected,
            authorization: test_caller.authorization.clone(),
            payer: test_caller.payer,
            marker: self.marker.clone(),
            credential: test_caller.credential.clone(),
        })
    }
}

/// Returns the members of an ordinary request: names and JSON texts. The configuration passes all of them on.
fn genuine(config: &Config, endpoint: &Inference, model: Option<&str>) -> Vec<(String, String)> {
    let mut members = ordinary(endpoint, model);
    if matches!(endpoint.path, "chat/completions" | "completions" | "responses" | "messages") {
        members.push(("stream", json!(true)));
    }
    let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
    // Parsing and printing would change these numbers. A filter that ignores depth would remove the nested member.
    let fidelity = r#"{"n":1.10,"big":12345678901234567890123,"user":"below the top level"}"#;
    members.push(("callsign_check".to_owned(), fidelity.to_owned()));
    if config.bodies.prompt_cache_key == PromptCacheKey::Keep {
        members.push(("prompt_cache_key".to_owned(), r#""kept""#.to_owned()));
    }
    members
}

/// Returns the smallest useful request to an endpoint.
fn ordinary(endpoint: &Inference, model: Option<&str>) -> Vec<(&'static str, Value)> {
    let by_default = if endpoint.path == "embeddings" { "openai/text-embedding-3-small" } else { "openai/gpt-4o-mini" };
    let mut members = vec![("model", json!(model.unwrap_or(by_default)))];
    members.extend(match endpoint.path {
        "chat/completions" | "messages" | "messages/count_tokens" => {
            vec![("messages", json!([{ "role": "user", "content": "Say hi." }])), ("max_tokens", json!(16))]
        }
        "completions" => vec![("prompt", json!("Say hi.")), ("max_tokens", json!(16))],
        "responses" => vec![("input", json!("Say hi.")), ("max_output_tokens", json!(16))],
        "embeddings" => vec![("input", json!(["Say hi."])), ("encoding_format", json!("float"))],
        "rerank" => vec![("query", json!("hi")), ("documents", json!(["hi"]))],
        "images" | "images/generations" | "videos" => vec![("prompt", json!("A dot."))],
        "systemone" => vec![
            ("state", json!("hi")),
            ("questions", json!({"greets": {"type": "noul", "instructions": "Is it a greeting?"}})),
        ],
        "audio/transcriptions" => vec![("input_audio", json!({ "data": "", "format": "wav" }))],
        _ => vec![("input", json!("hi"))],
    });
    members
}

/// Returns the spoofed members: every removed name in four spellings and three types.
fn spoofed(config: &Config, marker: &str) -> Vec<String> {
    let values = [format!("\"{marker}\""), format!("{{\"user_id\":\"{marker}\"}}"), format!("[\"{marker}\",null]")];
    let mut members = Vec::new();
    let claims = CLAIMS.into_iter().filter(|name| *name != "prompt_cache_key");
    for name in claims.chain(config.bodies.remove.iter().map(String::as_str)) {
        let escaped = |name: &str| {
            let units: Vec<_> = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            units.concat()
        };
        let spellings = [
            escaped(name),
            escaped(&name.to_ascii_uppercase()),
            format!("{}\\u0000{marker}", escaped(name)),
            serde_json::to_string(name).unwrap_or_default().trim_matches('"').to_owned(),
        ];
        let repeated = spellings.iter().zip(values.iter().cycle());
        members.extend(repeated.map(|(name, value)| format!("\"{name}\":{value}")));
    }
    if config.bodies.prompt_cache_key != PromptCacheKey::Keep {
        members.push(format!("\"prompt_cache_key\":\"{marker}\""));
    }
    members
}

/// Returns a JSON object with the spoofed members before, between and after the others.
fn mix(genuine: &[(String, String)], spoofed: &[String]) -> String {
    let mut rest = spoofed.chunks(spoofed.len() / (genuine.len() + 1) + 1);
    let mut members = Vec::new();
    for (name, value) in genuine {
        members.extend_from_slice(rest.next().unwrap_or_default());
        members.push(format!("\"{name}\": {value}"));
    }
    members.extend(rest.flatten().cloned());
    format!("{{\n  {}\n}}\n", members.join(",\n  "))
}

fn headers(config: &Config, test_caller: &TestCaller, marker: &str) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(AUTHORIZATION, bearer(test_caller.credential.expose())?);
    let mut key = HeaderValue::from_str(test_caller.credential.expose()).map_err(io::Error::other)?;
    key.set_sensitive(true);
    headers.insert(HeaderName::from_static("x-api-key"), key);
    let spoofed = HeaderValue::from_str(marker).map_err(io::Error::other)?;
    headers.extend(spoofed_names(config, test_caller).into_iter().map(|name| (name, spoofed.clone())));
    headers.extend(test_caller.identity.iter().cloned());
    Ok(headers)
}

/// Returns the headers that can name a caller, except those that the test caller's key reads and those that the
/// operator forwards.
fn spoofed_names(config: &Config, test_caller: &TestCaller) -> Vec<HeaderName> {
    let presets: Vec<Preset> = config.callers.presets().collect();
    let read: Vec<&str> = presets.iter().flat_map(Preset::headers).map(HeaderName::as_str).collect();
    let twins = read.iter().map(|name| name.replace('-', "_"));
    let all = NAMING.into_iter().chain(client_session::HEADERS).chain(read.iter().copied()).map(str::to_owned);
    let mut names: Vec<HeaderName> = all.chain(twins).filter_map(|name| name.parse().ok()).collect();
    names.retain(|name| !test_caller.reads.contains(name) && !config.headers.forward.contains(name));
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names.truncate(MOST_SPOOFED);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use callsign_core::endpoint::removed_fields;

    #[test]
    fn the_list_of_claims_has_every_removed_field() {
        for field in &removed_fields::TABLE {
            assert!(CLAIMS.contains(&field.name), "add {} to CLAIMS", field.name);
        }
    }
}
