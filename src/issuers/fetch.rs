//! Fetches keys: over https only (loopback apart), without redirects, within limits of size and time.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::caller::issuer::KeySource;
use crate::caller::key_set::{KeySet, KeySetError};
use crate::upstream::control::{self, Control, LARGEST, SetUpError, is_loopback};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);

/// Why no keys came. The text names no address: it is the operator's to look up by the issuer's name.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No client can be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The URL is none, or not https.
    #[error("the URL is not https (plain http is for loopback only)")]
    Insecure,
    /// The request failed.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// Larger than any honest key set.
    #[error("the answer is longer than {LARGEST} bytes")]
    TooLarge,
    /// What came is no key set.
    #[error("the answer {0}")]
    Keys(#[from] KeySetError),
    /// The OpenID configuration is not that of the configured issuer.
    #[error("the OpenID configuration cannot be read, or names another issuer")]
    Discovery,
    /// A `kid` that must not become part of a URL.
    #[error("the key id cannot be part of a URL")]
    KeyId,
    /// A local file.
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
}

/// The keys that are there without asking anybody over the network; an empty set where somebody must be asked.
///
/// # Errors
/// For a file that cannot be read or holds no keys.
pub fn initial(source: &KeySource) -> Result<KeySet, FetchError> {
    match source {
        KeySource::Secret(secret) => Ok(KeySet::from_secret(secret)),
        KeySource::File(path) => Ok(KeySet::from_jwks(&std::fs::read(path)?)?),
        KeySource::Jwks(_) | KeySource::Discovery(_) | KeySource::PemByKid(_) => Ok(KeySet::default()),
    }
}

impl KeySource {
    /// Whether keys come over the network.
    pub(super) fn is_fetched(&self) -> bool {
        self.url().is_some()
    }

    /// Where keys come from over the network, if they do.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Jwks(url) | Self::Discovery(url) | Self::PemByKid(url) => Some(url),
            Self::File(_) | Self::Secret(_) => None,
        }
    }

    /// Whether a fetch for this id says how things stand with all keys. Where they come one by one, it speaks for itself.
    pub(super) fn speaks_for_all(&self, kid: Option<&str>) -> bool {
        kid.is_none() || !matches!(self, Self::PemByKid(_))
    }

    /// Whether a fetch could bring the key of this id. A `kid` that must not become part of a URL costs nobody anything.
    pub(super) fn could_bring(&self, kid: Option<&str>) -> bool {
        match self {
            Self::PemByKid(_) => kid.is_none_or(is_plain_key_id),
            _ => true,
        }
    }
}

/// What fetches.
#[derive(Clone, Debug)]
pub(super) struct Fetcher(Control);

#[derive(Deserialize)]
struct OpenIdConfiguration {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, FetchError> {
        Ok(Self(Control::new(CONNECT, WHOLE)?))
    }

    /// The keys of `source`. `kid` is the key that is wanted; only where keys come one by one does it matter: then it is
    /// added to those `known`, and without it each of those is asked for again.
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
                let Some(kid) = kid else { return self.ask_again(base, known).await };
                self.add(base, kid, known).await
            }
            KeySource::File(_) | KeySource::Secret(_) => initial(source),
        }
    }

    /// Those of the known keys that are still published, each asked for again.
    async fn ask_again(&self, base: &str, known: &KeySet) -> Result<KeySet, FetchError> {
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

    /// The known keys and one more.
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
        control::body(response).await?.ok_or(FetchError::TooLarge)
    }
}

/// AWS's key ids; anything else could lead the request elsewhere.
fn is_plain_key_id(kid: &str) -> bool {
    (1..=128).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether keys may be fetched from this URL: https, or this machine.
pub fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_over_https_or_loopback() {
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
    async fn an_insecure_address_is_not_even_asked() {
        let fetcher = Fetcher::new().unwrap();
        for url in ["http://192.0.2.1/jwks", "no URL", "", "/jwks.json", "ftp://127.0.0.1/"] {
            let refused = fetcher.fetch(&KeySource::Jwks(url.into()), None, &KeySet::default()).await;
            assert!(matches!(refused, Err(FetchError::Insecure)), "{url}");
        }
    }
}
