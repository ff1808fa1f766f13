//! The load generator: connections that send one request after another and read every response to its end.

mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::peers::Peer;
use crate::upstream::content_length;
use crate::workload::Workload;

/// The measurements of one round.
#[derive(Default)]
pub(crate) struct Figures {
    /// Number of completely read responses.
    pub(crate) requests: u64,
    /// Duration of the round.
    pub(crate) elapsed: Duration,
    /// Times from sending a request to the last byte of its response, in microseconds, sorted.
    pub(crate) latencies: Vec<u64>,
    /// Times from sending a request to the first byte of its response, in microseconds, sorted.
    pub(crate) first_bytes: Vec<u64>,
}

impl Figures {
    /// Waits for the connections of a round, and puts their measurements together.
    async fn gather(mut tasks: JoinSet<Self>, began: Instant) -> Self {
        let mut all = Self::default();
        while let Some(figures) = tasks.join_next().await {
            let figures = figures.unwrap();
            all.requests += figures.requests;
            all.latencies.extend(figures.latencies);
            all.first_bytes.extend(figures.first_bytes);
        }
        all.elapsed = began.elapsed();
        all.latencies.sort_unstable();
        all.first_bytes.sort_unstable();
        all
    }

    /// Returns the value below which `share` of `sorted` lies.
    pub(crate) fn quantile(sorted: &[u64], share: f64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((sorted.len() as f64 - 1.0).max(0.0) * share).round() as usize;
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// Sends requests without pauses on every connection, for `length`.
pub(crate) async fn closed_loop(peer: &Peer, workload: &Workload, length: Duration) -> Figures {
    let until = Instant::now() + length;
    load(peer, workload, move |_, _| (Instant::now() < until).then(Instant::now)).await
}

/// Sends `rate` requests a second for `length`, independent of the responses. A request whose connection is busy waits;
/// its latency counts from its due time.
pub(crate) async fn open_loop(peer: &Peer, workload: &Workload, rate: f64, length: Duration) -> Figures {
    let began = Instant::now();
    let connections = workload.connections;
    load(peer, workload, move |connection, sent| {
        #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
        let offset = Duration::from_secs_f64((connection + sent * connections) as f64 / rate);
        (offset < length).then(|| began + offset)
    })
    .await
}

/// Runs all connections of a workload. `due` returns the time of a connection's next request, from the connection's
/// number and the number of requests that it has sent; `None` ends the connection.
async fn load(
    peer: &Peer,
    workload: &Workload,
    due: impl Fn(usize, usize) -> Option<Instant> + Clone + Send + Sync + 'static,
) -> Figures {
    if workload.http2 {
        return http2::load(peer, workload, due).await;
    }
    let began = Instant::now();
    let request: Arc<[u8]> = workload.request(&peer.credential, &peer.headers).into();
    let address = peer.listen.http1;
    let mut tasks = JoinSet::new();
    for number in 0..workload.connections {
        let (request, due) = (Arc::clone(&request), due.clone());
        tasks.spawn(async move { connection(address, &request, |sent| due(number, sent)).await });
    }
    Figures::gather(tasks, began).await
}

async fn connection(address: SocketAddr, request: &[u8], due: impl Fn(usize) -> Option<Instant>) -> Figures {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut figures = Figures::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut sent = 0;
    while let Some(at) = due(sent) {
        if at > Instant::now() {
            tokio::time::sleep_until(at.into()).await;
        }
        stream.write_all(request).await.unwrap();
        let first = read_answer(&mut stream, &mut buffer, at).await;
        figures.first_bytes.push(micros(first));
        figures.latencies.push(micros(at.elapsed()));
        figures.requests += 1;
        sent += 1;
    }
    figures
}

/// Reads one response to its end; returns the time to its first byte.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8], sent: Instant) -> Duration {
    let mut first = None;
    let mut head = Vec::new();
    let mut has_head = false;
    // The bytes that the response still lacks. A chunked one ends with its last chunk instead.
    let mut left = None;
    let mut tail = Vec::new();
    loop {
        let read = stream.read(buffer).await.unwrap();
        assert!(read > 0, "the proxy closed the connection: {}", String::from_utf8_lossy(&head));
        let first = *first.get_or_insert_with(|| sent.elapsed());
        let bytes = &buffer[..read];
        tail.extend_from_slice(&bytes[bytes.len().saturating_sub(5)..]);
        tail.drain(..tail.len().saturating_sub(5));
        if let Some(left) = &mut left {
            *left -= read;
        } else if !has_head {
            head.extend_from_slice(bytes);
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
                assert!(text.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(&head));
                has_head = true;
                if !text.contains("transfer-encoding: chunked") {
                    left = Some(end + 4 + content_length(&text) - head.len());
                }
            }
        }
        if left == Some(0) || (has_head && left.is_none() && tail == b"0\r\n\r\n") {
            return first;
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
