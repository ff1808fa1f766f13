//! Serves the stand-in OpenRouter on ports of the system's choice, for tests that are not written in Rust.
//!
//! The first line on standard output is `UPSTREAM_URL CONTROL_URL`. The first belongs into `CALLSIGN_UPSTREAM_URL`; under
//! the second it tells what arrived:
//!
//! | call | answer |
//! |---|---|
//! | `GET /received?after=N` | every request that has arrived whole, but for the first N: method, path, query, headers, body, and what was sent back |
//! | `GET /cancelled?count=N` | waits until N requests have been given up by the client, then says how many |
//!
//! It ends when its standard input does, so that it never outlives the test that started it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use callsign::standin::{Received, StandIn};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "the control port is for one test on the loopback")]
async fn main() -> anyhow::Result<()> {
    let standin = Arc::new(StandIn::start().await?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "{} http://{}", standin.url(), listener.local_addr()?)?;
    let calls = Router::new().route("/received", get(received)).route("/cancelled", get(cancelled)).with_state(standin);
    tokio::select! {
        served = axum::serve(listener, calls) => served?,
        ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())) => drop(ended?),
    }
    Ok(())
}

type Asked = Query<HashMap<String, usize>>;

async fn received(State(standin): State<Arc<StandIn>>, Query(asked): Asked) -> Json<Vec<Value>> {
    let after = asked.get("after").copied().unwrap_or(0);
    Json(standin.received().iter().skip(after).map(|received| told(&standin, received)).collect())
}

async fn cancelled(State(standin): State<Arc<StandIn>>, Query(asked): Asked) -> Json<Value> {
    standin.wait_cancelled(asked.get("count").copied().unwrap_or(0)).await;
    Json(json!({"cancelled": standin.cancelled()}))
}

fn told(standin: &StandIn, received: &Received) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = received.headers.iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]));
    let sent =
        standin.sent(received.number).map(|sent| json!({"status": sent.status.as_u16(), "text": text(&sent.body)}));
    json!({
        "method": received.method.as_str(), "path": received.path, "query": received.query,
        "headers": headers.collect::<Vec<_>>(), "text": text(&received.body), "body": received.json(), "sent": sent,
    })
}
