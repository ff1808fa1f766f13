//! Serves the mock OpenRouter on free ports, for tests that are not written in Rust.
//!
//! The first line on standard output is `UPSTREAM_URL CONTROL_URL`. The first URL is for `CALLSIGN_UPSTREAM_URL`. The
//! second one answers:
//!
//! | call | response |
//! |---|---|
//! | `GET /received?after=N` | all completely received requests after the first N, and the responses to them |
//! | `GET /cancelled?count=N` | waits until the client has cancelled N requests, then returns their number |
//!
//! The program ends when its standard input ends, so that it does not outlive the test that started it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use mock_openrouter::{MockServer, Received};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "the control port is for one test on the loopback")]
async fn main() -> anyhow::Result<()> {
    let mock = Arc::new(MockServer::start().await?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "{} http://{}", mock.url(), listener.local_addr()?)?;
    let calls = Router::new().route("/received", get(received)).route("/cancelled", get(cancelled)).with_state(mock);
    tokio::select! {
        served = axum::serve(listener, calls) => served?,
        ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())) => drop(ended?),
    }
    Ok(())
}

type Parameters = Query<HashMap<String, usize>>;

async fn received(State(mock): State<Arc<MockServer>>, Query(query): Parameters) -> Json<Vec<Value>> {
    let after = query.get("after").copied().unwrap_or(0);
    Json(mock.received().iter().skip(after).map(|received| describe(&mock, received)).collect())
}

async fn cancelled(State(mock): State<Arc<MockServer>>, Query(query): Parameters) -> Json<Value> {
    mock.wait_cancelled(query.get("count").copied().unwrap_or(0)).await;
    Json(json!({"cancelled": mock.cancelled()}))
}

fn describe(mock: &MockServer, received: &Received) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = received.headers.iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]));
    let sent = mock.sent(received.number).map(|sent| json!({"status": sent.status.as_u16(), "text": text(&sent.body)}));
    json!({
        "method": received.method.as_str(), "path": received.path, "query": received.query,
        "headers": headers.collect::<Vec<_>>(), "text": text(&received.body), "body": received.json(), "sent": sent,
    })
}
