//! The chaos upstream: answers each request with its nonce in head and body, and with the fault that it asks for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::acts::act;
use super::faults::Fault;
use super::tally::{Tally, number};

/// Starts an upstream, with TLS if there is an acceptor. Returns its port.
pub(crate) async fn start(tally: Arc<Tally>, tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            socket.set_nodelay(true).unwrap();
            let (tally, tls) = (Arc::clone(&tally), tls.clone());
            tally.connections.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                // Most faults end the connection.
                let _ended = match tls {
                    None => Peer::new(socket, &tally).serve().await,
                    Some(tls) => match tls.accept(socket).await {
                        Ok(stream) => Peer::new(stream, &tally).serve().await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    });
    port
}

/// One connection.
pub(crate) struct Peer<'a, S> {
    pub(crate) stream: S,
    seen: Vec<u8>,
    tally: &'a Tally,
}

/// The length of a body.
#[derive(Clone, Copy)]
enum Length {
    Known(usize),
    Chunked,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Peer<'a, S> {
    fn new(stream: S, tally: &'a Tally) -> Self {
        Self { stream, seen: Vec::new(), tally }
    }

    async fn serve(mut self) -> io::Result<()> {
        loop {
            let head = self.take_until(b"\r\n\r\n").await?;
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            let mut words = line.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if !["GET", "HEAD", "POST"].contains(&method) || !path.starts_with("/api/v1/") {
                self.tally.wrong(format!("no request: {}", head.escape_ascii()));
                return Ok(());
            }
            let (number, fault, rest) = if method == "POST" {
                let length = length(&head);
                let (number, fault) = self.mark().await?;
                (number, fault, Some(length))
            } else {
                let name = path.split('/').nth(4).and_then(Fault::find);
                let Some((number, fault)) = number(path.as_bytes()).zip(name) else {
                    self.tally.wrong(format!("no nonce in {path}"));
                    return Ok(());
                };
                (number, fault, None)
            };
            self.tally.arrived(number);
            if let Some(length) = rest.filter(|_| !fault.is_early()) {
                self.skip(length).await?;
            }
            let goes_on = act(&mut self, number, fault).await;
            self.tally.ended(number);
            if !goes_on? {
                return Ok(());
            }
            if let Some(length) = rest.filter(|_| fault.is_early()) {
                self.skip(length).await?;
            }
        }
    }

    /// Reads until the nonce and the fault at the beginning of a body, which stay unread.
    async fn mark(&mut self) -> io::Result<(u64, Fault)> {
        loop {
            let fault = memchr::memmem::find(&self.seen, b"\"fault\":\"").and_then(|at| {
                let rest = &self.seen[at + 9..];
                let end = rest.iter().position(|byte| *byte == b'"')?;
                Fault::find(std::str::from_utf8(&rest[..end]).ok()?)
            });
            if let Some(mark) = number(&self.seen).zip(fault) {
                return Ok(mark);
            }
            self.more().await?;
        }
    }

    async fn skip(&mut self, length: Length) -> io::Result<()> {
        match length {
            Length::Known(bytes) => self.take(bytes).await,
            Length::Chunked => loop {
                let size = self.take_until(b"\r\n").await?;
                let size = std::str::from_utf8(&size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
                let Some(size) = size else {
                    self.tally.wrong("an upload with a bad chunk".to_owned());
                    return Err(io::ErrorKind::InvalidData.into());
                };
                self.take(size + 2).await?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.seen).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn take(&mut self, bytes: usize) -> io::Result<()> {
        while self.seen.len() < bytes {
            self.more().await?;
        }
        self.seen.drain(..bytes);
        Ok(())
    }

    async fn take_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.seen, end) {
                let taken = self.seen[..at].to_vec();
                self.seen.drain(..at + end.len());
                return Ok(taken);
            }
            self.more().await?;
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits until callsign closes the connection, and reads what it sends.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        loop {
            self.more().await?;
        }
    }
}

/// Returns the length of the body. callsign writes one of the two headers.
fn length(head: &[u8]) -> Length {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.map_or(Length::Chunked, Length::Known)
}
