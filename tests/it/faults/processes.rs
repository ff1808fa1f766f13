//! callsign as a process that is terminated, killed, or out of file descriptors.

use std::time::Duration;

use mock_openrouter::MockServer;
use tokio::task::JoinSet;

use crate::support::client::{self, Streaming};
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::proxy::{ALICE, ALICE_KEY, OPERATOR_KEY};
use crate::support::within;

const STREAMS: usize = 100;

/// The variables of every process in these tests, and those that a test adds.
fn variables<'a>(upstream: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let keys: &'static str = "alice=sk-cs-a-key-of-alice-0123456789";
    assert!(keys.ends_with(ALICE_KEY));
    let common =
        [("OPENROUTER_API_KEY", OPERATOR_KEY), ("CALLSIGN_USER_KEYS", keys), ("CALLSIGN_UPSTREAM_URL", upstream)];
    [&common, more].concat()
}

async fn ask(server: &Server) -> u16 {
    let url = format!("http://{}/v1/chat/completions", server.data);
    client::post(&url, ALICE, r#"{"model":"m"}"#).await.status.as_u16()
}

/// Opens `count` streams and waits until each has started.
async fn streams(server: &Server, model: &str, count: usize) -> Vec<Streaming> {
    let url = format!("http://{}/v1/chat/completions", server.data);
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let (url, body) = (url.clone(), format!(r#"{{"model":"{model}","stream":true}}"#));
        opening.spawn(async move {
            let mut stream = client::stream(&url, ALICE, body).await;
            stream.until("data: ").await;
            stream
        });
    }
    opening.join_all().await
}

#[tokio::test]
async fn a_hundred_streams_finish_after_sigterm() {
    let mock = MockServer::start().await.unwrap();
    let mut server = Server::start("serve", &variables(&mock.url(), &[])).await;
    let streams = streams(&server, "mock/gate", STREAMS).await;
    server.terminate();
    server.logged("draining").await;
    mock.release(usize::MAX);
    for stream in streams {
        let answer = stream.finish().await;
        assert_eq!(answer.cut, None);
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
    let (status, said) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(mock.cancelled(), 0);
    println!("SIGTERM: {STREAMS} streams, {STREAMS} finished, exit code 0");
}

#[tokio::test]
async fn a_hundred_streams_that_do_not_finish_are_cut_at_the_deadline() {
    let mock = MockServer::start().await.unwrap();
    let server = Server::start("serve", &variables(&mock.url(), &[("CALLSIGN_DRAIN_SECONDS", "1")])).await;
    let streams = streams(&server, "mock/hang-after-2", STREAMS).await;
    server.terminate();
    for stream in streams {
        let answer = stream.finish().await;
        assert!(answer.cut.is_some() && !answer.text().contains("[DONE]"), "{answer:?}");
    }
    let (status, said) = server.ended().await;
    assert_eq!(status.code(), Some(0), "{said}");
    within("the cancellations", mock.wait_cancelled(STREAMS)).await;
    println!("SIGTERM: {STREAMS} streams, {STREAMS} cut at the deadline, exit code 0");
}

#[tokio::test]
async fn after_sigkill_it_starts_again_on_the_same_port() {
    let mock = MockServer::start().await.unwrap();
    let url = mock.url();
    let mut server = Server::start("serve", &variables(&url, &[])).await;
    let address = server.data.to_string();
    for round in 1..=3 {
        let streams = streams(&server, "mock/hang-after-2", 10).await;
        server.kill();
        for stream in streams {
            let answer = stream.finish().await;
            assert!(answer.cut.is_some() && !answer.text().contains("[DONE]"), "{answer:?}");
        }
        within("the cancellations", mock.wait_cancelled(round * 10)).await;
        server = Server::start("serve", &variables(&url, &[("CALLSIGN_LISTEN", &address)])).await;
        assert_eq!((server.data.to_string(), ask(&server).await), (address.clone(), 200));
    }
    println!("SIGKILL: 3 times, 30 streams cut, started again on the same port each time");
}

/// Returns the processor time of a process in hundredths of a second (proc(5), `utime` and `stime`).
fn ticks(id: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn without_descriptors_it_waits_and_goes_on_when_there_are_some() {
    let url = MockServer::start().await.unwrap().url();
    // The descriptors of an idle callsign, and five more.
    let ordinary = Server::start("serve", &variables(&url, &[])).await;
    let needed = std::fs::read_dir(format!("/proc/{}/fd", ordinary.id())).unwrap().count();
    drop(ordinary);
    let mut server = Server::start_with_files(needed + 5, "serve", &variables(&url, &[])).await;
    let mut open = Vec::new();
    let mut waiting = loop {
        let mut peer = Peer::connect(server.data).await;
        peer.send(b"GET /v1/keys HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        // A connection that is not accepted gets no answer. A slow answer only ends this search early.
        match tokio::time::timeout(Duration::from_millis(700), peer.hears_something()).await {
            Ok(heard) => assert!(heard, "closed"),
            Err(_) => break peer,
        }
        open.push(peer);
        assert!(open.len() <= needed, "{needed} + 5 files never run out");
    };
    server.logged("cannot accept connections").await;
    let before = ticks(server.id());
    tokio::time::timeout(Duration::from_secs(1), waiting.hears_something()).await.unwrap_err();
    let used = ticks(server.id()) - before;
    assert!(used <= 20, "{used} of 100 hundredths of a second: it spins");
    let count = open.len();
    drop(open);
    waiting.read_until(b"x-callsign-error: not_exposed").await;
    println!(
        "descriptors: {needed} needed, {count} connections on 5 more, {used} ms/10 of processor in the second without"
    );
}
