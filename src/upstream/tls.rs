//! Whom to trust: Mozilla's roots, compiled in, so that an empty image works; and the operator's, where `SSL_CERT_FILE` or
//! `SSL_CERT_DIR` names some, so that a corporate network works too.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// The operator's own certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Nothing readable where the variables point.
    #[error("SSL_CERT_FILE or SSL_CERT_DIR is set, but no certificate can be read there: {0}")]
    Unreadable(String),
    /// rustls was built without what it needs.
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
}

/// Whether the operator names certificates. `rustls_native_certs` reads these variables by itself, and where neither is
/// set it would search the system for roots that nobody asked for.
#[expect(clippy::disallowed_methods, reason = "OpenSSL's variables, no settings of callsign's; read with the files")]
fn names_own_roots() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some_and(|set| !set.is_empty()))
}

/// The client's TLS configuration, without ALPN (the connector sets it).
pub(super) fn config() -> Result<ClientConfig, RootsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if names_own_roots() {
        let own = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(own.certs);
        if added == 0 {
            let reasons: Vec<_> = own.errors.iter().map(ToString::to_string).collect();
            return Err(RootsError::Unreadable(reasons.join("; ")));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
