//! 1,000 concurrent streams through the real program: all are archived whole, and memory is bounded.

use std::collections::HashMap;
use std::time::Duration;

use mock_openrouter::{MockServer, Options};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{PASSWORD, named, read_all};
use crate::support::client;
use crate::support::program::Server;
use crate::support::proxy::{APP_KEY, OPERATOR_KEY};
use crate::support::within;

const STREAMS: usize = 1000;
/// The archive's memory limit in bytes. The rest of a debug build needs a little more than 2,000 idle streams do
/// (`memory.rs`); 238 MiB were measured for both together.
const MEMORY: u64 = 96 * 1024 * 1024;
const MOST_KIB: u64 = MEMORY / 1024 + 200 * 1024;

/// Returns a process's peak resident memory in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn metric(server: &Server, name: &str) -> u64 {
    let text = client::get(&format!("http://{}/metrics", server.admin.unwrap()), &[]).await.text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_at_once_are_all_archived_within_bounded_memory() {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(files >= 3 * STREAMS as u64, "only {files} files may be open here (ulimit -Hn)");
    let mock = MockServer::start_with(Options { keep: false, ..Options::default() }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (url, path) = (mock.url(), directory.path().display().to_string());
    let config = crate::support::program::file(&format!("[archive]\nmax_memory_bytes = {MEMORY}\n"));
    let variables = [
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_APP_KEY", APP_KEY),
        ("CALLSIGN_ARCHIVE_DIR", &path),
        ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD),
        ("CALLSIGN_CONFIG", config.path().to_str().unwrap()),
        ("CALLSIGN_LOG", "warn"),
    ];
    let server = Server::start("serve", &variables).await;
    let url = format!("http://{}/v1/chat/completions", server.data);
    let opening_at_once = std::sync::Arc::new(Semaphore::new(50));
    let mut opening = JoinSet::new();
    for number in 0..STREAMS {
        let (url, places) = (url.clone(), std::sync::Arc::clone(&opening_at_once));
        opening.spawn(async move {
            let _place = places.acquire().await.unwrap();
            let (user, chat) = (format!("u-{}", number % 10), format!("c-{number}"));
            // 60 MB together, which the budget has room for even if no archive is written before the last answer has ended.
            let body = json!({"model": "mock/gate+long-150", "stream": true, "number": number}).to_string();
            let mut stream = client::stream(&url, &named(&user, &chat, "m"), body).await;
            let first = stream.until("data: ").await;
            (chat, stream, first)
        });
    }
    let streams = opening.join_all().await;
    assert_eq!(metric(&server, "callsign_in_flight").await, STREAMS as u64);

    mock.release(usize::MAX);
    let mut reading = JoinSet::new();
    for (chat, stream, first) in streams {
        reading.spawn(async move {
            let rest = stream.finish().await;
            assert_eq!(rest.cut, None);
            (chat, [first, rest.body].concat())
        });
    }
    let said: HashMap<String, Vec<u8>> = reading.join_all().await.into_iter().collect();
    let bytes: usize = said.values().map(Vec::len).sum();

    // Answers do not wait for their archives, so the writer may be behind.
    let written = async { while metric(&server, "callsign_archive_written_total").await < STREAMS as u64 {} };
    tokio::time::timeout(Duration::from_mins(5), written).await.unwrap();
    for reason in ["memory", "queue", "disk", "closing"] {
        assert_eq!(metric(&server, &format!("callsign_archive_lost_total{{reason=\"{reason}\"}}")).await, 0);
    }
    assert_eq!(metric(&server, "callsign_archive_truncated_total{reason=\"memory\"}").await, 0);
    assert_eq!(metric(&server, "callsign_archive_memory_bytes").await, 0, "the archive still has memory reserved");
    let peak = peak(server.id());
    assert!(peak < MOST_KIB, "{peak} KiB were resident");
    println!("archived: {STREAMS} streams of together {bytes} bytes, {peak} KiB resident at the most");
    server.terminate();
    within("the end", server.ended()).await;

    let archives = read_all(directory.path());
    assert_eq!(archives.len(), STREAMS);
    for archived in archives {
        let chat = archived.path.split('/').nth(1).unwrap().to_owned();
        assert!(archived.response() == said[&chat].clone(), "{chat}");
    }
}
