//! `callsign check`: proves a configuration by sending requests through it.
//!
//! A real callsign with this configuration is started on a port of its own, in front of a stand-in. Requests full of
//! spoofed identifiers go in by real sockets, and what arrived is compared with what the valves and formats say. It never
//! passes by looking at files or logs.

mod arrival;
mod guest;
mod report;
mod sample;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;

use super::client::Port;
use super::{Exit, load};
use crate::config::{Config, Loaded, Sources};
use crate::endpoint::{INFERENCE, Inference};
use crate::run::{self, Running, Setting};
use crate::standin::{Received, StandIn};
use guest::Guest;
use report::Report;
use sample::Sample;

/// One endpoint of each kind of identifier fields.
const ENDPOINTS: [&str; 4] = ["chat/completions", "responses", "messages", "embeddings"];
/// A request between two ports of this machine that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(10);
/// Lets the system choose the port.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Checks the configuration that `sources` give.
///
/// # Errors
/// Those of `out` and `err`, and of the system's random numbers.
pub(super) async fn check(
    sources: &Sources,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(Loaded { config, warnings, .. }) = load::load(sources, err)? else { return Ok(Exit::Invalid) };
    let mut report = Report::new(&config, warnings);
    match Rig::start(&config).await? {
        Ok(rig) => {
            for endpoint in INFERENCE.iter().filter(|endpoint| ENDPOINTS.contains(&endpoint.path)) {
                rig.probe(&config, endpoint, &mut report).await?;
            }
        }
        Err(error) => report.add("start", Err(error.to_string())),
    }
    if json {
        report.print_json(out)?;
    } else {
        report.print(&config, out)?;
    }
    Ok(if report.passed() { Exit::Success } else { Exit::Failure })
}

/// callsign between a client and a stand-in.
struct Rig {
    standin: StandIn,
    running: Running,
    guest: Guest,
}

impl Rig {
    /// Starts the real server with a copy of `config` that differs in its ports, its upstream and one more key.
    async fn start(config: &Config) -> io::Result<Result<Self, run::StartError>> {
        let standin = StandIn::start().await?;
        let (guest, key) = Guest::invite(config)?;
        let mut copy = config.clone();
        copy.data.listen = LOOPBACK;
        copy.admin.listen = config.admin.listen.map(|_| LOOPBACK);
        copy.upstream.url = standin.url().parse().map_err(io::Error::other)?;
        copy.callers.keys.extend(key);
        let running = run::start(&copy, Setting { proxy_from_env: false, ..Setting::default() });
        Ok(running.map(|running| Self { standin, running, guest }))
    }

    /// Sends the sample request of `endpoint` and compares.
    async fn probe(&self, config: &Config, endpoint: &'static Inference, report: &mut Report) -> io::Result<()> {
        let sample = Sample::new(config, endpoint, &self.guest)?;
        let expected = match sample.expected(config, &self.guest) {
            Ok(expected) => expected,
            Err(required) => {
                report.add(endpoint.path, Err(required.to_string()));
                return Ok(());
            }
        };
        let earlier = self.standin.received().len();
        let (answer, received) = match self.exchange(&sample, earlier).await {
            Ok(exchanged) => exchanged,
            Err(reason) => {
                report.add(&format!("{}: arrives", endpoint.path), Err(reason));
                return Ok(());
            }
        };
        for (name, result) in arrival::compare(&expected, &received.headers, &received.body) {
            report.add(&format!("{}: {name}", endpoint.path), result);
        }
        let sent = self.standin.sent(received.number);
        let answered = arrival::same_answer(&answer, sent.as_ref());
        report.add(&format!("{}: answer", endpoint.path), answered);
        report.show(endpoint, &received);
        Ok(())
    }

    /// The answer to the sample, and the one request that reached the stand-in.
    async fn exchange(&self, sample: &Sample, earlier: usize) -> Result<(Response<Bytes>, Received), String> {
        let mut request = Request::new(Full::new(Bytes::from(sample.body.clone())));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = format!("/v1/{}", sample.endpoint.path).parse().unwrap_or_default();
        *request.headers_mut() = sample.headers.clone();
        let answer = Port::new(self.running.data, self.running.tls.is_some()).send(request);
        let answer = match tokio::time::timeout(LIMIT, answer).await {
            Ok(answer) => answer.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("no answer within {} s", LIMIT.as_secs())),
        };
        let mut arrived = self.standin.received().into_iter().skip(earlier);
        match (arrived.next(), arrived.next()) {
            (Some(received), None) if answer.status() == StatusCode::OK => Ok((answer, received)),
            (arrived, _) => {
                let body: String = String::from_utf8_lossy(answer.body()).chars().take(300).collect();
                let times = if arrived.is_none() { "no request arrived" } else { "the answer is not the stand-in's" };
                Err(format!("{times}; the client got {}: {}", answer.status(), crate::config::printable(&body)))
            }
        }
    }
}
