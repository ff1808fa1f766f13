//! The accept loop of one listener.
//!
//! It accepts connections within the connection limit, pauses and retries when no file descriptor is left, and stops
//! when the drain closes the listener.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::Drain;
use super::connection::ConnectionServer;
use super::connection_limiter::{Admission, ConnectionLimiter, ConnectionPermit};
use super::handler::{Handler, Options};

/// The pause after the first failed accept. It doubles with each further failure, up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Minimum time between two warnings about a lasting problem.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts and serves until `drain` closes the listener, then waits for the connections until the drain is over.
pub(super) async fn run<H: Handler>(listener: TcpListener, handler: H, options: Arc<Options>, drain: Drain) {
    let server = Arc::new(ConnectionServer::new(handler, options.timeouts, drain.clone()));
    let mut connections = JoinSet::new();
    accept_until_closing(&listener, &server, &options, &drain, &mut connections).await;
    for (stream, address) in queued(listener) {
        match options.connection_limiter.enter_now(address.ip()) {
            Admission::Granted(permit) => spawn(&mut connections, &server, &options, stream, address, permit),
            Admission::Closed => {}
            Admission::Full => break,
        }
    }
    server.close();
    tokio::select! {
        () = async { while let Some(end) = connections.join_next().await { log_panic(end); } } => {}
        () = drain.over() => {}
    }
    if !connections.is_empty() {
        // A second signal has its own message. The end of a self-test has none.
        if !drain.is_stopped() {
            tracing::warn!(connections = connections.len(), "drain timeout reached; closing open connections");
        }
        connections.shutdown().await;
    }
}

async fn accept_until_closing<H: Handler>(
    listener: &TcpListener,
    server: &Arc<ConnectionServer<H>>,
    options: &Options,
    drain: &Drain,
    connections: &mut JoinSet<()>,
) {
    let mut closing = pin!(drain.closing());
    let mut backoff = AcceptBackoff::default();
    loop {
        let (stream, address) = tokio::select! {
            () = &mut closing => return,
            Some(end) = connections.join_next() => {
                log_panic(end);
                continue;
            }
            accepted = accept(listener, &mut backoff) => accepted,
        };
        // The permit is taken after the accept: an idle listener that already has one would take it from the others.
        let permit = tokio::select! {
            () = &mut closing => return,
            permit = permit(&options.connection_limiter, address, &mut backoff) => permit,
        };
        if let Some(permit) = permit {
            spawn(connections, server, options, stream, address, permit);
        }
    }
}

fn spawn<H: Handler>(
    connections: &mut JoinSet<()>,
    server: &Arc<ConnectionServer<H>>,
    options: &Options,
    stream: TcpStream,
    address: SocketAddr,
    permit: ConnectionPermit,
) {
    let server = server.clone();
    // Two task types, so that a plain connection's task does not have the size of a TLS one.
    match options.tls.clone() {
        None => connections.spawn(async move {
            server.serve(stream, address, permit.shed).await;
            drop(permit);
        }),
        Some(tls) => connections.spawn(async move {
            server.serve_tls(stream, address, permit.shed, tls).await;
            drop(permit);
        }),
    };
}

/// Accepts the connections in the listener's queue, which the kernel would reset on close. Then closes the listener.
fn queued(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // tokio's accept polls the socket only after an event. The std accept polls at once; the socket is non-blocking.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, address) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, address))
    })
}

/// Logs a connection task that panicked. The server keeps running.
fn log_panic(end: Result<(), JoinError>) {
    if let Err(error) = end {
        tracing::error!(%error, "connection task panicked");
    }
}

async fn permit(
    connection_limiter: &Arc<ConnectionLimiter>,
    address: SocketAddr,
    backoff: &mut AcceptBackoff,
) -> Option<ConnectionPermit> {
    if connection_limiter.is_full() && backoff.should_log() {
        tracing::warn!("connection limit (max_connections) reached; refusing new connections");
    }
    connection_limiter.enter(address.ip()).await
}

/// Returns the next connection. Cancel-safe: no accepted connection is lost.
async fn accept(listener: &TcpListener, backoff: &mut AcceptBackoff) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                backoff.reset();
                return accepted;
            }
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                let pause = backoff.pause();
                if backoff.should_log() {
                    tracing::warn!(%error, "cannot accept connections; retrying");
                }
                sleep(pause).await;
            }
        }
    }
}

/// Returns true if the error is that of one connection that failed in the queue (see accept(2)), not of the listener.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The accept loop's pause after an error, and the time of its last warning.
#[derive(Debug, Default)]
struct AcceptBackoff {
    pause: Duration,
    last_logged: Option<Instant>,
}

impl AcceptBackoff {
    /// Returns the time to wait before the next try: twice the previous pause.
    fn pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        self.pause
    }

    /// Resets the pause after a successful accept.
    fn reset(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// Returns true at most once per [`LOG_INTERVAL`].
    fn should_log(&mut self) -> bool {
        let due = self.last_logged.is_none_or(|last_logged| last_logged.elapsed() >= LOG_INTERVAL);
        if due {
            self.last_logged = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_second_and_warnings_are_rare() {
        let mut backoff = AcceptBackoff::default();
        let (mut pauses, mut warnings) = (Vec::new(), 0);
        for _ in 0..20 {
            let pause = backoff.pause();
            pauses.push(pause.as_millis());
            warnings += usize::from(backoff.should_log());
            sleep(pause).await;
        }
        assert_eq!(pauses[..9], [5, 10, 20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(pauses[19], 1000);
        assert_eq!(warnings, 2, "warnings within 12 s");
        backoff.reset();
        assert_eq!(backoff.pause(), FIRST_PAUSE);
    }

    #[tokio::test]
    async fn queued_connections_are_accepted_before_the_listener_closes() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut addresses: Vec<_> = queued(listener).map(|(_, address)| address).collect();
        addresses.sort();
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        expected.sort();
        assert_eq!(addresses, expected);
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn only_errors_of_a_single_connection_are_skipped_without_a_pause() {
        let (aborted, too_many_files, out_of_memory) = (103, 24, 12);
        assert!(is_connection_error(&io::Error::from_raw_os_error(aborted)));
        assert!(!is_connection_error(&io::Error::from_raw_os_error(too_many_files)));
        assert!(!is_connection_error(&io::Error::from_raw_os_error(out_of_memory)));
    }
}
