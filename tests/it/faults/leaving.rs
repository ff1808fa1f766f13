//! The time until the upstream learns that a client has left.

use std::time::{Duration, Instant};

use mock_openrouter::MockServer;
use serde_json::json;

use crate::support::peer::Peer;
use crate::support::proxy::{APP_KEY, Callsign, Setup};
use crate::support::within;

/// The longest median delay that counts as "at once" (docs/SPEC.md#clients-that-leave).
const SOON: Duration = Duration::from_millis(100);
const ROUNDS: usize = 15;

/// The moment at which a client leaves.
#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeTheUpload,
    DuringTheUpload,
    AfterTheUpload,
    WithinTheAnswer,
}

/// Starts a request and waits until it has reached this moment.
async fn begin(callsign: &Callsign, mock: &MockServer, moment: Moment) -> Peer {
    let model = if let Moment::WithinTheAnswer = moment { "mock/hang-after-2" } else { "mock/hang" };
    let body = json!({"model": model, "stream": true}).to_string();
    let (begun, received) = (mock.begun(), mock.received().len());
    let mut peer = Peer::connect(callsign.address()).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {APP_KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let sent = match moment {
        Moment::BeforeTheUpload => "",
        Moment::DuringTheUpload => &body[..10],
        Moment::AfterTheUpload | Moment::WithinTheAnswer => &body,
    };
    peer.send(format!("{head}{sent}").as_bytes()).await.unwrap();
    within("the request", mock.wait_begun(begun + 1)).await;
    match moment {
        Moment::BeforeTheUpload | Moment::DuringTheUpload => {}
        Moment::AfterTheUpload => within("all of the request", mock.wait_received(received + 1)).await,
        Moment::WithinTheAnswer => drop(peer.read_until(b"data: ").await.len()),
    }
    peer
}

#[tokio::test]
async fn the_upstream_learns_within_100_ms_that_a_client_has_left() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).streaming().start();
    for moment in [Moment::BeforeTheUpload, Moment::DuringTheUpload, Moment::AfterTheUpload, Moment::WithinTheAnswer] {
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let peer = begin(&callsign, &mock, moment).await;
            let cancelled = mock.cancelled();
            let left = Instant::now();
            if round % 2 == 0 {
                drop(peer);
            } else {
                peer.reset();
            }
            within("the cancellation", mock.wait_cancelled(cancelled + 1)).await;
            took.push(left.elapsed());
        }
        took.sort();
        // The median ignores moments in which the machine is busy with other work.
        let (median, longest) = (took[ROUNDS / 2], took[ROUNDS - 1]);
        assert!(median <= SOON, "{moment:?}: {took:?}");
        println!("client gone {moment:?}: {ROUNDS} times, median {median:?}, longest {longest:?}");
    }
    assert_eq!(mock.cancelled(), 4 * ROUNDS);
}
