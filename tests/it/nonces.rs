//! The short form of `tests/nonces/`: no client gets a byte of another client's answer.

#[path = "../nonces/run.rs"]
mod run;

/// Exchanges without and with TLS.
const EXCHANGES: [(u64, bool); 2] = [(15_000, false), (5_000, true)];

#[tokio::test(flavor = "multi_thread")]
async fn no_client_gets_a_foreign_nonce() {
    for (exchanges, has_tls) in EXCHANGES {
        let (text, wrong) = run::run(exchanges, 1, has_tls, &[("CALLSIGN_UPSTREAM_POOL", "inline")]).await;
        println!("{text}");
        assert_eq!(wrong, [""; 0]);
    }
}
