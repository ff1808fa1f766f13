//! Answers that are read on after their clients have left (docs/SPEC.md#clients-that-leave), and the judgement of a client
//! that leaves at the end.

use std::sync::Arc;
use std::time::Duration;

use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::Finished;
use mock_openrouter::MockServer;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::support::chaos::{self, Chaos, Then, When};
use crate::support::client;
use crate::support::peer::Peer;
use crate::support::program;
use crate::support::proxy::{ALICE, ALICE_KEY, Callsign, Setup};
use crate::support::{rows, within};

/// A callsign with a ledger and without look-ups of costs, in front of a mock.
struct Rig {
    mock: MockServer,
    callsign: Callsign,
    directory: TempDir,
}

impl Rig {
    async fn start(change: impl FnOnce(Setup) -> Setup) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = TempDir::new().unwrap();
        let callsign = change(setup(&mock.url(), &directory)).start();
        Self { mock, callsign, directory }
    }

    /// Sends a request for this model as alice, and leaves once the mock has it.
    async fn ask_and_leave(&self, model: &str, stream: bool) {
        let peer = self.ask(model, stream).await;
        drop(peer);
    }

    /// Sends a request for this model as alice. Returns once the mock has it.
    async fn ask(&self, model: &str, stream: bool) -> Peer {
        let received = self.mock.received().len();
        let mut peer = Peer::connect(self.callsign.address()).await;
        let body = json!({"model": model, "stream": stream, "messages": []}).to_string();
        peer.send(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
        within("the request", self.mock.wait_received(received + 1)).await;
        peer
    }

    async fn status(&self) -> u16 {
        let body = r#"{"model":"mock/cost-5","messages":[]}"#;
        client::post(&self.callsign.url("chat/completions"), ALICE, body).await.status.as_u16()
    }

    async fn until_read_on(&self, result: &str, count: u64) {
        let name = format!("callsign_read_on_total{{result=\"{result}\"}}");
        within(&name, async { while self.callsign.metric(&name).await < count {} }).await;
    }

    /// Waits until all requests have ended. Returns the ends of those whose client has left.
    async fn left(&self, count: usize) -> Vec<Finished> {
        let file = self.directory.path().join("ledger.db");
        within("the rows", async {
            loop {
                let rows = rows::requests(&file).await.into_iter();
                let ends = rows.filter_map(|row| Some(Finished { generation: row.generation, ..row.ended? }));
                let left: Vec<_> = ends.filter(|end| end.outcome == Some(Outcome::ClientGone)).collect();
                if left.len() >= count {
                    return left;
                }
            }
        })
        .await
    }
}

fn setup(upstream: &str, directory: &TempDir) -> Setup {
    let data = directory.path().to_str().unwrap();
    Setup::to(upstream).set(&[("CALLSIGN_DATA_DIR", data), ("CALLSIGN_RECONCILE", "off")])
}

/// Waits until no client is connected to the data port.
async fn departed(callsign: &Callsign) {
    within("the departure", async { while callsign.metric("callsign_connections").await > 0 {} }).await;
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ALICE_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_not_begun_is_read_on_for_its_usage() {
    let rig = Rig::start(|setup| setup.set(&[("CALLSIGN_LIMIT_CONCURRENT", "1")])).await;
    let peer = rig.ask("mock/gate-head+cost-126", false).await;
    assert_eq!(rig.status().await, 429);
    drop(peer);
    // The place under the limit is free while the answer is awaited.
    within("the place", async { while rig.status().await != 200 {} }).await;
    within("its end", async { while rig.callsign.metric("callsign_in_flight").await != 1 {} }).await;
    rig.mock.release(1);
    rig.until_read_on("complete", 1).await;
    let [end] = &rig.left(1).await[..] else { panic!("one request was left") };
    assert_eq!((end.usage.cost, end.status, end.response_bytes), (Some(NanoUsd(126)), 200, 0));
    assert!(end.generation.is_some() && end.usage.completion_tokens.is_some(), "{end:?}");
    assert_eq!(rig.mock.cancelled(), 0);
    within("the slot", async { while rig.callsign.metric("callsign_in_flight").await > 0 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_keeps_the_estimate_until_the_truth_is_read() {
    // The default estimate is $0.01.
    let rig = Rig::start(|setup| setup.set(&[("CALLSIGN_LIMIT_USD_DAY", "0.015")])).await;
    rig.callsign.priced().await;
    rig.ask_and_leave("mock/gate-head+cost-126", false).await;
    assert_eq!(rig.status().await, 429);
    rig.mock.release(1);
    rig.until_read_on("complete", 1).await;
    within("the budget", async { while rig.status().await != 200 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_answer_of_a_caller_is_cancelled() {
    let rig = Rig::start(|setup| setup).await;
    for _ in 0..4 {
        rig.ask_and_leave("mock/gate-head+cost-126", false).await;
    }
    departed(&rig.callsign).await;
    assert_eq!(rig.mock.cancelled(), 0);
    rig.ask_and_leave("mock/gate-head", false).await;
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    rig.until_read_on("full", 1).await;
    rig.mock.release(4);
    rig.until_read_on("complete", 4).await;
    assert_eq!(rig.left(5).await.len(), 5);
    assert_eq!(rig.mock.cancelled(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_cut_once_its_generation_is_known() {
    let rig = Rig::start(|setup| setup).await;
    rig.ask_and_leave("mock/gate-head+gate", true).await;
    rig.mock.release(1);
    rig.until_read_on("head", 1).await;
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    let [end] = &rig.left(1).await[..] else { panic!("one request was left") };
    assert!(end.generation.is_some() && end.usage.cost.is_none(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_without_a_client_is_cancelled_by_a_block_that_spares_running_requests() {
    let rig = Rig::start(|setup| setup).await;
    rig.ask_and_leave("mock/hang", false).await;
    let data = rig.directory.path().to_str().unwrap();
    let said = program::callsign("block alice --unseen", &[("CALLSIGN_DATA_DIR", data)]);
    assert_eq!(said.code, 0, "{said:?}");
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    rig.until_read_on("stopped", 1).await;
    let [end] = &rig.left(1).await[..] else { panic!("one request was left") };
    assert!(end.generation.is_none(), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_without_a_client_is_cancelled_by_a_changed_configuration() {
    let rig = Rig::start(|setup| setup).await;
    rig.ask_and_leave("mock/hang", false).await;
    departed(&rig.callsign).await;
    assert_eq!(rig.mock.cancelled(), 0);
    rig.callsign.reload();
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    rig.until_read_on("stopped", 1).await;
    assert_eq!(rig.left(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_without_a_client_is_cancelled_by_a_drain() {
    let rig = Rig::start(|setup| setup.workers(1)).await;
    rig.ask_and_leave("mock/hang", false).await;
    departed(&rig.callsign).await;
    assert_eq!(rig.mock.cancelled(), 0);
    // A stream with a client keeps the thread alive. The drain gives it 25 seconds, longer than this test waits.
    rig.mock.release(1);
    let body = r#"{"model":"mock/gate","stream":true}"#;
    let mut stream = client::stream(&rig.callsign.url("chat/completions"), ALICE, body).await;
    stream.until("data: ").await;
    rig.callsign.begin_drain();
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    rig.mock.release(1000);
    assert_eq!(stream.finish().await.cut, None);
    assert_eq!(rig.left(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_on_takes_at_most_the_timeout_of_the_head() {
    let short = |setup: Setup| setup.adjust(|config| config.upstream.first_byte_timeout = Duration::from_millis(300));
    let (upstream, directory) = (held("\n", "").await, TempDir::new().unwrap());
    let callsign = short(setup(&upstream.url, &directory)).start();
    let mut answer = client::stream(&callsign.url("chat/completions"), ALICE, "{}").await;
    answer.next().await.unwrap().unwrap();
    drop(answer);
    let name = "callsign_read_on_total{result=\"timeout\"}";
    within(name, async { while callsign.metric(name).await < 1 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_on_if_the_operator_says_so_or_the_upload_is_incomplete() {
    let rig = Rig::start(|setup| setup.toml("on_client_gone = \"cancel\"\n")).await;
    rig.ask_and_leave("mock/gate-head", false).await;
    within("the cancellation", rig.mock.wait_cancelled(1)).await;

    let rig = Rig::start(Setup::streaming).await;
    let mut peer = Peer::connect(rig.callsign.address()).await;
    peer.send(format!("{}{{\"model\":\"m\",", head(100)).as_bytes()).await.unwrap();
    within("the head", rig.mock.wait_begun(1)).await;
    drop(peer);
    within("the cancellation", rig.mock.wait_cancelled(1)).await;
    within("its end", async { while rig.callsign.metric("callsign_in_flight").await > 0 {} }).await;
    for result in ["complete", "head", "failed", "timeout", "stopped", "full"] {
        assert_eq!(rig.callsign.metric(&format!("callsign_read_on_total{{result=\"{result}\"}}")).await, 0, "{result}");
    }
}

/// An upstream that sends a part of a JSON answer, and the rest once it is released.
struct Held {
    url: String,
    gate: Arc<Semaphore>,
}

async fn held(first: &'static str, rest: &'static str) -> Held {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") {
            assert!(socket.read_buf(&mut seen).await.unwrap() > 0);
        }
        let length = first.len() + rest.len() + usize::from(rest.is_empty());
        let head = format!(
            "HTTP/1.1 200 X\r\ncontent-type: application/json\r\nx-generation-id: gen-1\r\n\
             content-length: {length}\r\n\r\n{first}"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        opened.acquire().await.unwrap().forget();
        socket.write_all(rest.as_bytes()).await.unwrap();
        socket.read_buf(&mut seen).await
    });
    Held { url, gate }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_and_is_no_stream_is_read_on() {
    let rest = r#"{"id":"gen-1","usage":{"prompt_tokens":2,"completion_tokens":3,"cost":0.5}}"#;
    let (upstream, directory) = (held("\n", rest).await, TempDir::new().unwrap());
    let callsign = setup(&upstream.url, &directory).start();
    let mut answer = client::stream(&callsign.url("chat/completions"), ALICE, "{}").await;
    assert_eq!(answer.next().await.unwrap().unwrap(), "\n");
    drop(answer);
    departed(&callsign).await;
    upstream.gate.add_permits(1);
    let name = "callsign_read_on_total{result=\"complete\"}";
    within(name, async { while callsign.metric(name).await < 1 {} }).await;
    let end = ended(&directory).await;
    assert_eq!((end.outcome, end.response_bytes), (Some(Outcome::ClientGone), 1));
    assert_eq!((end.usage.cost, end.usage.completion_tokens), (Some(NanoUsd(500_000_000)), Some(3)));
}

/// Waits until the only request has ended.
async fn ended(directory: &TempDir) -> Finished {
    let file = directory.path().join("ledger.db");
    let end = async {
        loop {
            if let Some(end) = rows::requests(&file).await.pop().and_then(|row| row.ended) {
                break end;
            }
        }
    };
    within("the row", end).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_after_the_last_event_has_the_whole_answer() {
    let cases = [
        (&["data: {\"id\":\"gen-1\"}\n\n", "data: [DONE]\n\n"][..], Outcome::Complete),
        (&["data: {\"id\":\"gen-1\"}\n\n"], Outcome::ClientGone),
    ];
    for (events, outcome) in cases {
        let upstream = Chaos::start(When::Bytes(1), chaos::chunks(events), Then::Stall).await;
        let directory = TempDir::new().unwrap();
        let callsign = setup(&upstream.url(), &directory).start();
        let mut answer = client::stream(&callsign.url("chat/completions"), ALICE, "{}").await;
        answer.until(events.last().unwrap()).await;
        drop(answer);
        upstream.wait_left(1).await;
        assert_eq!(ended(&directory).await.outcome, Some(outcome), "{events:?}");
    }
}
