//! Callers: people who are blocked and unblocked, and spenders who exhaust their budgets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::PEOPLE;
use crate::board::Board;
use crate::cluster::NODES;
use crate::support::proxy::APP_KEY;

/// Users with a budget.
pub(crate) const SPENDERS: usize = 3;
/// Concurrent requests of a spender.
pub(crate) const AT_A_TIME: usize = 2;
/// A request reserves this many nano-dollars (`limits.estimate_usd`), and costs less.
pub(crate) const RESERVED: u64 = 10_000_000;
/// Maximum wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole answer arrived.
    Complete,
    /// callsign refused the request with this status, or did not accept a connection (0).
    Refused(u16),
    /// The connection broke, so that the request may have been served.
    Broken,
}

/// Returns a random number below `most`. The seed does not repeat the callers' numbers.
fn random(most: u64) -> u64 {
    u64::from(getrandom::u32().unwrap()) % most
}

/// Starts all callers. They run until the board says that the round is over.
pub(crate) fn start_all(board: &Arc<Board>) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for person in 0..PEOPLE {
        callers.spawn(person_calls(Arc::clone(board), person));
    }
    for number in 0..SPENDERS * AT_A_TIME {
        callers.spawn(spender_calls(Arc::clone(board), number));
    }
    callers
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(50 + random(100))).await;
}

async fn person_calls(board: Arc<Board>, person: usize) {
    let user = person_id(person);
    for number in 0.. {
        pause().await;
        if board.is_over() {
            return;
        }
        let node = usize::try_from(random(NODES as u64)).unwrap();
        let Some(address) = board.address(node) else { continue };
        let (before, began) = (board.enforced(person), Instant::now());
        let end = call(&board, address, &user, &format!("{user}.{number}"), "mock/echo").await;
        board.judge((person, node), before, began, end == End::Complete);
    }
}

async fn spender_calls(board: Arc<Board>, number: usize) {
    let user = spender_id(number % SPENDERS);
    for turn in 0.. {
        pause().await;
        if board.is_over() {
            return;
        }
        let node = usize::try_from(random(NODES as u64)).unwrap();
        let Some(address) = board.address(node) else { continue };
        let model = format!("mock/cost-{}", 1 + random(RESERVED - 1));
        call(&board, address, &user, &format!("{user}.{number}.{turn}"), &model).await;
    }
}

pub(crate) fn person_id(person: usize) -> String {
    format!("person-{person}")
}

pub(crate) fn spender_id(spender: usize) -> String {
    format!("spender-{spender}")
}

/// Sends a request and records its end.
pub(crate) async fn call(board: &Board, address: SocketAddr, user: &str, message: &str, model: &str) -> End {
    let end = tokio::time::timeout(PATIENCE, send(address, user, message, model)).await;
    let end = end.ok().flatten().unwrap_or(End::Broken);
    let mut seen = board.seen();
    seen.requests += 1;
    match end {
        End::Complete => seen.finished.push((message.to_owned(), Instant::now())),
        End::Broken => *seen.broken.entry(user.to_owned()).or_default() += 1,
        End::Refused(429) => *seen.over_budget.entry(user.to_owned()).or_default() += 1,
        End::Refused(_) => {}
    }
    end
}

async fn send(address: SocketAddr, user: &str, message: &str, model: &str) -> Option<End> {
    let request = Request::post("/v1/chat/completions")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {APP_KEY}"))
        .header("content-type", "application/json")
        .header("x-user-id", user)
        .header("x-message-id", message)
        .body(Full::new(Bytes::from(format!(r#"{{"model":"{model}","messages":[]}}"#))))
        .unwrap();
    let Ok(socket) = TcpStream::connect(address).await else { return Some(End::Refused(0)) };
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.ok()?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let is_refused = answer.headers().contains_key("x-callsign-error");
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        if is_refused {
            return Some(End::Refused(status));
        }
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        Some(End::Complete)
    };
    let end = answer.await;
    connection.abort();
    end
}
