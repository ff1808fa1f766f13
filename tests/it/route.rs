//! Routes to the upstream: proxies (`HTTP_PROXY` and similar variables) and additional root certificates
//! (`SSL_CERT_FILE`). callsign reads these from its environment, so it runs as a process here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::client;
use crate::support::program::{Server, Variables, file};
use crate::support::proxy::{ALICE, ALICE_KEY};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";

/// The request heads that a listener has read.
#[derive(Clone, Default)]
pub(crate) struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Reads a head byte by byte, so that bytes after it stay unread.
async fn head(stream: &mut (impl AsyncRead + Unpin), heads: &Heads) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => return String::new(),
        }
    }
    let text = String::from_utf8(text).unwrap().to_ascii_lowercase();
    heads.0.lock().unwrap().push(text.clone());
    text
}

/// Answers one request and waits until the peer closes.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads) {
    if !head(&mut stream, &heads).await.is_empty() {
        stream.write_all(ANSWER).await.unwrap();
        let _rest = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// Starts a TLS upstream with a self-signed certificate; returns its address, heads and certificate.
pub(crate) async fn tls_upstream() -> (SocketAddr, Heads, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, seen).await;
                }
            });
        }
    });
    (address, heads, made.cert.pem())
}

/// Starts a proxy that opens tunnels for CONNECT and answers plain requests itself.
async fn http_proxy() -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let asked = head(&mut stream, &seen).await;
                if let Some(rest) = asked.strip_prefix("connect ") {
                    let mut target = TcpStream::connect(rest.split(' ').next().unwrap()).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
                } else if !asked.is_empty() {
                    stream.write_all(ANSWER).await.unwrap();
                    let _rest = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    (address, heads)
}

async fn ask(upstream: &str, variables: Variables<'_>) -> u16 {
    let keys = format!("alice={ALICE_KEY}");
    let fixed = [
        ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key"),
        ("CALLSIGN_USER_KEYS", &keys),
        ("CALLSIGN_UPSTREAM_URL", upstream),
    ];
    let server = Server::start("serve", &[&fixed, variables].concat()).await;
    let url = format!("http://{}/v1/chat/completions", server.data);
    client::post(&url, ALICE, r#"{"model":"m"}"#).await.status.as_u16()
}

#[tokio::test]
async fn plain_http_is_asked_of_a_forwarding_proxy_with_its_password() {
    let (proxy, heads) = http_proxy().await;
    let through = format!("http://robot:secret@{proxy}");
    assert_eq!(ask("http://upstream.internal/api/v1", &[("HTTP_PROXY", &through)]).await, 200);
    let seen = heads.all();
    assert!(seen[0].starts_with("post http://upstream.internal/api/v1/chat/completions http/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("proxy-authorization: basic cm9ib3q6c2vjcmv0"), "{}", seen[0]);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_sees_nothing_of_it() {
    let (upstream, heads, certificate) = tls_upstream().await;
    let (proxy, tunnelled) = http_proxy().await;
    let roots = file(&certificate);
    let through = format!("http://robot:secret@{proxy}");
    let url = format!("https://localhost:{}/api/v1", upstream.port());
    let variables = [("HTTPS_PROXY", through.as_str()), ("SSL_CERT_FILE", roots.path().to_str().unwrap())];
    assert_eq!(ask(&url, &variables).await, 200);
    let seen = tunnelled.all();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with(&format!("connect localhost:{} ", upstream.port())), "{}", seen[0]);
    assert!(seen[0].contains("proxy-authorization: basic") && !seen[0].contains("sk-or"), "{}", seen[0]);
    let sent = heads.all();
    assert!(sent[0].starts_with("post /api/v1/chat/completions ") && sent[0].contains("bearer sk-or"), "{}", sent[0]);
    assert!(!sent[0].contains("proxy-authorization"), "the proxy's password is for the proxy alone: {}", sent[0]);
}

#[tokio::test]
async fn no_proxy_goes_straight() {
    let (upstream, heads, certificate) = tls_upstream().await;
    let (proxy, tunnelled) = http_proxy().await;
    let roots = file(&certificate);
    let url = format!("https://localhost:{}/api/v1", upstream.port());
    let through = format!("http://{proxy}");
    let variables = [
        ("HTTPS_PROXY", through.as_str()),
        ("NO_PROXY", "localhost"),
        ("SSL_CERT_FILE", roots.path().to_str().unwrap()),
    ];
    assert_eq!(ask(&url, &variables).await, 200);
    assert!(tunnelled.all().is_empty());
    assert_eq!(heads.all().len(), 1);
}

#[tokio::test]
async fn an_upstream_that_nobody_vouches_for_gets_nothing() {
    let (upstream, heads, _) = tls_upstream().await;
    let url = format!("https://localhost:{}/api/v1", upstream.port());
    assert_eq!(ask(&url, &[]).await, 502);
    assert!(heads.all().is_empty());
}
