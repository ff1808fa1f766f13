//! Parses the settings of request headers: names to forward besides the built-in allow-list, headers that the operator
//! sets, and the names that are refused.

use http::HeaderName;

use super::reader::{Reader, Reported};
use super::values;
use callsign_core::auth::client_session;
use callsign_core::auth::preset::Preset;
use callsign_core::auth::settings::Callers;
use callsign_gateway::proxy::settings::Headers;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Headers, Reported> {
    let forward = reader.list("headers.forward", "headers.forward", check_forwarded);
    let http_referer = reader.optional("headers.http_referer", values::header_value);
    let x_openrouter_title = reader.optional("headers.x_openrouter_title", values::header_value);
    Ok(Headers { forward: forward?, http_referer: http_referer?, x_openrouter_title: x_openrouter_title? })
}

/// Refuses forwarded names in which a preset, a key or an issuer reads identity.
pub(super) fn check_identity(headers: &Headers, callers: &Callers, reader: &mut Reader<'_>) {
    let presets: Vec<Preset> = callers.presets().collect();
    let tokens: Vec<HeaderName> = callers.token_headers().collect();
    let brought = callers.added_headers().map(|(name, _)| name);
    let read: Vec<_> = presets.iter().flat_map(Preset::headers).chain(&tokens).chain(brought).collect();
    for name in headers.forward.iter().filter(|name| read.contains(name)) {
        let place = reader.place("headers.forward");
        reader.problems.push(place, format!("contains {name}, which carries identity; remove it"));
    }
}
/// Headers of the connection (RFC 9110, section 7.6.1) and of message framing. callsign writes its own.
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
/// Headers with credentials.
const CREDENTIALS: [&str; 6] = ["authorization", "x-api-key", "api-key", "cookie", "cookie2", "proxy-authorization"];
/// Headers in which other proxies name the sender of a request.
const FORWARDED: [&str; 5] = ["forwarded", "x-real-ip", "x-external-user", "via", "true-client-ip"];
/// Prefixes of headers that carry identity or belong to callsign or another proxy.
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
        "belongs to the connection, and callsign writes its own"
    } else if CREDENTIALS.contains(&text) {
        "is a credential"
    } else if client_session::HEADERS.contains(&text) {
        "carries a session, which only a valve may send"
    } else if FORWARDED.contains(&text) || FAMILIES.iter().any(|family| text.starts_with(family)) {
        "names the sender of a request"
    } else if text.contains('_') {
        "contains `_`, which servers read as `-`"
    } else {
        return Ok(name);
    };
    Err(format!("{name} {kind}; it cannot be forwarded, remove it"))
}

/// Parses the name of a header that carries an identifier: unambiguous, and without another meaning.
pub(super) fn check_brought(text: &str) -> Result<HeaderName, String> {
    let name = values::header_name(text).map_err(str::to_owned)?;
    let text = name.as_str();
    if text.contains('_') {
        return Err("contains `_`, which servers read as `-`; write it with `-`".to_owned());
    }
    if FRAMING.contains(&text) || CREDENTIALS.contains(&text) || text.starts_with("x-callsign-") {
        return Err("has another meaning; choose a header that carries only this id".to_owned());
    }
    Ok(name)
}
