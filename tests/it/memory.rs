//! callsign's memory per request is bounded, whatever the body. These tests measure the resident memory of the real
//! program during 64 concurrent large uploads, and during 2,000 idle streams.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mock_openrouter::{MockServer, Options};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use crate::support::client;
use crate::support::proxy::{ALICE, ALICE_KEY, OPERATOR_KEY, pool};
use crate::support::within;

/// Idle streams. Each has a connection on either side of callsign, whose other ends are in this process.
const STREAMS: usize = 2000;
const MOST_KIB_OF_STREAMS: u64 = 150 * 1024;
const UPLOADS: usize = 64;
const PIECE: usize = 64 * 1024;
/// Pieces of an upload, 8 MiB together.
const PIECES: usize = 128;
/// The most resident memory in KiB during the uploads.
const MOST_KIB: u64 = 48 * 1024;

const BEGIN: &str = r#"{"model":"m","user":"mallory","prompt":""#;
const END: &str = "\"}";
/// `BEGIN` and `END` as they must arrive: blanked, and with alice's id and 86 reserved spaces appended.
const BEGIN_SENT: &str = r#"{"model":"m"                 ,"prompt":""#;
const END_SENT: &str = "\",\"user\":\"alice\",\"metadata\":{\"user_id\":\"alice\"}";
const RESERVE: usize = 86;

/// The text of the uploads. Consecutive pieces differ, and all share one buffer.
struct Text(Bytes);

impl Text {
    fn new() -> Self {
        Self((0..PIECE + PIECES).map(|at| b'a' + u8::try_from(at * at % 23).unwrap_or_default()).collect())
    }

    fn piece(&self, number: usize) -> Bytes {
        self.0.slice(number..number + PIECE)
    }
}

/// A callsign process, killed when the test ends.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(upstream: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callsign"))
            .arg("serve")
            .env_clear()
            .envs([
                ("CALLSIGN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_ADMIN_LISTEN", "off"),
                ("CALLSIGN_UPSTREAM_URL", upstream),
                ("OPENROUTER_API_KEY", OPERATOR_KEY),
                // The test counts the requests that the upstream gets.
                ("OPENROUTER_ORG_ID", "org_of_a_test"),
                ("CALLSIGN_USER_KEYS", &format!("alice={ALICE_KEY}")),
                ("SEND_END_USER_ID", "true"),
                // All requests are from one caller.
                ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "4096"),
            ])
            .envs(pool().map(|pool| ("CALLSIGN_UPSTREAM_POOL", pool)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let address =
            lines.find_map(|line| Some(line.split_once("listening on http://")?.1.split(',').next()?.to_owned()));
        let address = address.unwrap();
        // Reads the log, so that a full pipe does not block the program.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Returns the peak resident memory in KiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers as an upstream that starts reading when all uploads have started, and returns their length and checksum.
async fn sums(request: Request<Incoming>, all_here: Arc<Barrier>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    all_here.wait().await;
    let (mut length, mut checksum) = (0, crc32fast::Hasher::new());
    while let Some(frame) = body.frame().await {
        // A body that breaks off has the wrong length.
        let Ok(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else { break };
        length += data.len();
        checksum.update(&data);
    }
    let sums = json!({"length": length, "checksum": checksum.finalize()});
    Ok(Response::new(Full::from(sums.to_string())))
}

async fn upstream() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let all_here = Arc::new(Barrier::new(UPLOADS));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let all_here = Arc::clone(&all_here);
            connections.spawn(async move {
                let service = service_fn(move |request| sums(request, Arc::clone(&all_here)));
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (url, tasks)
}

/// Returns the length and checksum of the body that must arrive.
fn expected(text: &Text) -> serde_json::Value {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(BEGIN_SENT.as_bytes());
    (0..PIECES).for_each(|number| checksum.update(&text.piece(number)));
    let end = format!("{END_SENT}{}}}", " ".repeat(RESERVE));
    checksum.update(end.as_bytes());
    json!({"length": BEGIN_SENT.len() + PIECES * PIECE + end.len(), "checksum": checksum.finalize()})
}

async fn upload(url: String, text: Arc<Text>, announced: bool) -> serde_json::Value {
    let length = (BEGIN.len() + PIECES * PIECE + END.len()).to_string();
    let mut headers = ALICE.to_vec();
    if announced {
        headers.push(("content-length", &length));
    }
    let (upload, answer) = client::upload(&url, &headers);
    let answer = tokio::spawn(answer);
    upload.send(BEGIN).await.unwrap();
    for number in 0..PIECES {
        upload.send(text.piece(number)).await.unwrap();
    }
    upload.send(END).await.unwrap();
    drop(upload);
    answer.await.unwrap().unwrap().finish().await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_uploads_of_8_mib_at_once_fit_into_48_mib() {
    let (url, _upstream) = upstream().await;
    let program = Program::start(&url);
    let url = format!("http://{}/v1/chat/completions", program.address);
    let text = Arc::new(Text::new());
    let mut uploads: JoinSet<_> =
        (0..UPLOADS).map(|number| upload(url.clone(), Arc::clone(&text), number % 2 == 0)).collect();
    let expected = expected(&text);
    while let Some(sums) = within("an upload", uploads.join_next()).await {
        assert_eq!(sums.unwrap(), expected);
    }
    let peak = program.peak();
    assert!(peak < MOST_KIB, "{peak} KiB were resident");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_idle_streams_fit_into_150_mib() {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    assert!(
        files >= 3 * STREAMS as u64,
        "only {files} files may be open here (ulimit -Hn): this test needs {}",
        3 * STREAMS
    );
    let mock = MockServer::start_with(Options { keep: false, ..Options::default() }).await.unwrap();
    let program = Program::start(&mock.url());
    let url = format!("http://{}/v1/chat/completions", program.address);
    let mut opening = JoinSet::new();
    let at_once = Arc::new(Semaphore::new(50));
    for _ in 0..STREAMS {
        let (url, at_once) = (url.clone(), Arc::clone(&at_once));
        opening.spawn(async move {
            let _place = at_once.acquire().await.unwrap();
            let body = r#"{"model":"mock/hang-after-2","stream":true}"#;
            let mut stream = client::stream(&url, ALICE, body).await;
            stream.until("data: ").await;
            stream
        });
    }
    let streams = opening.join_all().await;
    assert_eq!((streams.len(), mock.begun(), mock.cancelled()), (STREAMS, STREAMS, 0));
    let peak = program.peak();
    assert!(peak < MOST_KIB_OF_STREAMS, "{peak} KiB were resident");
    println!("idle streams: {STREAMS}, {peak} KiB resident at the most");
    drop(streams);
    within("the cancellations", mock.wait_cancelled(STREAMS)).await;
}
