//! Strict mode: the client cannot know that its answer is complete before the ledger has its row
//! (docs/SPEC.md#strict-mode).
//!
//! The database is locked, so the row goes to the spill file after more than a second. When the end of an answer arrives,
//! the row must be there.

use std::path::Path;

use callsign_core::usage::outcome::Outcome;
use futures_util::{FutureExt, StreamExt, stream};
use http::Method;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tempfile::TempDir;

use crate::support::chaos::{Chaos, Then, When};
use crate::support::client::{self, Headers};
use crate::support::proxy::{ALICE, Callsign, Setup};
use crate::support::rows;

/// A callsign in strict mode whose database is locked.
struct Locked {
    callsign: Callsign,
    directory: TempDir,
    _lock: SqliteConnection,
}

impl Locked {
    async fn start(upstream: &str, toml: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let data = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LEDGER_MODE", "strict")];
        let callsign = Setup::to(upstream).set(&data).set(&[("CALLSIGN_RECONCILE", "off")]).toml(toml).start();
        let lock = lock(&directory.path().join("ledger.db")).await;
        Self { callsign, directory, _lock: lock }
    }

    /// Asserts that there is one row, of a request that has ended in this way.
    async fn assert_row(&self, outcome: Outcome, what: &str) {
        let rows = rows::requests(&self.directory.path().join("ledger-spill.db")).await;
        let ended: Vec<_> = rows.iter().map(|row| row.ended.as_ref().and_then(|ended| ended.outcome)).collect();
        assert_eq!(ended, [Some(outcome)], "{what}");
    }
}

async fn lock(file: &Path) -> SqliteConnection {
    let mut lock = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    lock.execute("BEGIN EXCLUSIVE").await.unwrap();
    lock
}

/// An answer of OpenRouter.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    path: &'static str,
    status: u16,
    headers: &'static str,
    body: &'static str,
    /// The bytes that leave before the row is there; the rest, or the end of the body, is held.
    free: usize,
}

impl Case {
    /// Returns a stream whose held part begins at the last line end of `free`.
    const fn stream(name: &'static str, path: &'static str, body: &'static str, held: usize) -> Self {
        Self { name, path, status: 200, headers: "content-type: text/event-stream\r\n", body, free: body.len() - held }
    }

    const fn plain(name: &'static str, status: u16, headers: &'static str, body: &'static str, held: usize) -> Self {
        Self { name, path: "chat/completions", status, headers, body, free: body.len() - held }
    }
}

const JSON: &str = "content-type: application/json\r\n";

const CASES: [Case; 14] = [
    Case::stream("done", "chat/completions", "data: {\"id\":\"gen-1\"}\n\ndata: [DONE]\n\n", 2),
    Case::stream("done, CR LF", "chat/completions", "data: {\"id\":\"gen-1\"}\r\n\r\ndata: [DONE]\r\n\r\n", 4),
    Case::stream("done, comment after it", "chat/completions", "data: [DONE]\n\n: bye\n\n", 9),
    Case::stream("error event", "chat/completions", "data: {\"error\":{\"code\":502,\"message\":\"x\"}}\n\n", 2),
    Case::stream("message_stop", "messages", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", 2),
    Case::stream(
        "response.completed",
        "responses",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"gen-1\"}}\n\n",
        2,
    ),
    Case::stream(
        "response.failed",
        "responses",
        "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"x\"}}}\n\n",
        2,
    ),
    // A client that reads a last line without its end learns of it by the end of the body.
    Case::stream("done without a line end", "chat/completions", "data: [DONE]", 0),
    Case::plain("json", 200, JSON, "{\"id\":\"gen-1\"}", 1),
    Case::plain("json, white space around it", 200, JSON, "\n  \n{\"id\":\"gen-1\"}\n", 2),
    Case::plain("an error", 429, JSON, "{\"error\":{\"code\":429}}", 1),
    Case::plain("html", 502, "content-type: text/html\r\n", "<html></html>", 1),
    Case::plain("compressed", 200, "content-type: application/json\r\ncontent-encoding: gzip\r\n", "not read", 1),
    Case::plain("empty", 400, JSON, "", 0),
];

/// The framing of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    /// One chunk.
    Chunk,
    /// One chunk for each byte.
    Bytes,
}

fn answer(case: Case, framing: Framing) -> Vec<u8> {
    let (status, headers, body) = (case.status, case.headers, case.body);
    let head = format!("HTTP/1.1 {status} X\r\n{headers}");
    let chunk = |bytes: &[u8]| format!("{:x}\r\n{}\r\n", bytes.len(), std::str::from_utf8(bytes).unwrap());
    let body = match framing {
        Framing::Length => format!("content-length: {}\r\n\r\n{body}", body.len()),
        Framing::Chunk if body.is_empty() => "transfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        Framing::Chunk => format!("transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk(body.as_bytes())),
        Framing::Bytes => {
            let chunks: String = body.as_bytes().chunks(1).map(chunk).collect();
            format!("transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        }
    };
    format!("{head}{body}").into_bytes()
}

async fn check(case: Case, framing: Framing) {
    let what = format!("{} {framing:?}", case.name);
    let upstream = Chaos::start(When::Bytes(1), answer(case, framing), Then::Stall).await;
    let locked = Locked::start(&upstream.url(), "").await;
    // Without a document or an event only the framing tells the end.
    let is_read = !case.headers.contains("html") && !case.headers.contains("gzip");
    let free = if is_read || framing == Framing::Length { case.free } else { case.body.len() };
    let mut answer = client::stream(&locked.callsign.url(case.path), ALICE, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status.as_u16(), case.status, "{what}");
    let mut seen = Vec::new();
    while seen.len() < free {
        seen.extend_from_slice(&answer.next().await.unwrap().unwrap());
    }
    assert_eq!(seen.len(), free, "{what}: the end was not held");
    let next = answer.next().await;
    locked.assert_row(Outcome::Complete, &what).await;
    if let Some(rest) = next {
        seen.extend_from_slice(&rest.unwrap());
        let rest = answer.finish().await;
        assert_eq!(rest.cut, None, "{what}");
        seen.extend_from_slice(&rest.body);
    }
    assert_eq!(String::from_utf8(seen).unwrap(), case.body, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_answer_follows_its_row() {
    let framings = [Framing::Length, Framing::Chunk, Framing::Bytes];
    let checks = CASES.into_iter().flat_map(|case| framings.map(|framing| check(case, framing).boxed()));
    // More at once would keep the disk busy for longer than a response waits for its row.
    stream::iter(checks).buffer_unordered(8).collect::<()>().await;
}

/// Sends a request and asserts that its whole answer follows the row.
async fn own(method: Method, headers: Headers<'_>, body: &str, toml: &str, status: u16, outcome: Outcome) {
    let upstream = Chaos::start(When::Head, "HTTP/1.1 204 X\r\n\r\n", Then::Stall).await;
    let locked = Locked::start(&upstream.url(), toml).await;
    let url = locked.callsign.url("chat/completions");
    let answer = client::open(method, &url, headers, body.to_owned()).await.unwrap();
    locked.assert_row(outcome, body).await;
    assert_eq!(answer.status.as_u16(), status, "{body}");
    assert_eq!(answer.finish().await.cut, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_body_and_one_of_callsign_follow_their_rows() {
    let blocked = "[[users]]\nid = \"alice\"\nblocked = true\n";
    tokio::join!(
        own(Method::POST, ALICE, r#"{"model":"m"}"#, "", 204, Outcome::Complete),
        own(Method::POST, ALICE, "no JSON", "", 400, Outcome::Refused),
        own(Method::POST, ALICE, "{}", blocked, 403, Outcome::Refused),
    );
}

/// A key that OpenRouter refuses leaves no row, so there is nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_leaves_no_row_is_whole() {
    let body = r#"{"error":{"code":401}}"#;
    let case = Case::plain("refused", 401, JSON, body, 0);
    for framing in [Framing::Length, Framing::Bytes] {
        let upstream = Chaos::start(When::Bytes(1), answer(case, framing), Then::Stall).await;
        let directory = TempDir::new().unwrap();
        let data = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LEDGER_MODE", "strict")];
        let callsign = Setup::to(&upstream.url()).set(&data).set(&[("CALLSIGN_PASSTHROUGH", "true")]).start();
        let headers = [("authorization", "Bearer sk-or-v1-a-key-of-the-caller"), ALICE[1]];
        let answer = client::post(&callsign.url("chat/completions"), &headers, r#"{"model":"m"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.cut.as_deref(), answer.text().as_str()), (401, None, body));
        assert!(rows::requests(&directory.path().join("ledger.db")).await.is_empty());
    }
}
