//! One run: clients, callsign and the chaos upstream.

mod acts;
mod client;
mod faults;
mod program;
mod tally;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use rustls::pki_types::PrivateKeyDer;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use client::Shared;
use program::Program;
use tally::Tally;

/// Concurrent clients.
const CLIENTS: usize = 48;

/// Runs `exchanges` exchanges. Returns the figures and what was wrong.
pub(crate) async fn run(exchanges: u64, seed: u64, has_tls: bool, variables: &[(&str, &str)]) -> (String, Vec<String>) {
    let (acceptor, certificate) = has_tls.then(tls).unzip();
    let tally = Arc::new(Tally::new(exchanges));
    let port = upstream::start(Arc::clone(&tally), acceptor).await;
    let mut program = Program::start(port, certificate.as_deref(), variables);
    let shared = Arc::new(Shared {
        callsign: program.data,
        next: AtomicU64::new(0),
        end: exchanges,
        accounts: Default::default(),
        tally: Arc::clone(&tally),
        seed,
    });
    let (mut clients, began) = (JoinSet::new(), Instant::now());
    for _ in 0..CLIENTS {
        clients.spawn(client::run(Arc::clone(&shared)));
    }
    clients.join_all().await;
    let (text, mut wrong) = tally.report();
    let seconds = began.elapsed().as_secs_f64();
    let text = format!("{text}{exchanges} exchanges in {seconds:.0} s, TLS: {has_tls}, seed {seed}");
    if !program.runs() {
        wrong.push("callsign has ended".to_owned());
    }
    (text, wrong)
}

/// Returns a TLS acceptor and its certificate.
fn tls() -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}
