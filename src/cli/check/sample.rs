//! A request that claims to be somebody else in every way there is, and what must be left of it upstream.

use std::io;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::arrival::Expected;
use super::guest::{Guest, bearer};
use crate::caller::client_session;
use crate::caller::preset::Preset;
use crate::cli::members;
use crate::config::{Config, PromptCacheKey};
use crate::endpoint::Inference;
use crate::identifiers::missing::UserRequired;

/// Members by which somebody could be named (contract, section 3, "Endpoints"). The check has a list of its own: with
/// that of the code that it checks, it would miss what is missing there.
pub(super) const CLAIMS: [&str; 9] = [
    "user",
    "session_id",
    "metadata",
    "safety_identifier",
    "trace",
    "client_metadata",
    "callback_url",
    "__proto__",
    "prompt_cache_key",
];
/// Headers by which somebody could be named, besides those of presets and clients.
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
/// Servers take a hundred headers; these leave room for the others.
const MOST_SPOOFED: usize = 80;

/// One request.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) endpoint: &'static Inference,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// Members that must come through: name and JSON text.
    kept: Vec<(String, String)>,
    /// What every spoofed value holds; a new one each time, so that it can be nowhere by chance.
    marker: String,
}

impl Sample {
    /// The sample request of `guest` to `endpoint`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(super) fn new(config: &Config, endpoint: &'static Inference, guest: &Guest) -> io::Result<Self> {
        let marker = format!("spoofed{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let removed = |name: &str| config.bodies.remove.iter().any(|removed| removed.eq_ignore_ascii_case(name));
        let members = genuine(config, endpoint);
        let kept = members.iter().filter(|(name, _)| !removed(name)).cloned().collect();
        let body = mix(&members, &spoofed(config, &marker));
        Ok(Self { endpoint, headers: headers(config, guest, &marker)?, body, kept, marker })
    }

    /// What must arrive, reckoned from the policy.
    ///
    /// # Errors
    /// [`UserRequired`], if the operator requires a user id that the first app's headers never bring.
    pub(super) fn expected(&self, config: &Config, guest: &Guest) -> Result<Expected, UserRequired> {
        let sources = guest.sources(config, &self.headers);
        let identifiers = config.identifiers.identify(&sources, &guest.metadata, self.endpoint.fields)?;
        let object = format!("{{{}}}", identifiers.members());
        let written = members::read(&object).unwrap_or_default();
        let mut written: Vec<_> = written.iter().map(|member| (member.name(), member.value.to_owned())).collect();
        if config.bodies.prompt_cache_key == PromptCacheKey::Bind && self.endpoint.cache_key {
            let mut binder = config.identifiers.cache_binder(&sources);
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
            authorization: guest.authorization.clone(),
            payer: guest.payer,
            marker: self.marker.clone(),
            credential: guest.credential.clone(),
        })
    }
}

/// What a client has to say: name and JSON text.
fn genuine(config: &Config, endpoint: &Inference) -> Vec<(String, String)> {
    let mut members = vec![("model", r#""openai/gpt-4o-mini""#)];
    members.extend(match endpoint.path {
        "responses" => [("input", r#""Who am I?""#), ("stream", "true")],
        "embeddings" => [("input", r#"["Who am I?"]"#), ("encoding_format", r#""float""#)],
        _ => [("messages", r#"[{"role":"user","content":"Who am I?"}]"#), ("stream", "true")],
    });
    // Parsing and printing again would change these numbers, and a filter by name alone would take the nested member.
    members.push(("callsign_check", r#"{"n":1.10,"big":12345678901234567890123,"user":"below the top level"}"#));
    members.push(("max_tokens", "16"));
    if config.bodies.prompt_cache_key == PromptCacheKey::Keep {
        members.push(("prompt_cache_key", r#""kept""#));
    }
    members.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What it must not say, as members: every name that is removed, in four spellings and three types.
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

/// An object of all of them, the spoofed ones before, between and behind the others.
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

fn headers(config: &Config, guest: &Guest, marker: &str) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(AUTHORIZATION, bearer(guest.credential.expose())?);
    let mut key = HeaderValue::from_str(guest.credential.expose()).map_err(io::Error::other)?;
    key.set_sensitive(true);
    headers.insert(HeaderName::from_static("x-api-key"), key);
    let spoofed = HeaderValue::from_str(marker).map_err(io::Error::other)?;
    headers.extend(spoofed_names(config, guest).into_iter().map(|name| (name, spoofed.clone())));
    headers.extend(guest.identity.iter().cloned());
    Ok(headers)
}

/// Headers that could name somebody, but for those that the guest's own identity arrives in and those that the operator
/// passes on.
fn spoofed_names(config: &Config, guest: &Guest) -> Vec<HeaderName> {
    let presets: Vec<Preset> = config.callers.presets().collect();
    let read: Vec<&str> = presets.iter().flat_map(Preset::headers).map(HeaderName::as_str).collect();
    let twins = read.iter().map(|name| name.replace('-', "_"));
    let all = NAMING.into_iter().chain(client_session::HEADERS).chain(read.iter().copied()).map(str::to_owned);
    let mut names: Vec<HeaderName> = all.chain(twins).filter_map(|name| name.parse().ok()).collect();
    names.retain(|name| guest.identity.iter().all(|(own, _)| own != name) && !config.headers.forward.contains(name));
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names.truncate(MOST_SPOOFED);
    names
}
