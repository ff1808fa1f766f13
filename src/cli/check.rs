//! `callsign check`: tests a configuration by sending requests through it (`docs/SPEC.md#check`).
//!
//! It starts a callsign with this configuration on a free port, in front of a mock OpenRouter, sends requests with
//! spoofed identifiers over real sockets, and compares what arrived with the valves and formats. It must not pass by
//! reading files or logs.

mod live;
mod report;

use std::io::{self, Write};

use bytes::Bytes;
use http::Response;

use super::{Exit, load};
use crate::config::{Config, ConfigInputs, Loaded};
use crate::data_dir;
use crate::run;
use crate::selftest::Selftest;
use crate::selftest::comparison;
use crate::selftest::sample::Sample;
use crate::selftest::test_caller::TestCaller;
use callsign_core::endpoint::{INFERENCE, Inference};
use callsign_core::identity::Policy;
use callsign_core::visible::printable;
use mock_openrouter::Received;
use report::Report;

/// One endpoint for each set of identifier fields.
const ENDPOINTS: [&str; 4] = ["chat/completions", "responses", "messages", "embeddings"];

/// Checks the configuration in `sources`. With a model in `live` it also sends a request to OpenRouter.
///
/// # Errors
/// I/O errors of `out` and `err`, and errors of the system's random source.
pub(super) async fn check(
    sources: &ConfigInputs,
    live: Option<&str>,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(Loaded { config, mut warnings, .. }) = load::load(sources, err)? else { return Ok(Exit::Invalid) };
    warnings.extend(container_note(&config));
    if let Err(error) = data_dir::check(&config) {
        writeln!(err, "callsign: {}; serve would not start", printable(&error.to_string()))?;
        return Ok(Exit::Invalid);
    }
    let mut report = Report::new(&config, warnings);
    match Rig::start(&config).await? {
        Ok(rig) => {
            for endpoint in INFERENCE.iter().filter(|endpoint| ENDPOINTS.contains(&endpoint.path)) {
                rig.probe(&config, endpoint, &mut report).await?;
            }
        }
        Err(error) => report.add("start", Err(error.to_string())),
    }
    if let Some(model) = live {
        live::check(&config, model, &mut report, err).await?;
    }
    if json {
        report.print_json(out)?;
    } else {
        report.print(&config, out)?;
    }
    Ok(if report.passed() { Exit::Success } else { Exit::Failure })
}

/// Returns a note about a session format that would be an error if server tools were allowed.
fn container_note(config: &Config) -> Option<String> {
    let policies = config.tenants.list.iter().map(|tenant| &tenant.policy);
    let row = std::iter::once(&config.tenants.operator).chain(policies).find_map(Policy::shares_containers)?;
    Some(format!(
        "{}: has no hash or seal of the user within its last 20 characters; with CALLSIGN_SERVER_TOOLS=allow users \
         could share containers (a note: tools with containers are blocked)",
        row.format.variable
    ))
}

/// A callsign between a client and a mock OpenRouter.
struct Rig {
    selftest: Selftest,
    test_caller: TestCaller,
}

impl Rig {
    /// Starts the server with a copy of `config` that has one more key.
    async fn start(config: &Config) -> io::Result<Result<Self, run::StartError>> {
        let (test_caller, key) = TestCaller::like_first_app(config)?;
        let mut copy = config.clone();
        copy.callers.keys.extend(key);
        Ok(Selftest::start(run::start_beside, copy).await?.map(|selftest| Self { selftest, test_caller }))
    }

    /// Sends the sample request of `endpoint` and adds the comparisons to the report.
    async fn probe(&self, config: &Config, endpoint: &'static Inference, report: &mut Report) -> io::Result<()> {
        let sample = Sample::new(config, endpoint, &self.test_caller, None)?;
        let expected = match sample.expected(config, &self.test_caller) {
            Ok(expected) => expected,
            Err(required) => {
                report.add(endpoint.path, Err(required.to_string()));
                return Ok(());
            }
        };
        let (answer, received) = match self.exchange(&sample).await {
            Ok(exchanged) => exchanged,
            Err(reason) => {
                report.add(&format!("{}: arrives", endpoint.path), Err(reason));
                return Ok(());
            }
        };
        for (name, result) in comparison::compare(&expected, &received.headers, &received.body) {
            report.add(&format!("{}: {name}", endpoint.path), result);
        }
        let sent = self.selftest.sent(&received);
        let answered = comparison::same_answer(&answer, sent.as_ref());
        report.add(&format!("{}: answer", endpoint.path), answered);
        report.show(endpoint, &received);
        Ok(())
    }

    /// Sends the sample. Returns the response and the one request that reached the mock.
    async fn exchange(&self, sample: &Sample) -> Result<(Response<Bytes>, Received), String> {
        self.selftest.exchange(sample.request()).await
    }
}
