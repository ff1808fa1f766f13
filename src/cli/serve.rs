//! `callsign serve`: runs the proxy until a signal ends it. With `--demo` its upstream is a mock OpenRouter in this
//! process (`docs/SPEC.md#demo`).

use std::io::{self, Write};
use std::path::PathBuf;

use super::demo::Demo;
use super::notices::Notices;
use super::wait::{self, Waited};
use super::{Exit, load, summary};
use crate::config::{ConfigInputs, Loaded};
use crate::reload::Reloader;
use crate::run::{self, Running, ServeOptions};
use crate::terminal::Screen;
use callsign_gateway::server;
use callsign_telemetry::logging::{self, LogFormat};

/// Runs the proxy. Returns when its last connection has ended.
///
/// # Errors
/// I/O errors of `out`, and errors of signal handling.
pub async fn serve(file: Option<PathBuf>, demo: bool, out: &mut impl Write) -> io::Result<Exit> {
    if demo {
        let demo = Demo::start().await?;
        run(&demo.inputs(load::variables()), Demo::options(), Some(&demo), out).await
    } else {
        run(&load::sources(file).serving(), ServeOptions::default(), None, out).await
    }
}

async fn run(
    sources: &ConfigInputs,
    setting: ServeOptions,
    demo: Option<&Demo>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    // An invalid configuration has no format of the log.
    let is_json = sources.has_variable("CALLSIGN_LOG_FORMAT", "json");
    let mut err = Notices::new(Screen::stderr(), is_json, "ERROR");
    let Some(loaded) = load::load(sources, &mut err)? else { return Ok(Exit::Invalid) };
    let config = &loaded.config;
    let is_json = config.log.format == LogFormat::Json;
    let mut err = Notices::new(Screen::stderr(), is_json, "ERROR");
    let out = &mut Notices::new(out, is_json, "INFO");
    if let Err(error) = logging::start(&config.log.filter, config.log.format) {
        writeln!(err, "callsign: starting the log failed (CALLSIGN_LOG): {error}")?;
        return Ok(Exit::Invalid);
    }
    if let Some(demo) = demo {
        demo.fill(config).await;
    }
    let started = match wait::for_directory(config, setting, out).await {
        Ok(Waited::Ended) => return Ok(Exit::Success),
        Ok(Waited::Free(lock)) => run::start_with(config, setting, lock),
        Err(error) => Err(error),
    };
    let running = match started {
        Ok(running) => running,
        Err(error) => {
            writeln!(err, "callsign: cannot start: {error}")?;
            return Ok(if error.is_of_directory() { Exit::Invalid } else { Exit::Failure });
        }
    };
    let signals = tokio::spawn(server::signals(&running.drain)?);
    let reloader = Reloader::new(sources.clone(), running.in_force.clone(), running.tls.clone(), &loaded);
    let reloads = tokio::spawn(reloader.watch());
    // A closed standard output does not stop the server.
    if let Err(error) = greet(&running, &loaded, demo, out) {
        tracing::warn!(%error, "writing the start message to the standard output failed");
    }
    running.ended().await;
    signals.abort();
    reloads.abort();
    Ok(Exit::Success)
}

/// Prints the start message: addresses, warnings, and a summary of attribution or of the demo.
fn greet(running: &Running, loaded: &Loaded, demo: Option<&Demo>, out: &mut impl Write) -> io::Result<()> {
    announce(running, out)?;
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    match demo {
        Some(demo) => out.write_all(demo.begin(&loaded.config, running)?.as_bytes())?,
        None => summary::print(&loaded.config, out)?,
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
