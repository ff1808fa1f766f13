//! An HTTP/1.1 client for callsign's own ports, with one connection per request.
//!
//! It does not verify TLS certificates, so it must be used only with an address at which callsign itself listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A port of callsign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    tls: bool,
}

/// An error that leaves a request without a response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The TCP connection or the TLS handshake failed.
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    /// The connection broke, or its peer does not speak HTTP/1.1.
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    /// The TLS library refused its default settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Port {
    /// Creates a handle to the port that listens at `address`. Loopback replaces an unspecified address (`0.0.0.0`,
    /// `[::]`).
    pub(crate) fn new(mut address: SocketAddr, tls: bool) -> Self {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Self { address, tls }
    }

    /// Sends a request and returns the complete response. The request needs an origin-form target and a `host` header.
    /// There is no timeout; the caller sets one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn send(self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, ClientError> {
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        if self.tls {
            let name = ServerName::IpAddress(self.address.ip().into());
            exchange(TokioIo::new(connector()?.connect(name, socket).await?), request).await
        } else {
            exchange(TokioIo::new(socket), request).await
        }
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

async fn exchange(
    io: impl Read + Write + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, ClientError> {
    let (mut sender, connection) = http1::handshake(io).await?;
    let mut tasks = tokio::task::JoinSet::new();
    // `send_request` and `collect` report the error of the connection too.
    tasks.spawn(async { connection.await.unwrap_or_default() });
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

/// Creates a TLS client that accepts every certificate.
fn connector() -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Accepts every certificate. callsign's certificate is for a DNS name, and this client connects to an IP address.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
