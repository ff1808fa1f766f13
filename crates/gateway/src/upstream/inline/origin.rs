//! The server that a URL names.

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

/// The scheme, host and port of a URL.
#[derive(Debug)]
pub(super) struct Origin {
    /// The address to dial.
    pub(super) url: Uri,
    /// The `host` header: the port only if it is not the scheme's.
    pub(super) host: HeaderValue,
}

impl Origin {
    /// Returns the origin of an absolute URL.
    pub(super) fn of(url: &Uri) -> Self {
        let mut parts = http::uri::Parts::default();
        parts.scheme = url.scheme().cloned();
        parts.authority = url.authority().cloned();
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let default = if url.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
        let port = url.port_u16().filter(|port| *port != default);
        let name = url.authority().map(Authority::host).unwrap_or_default();
        let host = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static(""));
        Self { url: Uri::from_parts(parts).unwrap_or_default(), host }
    }

    /// Returns true if the URL has this origin.
    pub(super) fn is_of(&self, url: &Uri) -> bool {
        self.url.scheme() == url.scheme() && self.url.authority() == url.authority()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_names_only_an_unusual_port() {
        for (url, host) in [
            ("https://openrouter.ai/api/v1", "openrouter.ai"),
            ("https://openrouter.ai:443/api/v1", "openrouter.ai"),
            ("http://mock:80/", "mock"),
            ("http://127.0.0.1:9/", "127.0.0.1:9"),
            ("https://[::1]:80/", "[::1]:80"),
        ] {
            assert_eq!(Origin::of(&url.parse().unwrap()).host, host);
        }
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let origin = Origin::of(&"https://a:1/b?c".parse().unwrap());
        assert_eq!(origin.url, "https://a:1/");
        assert!(origin.is_of(&"https://a:1/other".parse().unwrap()));
        for other in ["http://a:1/", "https://a:2/", "https://a/", "https://b:1/", "/b"] {
            assert!(!origin.is_of(&other.parse().unwrap()), "{other}");
        }
    }
}
