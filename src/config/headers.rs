//! Request headers: what is passed on beside the allow-list, what the operator adds, and which names may do neither.

use http::{HeaderName, HeaderValue};

use super::callers::Callers;
use super::reader::{Reader, Recorded};
use super::values;
use crate::caller::client_session;
use crate::caller::preset::Preset;

/// Settings of request headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `[headers] forward`, added to the allow-list.
    pub forward: Vec<HeaderName>,
    /// `[headers] http_referer`; wins over the client's.
    pub http_referer: Option<HeaderValue>,
    /// `[headers] x_openrouter_title`; wins over the client's.
    pub x_openrouter_title: Option<HeaderValue>,
}

impl Headers {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let forward = reader.list("headers.forward", "headers.forward", check_forwarded);
        let http_referer = reader.optional("headers.http_referer", values::header_value);
        let x_openrouter_title = reader.optional("headers.x_openrouter_title", values::header_value);
        Ok(Self { forward: forward?, http_referer: http_referer?, x_openrouter_title: x_openrouter_title? })
    }

    /// Identity never leaves: no forwarded name may be one that a preset, a key or an issuer reads.
    pub(super) fn check_identity(&self, callers: &Callers, reader: &mut Reader<'_>) {
        let presets: Vec<Preset> = callers.presets().collect();
        let tokens: Vec<HeaderName> = callers.token_headers().collect();
        let brought = callers.brought().map(|(name, _)| name);
        let read: Vec<_> = presets.iter().flat_map(Preset::headers).chain(&tokens).chain(brought).collect();
        for name in self.forward.iter().filter(|name| read.contains(name)) {
            let place = reader.place("headers.forward");
            reader.problems.push(place, format!("has {name}, in which identity arrives; it never leaves, remove it"));
        }
    }
}

/// RFC 9110, section 7.6.1, and what an HTTP/1.1 message is framed by; callsign writes its own.
const FRAMING: [&str; 17] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// What opens something.
const CREDENTIALS: [&str; 6] = ["authorization", "x-api-key", "api-key", "cookie", "cookie2", "proxy-authorization"];
/// Who a request came from, as other proxies say it.
const FORWARDED: [&str; 5] = ["forwarded", "x-real-ip", "x-external-user", "via", "true-client-ip"];
/// Families of names that say who somebody is, or that speak for callsign or another proxy.
const FAMILIES: [&str; 13] = [
    "x-forwarded-",
    "proxy-",
    "x-callsign-",
    "x-openwebui-",
    "x-librechat-",
    "x-authentik-",
    "x-auth-request-",
    "cf-access-",
    "x-amzn-oidc-",
    "x-goog-iap-",
    "x-goog-authenticated-user-",
    "x-pomerium-",
    "teleport-",
];

fn check_forwarded(text: &str) -> Result<HeaderName, String> {
    let name = values::header_name(text).map_err(str::to_owned)?;
    let text = name.as_str();
    let kind = if FRAMING.contains(&text) {
        "belongs to callsign's own connection"
    } else if CREDENTIALS.contains(&text) {
        "is a credential"
    } else if client_session::HEADERS.contains(&text) {
        "carries a session, which leaves only by its valve"
    } else if FORWARDED.contains(&text) || FAMILIES.iter().any(|family| text.starts_with(family)) {
        "says where or from whom a request comes"
    } else if text.contains('_') {
        "has a `_`, which servers read as `-`"
    } else {
        return Ok(name);
    };
    Err(format!("({name}) {kind}; it cannot be forwarded"))
}

/// A header in which identity may arrive: one that cannot be confused with another, nor means something else.
pub(super) fn check_brought(text: &str) -> Result<HeaderName, String> {
    let name = values::header_name(text).map_err(str::to_owned)?;
    let text = name.as_str();
    if text.contains('_') {
        return Err("has a `_`, which servers read as `-`; write it with `-`".to_owned());
    }
    if FRAMING.contains(&text) || CREDENTIALS.contains(&text) || text.starts_with("x-callsign-") {
        return Err("has another meaning; identity arrives in a header of its own".to_owned());
    }
    Ok(name)
}
