//! A selftest: a real callsign with a copy of the configuration, between real sockets on this machine and a stand-in.
//!
//! `callsign check` and the admin API's `test-mapping` show by it what would reach OpenRouter: nothing is reckoned, the
//! request goes through the same program as every other one. It must not decide what is right; who asks compares.

pub(crate) mod client;
pub(crate) mod comparison;
pub(crate) mod guest;
pub(crate) mod sample;
pub(crate) mod trial;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;

use crate::config::{Config, printable};
use crate::run::{self, Running, ServeOptions};
use callsign_store::ledger::settings::Mode;
use client::Port;
use mock_openrouter::{MockServer, Received, Sent};

/// A request between two ports of this machine that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(10);
/// Lets the system choose the port.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How much of an unexpected answer is repeated, in characters.
const SHOWN: usize = 300;

/// callsign in front of a stand-in. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Selftest {
    mock: MockServer,
    running: Running,
}

impl Selftest {
    /// Starts a callsign with this configuration, but with ports and an upstream of its own. The admin port is opened if
    /// the configuration has one.
    ///
    /// # Errors
    /// When there is no stand-in to be had (outer), or this configuration cannot be started (inner).
    pub(crate) async fn start(mut config: Config) -> io::Result<Result<Self, run::StartError>> {
        let mock = MockServer::start().await?;
        config.data.listen = LOOPBACK;
        config.admin.listen = config.admin.listen.map(|_| LOOPBACK);
        write_nothing_down(&mut config);
        config.upstream.url = mock.url().parse().map_err(io::Error::other)?;
        let running =
            run::start(&config, ServeOptions { proxy_from_env: false, workers: 1, ..ServeOptions::default() });
        Ok(running.map(|running| Self { mock, running }))
    }

    /// Sends a request (with an origin-form target): the answer, and the one request that reached the stand-in for it.
    ///
    /// # Errors
    /// Says for the operator what happened instead.
    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> Result<(Response<Bytes>, Received), String> {
        let earlier = self.mock.received().len();
        let answer = send(&self.running, request, LIMIT).await?;
        let mut arrived = self.mock.received().into_iter().skip(earlier);
        match (arrived.next(), arrived.next()) {
            (Some(received), None) if answer.status() == StatusCode::OK => Ok((answer, received)),
            (arrived, _) => {
                let body: String = String::from_utf8_lossy(answer.body()).chars().take(SHOWN).collect();
                let times = if arrived.is_none() { "no request arrived" } else { "the answer is not the stand-in's" };
                Err(format!("{times}; the client got {}: {}", answer.status(), printable(&body)))
            }
        }
    }

    /// What the stand-in answered to this request.
    pub(crate) fn sent(&self, received: &Received) -> Option<Sent> {
        self.mock.sent(received.number)
    }
}

/// Sends one request through a callsign with this configuration, on a port of its own, to the configuration's upstream. It is
/// real, so that the ledger, if there is one, has its row when this returns.
///
/// # Errors
/// Says for the operator why there is no answer within `limit`.
pub(crate) async fn perform(
    mut config: Config,
    request: Request<Bytes>,
    limit: Duration,
) -> Result<Response<Bytes>, String> {
    config.data.listen = LOOPBACK;
    config.admin.listen = None;
    config.limits = callsign_store::limits::settings::Settings::default();
    let setting = ServeOptions { workers: 1, ..ServeOptions::default() };
    let running = run::start(&config, setting).map_err(|error| error.to_string())?;
    let answer = send(&running, request, limit).await;
    // Twice: nothing of it is left to wait for but the ledger.
    running.drain.trigger();
    running.drain.trigger();
    running.ended().await;
    answer
}

/// Nobody's app has sent what is rehearsed, so that it is no row of the ledger, in no archive, and counts to no limit.
fn write_nothing_down(config: &mut Config) {
    config.ledger.store = None;
    config.ledger.mode = Mode::Fast;
    config.ledger.data_dir = None;
    config.archive.place = None;
    config.limits = callsign_store::limits::settings::Settings::default();
}

/// Sends one request to the data port of a callsign in this process.
///
/// # Errors
/// Says for the operator why there is no answer within `limit`.
async fn send(running: &Running, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, String> {
    let answer = Port::new(running.data, running.tls.is_some()).send(request.map(Full::new));
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}
