//! A mock upstream that reads a request to its end and answers at once; the `accept` header selects the response. It
//! uses no HTTP library, so that it costs little CPU.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Connections that the kernel queues. All proxies open up to 2,000 at once.
const BACKLOG: u32 = 4096;
/// Number of chunks of a burst.
const BURST: usize = 200;
/// Number of chunks of a paced stream, and the pause before each.
const PACED: (usize, Duration) = (40, Duration::from_millis(25));

/// An upstream that proxies connect to.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The PEM file of its certificate, if it uses TLS.
    pub(crate) certificate: Option<PathBuf>,
}

impl Target {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }
}

/// Starts the upstream on a free port, as a task of this runtime.
pub(crate) fn start() -> Target {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(serve(stream));
        }
    });
    Target { address, certificate: None }
}

/// Starts the upstream with TLS, and writes its certificate into `directory`.
pub(crate) fn start_tls(directory: &Path) -> Target {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = directory.join("upstream.pem");
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    Target { address, certificate: Some(certificate) }
}

/// Listens on a free port.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(BACKLOG).unwrap()
}

fn plain() -> Vec<u8> {
    let body = format!(
        r#"{{"id":"gen-1","object":"chat.completion","created":1790000000,"model":"m","choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant","content":"{}"}}}}],"usage":{{"prompt_tokens":200,"completion_tokens":100,"total_tokens":300,"cost":0.00042}}}}"#,
        "a".repeat(700)
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Returns one server-sent event in one HTTP chunk.
fn chunk() -> Vec<u8> {
    let event = format!(
        "data: {{\"id\":\"gen-1\",\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "token ".repeat(20)
    );
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

/// Returns the `content-length` of a lower-cased message head; 0 without one, as in requests for the catalogue.
pub(crate) fn content_length(head: &str) -> usize {
    let value = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    value.map_or(0, |value| value.parse().unwrap())
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let (plain, chunk) = (plain(), chunk());
    let mut buffer = Vec::with_capacity(256 * 1024);
    let mut scratch = vec![0; 256 * 1024];
    loop {
        let head = loop {
            if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(read) => buffer.extend_from_slice(&scratch[..read]),
            }
        };
        let (length, (sse, paced)) = {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = content_length(&text);
            (length, (text.contains("text/event-stream"), text.contains(";paced")))
        };
        let mut left = (head + length).saturating_sub(buffer.len());
        while left > 0 {
            match stream.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
        buffer.clear();
        let sent = match (sse, paced) {
            (false, _) => answer_plain(&mut stream, &plain).await,
            (true, false) => answer_stream(&mut stream, &chunk, (BURST, Duration::ZERO)).await,
            (true, true) => answer_stream(&mut stream, &chunk, PACED).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Writes an answer. TLS needs the flush.
async fn answer_plain(stream: &mut (impl AsyncWrite + Unpin), plain: &[u8]) -> std::io::Result<()> {
    stream.write_all(plain).await?;
    stream.flush().await
}

async fn answer_stream(
    stream: &mut (impl AsyncWrite + Unpin),
    chunk: &[u8],
    (chunks, gap): (usize, Duration),
) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    for _ in 0..chunks {
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
        stream.write_all(chunk).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await
}
