//! Where requests go, and how long callsign waits there.

use std::time::Duration;

use http::Uri;

use super::reader::{Reader, Recorded};
use super::values;
use crate::secret::Secret;

/// The upstream. It is only ever chosen here, never by a request.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `CALLSIGN_UPSTREAM_URL`: `http` or `https`, with a host; its path is the base path and may end in `/`
    /// (see [`Upstream::base_path`]).
    pub url: Uri,
    /// `OPENROUTER_API_KEY`; needed to serve unless pass-through is the only way in.
    pub api_key: Option<Secret>,
    /// `OPENROUTER_ORG_ID`: the operator's organisation there.
    pub org_id: Option<String>,
    /// `OPENROUTER_MANAGEMENT_KEY`: for OpenRouter's analytics, never for a caller's request.
    pub management_key: Option<Secret>,
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long the response head may take after the request was sent.
    pub first_byte_timeout: Duration,
    /// How long the upstream may be silent within a response that is being read.
    pub idle_timeout: Duration,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

impl Upstream {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let url = reader.required("upstream.url", base_url);
        let api_key = reader.optional("upstream.api_key", values::credential);
        let org_id = reader.optional("upstream.org_id", values::name);
        let management_key = reader.optional("upstream.management_key", values::credential);
        let connect_timeout = reader.required("upstream.connect_timeout_seconds", values::seconds(1));
        let first_byte_timeout = reader.required("upstream.first_byte_timeout_seconds", values::seconds(1));
        let idle_timeout = reader.required("upstream.idle_timeout_seconds", values::seconds(1));
        let http2 = reader.required("upstream.http2", values::switch);
        Ok(Self {
            url: url?,
            api_key: api_key?,
            org_id: org_id?,
            management_key: management_key?,
            connect_timeout: connect_timeout?,
            first_byte_timeout: first_byte_timeout?,
            idle_timeout: idle_timeout?,
            http2: http2?,
        })
    }

    /// The path that endpoints are put behind, without a `/` at its end: `/api/v1`.
    pub fn base_path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        let default = if self.url.scheme_str() == Some("http") { 80 } else { 443 };
        self.url.port_u16().unwrap_or(default)
    }
}

fn base_url(text: &str) -> Result<Uri, &'static str> {
    const MESSAGE: &str = "takes an http or https URL with a host, as https://openrouter.ai/api/v1";
    // http::Uri drops a fragment without a word.
    if text.contains('#') {
        return Err("has a fragment; remove it");
    }
    let url: Uri = text.parse().map_err(|_| MESSAGE)?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(MESSAGE);
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("has credentials in it; put the key into OPENROUTER_API_KEY");
    }
    if url.query().is_some() {
        return Err("has a query; remove it");
    }
    let has_port = url.authority().is_some_and(|a| a.as_str().rsplit(']').next().is_some_and(|end| end.contains(':')));
    if has_port && url.port_u16().is_none_or(|port| port == 0) {
        return Err("has no port that could be dialled");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_a_scheme_a_host_and_nothing_behind_its_path() {
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
            "/v1",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
