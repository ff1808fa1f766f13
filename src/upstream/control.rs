//! What callsign itself asks over the network, beside the callers' requests: keys of issuers, records of generations.
//!
//! Within limits of size and time, without redirects, with the same trusted roots as everything else. No request of a
//! caller waits for it or passes through it.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};

use super::{RootsError, tls_config};

/// What comes has a few KiB; no honest answer is longer than this.
pub const LARGEST: usize = 1024 * 1024;

/// Asks.
#[derive(Clone, Debug)]
pub struct Control {
    client: Client,
    /// Knows no proxy: what listens on this machine is not to be found behind one.
    loopback: Client,
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The client cannot.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl Control {
    /// Gives up on a connection after `connect`, on everything together after `whole`.
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

    /// Begins a request.
    pub fn get(&self, url: Url) -> RequestBuilder {
        if is_loopback(&url) { self.loopback.get(url) } else { self.client.get(url) }
    }
}

/// The whole body; `None` where it is longer than [`LARGEST`].
///
/// # Errors
/// Those of the connection, without the address: it is the operator's to look up.
pub async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > LARGEST {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether it is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
