//! Raw connections to a server, for bytes that HTTP clients do not send.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// Writes `bytes` and reads until the server closes (or resets) the connection.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut peer = Peer::connect(address).await;
    // The server may answer before it has read everything; the test looks at its answer.
    let _ = peer.send(bytes).await;
    peer.read_to_close().await
}

/// A raw connection.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: TcpStream,
    seen: Vec<u8>,
}

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let socket = within("a connection", TcpStream::connect(address)).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, seen: Vec::new() }
    }

    /// Wraps an open connection.
    pub(crate) fn of(socket: TcpStream) -> Self {
        Self { socket, seen: Vec::new() }
    }

    /// Connects with the smallest receive buffer, so that the server soon blocks when the test does not read.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        let socket = within("a connection", socket.connect(address)).await.unwrap();
        Self { socket, seen: Vec::new() }
    }

    /// Writes all of `bytes`, or as much as the server takes before it closes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("the server to read", self.socket.write_all(bytes)).await
    }

    /// Reads until `wanted` has arrived and returns all bytes of this connection. Fails the test at a close.
    pub(crate) async fn read_until(&mut self, wanted: &[u8]) -> &[u8] {
        while memchr::memmem::find(&self.seen, wanted).is_none() {
            let more = self.read().await;
            assert!(more > 0, "closed before {:?}: {:?}", lossy(wanted), lossy(&self.seen));
        }
        &self.seen
    }

    /// Reads until the server closes or resets the connection and returns all its bytes.
    pub(crate) async fn read_to_close(mut self) -> Vec<u8> {
        while self.read().await > 0 {}
        self.seen
    }

    /// Reads once. Returns true if any bytes arrived.
    pub(crate) async fn hears_something(&mut self) -> bool {
        self.read().await > 0
    }

    /// Closes the sending half of the connection.
    pub(crate) async fn half_close(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Closes with a reset, which is not a clean end.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    /// Reads once. Returns 0 if the server has closed or reset the connection.
    async fn read(&mut self) -> usize {
        within("bytes, or a close", self.socket.read_buf(&mut self.seen)).await.unwrap_or(0)
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
