//! How soon the upstream learns that a client has left.

use std::time::{Duration, Instant};

use callsign::standin::StandIn;
use serde_json::json;

use crate::support::peer::Peer;
use crate::support::proxy::{APP_KEY, Callsign, Setup};
use crate::support::within;

/// What the contract's "at once" means here.
const SOON: Duration = Duration::from_millis(100);
const ROUNDS: usize = 15;

/// When a client leaves.
#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeTheUpload,
    DuringTheUpload,
    AfterTheUpload,
    WithinTheAnswer,
}

/// Begins a request and waits until it is where it should be.
async fn begin(callsign: &Callsign, standin: &StandIn, moment: Moment) -> Peer {
    let model = if let Moment::WithinTheAnswer = moment { "standin/hang-after-2" } else { "standin/hang" };
    let body = json!({"model": model, "stream": true}).to_string();
    let (begun, received) = (standin.begun(), standin.received().len());
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
    within("the request", standin.wait_begun(begun + 1)).await;
    match moment {
        Moment::BeforeTheUpload | Moment::DuringTheUpload => {}
        Moment::AfterTheUpload => within("all of the request", standin.wait_received(received + 1)).await,
        Moment::WithinTheAnswer => drop(peer.read_until(b"data: ").await.len()),
    }
    peer
}

#[tokio::test]
async fn the_upstream_learns_within_100_ms_that_a_client_has_left() {
    let standin = StandIn::start().await.unwrap();
    let callsign = Setup::to(&standin.url()).streaming().start();
    for moment in [Moment::BeforeTheUpload, Moment::DuringTheUpload, Moment::AfterTheUpload, Moment::WithinTheAnswer] {
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let peer = begin(&callsign, &standin, moment).await;
            let cancelled = standin.cancelled();
            let left = Instant::now();
            if round % 2 == 0 {
                drop(peer);
            } else {
                peer.reset();
            }
            within("the cancellation", standin.wait_cancelled(cancelled + 1)).await;
            took.push(left.elapsed());
        }
        took.sort();
        // The machine may be busy with something else for a while, but not most of the time.
        let (median, longest) = (took[ROUNDS / 2], took[ROUNDS - 1]);
        assert!(median <= SOON, "{moment:?}: {took:?}");
        println!("client gone {moment:?}: {ROUNDS} times, median {median:?}, longest {longest:?}");
    }
    assert_eq!(standin.cancelled(), 4 * ROUNDS);
}
