//! The trusted roots for outgoing TLS: Mozilla's, compiled in, so that an empty image works; and the operator's, if
//! `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, for corporate networks.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// The trusted roots cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The files that the variables name contain no readable certificate.
    #[error("SSL_CERT_FILE or SSL_CERT_DIR is set, but no certificate can be read there: {0}")]
    Unreadable(String),
    /// rustls was built without its default protocol versions.
    #[error("cannot set up TLS: {0}")]
    Provider(#[from] rustls::Error),
}

/// Returns true if `SSL_CERT_FILE` or `SSL_CERT_DIR` is set. `rustls_native_certs` reads these variables too, but
/// without them it would load the system's roots.
#[expect(clippy::disallowed_methods, reason = "OpenSSL's variables, no settings of callsign's; read with the files")]
fn names_own_roots() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some_and(|set| !set.is_empty()))
}

/// Returns the client's TLS configuration without ALPN, which the connector sets.
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
