//! Creates listening sockets, and computes the connection limit from the process's file descriptor limit.
//!
//! This module neither accepts nor serves connections.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::Timeouts;

/// Connections that the kernel completes and queues while the accept loop is busy.
const BACKLOG: i32 = 4096;

/// Silence on a connection before the first TCP keep-alive probe. Probes detect a client that vanished while a model
/// thinks.
const PROBE_AFTER: Duration = Duration::from_mins(1);

/// The pause between two TCP keep-alive probes.
const PROBE_EVERY: Duration = Duration::from_secs(15);

/// The largest connection limit, whatever the descriptor limit: one upstream address has no more local ports than this.
const MAX_CONNECTIONS: usize = 65_536;

/// The smallest connection limit, however low the descriptor limit is.
const MIN_CONNECTIONS: usize = 8;

/// An address on which callsign cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The configured address.
    pub address: SocketAddr,
    source: io::Error,
}

/// Binds one listener, without `SO_REUSEPORT`. Port 0 picks a free port.
///
/// # Errors
///
/// [`BindError`] if the address is in use, not local or not permitted.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address, false).map_err(|source| BindError { address, source })
}

/// Binds `count` listeners (at least one) to one address, one per runtime thread. The kernel spreads the connections
/// over them (`SO_REUSEPORT`). Port 0 picks one free port for all.
///
/// # Errors
///
/// [`BindError`] if the address is in use, also by another callsign. `SO_REUSEPORT` alone would let two processes share
/// a port silently, so a bind without it is tried first.
pub fn bind_shared(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    share(address, count).map_err(|source| BindError { address, source })
}

fn share(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    if address.port() != 0 {
        drop(listen(address, false)?);
    }
    let first = listen(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    while listeners.len() < count {
        listeners.push(listen(address, true)?);
    }
    Ok(listeners)
}

/// Creates a listener. Accepted connections inherit its socket options, which saves system calls.
fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restart would wait until the previous run's connections leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    // Without it the last small chunk of a burst waits for the client's delayed ACK (40 ms).
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY))?;
    // Cuts a client that takes none of the bytes in the kernel's buffer. `WriteTimeout` covers the bytes before that.
    socket.set_tcp_user_timeout(Some(Timeouts::default().download.idle))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Raises the soft limit of open files to the hard limit and returns how many client connections fit under it.
///
/// Each client connection may need an upstream connection, and a reserve stays for files, listeners and callsign's own
/// requests. A limit that cannot be read counts as 1024, the usual soft limit.
pub fn connection_cap() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot raise the open files limit (RLIMIT_NOFILE)");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1024)
    });
    cap_for(files)
}

fn cap_for(files: u64) -> usize {
    let reserve = (files / 8).clamp(64, 1024);
    let pairs = files.saturating_sub(reserve) / 2;
    usize::try_from(pairs).unwrap_or(MAX_CONNECTIONS).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn an_address_in_use_is_an_error_that_names_it() {
        let alone = bind(ANY).unwrap().local_addr().unwrap();
        let listeners = bind_shared(ANY, 3).unwrap();
        let taken = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == taken));
        assert_ne!(alone, taken);
        for error in [bind(taken).unwrap_err(), bind_shared(taken, 3).unwrap_err()] {
            assert_eq!(error.address, taken);
            assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
        }
    }

    #[test]
    fn accepted_connections_inherit_the_options() {
        let listener = Socket::from(bind(ANY).unwrap());
        assert!(listener.reuse_address().unwrap(), "a restart does not wait for TIME_WAIT");
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap().as_socket().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_mins(1)));
    }

    #[test]
    fn the_cap_leaves_room_for_the_upstream_and_for_files() {
        for (files, cap) in [(0, 8), (256, 96), (1024, 448), (65_536, 32_256), (u64::MAX, 65_536)] {
            assert_eq!(cap_for(files), cap, "{files} files");
        }
        assert!(connection_cap() >= MIN_CONNECTIONS);
    }
}
