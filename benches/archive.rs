//! What the archive adds to a thousand streams at once: the same load through a callsign without and one with an archive, in
//! turns, in one process and one run.
//!
//! ```text
//! cargo bench --bench archive                  1,000 streams of about ten seconds, three turns each
//! cargo bench --bench archive -- 200 1         fewer, one turn each
//! ```
//!
//! A stream begins every few milliseconds, as people do. What is told: time to the first byte, time to the last, the CPU of
//! the whole process (stand-in and clients included), and how long the archive takes until all is written.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench reports to whoever runs it"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use callsign::config::{Config, Sources};
use callsign::run::{self, Running, Setting};
use callsign::standin::{Options, StandIn};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEY: &str = "sk-cs-a-key-of-one-app-0123456789";
/// Between two events of a stream: twenty a second, as models speak.
const PACE: Duration = Duration::from_millis(50);
/// Events of a stream: with the pace about ten seconds.
const EVENTS: usize = 190;
/// All streams begin within this time.
const RAMP: Duration = Duration::from_secs(8);

/// What clients saw in one turn.
#[derive(Default)]
struct Turn {
    first: Vec<f64>,
    last: Vec<f64>,
    cpu: f64,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (streams, turns) = (arguments.first().copied().unwrap_or(1000), arguments.get(1).copied().unwrap_or(3));
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let standin = StandIn::start_with(Options { pace: Some(PACE), keep: false }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (without, with) = (start(&standin, None), start(&standin, Some(directory.path())));
    println!("{streams} streams at once, {turns} turns each, in ms:");
    let (mut off, mut on) = (Turn::default(), Turn::default());
    for turn in 0..2 * turns {
        // Off, on, on, off, …: a machine that gets slower or faster favours neither.
        let is_on = matches!(turn % 4, 1 | 2);
        let (callsign, sum) = if is_on { (&with, &mut on) } else { (&without, &mut off) };
        let cpu = cpu_seconds();
        run_turn(callsign, streams, turn, sum).await;
        sum.cpu += cpu_seconds() - cpu;
    }
    let began = Instant::now();
    let wanted = streams * turns;
    while written(&with).await < wanted {
        assert!(began.elapsed() < Duration::from_mins(2), "not all were archived");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let behind = began.elapsed();
    for (name, turn) in [("without", &mut off), ("with", &mut on)] {
        println!(
            "  {name:<8} first byte p50 {:.2} p99 {:.2}   last byte p50 {:.1} p99 {:.1}   CPU {:.2} ms a stream",
            quantile(&mut turn.first, 0.5),
            quantile(&mut turn.first, 0.99),
            quantile(&mut turn.last, 0.5),
            quantile(&mut turn.last, 0.99),
            turn.cpu * 1000.0 / wanted as f64
        );
    }
    let added = |on: &mut [f64], off: &mut [f64]| 100.0 * (quantile(on, 0.5) / quantile(off, 0.5) - 1.0);
    println!(
        "  added to the median: first byte {:+.2} %, last byte {:+.2} %",
        added(&mut on.first, &mut off.first),
        added(&mut on.last, &mut off.last)
    );
    println!("  {wanted} archives, all on the disk {behind:.1?} after the last stream");
}

fn start(standin: &StandIn, archive: Option<&Path>) -> Running {
    let path = archive.map(|path| path.display().to_string()).unwrap_or_default();
    let variables = [
        ("CALLSIGN_UPSTREAM_URL", standin.url()),
        ("CALLSIGN_LISTEN", "127.0.0.1:0".to_owned()),
        ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key".to_owned()),
        ("CALLSIGN_APP_KEY", KEY.to_owned()),
        ("CALLSIGN_ARCHIVE_DIR", path.clone()),
        ("CALLSIGN_ARCHIVE_PASSWORD", if path.is_empty() { path } else { "correct horse battery staple".to_owned() }),
    ];
    let config = Config::load(&Sources::environment(variables).serving()).unwrap().config;
    run::start(&config, Setting { proxy_from_env: false, ..Setting::default() }).unwrap()
}

async fn run_turn(callsign: &Running, streams: usize, turn: usize, sum: &mut Turn) {
    let address = callsign.data;
    let mut running = JoinSet::new();
    for number in 0..streams {
        let wait = RAMP.mul_f64(number as f64 / streams as f64);
        running.spawn(async move {
            tokio::time::sleep(wait).await;
            stream(address, number, turn).await
        });
    }
    for (first, last) in running.join_all().await {
        sum.first.push(first.as_secs_f64() * 1000.0);
        sum.last.push(last.as_secs_f64() * 1000.0);
    }
}

/// One stream: until its first byte, and until its last.
async fn stream(address: std::net::SocketAddr, number: usize, turn: usize) -> (Duration, Duration) {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    let connection = tokio::spawn(connection);
    let prompt = "What is to be said about it? ".repeat(100);
    let body = format!(r#"{{"model":"standin/long-{EVENTS}","stream":true,"prompt":"{prompt}"}}"#);
    let request = Request::post("/v1/chat/completions")
        .header("host", "callsign")
        .header("authorization", format!("Bearer {KEY}"))
        .header("x-user-id", format!("u-{}", number % 100))
        .header("x-chat-id", format!("c-{number}"))
        .header("x-message-id", format!("m-{turn}"))
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

/// Seconds of CPU that this process has taken.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts in hundredths, whatever its own clock (USER_HZ).
    ticks as f64 / 100.0
}
