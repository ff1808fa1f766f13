//! Fetches an issuer's keys: over https only (http for loopback), without redirects, limited in size and time.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::upstream::control::{self, ControlClient, MAX_BODY_BYTES, SetUpError, is_loopback};
use callsign_core::auth::issuer::{KeySource, is_plain_key_id};
use callsign_core::auth::jwks::{KeySet, KeySetError};

/// Timeout of the connection to an issuer.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout of a whole request.
const WHOLE: Duration = Duration::from_secs(10);

/// A failed fetch of keys. The text contains no URL; the log line names the issuer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The URL is invalid or not https.
    #[error("the URL is invalid or not https (http is allowed for loopback only)")]
    Insecure,
    /// The request failed.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// The response has a status other than 200.
    #[error("expected status 200, got {0}")]
    Status(u16),
    /// The response is larger than [`MAX_BODY_BYTES`].
    #[error("the response is longer than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// The response is not a key set.
    #[error("the response {0}")]
    Keys(#[from] KeySetError),
    /// The OpenID configuration is invalid or not that of the configured issuer.
    #[error("the OpenID configuration is invalid or names another issuer than `issuer`")]
    Discovery,
    /// The `kid` must not become part of a URL.
    #[error("the key id (`kid`) cannot be part of a URL")]
    KeyId,
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    File(#[from] std::io::Error),
}

/// Returns the keys that need no network: those of a file or a shared secret. Returns an empty set for other sources.
///
/// # Errors
/// The file cannot be read or contains no keys.
pub fn initial(source: &KeySource) -> Result<KeySet, FetchError> {
    match source {
        KeySource::Secret(secret) => Ok(KeySet::from_secret(secret)),
        KeySource::File(path) => Ok(KeySet::from_jwks(&std::fs::read(path)?)?),
        KeySource::Jwks(_) | KeySource::Discovery(_) | KeySource::PemByKid(_) => Ok(KeySet::default()),
    }
}

/// The HTTP client for keys.
#[derive(Clone, Debug)]
pub(super) struct Fetcher(ControlClient);

#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, FetchError> {
        Ok(Self(ControlClient::new(CONNECT, WHOLE)?))
    }

    /// Fetches the keys of `source`. With one URL per key, it adds the key `kid` to the `known` keys, or without a
    /// `kid` fetches each known key again. Other sources ignore `kid` and `known`.
    pub(super) async fn fetch(
        &self,
        source: &KeySource,
        kid: Option<&str>,
        known: &KeySet,
    ) -> Result<KeySet, FetchError> {
        match source {
            KeySource::Jwks(url) => Ok(KeySet::from_jwks(&self.get(url).await?)?),
            KeySource::Discovery(issuer) => {
                let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                let found: OpenIdConfiguration =
                    serde_json::from_slice(&self.get(&url).await?).map_err(|_| FetchError::Discovery)?;
                if found.issuer != *issuer {
                    return Err(FetchError::Discovery);
                }
                Ok(KeySet::from_jwks(&self.get(&found.jwks_uri).await?)?)
            }
            KeySource::PemByKid(base) => {
                let Some(kid) = kid else { return self.fetch_known(base, known).await };
                self.add(base, kid, known).await
            }
            KeySource::File(_) | KeySource::Secret(_) => initial(source),
        }
    }

    /// Fetches each known key again and returns those that are still published.
    async fn fetch_known(&self, base: &str, known: &KeySet) -> Result<KeySet, FetchError> {
        let mut still = KeySet::default();
        for kid in known.ids() {
            match self.add(base, kid, &still).await {
                Ok(keys) => still = keys,
                Err(FetchError::Status(403 | 404 | 410)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(still)
    }

    /// Fetches one key and returns it together with the known keys.
    async fn add(&self, base: &str, kid: &str, known: &KeySet) -> Result<KeySet, FetchError> {
        if !is_plain_key_id(kid) {
            return Err(FetchError::KeyId);
        }
        let pem = self.get(&format!("{}/{kid}", base.trim_end_matches('/'))).await?;
        Ok(known.with_pem(kid, &pem)?)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let url = Url::parse(url).ok().filter(is_secure).ok_or(FetchError::Insecure)?;
        let response = self.0.get(url).send().await.map_err(reqwest::Error::without_url)?;
        if response.status() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        control::body(response, MAX_BODY_BYTES).await?.ok_or(FetchError::TooLarge)
    }
}

/// Returns true if keys may be fetched from this URL: https, or http to a loopback address.
pub fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_over_https_or_from_loopback() {
        for (url, secure) in [
            ("https://clerk.acme.example/.well-known/jwks.json", true),
            ("https://192.0.2.1/", true),
            ("http://localhost:8080/jwks", true),
            ("http://127.0.0.1/jwks", true),
            ("http://127.8.9.10/jwks", true),
            ("http://[::1]:1/jwks", true),
            ("http://clerk.acme.example/jwks", false),
            ("http://192.0.2.1/", false),
            ("http://10.0.0.1/", false),
            ("http://0.0.0.0/", false),
            ("http://[::]/", false),
            ("http://localhost.acme.example/", false),
            ("http://127.0.0.1.acme.example/", false),
            ("http://127.0.0.1@acme.example/", false),
            ("ftp://127.0.0.1/", false),
            ("file:///etc/passwd", false),
            ("data:application/json,{}", false),
        ] {
            assert_eq!(is_secure(&Url::parse(url).unwrap()), secure, "{url}");
        }
    }

    #[tokio::test]
    async fn an_insecure_url_is_not_requested() {
        let fetcher = Fetcher::new().unwrap();
        for url in ["http://192.0.2.1/jwks", "no URL", "", "/jwks.json", "ftp://127.0.0.1/"] {
            let refused = fetcher.fetch(&KeySource::Jwks(url.into()), None, &KeySet::default()).await;
            assert!(matches!(refused, Err(FetchError::Insecure)), "{url}");
        }
    }
}
