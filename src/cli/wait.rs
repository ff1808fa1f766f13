//! Waits until no other callsign uses the data directory (docs/SPEC.md#directory-lock). Meanwhile the admin port says
//! that the process is alive and not ready.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::run::{self, ServeOptions, StartError};
use callsign_gateway::server::{self, ConnectionLimiter, Drain, Handler, Options, Peer, Upload};
use callsign_store::state::DirectoryLock;

/// Time between two attempts to take the lock.
const ATTEMPT: Duration = Duration::from_millis(200);
/// Maximum number of connections to the admin port.
const CONNECTIONS: usize = 64;

/// The result of the wait.
pub(super) enum Waited {
    /// The directory is free. `None`: there is no usable directory.
    Free(Option<DirectoryLock>),
    /// A signal has ended the wait.
    Ended,
}

/// Takes the lock on the data directory, and waits for it if another process has it.
///
/// # Errors
/// [`StartError`] if the directory, the admin port or the signals cannot be used. I/O errors of `out` are logged.
pub(super) async fn for_directory(
    config: &Config,
    setting: ServeOptions,
    out: &mut impl Write,
) -> Result<Waited, StartError> {
    let busy = match run::lock(config) {
        Ok(lock) => return Ok(Waited::Free(lock)),
        Err(StartError::DirectoryInUse(directory)) => directory,
        Err(error) => return Err(error),
    };
    let drain = Drain::new(Duration::ZERO, Duration::from_secs(1));
    let signals = tokio::spawn(server::signals(&drain)?);
    let port = answer(config, setting, &drain)?;
    if let Err(error) = announce(&busy, port.as_ref().map(|(address, _)| *address), out) {
        tracing::warn!(%error, "writing the start message to the standard output failed");
    }
    let process = DirectoryLock::holder(&busy);
    tracing::warn!(process, "serve: another callsign uses the data directory; waiting for it to end");
    let waited = loop {
        tokio::select! {
            () = drain.begun() => break Waited::Ended,
            () = tokio::time::sleep(ATTEMPT) => {}
        }
        match run::lock(config) {
            Ok(lock) => break Waited::Free(lock),
            Err(StartError::DirectoryInUse(_)) => {}
            Err(error) => return Err(error),
        }
    };
    signals.abort();
    // The second call closes the port at once.
    drain.trigger();
    drain.trigger();
    if let Some((_, serving)) = port {
        let _stopped = serving.await;
    }
    Ok(waited)
}

type Port = (std::net::SocketAddr, tokio::task::JoinHandle<()>);

/// Serves the admin port of a process that waits.
fn answer(config: &Config, setting: ServeOptions, drain: &Drain) -> Result<Option<Port>, StartError> {
    let Some(address) = config.admin.listen else { return Ok(None) };
    let listener = server::bind(address).map_err(StartError::bind("CALLSIGN_ADMIN_LISTEN"))?;
    let address = listener.local_addr()?;
    let connection_limiter = Arc::new(ConnectionLimiter::new(CONNECTIONS, usize::MAX, 0, None));
    let options = Arc::new(Options { timeouts: setting.timeouts, connection_limiter, tls: None });
    let serving = server::serve(TcpListener::from_std(listener)?, NotReady, options, drain.clone());
    Ok(Some((address, tokio::spawn(serving))))
}

fn announce(busy: &Path, admin: Option<std::net::SocketAddr>, out: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    write!(out, "callsign {version} waits: data directory in use{}: {}", by(busy), busy.display())?;
    match admin {
        Some(admin) => writeln!(out, ", admin on http://{admin}")?,
        None => writeln!(out, ", admin off")?,
    }
    out.flush()
}

/// Names the process that has the lock on a directory, if it is known.
fn by(busy: &Path) -> String {
    DirectoryLock::holder(busy).map(|id| format!(" by process {id}")).unwrap_or_default()
}

/// Answers `/healthz` with 200 and everything else with 503.
#[derive(Clone, Copy)]
struct NotReady;

impl Handler for NotReady {
    type Body = Body;

    async fn handle(&self, request: Request<Upload>, _peer: Peer) -> Response<Body> {
        let (status, text) = match request.uri().path() {
            "/healthz" => (StatusCode::OK, "alive\n"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "data directory in use\n"),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response
    }
}
