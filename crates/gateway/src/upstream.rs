//! The HTTP client for OpenRouter: a connection pool that dials, sends a request and waits for the response head.
//!
//! It must not follow redirects, and must not send a request again once a byte of it may have left
//! (`docs/SPEC.md#no-retries`): both pools repeat a request only if a pooled connection was closed before it
//! accepted the request. No timeout covers a whole request, because it would cut healthy streams. Instead there is one
//! for connecting, one for the response head (both here) and one for silence within the response (`relay`).

mod answer_body;
mod connector;
pub mod control;
mod dialled;
mod guarded_stream;
mod inline;
mod lanes;
mod options;
mod pool_key;
pub mod request_body;
pub mod settings;
mod tls;
pub mod upload_state;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::Instant;

pub use answer_body::AnswerBody;
use connector::{ConnectTimeoutError, Connector, Route};
use inline::{InlineError, InlinePool};
use lanes::Lanes;
pub use options::Options;
pub use pool_key::PoolKey;
use request_body::RequestBody;
use settings::PoolKind;
pub use tls::RootsError;
use tls::config as tls_config;
use upload_state::{UploadError, UploadState};

/// A request without a response to relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The client's upload failed; the upstream is not the cause.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The connection failed.
    #[error("cannot connect to OpenRouter; try again")]
    Unreachable,
    /// The connection was not established in time.
    #[error("timed out while connecting to OpenRouter; try again")]
    ConnectTimeout,
    /// The connection ended before the response head. OpenRouter may have run the request, so it is not repeated.
    #[error("OpenRouter closed the connection before it responded; it may have run the request")]
    Closed,
    /// OpenRouter switched to a protocol that was not requested (101).
    #[error("OpenRouter switched protocols (101) instead of responding; it may have run the request")]
    SwitchedProtocols,
    /// The response head did not arrive in time.
    #[error("OpenRouter did not respond in time; it may have run the request")]
    FirstByteTimeout,
}

impl UpstreamError {
    /// Returns true if OpenRouter certainly did not run the request: it was not reached, or did not get the whole body.
    pub fn nothing_ran(&self) -> bool {
        matches!(self, Self::Upload(_) | Self::Unreachable | Self::ConnectTimeout)
    }
}

/// The pooled client of the upstream. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Upstream {
    connections: Arc<Connections>,
    first_byte_timeout: Duration,
    /// The proxy's credentials, which plain HTTP through a proxy repeats in every request.
    proxy_authorization: Option<HeaderValue>,
}

/// The pool in use.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each thread")]
enum Connections {
    Hyper(Lanes),
    Inline(InlinePool),
}

impl Upstream {
    /// Creates a client for one upstream. Reads `SSL_CERT_FILE`, `SSL_CERT_DIR` and, with `proxy_from_env`, the proxy
    /// variables from the environment.
    ///
    /// # Errors
    /// The named certificates cannot be read.
    pub fn new(options: &Options) -> Result<Self, RootsError> {
        let intercept = if options.proxy_from_env { Matcher::from_env().intercept(&options.url) } else { None };
        let route = Route::choose(&options.url, intercept.as_ref());
        let proxy_authorization = match (&route, &intercept) {
            (Route::Forward(_), Some(proxy)) => proxy.basic_auth().cloned(),
            _ => None,
        };
        let is_forwarded = matches!(route, Route::Forward(_));
        let connector = Connector::new(route, tls::config()?, options);
        let connections = Arc::new(match options.pool {
            PoolKind::Inline if !options.http2 => {
                Connections::Inline(InlinePool::new(connector, &options.url, is_forwarded))
            }
            PoolKind::Inline | PoolKind::Hyper => Connections::Hyper(Lanes::new(connector, options.http2)),
        });
        Ok(Self { connections, first_byte_timeout: options.first_byte_timeout, proxy_authorization })
    }

    /// Returns the timeout of the response head.
    pub fn first_byte_timeout(&self) -> Duration {
        self.first_byte_timeout
    }

    /// Closes the idle connections of retired accounts.
    pub fn drop_retired(&self) {
        if let Connections::Inline(pool) = &*self.connections {
            pool.drop_retired();
        }
    }

    /// Sends a request and waits for the response head. `upload` is the upload state of a streaming body. `account` is
    /// the pool of the account that pays; `None` if the caller pays. Dropping the future cancels the request.
    ///
    /// # Errors
    /// [`UpstreamError`]; the upload's own error if there is one.
    pub async fn send(
        &self,
        mut request: Box<Request<RequestBody>>,
        upload: Option<&UploadState>,
        account: Option<&PoolKey>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        if let Some(authorization) = &self.proxy_authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let now = Instant::now();
        let answer = self.connections.send(request, account, now);
        let answer = match upload {
            None => tokio::time::timeout_at(now + self.first_byte_timeout, answer).await.ok(),
            Some(upload) => tokio::select! {
                answer = answer => Some(answer),
                () = upload.stalled(self.first_byte_timeout) => None,
            },
        };
        if let Some(error) = upload.and_then(UploadState::error) {
            return Err(error.into());
        }
        let answer = answer.ok_or(UpstreamError::FirstByteTimeout)??;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::SwitchedProtocols);
        }
        Ok(answer)
    }
}

impl Connections {
    async fn send(
        &self,
        request: Box<Request<RequestBody>>,
        account: Option<&PoolKey>,
        now: Instant,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        match self {
            Self::Inline(pool) => match pool.send(request, account, now).await {
                Ok(answer) => Ok(answer.map(AnswerBody::inline)),
                Err(InlineError::Connect(error)) => Err(failed(&*error, true)),
                Err(InlineError::Exchange(error)) => Err(failed(&error, false)),
            },
            Self::Hyper(lanes) => {
                let (client, place) = lanes.enter();
                match client.request(*request).await {
                    Ok(answer) => Ok(answer.map(|body| AnswerBody::hyper(body, place))),
                    Err(error) => Err(failed(&error, error.is_connect())),
                }
            }
        }
    }
}

/// Logs an error of a connection and classifies it.
fn failed(error: &(dyn Error + 'static), is_connect: bool) -> UpstreamError {
    tracing::warn!(error = %Causes(error), "upstream request failed");
    if !is_connect {
        UpstreamError::Closed
    } else if causes(error).any(<dyn Error>::is::<ConnectTimeoutError>) {
        UpstreamError::ConnectTimeout
    } else {
        UpstreamError::Unreachable
    }
}

/// Returns an error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Displays an error with its causes, for the log. hyper's errors name addresses and reasons, not content.
struct Causes<'a>(&'a (dyn Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        causes(self.0).skip(1).try_for_each(|cause| write!(f, ": {cause}"))
    }
}
