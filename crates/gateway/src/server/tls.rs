//! TLS for the data port: certificate and key from PEM files, which can be replaced while callsign runs.
//!
//! Errors name the file but do not quote it, because one of the two is a private key (test
//! `an_error_names_the_file_and_never_its_content`).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// An error in the certificate or key for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The configured path.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not a PEM file", file.display())]
    NotPem {
        /// The configured path.
        file: PathBuf,
    },
    /// The certificate file is PEM but has no `CERTIFICATE` section.
    #[error("{} contains no certificate", file.display())]
    NoCertificate {
        /// The configured path.
        file: PathBuf,
    },
    /// The key file is PEM but has no `PRIVATE KEY` section that can be read without a password.
    #[error("{} contains no unencrypted private key", file.display())]
    NoKey {
        /// The configured path.
        file: PathBuf,
    },
    /// The certificate and the key do not match, or rustls does not support their type.
    #[error("{} does not match the key in {}: {source}", certificate.display(), key.display())]
    Unfit {
        /// The configured path of the certificate.
        certificate: PathBuf,
        /// The configured path of the key.
        key: PathBuf,
        /// rustls's error, which contains neither file's content.
        source: rustls::Error,
    },
    /// The TLS library refuses its own default protocol versions.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// A certificate with its key, ready to serve. Clones share the certificate, so [`Tls::reload`] applies to all.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    files: Arc<Files>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// The certificate in use, which rustls reads at every handshake.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl Tls {
    /// Loads a PEM chain (leaf first) and its PEM key (PKCS #8, PKCS #1 or SEC 1) and offers `h2` and `http/1.1`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file is missing or invalid, or if the certificate and the key do not match.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.into(), key: key.into() };
        let current = Arc::new(Current(ArcSwap::from_pointee(files.load()?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), current, files: Arc::new(files) })
    }

    /// Reads both files again. New handshakes get the new certificate; open connections keep the old one.
    ///
    /// # Errors
    ///
    /// As for [`Tls::load`]. The old certificate then stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.0.store(Arc::new(self.files.load()?));
        Ok(())
    }

    /// Returns the acceptor that performs the handshakes.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.files.certificate).finish_non_exhaustive()
    }
}

impl Files {
    fn load(&self) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = private_key(&self.key)?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|source| TlsError::Unfit {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate { file: file.to_owned() }),
        Ok(chain) => Ok(chain),
        Err(_) => Err(TlsError::NotPem { file: file.to_owned() }),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        // Drops the parser's message, which may quote the file.
        _ => TlsError::NotPem { file: file.to_owned() },
    })
}

fn read(file: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, TlsError> {
    fs::read(file).map(Into::into).map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    #[test]
    fn an_error_names_the_file_and_never_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = pair();
        let (_, other_key) = pair();
        let broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0!!!!\n-----END PRIVATE KEY-----\n";
        let sealed = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (certificate, key, problem) in [
            (certificate.as_str(), "", "key.pem contains no unencrypted private key"),
            (certificate.as_str(), sealed.as_str(), "key.pem contains no unencrypted private key"),
            (certificate.as_str(), broken, "key.pem is not a PEM file"),
            (key.as_str(), key.as_str(), "cert.pem contains no certificate"),
            (certificate.as_str(), other_key.as_str(), "cert.pem does not match the key in "),
        ] {
            fs::write(directory.path().join("cert.pem"), certificate).unwrap();
            fs::write(directory.path().join("key.pem"), key).unwrap();
            let error = Tls::load(directory.path().join("cert.pem"), directory.path().join("key.pem")).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(error.to_string().contains(problem), "{shown}");
            assert!(!shown.contains("c2VjcmV0") && !shown.contains("BEGIN"), "{shown}");
        }
        let error = Tls::load(directory.path().join("none.pem"), "key.pem").unwrap_err();
        assert!(error.to_string().contains("none.pem: No such file"), "{error}");
    }

    #[test]
    fn a_failed_reload_keeps_the_old_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let files = [directory.path().join("cert.pem"), directory.path().join("key.pem")];
        let write = |(certificate, key): (String, String)| {
            fs::write(&files[0], certificate).unwrap();
            fs::write(&files[1], key).unwrap();
        };
        write(pair());
        let tls = Tls::load(&files[0], &files[1]).unwrap();
        let first = tls.current.0.load_full();
        fs::write(&files[1], "").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(&first, &tls.current.0.load_full()));
        write(pair());
        tls.clone().reload().unwrap();
        assert_ne!(first.cert, tls.current.0.load_full().cert);
    }
}
