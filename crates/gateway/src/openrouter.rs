//! The client for OpenRouter's own API: generation records, video jobs, the account of a key, and list prices (OpenRouter's public
//! API reference).
//!
//! Callers' requests must not wait for it.

mod account;
mod catalogue;
mod generation;
mod video;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use crate::upstream::control::{self, ControlClient, MAX_BODY_BYTES, SetUpError};
use crate::upstream::settings::Settings;
use callsign_core::secret::Secret;

pub use account::{Account, AccountId, Budget};
pub use catalogue::ListPrice;
pub use generation::Record;
pub use video::VideoState;

/// Timeout of the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Timeout of a whole request.
const WHOLE: Duration = Duration::from_secs(30);
/// Maximum size in bytes of the list of models, which has about 1 MiB.
const MAX_CATALOGUE_BYTES: usize = 16 * 1024 * 1024;

/// Asks the configured upstream.
#[derive(Clone, Debug)]
pub struct OpenRouterClient {
    control: ControlClient,
    base: Url,
}

/// A request to OpenRouter that failed. The texts contain neither the key nor the answer.
#[derive(Debug, thiserror::Error)]
pub enum OpenRouterError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The upstream's URL and the path do not form a valid URL.
    #[error("CALLSIGN_UPSTREAM_URL does not form a valid URL with OpenRouter's paths")]
    Url,
    /// The key contains characters that a header cannot carry.
    #[error("the OpenRouter key contains characters that a header cannot carry")]
    Key,
    /// OpenRouter does not have what was asked for, or not yet (404).
    #[error("OpenRouter has no such record (yet)")]
    NotFound,
    /// OpenRouter limits the rate (429) or has an internal error (5xx); retry later.
    #[error("OpenRouter answered with status {status}; retry later")]
    RetryLater {
        /// The answer's status.
        status: u16,
        /// The answer's `retry-after`, if it has one in seconds.
        after: Option<Duration>,
    },
    /// OpenRouter refuses the request, for example because of the key. A retry does not help.
    #[error("OpenRouter refused the request with status {0}")]
    Refused(u16),
    /// The request failed.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// The answer does not have the documented form, or is too long.
    #[error("OpenRouter's answer does not have the documented form")]
    Unreadable,
}

impl OpenRouterClient {
    /// Creates a client for this upstream.
    ///
    /// # Errors
    /// The URL is invalid or the HTTP client cannot be created.
    pub fn new(upstream: &Settings) -> Result<Self, OpenRouterError> {
        let base = Url::parse(&format!("{}/", upstream.url.to_string().trim_end_matches('/')));
        let base = base.map_err(|_| OpenRouterError::Url)?;
        Ok(Self { control: ControlClient::new(CONNECT, WHOLE)?, base })
    }

    /// Fetches the record of a generation with the key that paid for it.
    ///
    /// # Errors
    /// [`OpenRouterError`].
    pub async fn generation(&self, key: &Secret, id: &str) -> Result<Record, OpenRouterError> {
        let mut url = self.url("generation")?;
        url.query_pairs_mut().append_pair("id", id);
        let body = self.get(url, key, MAX_BODY_BYTES).await?;
        Record::parse(&body).ok_or(OpenRouterError::Unreadable)
    }

    /// Fetches the state of a video job with the key that paid for it. The id is of `[A-Za-z0-9_-]`.
    ///
    /// # Errors
    /// [`OpenRouterError`].
    pub async fn video(&self, key: &Secret, id: &str) -> Result<VideoState, OpenRouterError> {
        let body = self.get(self.url(&format!("videos/{id}"))?, key, MAX_BODY_BYTES).await?;
        VideoState::parse(&body).ok_or(OpenRouterError::Unreadable)
    }

    /// Fetches the account of a key.
    ///
    /// # Errors
    /// [`OpenRouterError`].
    pub async fn account(&self, key: &Secret) -> Result<Account, OpenRouterError> {
        let body = self.get(self.url("key")?, key, MAX_BODY_BYTES).await?;
        Account::parse(&body).ok_or(OpenRouterError::Unreadable)
    }

    /// Fetches the list prices of the models that a key may use. Models without a fixed price are left out.
    ///
    /// # Errors
    /// [`OpenRouterError`].
    pub async fn models(&self, key: &Secret) -> Result<Vec<ListPrice>, OpenRouterError> {
        let body = self.get(self.url("models")?, key, MAX_CATALOGUE_BYTES).await?;
        catalogue::parse(&body).ok_or(OpenRouterError::Unreadable)
    }

    fn url(&self, path: &str) -> Result<Url, OpenRouterError> {
        self.base.join(path).map_err(|_| OpenRouterError::Url)
    }

    /// Returns the body of a successful answer of at most `max` bytes.
    async fn get(&self, url: Url, key: &Secret, max: usize) -> Result<Vec<u8>, OpenRouterError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
        let mut bearer = bearer.map_err(|_| OpenRouterError::Key)?;
        bearer.set_sensitive(true);
        let answer = self.control.get(url).header(AUTHORIZATION, bearer).send().await;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status(), answer.headers()));
        }
        control::body(answer, max).await?.ok_or(OpenRouterError::Unreadable)
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap) -> OpenRouterError {
    if status == StatusCode::NOT_FOUND {
        return OpenRouterError::NotFound;
    }
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        return OpenRouterError::RetryLater { status: status.as_u16(), after: after.map(Duration::from_secs) };
    }
    OpenRouterError::Refused(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limited_rate_and_faults_of_openrouter_are_worth_a_retry() {
        let of = |status: u16, after: Option<&'static str>| {
            let headers = after.map(|after| (RETRY_AFTER, HeaderValue::from_static(after)));
            refusal(StatusCode::from_u16(status).unwrap(), &headers.into_iter().collect())
        };
        assert!(matches!(of(404, None), OpenRouterError::NotFound));
        for status in [204, 308, 400, 401, 402, 403] {
            assert!(matches!(of(status, Some("1")), OpenRouterError::Refused(refused) if refused == status));
        }
        for status in [429, 500, 503, 529] {
            assert!(matches!(of(status, None), OpenRouterError::RetryLater { after: None, .. }));
        }
        let seconds = Some(Duration::from_secs(7));
        assert!(matches!(of(429, Some("7")), OpenRouterError::RetryLater { status: 429, after } if after == seconds));
        assert!(matches!(of(429, Some("-7")), OpenRouterError::RetryLater { after: None, .. }));
    }
}
