//! Measures the cost of the archive with 1,000 concurrent streams: the same load, alternately without and with an
//! archive, in one process.
//!
//! ```text
//! cargo bench --bench archive                  1,000 streams of about ten seconds, three rounds each
//! cargo bench --bench archive -- 200 1         200 streams, one round each
//! ```
//!
//! The streams begin evenly over a few seconds. The output: time to the first and to the last byte, CPU time of the
//! whole process (including the mock OpenRouter and the clients), and the time until all archives are written.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints its results and fails by panicking"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use callsign::config::{Config, ConfigInputs};
use callsign::run::{self, Running, ServeOptions};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use mock_openrouter::{MockServer, Options};
use tokio::task::JoinSet;

/// The allocator of the shipped program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEY: &str = "sk-cs-a-key-of-one-app-0123456789";
/// Pause between two events of a stream: 20 events a second, a usual rate of models.
const PACE: Duration = Duration::from_millis(50);
/// Events per stream: about ten seconds at this pace.
const EVENTS: usize = 190;
/// Time over which the streams begin.
const RAMP: Duration = Duration::from_secs(8);

/// Measurements of all rounds of one kind: times in milliseconds, CPU time in seconds.
#[derive(Default)]
struct Round {
    first: Vec<f64>,
    last: Vec<f64>,
    cpu: f64,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (streams, rounds) = (arguments.first().copied().unwrap_or(1000), arguments.get(1).copied().unwrap_or(3));
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let mock = MockServer::start_with(Options { pace: Some(PACE), keep: false, ..Options::default() }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (without, with) = (start(&mock, None), start(&mock, Some(directory.path())));
    println!("{streams} concurrent streams, {rounds} rounds each, in ms:");
    let (mut off, mut on) = (Round::default(), Round::default());
    for round in 0..2 * rounds {
        // Off, on, on, off, …: a drift of the machine's speed affects both alike.
        let is_on = matches!(round % 4, 1 | 2);
        let (callsign, sum) = if is_on { (&with, &mut on) } else { (&without, &mut off) };
        let cpu = cpu_seconds();
        run_round(callsign, streams, round, sum).await;
        sum.cpu += cpu_seconds() - cpu;
    }
    let began = Instant::now();
    let wanted = streams * rounds;
    while written(&with).await < wanted {
        assert!(began.elapsed() < Duration::from_mins(2), "some streams were not archived within 2 minutes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lag = began.elapsed();
    for (name, round) in [("without", &mut off), ("with", &mut on)] {
        println!(
            "  {name:<8} first byte p50 {:.2} p99 {:.2}   last byte p50 {:.1} p99 {:.1}   CPU {:.2} ms per stream",
            quantile(&mut round.first, 0.5),
            quantile(&mut round.first, 0.99),
            quantile(&mut round.last, 0.5),
            quantile(&mut round.last, 0.99),
            round.cpu * 1000.0 / wanted as f64
        );
    }
    let added = |on: &mut [f64], off: &mut [f64]| 100.0 * (quantile(on, 0.5) / quantile(off, 0.5) - 1.0);
    println!(
        "  added to the median: first byte {:+.2} %, last byte {:+.2} %",
        added(&mut on.first, &mut off.first),
        added(&mut on.last, &mut off.last)
    );
    println!("  {wanted} archives, all on disk {lag:.1?} after the last stream");
}

fn start(mock: &MockServer, archive: Option<&Path>) -> Running {
    let path = archive.map(|path| path.display().to_string()).unwrap_or_default();
    let variables = [
        ("CALLSIGN_UPSTREAM_URL", mock.url()),
        ("CALLSIGN_LISTEN", "127.0.0.1:0".to_owned()),
        ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key".to_owned()),
        ("CALLSIGN_APP_KEY", KEY.to_owned()),
        ("CALLSIGN_ARCHIVE_DIR", path.clone()),
        ("CALLSIGN_ARCHIVE_PASSWORD", if path.is_empty() { path } else { "correct horse battery staple".to_owned() }),
    ];
    let config = Config::load(&ConfigInputs::environment(variables).serving()).unwrap().config;
    run::start(&config, ServeOptions { proxy_from_env: false, ..ServeOptions::default() }).unwrap()
}

async fn run_round(callsign: &Running, streams: usize, round: usize, sum: &mut Round) {
    let address = callsign.data;
    let mut running = JoinSet::new();
    for number in 0..streams {
        let wait = RAMP.mul_f64(number as f64 / streams as f64);
        running.spawn(async move {
            tokio::time::sleep(wait).await;
            stream(address, number, round).await
        });
    }
    for (first, last) in running.join_all().await {
        sum.first.push(first.as_secs_f64() * 1000.0);
        sum.last.push(last.as_secs_f64() * 1000.0);
    }
}

/// Requests one stream; returns the time to its first and to its last byte.
async fn stream(address: std::net::SocketAddr, number: usize, round: usize) -> (Duration, Duration) {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let prompt = "What is to be said about it? ".repeat(100);
    let body = format!(r#"{{"model":"mock/long-{EVENTS}","stream":true,"prompt":"{prompt}"}}"#);
    let request = Request::post("/v1/chat/completions")
        .header("host", "callsign")
        .header("authorization", format!("Bearer {KEY}"))
        .header("x-user-id", format!("u-{}", number % 100))
        .header("x-chat-id", format!("c-{number}"))
        .header("x-message-id", format!("m-{round}"))
        .body(Full::new(bytes::Bytes::from(body)))
        .unwrap();
    let began = Instant::now();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut first = None;
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        first.get_or_insert_with(|| began.elapsed());
    }
    let last = began.elapsed();
    connection.abort();
    (first.unwrap(), last)
}

async fn written(callsign: &Running) -> usize {
    let socket = tokio::net::TcpStream::connect(callsign.admin.unwrap()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("/metrics").header("host", "localhost").body(Full::new(bytes::Bytes::new())).unwrap();
    let text = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with("callsign_archive_written_total")).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let index = (values.len() as f64 * at) as usize;
    values[index.min(values.len() - 1)]
}

/// Returns the CPU time of this process in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux reports hundredths of a second (USER_HZ).
    ticks as f64 / 100.0
}
