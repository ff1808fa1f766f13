//! Checks the `Host` of requests to the admin port, against DNS rebinding (docs/SPEC.md#admin-access).
//!
//! In that attack a web page points its own domain name at this port's address, and the visitor's browser then treats
//! the port as the page's origin. Such a request names the attacker's domain. Only `localhost`, IP literals and
//! `CALLSIGN_ADMIN_HOSTS` are accepted.

use std::net::Ipv6Addr;

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;

/// The configured host names of the admin port, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Accepts these names, which are in lower case, besides `localhost` and IP literals.
    pub(super) fn new(configured: Vec<String>) -> Self {
        Self(configured)
    }

    /// Returns true if the request names at least one host, in `Host` or in its target, and all of them are accepted.
    pub(super) fn know(&self, parts: &Parts) -> bool {
        let mut named = 0;
        let headers =
            parts.headers.get_all(HOST).iter().map(|value| value.to_str().ok().and_then(|text| text.parse().ok()));
        headers.chain(parts.uri.authority().cloned().map(Some)).all(|authority| {
            named += 1;
            authority.is_some_and(|authority| self.knows(&authority))
        }) && named > 0
    }

    fn knows(&self, authority: &Authority) -> bool {
        // Browsers do not send `user@host`.
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let literal =
            v6.map_or_else(|| host.parse::<std::net::Ipv4Addr>().is_ok(), |v6| v6.parse::<Ipv6Addr>().is_ok());
        literal || host.eq_ignore_ascii_case("localhost") || self.0.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn known(uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        Hosts::new(vec!["callsign.acme.example".to_owned()]).know(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_local_and_configured_names_are_accepted() {
        for host in [
            "localhost",
            "LOCALHOST:8485",
            "127.0.0.1",
            "10.1.2.3:8485",
            "[::1]:8485",
            "[fd00::1]",
            "callsign.acme.example",
            "Callsign.ACME.example:443",
        ] {
            assert!(known("/", &[host]), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "callsign.acme.example.evil.example",
            "xcallsign.acme.example",
            "localhost@evil.example",
            "2130706433",
            "[::1",
            "a b",
        ] {
            assert!(!known("/", &[host]), "{host}");
        }
    }

    #[test]
    fn every_named_host_must_be_accepted() {
        assert!(!known("/", &[]));
        assert!(!known("/", &["localhost", "evil.example"]));
        assert!(!known("http://evil.example/", &["localhost"]));
        assert!(known("http://localhost:1/", &["localhost:1"]));
    }
}
