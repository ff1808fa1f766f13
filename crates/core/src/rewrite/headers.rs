//! Builds the headers of the upstream request and filters the headers of the upstream response.
//!
//! Requests use an allow-list: a client header that is neither in `ALLOWED` nor in `headers.forward` is not sent
//! (docs/SPEC.md#request-headers). Responses use a deny-list of hop-by-hop headers and of headers that would speak for
//! callsign's origin (docs/SPEC.md#response-headers).

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};

const REFERER: HeaderName = HeaderName::from_static("http-referer");
const TITLE: HeaderName = HeaderName::from_static("x-openrouter-title");
const OLD_TITLE: HeaderName = HeaderName::from_static("x-title");
const SESSION: HeaderName = HeaderName::from_static("x-session-id");

/// Client headers that are sent upstream.
const ALLOWED: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_ENCODING,
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("x-anthropic-beta"),
    HeaderName::from_static("openai-beta"),
    REFERER,
    OLD_TITLE,
    TITLE,
    HeaderName::from_static("x-openrouter-categories"),
];

/// Response headers that are removed: hop-by-hop headers (RFC 9110, section 7.6.1) and headers that speak for the
/// origin.
const NOT_RELAYED: [HeaderName; 15] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    http::header::SET_COOKIE,
    http::header::STRICT_TRANSPORT_SECURITY,
    http::header::ALT_SVC,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("clear-site-data"),
];

/// The operator's header settings, with values that are built once.
#[derive(Clone, Debug)]
pub struct HeaderPolicy {
    forward: Vec<HeaderName>,
    referer: Option<HeaderValue>,
    title: Option<HeaderValue>,
    user_agent: HeaderValue,
    /// True if callsign reads responses, which must then arrive uncompressed.
    reads_answers: bool,
}

impl HeaderPolicy {
    /// Creates a policy. `forward` adds names to the allow-list. `referer` and `title` are the operator's app
    /// attribution and replace the client's.
    pub fn new(forward: Vec<HeaderName>, referer: Option<HeaderValue>, title: Option<HeaderValue>) -> Self {
        let user_agent = HeaderValue::from_static(concat!("callsign/", env!("CARGO_PKG_VERSION")));
        Self { forward, referer, title, user_agent, reads_answers: false }
    }

    /// Requests uncompressed responses if `reads_answers`: the ledger, the archive or a token limit reads them.
    #[must_use]
    pub fn uncompressed_responses(self, reads_answers: bool) -> Self {
        Self { reads_answers, ..self }
    }

    /// Returns the headers of the upstream request. `session` is the value of `x-session-id`. `content_type` is `None`
    /// for a request without a body.
    pub fn upstream(
        &self,
        client: &HeaderMap,
        authorization: HeaderValue,
        session: Option<HeaderValue>,
        content_type: Option<HeaderValue>,
    ) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let passes = |name: &&HeaderName| {
            (ALLOWED.contains(*name) || self.forward.contains(*name))
                && !hop_headers(client).any(|hop| hop.eq_ignore_ascii_case(name.as_ref()))
        };
        for name in client.keys().filter(passes) {
            for value in client.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if self.reads_answers {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(referer) = &self.referer {
            headers.insert(REFERER, referer.clone());
        }
        if let Some(title) = &self.title {
            headers.remove(OLD_TITLE);
            headers.insert(TITLE, title.clone());
        }
        if let Some(session) = session {
            headers.insert(SESSION, session);
        }
        headers
    }
}

/// Returns the header names that `Connection` headers list. They are hop-by-hop headers (RFC 9110, section 7.6.1).
fn hop_headers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lists = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    lists.flat_map(|list| list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii))
}

/// Removes hop-by-hop and origin headers from an upstream response. All other headers stay unchanged.
pub fn clean_response(headers: &mut HeaderMap) {
    let is_ours = |name: &str| name.starts_with("access-control-") || name.starts_with("x-callsign-");
    let hops = hop_headers(headers).filter_map(|name| HeaderName::from_bytes(name).ok());
    let others = headers.keys().filter(|name| NOT_RELAYED.contains(*name) || is_ours(name.as_str())).cloned();
    let removed: Vec<HeaderName> = hops.chain(others).collect();
    for name in removed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_allowed_headers_go_upstream() {
        let client = map(&[
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
            ("anthropic-version", "2023-06-01"),
            ("openai-beta", "x"),
            ("x-my-header", "1"),
            ("x-of-this-hop", "1"),
            ("authorization", "Bearer client"),
            ("x-api-key", "client"),
            ("api-key", "client"),
            ("cookie", "a=b"),
            ("x-session-id", "client"),
            ("x_session_id", "client"),
            ("x-external-user", "client"),
            ("x-user-id", "client"),
            ("x-openwebui-user-email", "client"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("traceparent", "00-1"),
            ("user-agent", "client/1"),
            ("origin", "https://app.example"),
            ("te", "trailers"),
            ("connection", "close, Authorization,User-Agent"),
            ("connection", " X-Of-This-Hop"),
            ("content-length", "3"),
            ("content-type", "application/json; charset=utf-8"),
        ]);
        let policy = HeaderPolicy::new(
            vec![HeaderName::from_static("x-my-header"), HeaderName::from_static("x-of-this-hop")],
            None,
            None,
        );
        let json = HeaderValue::from_static("application/json");
        let sent = policy.upstream(&client, HeaderValue::from_static("Bearer operator"), None, Some(json));
        assert_eq!(
            names(&sent),
            [
                "accept",
                "accept-encoding",
                "anthropic-version",
                "authorization",
                "content-type",
                "openai-beta",
                "user-agent",
                "x-my-header"
            ]
        );
        assert_eq!(sent["authorization"], "Bearer operator");
        assert_eq!(sent["content-type"], "application/json");
        assert!(sent["user-agent"].to_str().unwrap().starts_with("callsign/"));
    }

    #[test]
    fn a_response_that_is_read_is_requested_uncompressed() {
        for asked in [&[("accept-encoding", "gzip, br")][..], &[]] {
            let policy = HeaderPolicy::new(Vec::new(), None, None).uncompressed_responses(true);
            let sent = policy.upstream(&map(asked), HeaderValue::from_static("Bearer operator"), None, None);
            assert_eq!(sent.get_all("accept-encoding").iter().collect::<Vec<_>>(), ["identity"]);
        }
    }

    #[test]
    fn the_operators_attribution_replaces_the_clients() {
        let client = map(&[("http-referer", "https://openwebui.com/"), ("x-title", "Open WebUI")]);
        let key = || HeaderValue::from_static("Bearer operator");
        let relayed = HeaderPolicy::new(Vec::new(), None, None).upstream(&client, key(), None, None);
        assert_eq!(relayed["x-title"], "Open WebUI");
        let own = HeaderPolicy::new(
            Vec::new(),
            Some(HeaderValue::from_static("https://acme.example")),
            Some(HeaderValue::from_static("Acme")),
        );
        let sent = own.upstream(&client, key(), Some(HeaderValue::from_static("s1")), None);
        assert_eq!(sent["http-referer"], "https://acme.example");
        assert_eq!((sent["x-openrouter-title"].to_str().unwrap(), sent.get("x-title")), ("Acme", None));
        assert_eq!(sent["x-session-id"], "s1");
    }

    #[test]
    fn only_hop_by_hop_and_origin_headers_are_removed_from_a_response() {
        let mut answer = map(&[
            ("content-type", "text/event-stream"),
            ("x-generation-id", "gen-1"),
            ("retry-after", "3"),
            ("vary", "Accept-Encoding"),
            ("connection", "close, X-Hop"),
            ("connection", "x-second"),
            ("x-hop", "1"),
            ("x-second", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("strict-transport-security", "max-age=1"),
            ("alt-svc", "h3"),
            ("nel", "{}"),
            ("report-to", "{}"),
            ("reporting-endpoints", "x"),
            ("clear-site-data", "*"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "x"),
            ("x-callsign-error", "forged"),
        ]);
        clean_response(&mut answer);
        assert_eq!(names(&answer), ["content-type", "retry-after", "vary", "x-generation-id"]);
    }
}
