//! Self-tests: a second callsign in this process, with a copy of the configuration, between a client and a mock
//! OpenRouter.
//!
//! `callsign check` and the admin API's `test-mapping` use them to show what would reach OpenRouter. The request goes
//! through the same code as every other one. A self-test must not decide what is right; its callers compare.

pub(crate) mod client;
pub(crate) mod comparison;
pub(crate) mod sample;
pub(crate) mod test_caller;
pub(crate) mod trial;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::config::Config;
use crate::run::running::{Running, ServeOptions, Start, StartError};
use callsign_core::visible::printable;
use callsign_store::ledger::settings::Mode;
use client::Port;
use mock_openrouter::{MockServer, Received, Sent};

/// Timeout of a request to the mock, which answers at once.
const LIMIT: Duration = Duration::from_secs(10);
/// Lets the system choose the port.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Number of characters of an unexpected response to show.
const SHOWN: usize = 300;

/// A callsign in front of a mock OpenRouter. Dropping it stops both.
#[derive(Debug)]
pub(crate) struct Selftest {
    mock: MockServer,
    running: Running,
}

impl Selftest {
    /// Starts a callsign with this configuration, except for its ports, its upstream, its webhook and everything that it
    /// stores. The admin port is opened if the configuration has one.
    ///
    /// # Errors
    /// Outer: the mock could not be started. Inner: callsign could not be started with this configuration.
    pub(crate) async fn start(start: Start, mut config: Config) -> io::Result<Result<Self, StartError>> {
        let mock = MockServer::start().await?;
        config.data.listen = LOOPBACK;
        config.admin.listen = config.admin.listen.map(|_| LOOPBACK);
        store_nothing(&mut config);
        // A problem of the sample caller is none of the operator's.
        config.alerts.webhook = None;
        config.upstream.url = mock.url().parse().map_err(io::Error::other)?;
        let running = start(
            &config,
            ServeOptions { proxy_from_env: false, workers: 1, finds_accounts: false, ..ServeOptions::default() },
        );
        Ok(running.map(|running| Self { mock, running }))
    }

    /// Sends a request with an origin-form target. Returns the response and the one request that reached the mock.
    ///
    /// # Errors
    /// A message for the operator, unless exactly one request arrived and its response is a success.
    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> Result<(Response<Bytes>, Received), String> {
        let earlier = self.mock.received().len();
        let answer = send(&self.running, request, LIMIT).await?;
        let mut arrived = self.mock.received().into_iter().skip(earlier);
        match (arrived.next(), arrived.next()) {
            (Some(received), None) if answer.status().is_success() => Ok((answer, received)),
            (arrived, _) => {
                let body: String = String::from_utf8_lossy(answer.body()).chars().take(SHOWN).collect();
                let times = if arrived.is_none() { "no request arrived" } else { "the response is not the mock's" };
                Err(format!("{times}; the client got {}: {}", answer.status(), printable(&body)))
            }
        }
    }

    /// Returns the mock's response to this request.
    pub(crate) fn sent(&self, received: &Received) -> Option<Sent> {
        self.mock.sent(received.number)
    }
}

/// Sends one request through a second callsign to the configured upstream. The request is real: when this returns, the
/// ledger has its row.
///
/// # Errors
/// A message for the operator if there is no response within `limit`.
pub(crate) async fn perform(
    start: Start,
    mut config: Config,
    request: Request<Bytes>,
    limit: Duration,
) -> Result<Response<Bytes>, String> {
    config.data.listen = LOOPBACK;
    config.admin.listen = None;
    config.limits = callsign_store::limits::settings::Settings::default();
    // The callsign that serves looks for problems in the same ledger.
    config.alerts.webhook = None;
    let options = ServeOptions { workers: 1, finds_accounts: false, ..ServeOptions::default() };
    let running = start(&config, options).map_err(|error| error.to_string())?;
    let answer = send(&running, request, limit).await;
    // The first call starts the drain, the second ends it at once. Only the ledger is waited for.
    running.drain.trigger();
    running.drain.trigger();
    running.ended().await;
    answer
}

/// Turns off ledger, archive and limits, because a self-test's requests come from no caller.
fn store_nothing(config: &mut Config) {
    config.ledger.store = None;
    config.ledger.mode = Mode::Fast;
    config.ledger.data_dir = None;
    config.archive.place = None;
    config.bodies.unowned_jobs = true;
    config.limits = callsign_store::limits::settings::Settings::default();
}

/// Sends one request to the data port of a callsign in this process.
///
/// # Errors
/// A message for the operator if there is no response within `limit`.
async fn send(running: &Running, request: Request<Bytes>, limit: Duration) -> Result<Response<Bytes>, String> {
    let answer = Port::new(running.data, running.tls.is_some()).send(request.map(Full::new));
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigInputs;

    /// Does not start; the error tells if the configuration has a webhook.
    fn tells_alerts(config: &Config, _: ServeOptions) -> Result<Running, StartError> {
        Err(StartError::Listen(io::Error::other(if config.alerts.webhook.is_some() { "alerts" } else { "no alerts" })))
    }

    #[tokio::test]
    async fn a_self_test_sends_no_alerts() {
        let variables = [
            ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test"),
            ("CALLSIGN_APP_KEY", "sk-cs-key-of-a-test-0123"),
            ("CALLSIGN_ALERT_WEBHOOK", "http://127.0.0.1:9/alerts"),
        ];
        let config = Config::load(&ConfigInputs::environment(variables)).unwrap().config;
        assert!(tells_alerts(&config, ServeOptions::default()).unwrap_err().to_string().ends_with(": alerts"));
        let tried = Selftest::start(tells_alerts, config.clone()).await.unwrap().unwrap_err();
        assert!(tried.to_string().ends_with(": no alerts"), "{tried}");
        let live = perform(tells_alerts, config, Request::default(), LIMIT).await.unwrap_err();
        assert!(live.ends_with(": no alerts"), "{live}");
    }
}
