//! The way to OpenRouter: a pooled client that dials, sends and waits for the head of the answer.
//!
//! No redirect is followed and nothing is sent twice once a byte of it may have left: hyper-util repeats a request only
//! when the pooled connection that it picked was closed before it took the request over. There is no time-out on the whole
//! of a request, which would kill healthy streams: connecting, the first byte of the answer (here) and the silence between
//! two bytes (`relay`) have one each.

mod connector;
pub mod control;
pub mod outgoing;
mod tls;
pub mod verdict;

use std::sync::Arc;
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::observe::Metrics;
use connector::{ConnectTimedOut, Connector, Route};
use outgoing::Outgoing;
pub use tls::RootsError;
use tls::config as tls_config;
use verdict::{Progress, Spoiled};

/// Idle connections are closed after this, before the other side does it: a request that meets a closing connection can
/// not be repeated.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Buffers grow to this and no further, per connection and direction.
const BUFFER: usize = 32 * 1024;

/// How to reach the upstream.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its base URL; only scheme, host and port matter here.
    pub url: Uri,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the moment the upstream has the whole request (or last asked for more of it) to the head of its answer.
    pub first_byte_timeout: Duration,
    /// Speaks HTTP/2 where TLS offers it. One connection then carries everything, and queues silently at the server's
    /// stream limit.
    pub http2: bool,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` of the process count.
    pub proxy_from_env: bool,
    /// Counts its connections.
    pub metrics: Arc<Metrics>,
}

/// Why there is no answer to pass on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The client's upload came to nothing; that, and not the upstream, is the reason.
    #[error(transparent)]
    Spoiled(#[from] Spoiled),
    /// No connection.
    #[error("OpenRouter cannot be reached from here; try again")]
    Unreachable,
    /// No connection in time.
    #[error("OpenRouter could not be reached in time; try again")]
    ConnectTimeout,
    /// The connection ended before the head of an answer. The request may have been run, so it is not repeated.
    #[error("OpenRouter closed the connection without an answer; whether it ran the request is not known")]
    Closed,
    /// Something else than an answer: a protocol that was not asked for (101).
    #[error("OpenRouter gave no answer that could be passed on; whether it ran the request is not known")]
    NoAnswer,
    /// No head in time.
    #[error("OpenRouter did not begin to answer in time; whether it ran the request is not known")]
    AnswerTimeout,
}

impl UpstreamError {
    /// Whether it is certain that OpenRouter ran nothing: it was not reached, or never had the whole body.
    pub fn nothing_ran(&self) -> bool {
        matches!(self, Self::Spoiled(_) | Self::Unreachable | Self::ConnectTimeout)
    }
}

/// The pooled client. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<Connector, Outgoing>,
    first_byte_timeout: Duration,
    /// For plain HTTP through a proxy, which wants it with every request.
    proxy_authorization: Option<HeaderValue>,
}

impl Upstream {
    /// A client for one upstream. Reads `SSL_CERT_FILE` and `SSL_CERT_DIR` (and the proxy variables, if asked to).
    ///
    /// # Errors
    /// When those name certificates that cannot be read.
    pub fn new(options: &Options) -> Result<Self, RootsError> {
        let intercept = if options.proxy_from_env { Matcher::from_env().intercept(&options.url) } else { None };
        let route = Route::choose(&options.url, intercept.as_ref());
        let proxy_authorization = match (&route, &intercept) {
            (Route::Forward(_), Some(proxy)) => proxy.basic_auth().cloned(),
            _ => None,
        };
        let connector = Connector::new(route, tls::config()?, options);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .timer(TokioTimer::new())
            .http1_max_buf_size(BUFFER)
            .build(connector);
        Ok(Self { client, first_byte_timeout: options.first_byte_timeout, proxy_authorization })
    }

    /// Sends a request and waits for the head of its answer. `progress` is that of a streaming body. Dropping the future
    /// cuts the request.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn send(
        &self,
        mut request: Request<Outgoing>,
        progress: Option<&Progress>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if let Some(authorization) = &self.proxy_authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let answer = self.client.request(request);
        let answer = match progress {
            None => tokio::time::timeout(self.first_byte_timeout, answer).await.ok(),
            Some(progress) => tokio::select! {
                answer = answer => Some(answer),
                () = progress.stalled(self.first_byte_timeout) => None,
            },
        };
        if let Some(spoiled) = progress.and_then(Progress::spoiled) {
            return Err(spoiled.into());
        }
        let answer = answer.ok_or(UpstreamError::AnswerTimeout)?.map_err(|error| explain(&error))?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::NoAnswer);
        }
        Ok(answer)
    }
}

fn explain(error: &Error) -> UpstreamError {
    let causes = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    tracing::warn!(error = %Causes(error), "no answer from the upstream");
    if !error.is_connect() {
        UpstreamError::Closed
    } else if causes().any(<dyn std::error::Error>::is::<ConnectTimedOut>) {
        UpstreamError::ConnectTimeout
    } else {
        UpstreamError::Unreachable
    }
}

/// An error with its causes, for the operator's log. hyper's errors name addresses and reasons, never content.
struct Causes<'a>(&'a Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::iter::successors(std::error::Error::source(self.0), |cause| cause.source())
            .try_for_each(|cause| write!(f, ": {cause}"))
    }
}
