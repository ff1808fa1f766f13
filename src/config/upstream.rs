//! Parses URL, credentials and timeouts of the upstream.

use std::net::IpAddr;

use http::Uri;

use super::reader::{Reader, Reported};
use super::values;
use callsign_core::endpoint::INFERENCE;
use callsign_core::secret::Secret;
use callsign_core::stored_key::PREFIX;
use callsign_gateway::upstream::settings::{PoolKind, Settings};

/// Ends of names that only a private network resolves.
const PRIVATE_NAMES: [&str; 5] = [".local", ".localhost", ".internal", ".svc", ".lan"];

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
    let url = reader.required("upstream.url", base_url);
    let allow_plain_http = reader.required("upstream.allow_plain_http", values::switch);
    let url = match (url, allow_plain_http) {
        (Ok(url), Ok(false)) if is_plain_to_public(&url) => {
            let place = reader.place("upstream.url");
            reader.refuse(&place, "sends the OpenRouter key unencrypted to a public host; use https")
        }
        (url, allow_plain_http) => allow_plain_http.and(url),
    };
    let api_key = reader.optional("upstream.api_key", openrouter_key);
    let org_id = reader.optional("upstream.org_id", values::name);
    let management_key = reader.optional("upstream.management_key", values::credential);
    let connect_timeout = reader.required("upstream.connect_timeout_seconds", values::seconds(1));
    let first_byte_timeout = reader.required("upstream.first_byte_timeout_seconds", values::seconds(1));
    let idle_timeout = reader.required("upstream.idle_timeout_seconds", values::seconds(1));
    let http2 = reader.required("upstream.http2", values::switch);
    let pools = &[("inline", PoolKind::Inline), ("hyper", PoolKind::Hyper)];
    let pool = reader.required("upstream.pool", values::choice(pools));
    Ok(Settings {
        url: url?,
        api_key: api_key?,
        org_id: org_id?,
        management_key: management_key?,
        connect_timeout: connect_timeout?,
        first_byte_timeout: first_byte_timeout?,
        idle_timeout: idle_timeout?,
        http2: http2?,
        pool: pool?,
    })
}

fn base_url(text: &str) -> Result<Uri, &'static str> {
    const MESSAGE: &str = "expected an http or https URL with a host, as https://openrouter.ai/api/v1";
    // http::Uri drops a fragment silently.
    if text.contains('#') {
        return Err("has a fragment; remove it");
    }
    let url: Uri = text.parse().map_err(|_| MESSAGE)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(MESSAGE);
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("contains credentials; remove them and set OPENROUTER_API_KEY");
    }
    if url.query().is_some() {
        return Err("has a query; remove it");
    }
    let has_port = url.authority().is_some_and(|a| a.as_str().rsplit(']').next().is_some_and(|end| end.contains(':')));
    if has_port && url.port_u16().is_none_or(|port| port == 0) {
        return Err("has an invalid port; expected 1 to 65535");
    }
    let path = url.path().trim_end_matches('/');
    if INFERENCE.iter().any(|endpoint| path.strip_suffix(endpoint.path).is_some_and(|base| base.ends_with('/'))) {
        return Err("ends in the path of an endpoint; expected a base URL, as https://openrouter.ai/api/v1");
    }
    Ok(url)
}

/// Parses the operator's key at OpenRouter.
fn openrouter_key(text: &str) -> Result<Secret, &'static str> {
    if text.starts_with(PREFIX) {
        return Err("is a key of callsign; set it to a key from https://openrouter.ai/settings/keys");
    }
    if values::is_placeholder(text) {
        return Err("is a placeholder; set it to a key from https://openrouter.ai/settings/keys");
    }
    values::credential(text)
}

/// Returns true if the URL is not encrypted and its host is not surely private.
fn is_plain_to_public(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_private = match address.map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
        Err(_) => !host.contains('.') || PRIVATE_NAMES.iter().any(|end| host.ends_with(end)),
    };
    url.scheme_str() == Some("http") && !is_private
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_a_host_and_nothing_after_its_path() {
        for text in ["https://openrouter.ai/api/v1", "http://127.0.0.1:1/", "http://[::1]:9/v1", "https://host"] {
            assert!(base_url(text).is_ok(), "{text}");
        }
        for text in [
            "openrouter.ai/api/v1",
            "ftp://host",
            "https://",
            "https:///v1",
            "https://me:pw@host/v1",
            "https://host/v1?x=1",
            "https://host/v1#x",
            "https://host:0/",
            "https://host:/",
            "https://host:99999/",
            "https://openrouter.ai/api/v1/chat/completions",
            "https://openrouter.ai/api/v1/responses/",
            "/v1",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_private_hosts_take_plain_http() {
        for host in ["127.0.0.1:1", "10.1.2.3", "[::1]:9", "[fd00::1]", "mock", "db.lan", "a.svc", "x.internal."] {
            assert!(!is_plain_to_public(&format!("http://{host}/v1").parse().unwrap()), "{host}");
        }
        for host in ["openrouter.ai", "1.1.1.1", "[2606:4700::1]", "lan.example", "alan"] {
            let is_public = host.contains(['.', ':']);
            assert_eq!(is_plain_to_public(&format!("http://{host}/v1").parse().unwrap()), is_public, "{host}");
            assert!(!is_plain_to_public(&format!("https://{host}/v1").parse().unwrap()), "{host}");
        }
    }
}
