//! `callsign serve`: runs the proxy until a signal ends it. With `--demo` its upstream is a mock OpenRouter in this
//! process (`docs/SPEC.md#demo`).

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use super::wait::{self, Waited};
use super::{Exit, load, summary};
use crate::config::{ConfigInputs, Loaded};
use crate::reload::Reloader;
use crate::run::{self, Running, ServeOptions};
use crate::terminal::Screen;
use callsign_core::identity::identifier::TABLE;
use callsign_gateway::server;
use callsign_store::limits::keys::material;
use callsign_telemetry::logging;
use mock_openrouter::{MockServer, Options};

/// Runs the proxy. Returns when its last connection has ended.
///
/// # Errors
/// I/O errors of `out`, and errors of signal handling.
pub async fn serve(file: Option<PathBuf>, demo: bool, out: &mut impl Write) -> io::Result<Exit> {
    if demo {
        let mock = MockServer::start_with(Options::DEMO).await?;
        let key = material::generate()?;
        let sources = load::with_variables(file, demo_variables(load::variables(), &mock, &key));
        let setting = ServeOptions { proxy_from_env: false, ..ServeOptions::default() };
        run(&sources, setting, Some(&key), out).await
    } else {
        run(&load::sources(file).serving(), ServeOptions::default(), None, out).await
    }
}

async fn run(
    sources: &ConfigInputs,
    setting: ServeOptions,
    demo_key: Option<&str>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let Some(loaded) = load::load(sources, &mut Screen::stderr())? else { return Ok(Exit::Invalid) };
    let config = &loaded.config;
    if let Err(error) = logging::start(&config.log.filter, config.log.format) {
        writeln!(Screen::stderr(), "callsign: starting the log failed (CALLSIGN_LOG): {error}")?;
        return Ok(Exit::Invalid);
    }
    let started = match wait::for_directory(config, setting, out).await {
        Ok(Waited::Ended) => return Ok(Exit::Success),
        Ok(Waited::Free(lock)) => run::start_with(config, setting, lock),
        Err(error) => Err(error),
    };
    let running = match started {
        Ok(running) => running,
        Err(error) => {
            writeln!(Screen::stderr(), "callsign: cannot start: {error}")?;
            return Ok(Exit::Failure);
        }
    };
    let signals = tokio::spawn(server::signals(&running.drain)?);
    let reloader = Reloader::new(sources.clone(), running.in_force.clone(), running.tls.clone(), &loaded);
    let reloads = tokio::spawn(reloader.watch());
    // A closed standard output does not stop the server.
    if let Err(error) = greet(&running, &loaded, demo_key, out) {
        tracing::warn!(%error, "writing the start message to the standard output failed");
    }
    running.ended().await;
    signals.abort();
    reloads.abort();
    Ok(Exit::Success)
}

/// Prints the start message: addresses, warnings, and a summary of attribution.
fn greet(running: &Running, loaded: &Loaded, demo_key: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    announce(running, out)?;
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    summary::print(&loaded.config, out)?;
    if let Some(key) = demo_key {
        print_curl(running, key, out)?;
    }
    out.flush()
}

/// Prints the line with the bound addresses.
fn announce(running: &Running, out: &mut impl Write) -> io::Result<()> {
    let scheme = if running.tls.is_some() { "https" } else { "http" };
    write!(out, "callsign {} listening on {scheme}://{}", env!("CARGO_PKG_VERSION"), running.data)?;
    match running.admin {
        Some(admin) => writeln!(out, ", admin on http://{admin}"),
        None => writeln!(out, ", admin off"),
    }
}

/// Returns the environment of the demo: an app's key, the mock as upstream, valves on.
fn demo_variables(mut variables: Vec<(OsString, OsString)>, mock: &MockServer, key: &str) -> Vec<(OsString, OsString)> {
    let fixed = [
        ("CALLSIGN_UPSTREAM_URL", mock.url()),
        ("OPENROUTER_API_KEY", "sk-or-demo-the-operators-key".to_owned()),
        ("CALLSIGN_APP_KEY", key.to_owned()),
    ];
    variables.retain(|(name, _)| fixed.iter().all(|(fixed, _)| name != fixed && *name != *format!("{fixed}_FILE")));
    let is_unset = |valve: &str| variables.iter().all(|(name, value)| name != valve || value.is_empty());
    let valves = TABLE.iter().filter(|row| row.metadata.is_some()).map(|row| row.valve.variable);
    let opened: Vec<_> = valves.filter(|valve| is_unset(valve)).map(|valve| (valve, "true".to_owned())).collect();
    variables.retain(|(name, _)| opened.iter().all(|(valve, _)| name != valve));
    variables.extend(fixed.into_iter().chain(opened).map(|(name, value)| (name.into(), value.into())));
    variables
}

fn print_curl(running: &Running, key: &str, out: &mut impl Write) -> io::Result<()> {
    let scheme = if running.tls.is_some() { "https" } else { "http" };
    let host = match running.data {
        address if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        address => address.to_string(),
    };
    writeln!(
        out,
        "\nDemo: a mock OpenRouter answers and shows what it received; no account is used. The body below claims to \
         come from another user. Run:\n\n\
         curl -N {scheme}://{host}/v1/chat/completions \\\n  \
         -H 'Authorization: Bearer {key}' \\\n  \
         -H 'X-User-Id: alice' -H 'X-Session-Id: tab-1' -H 'X-Chat-Id: chat-7' -H 'X-Message-Id: msg-42' \\\n  \
         -H 'Content-Type: application/json' \\\n  \
         -d '{{\"model\":\"demo\",\"stream\":true,\"user\":\"mallory\",\
         \"messages\":[{{\"role\":\"user\",\"content\":\"Who am I?\"}}]}}'\n"
    )
}
