//! The HTTP client for callsign's own requests: issuers' keys and OpenRouter's API.
//!
//! It limits size and time, does not follow redirects, and trusts the same roots as the upstream client. Callers'
//! requests must not go through it.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};

use super::{RootsError, tls_config};

/// Maximum body size in bytes of responses that have a few KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The client for callsign's own requests.
#[derive(Clone, Debug)]
pub struct ControlClient {
    client: Client,
    /// For loopback addresses, which a proxy cannot reach: uses no proxy.
    loopback: Client,
}

/// The client cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The trusted roots cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl ControlClient {
    /// Creates a client with a timeout for connecting (`connect`) and one for the whole request (`whole`).
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(connect: Duration, whole: Duration) -> Result<Self, SetUpError> {
        let tls = tls_config()?;
        let builder = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(Policy::none())
                .connect_timeout(connect)
                .timeout(whole)
                .user_agent(concat!("callsign/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self { client: builder().build()?, loopback: builder().no_proxy().build()? })
    }

    /// Begins a POST request.
    pub fn post(&self, url: Url) -> RequestBuilder {
        if is_loopback(&url) { self.loopback.post(url) } else { self.client.post(url) }
    }

    /// Begins a GET request.
    pub fn get(&self, url: Url) -> RequestBuilder {
        if is_loopback(&url) { self.loopback.get(url) } else { self.client.get(url) }
    }
}

/// Reads a whole body. Returns `None` if it is longer than `max` bytes.
///
/// # Errors
/// The connection's errors, without the URL.
pub async fn body(mut response: Response, max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Returns true if the URL's host is `localhost` or a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
