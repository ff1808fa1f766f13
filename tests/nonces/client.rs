//! A client: sends one request after the other and looks for foreign nonces in all that it receives.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::RwLock;
use tokio::time::timeout;

use super::faults::Fault;
use super::program::{ACCOUNTS, key};
use super::tally::{Outcome, Tally, nonce};

/// The longest wait for callsign. Longer is a failure.
const LIMIT: Duration = Duration::from_secs(20);

/// The state that all clients share.
pub(crate) struct Shared {
    pub(crate) callsign: SocketAddr,
    pub(crate) next: AtomicU64,
    pub(crate) end: u64,
    pub(crate) accounts: [RwLock<()>; ACCOUNTS],
    pub(crate) tally: Arc<Tally>,
    pub(crate) seed: u64,
}

/// The answer to one request.
#[derive(Default)]
struct Received {
    head: String,
    body: Vec<u8>,
    is_whole: bool,
}

pub(crate) async fn run(shared: Arc<Shared>) {
    let mut connection = None;
    loop {
        let number = shared.next.fetch_add(1, Relaxed);
        if number >= shared.end {
            return;
        }
        let dice = mix(number ^ shared.seed);
        let (fault, account) = (Fault::choose(dice), (dice >> 40) as usize % ACCOUNTS);
        let lock = &shared.accounts[account];
        let alone = if fault.is_alone() { Some(lock.write().await) } else { None };
        let together = if alone.is_none() { Some(lock.read().await) } else { None };
        let told = alone.is_some().then(|| shared.tally.expect_end(number));
        let exchange = exchange(&shared, &mut connection, (number, fault, account, dice));
        let received = timeout(LIMIT, exchange).await;
        if received.is_err() {
            shared.tally.wrong(format!("{fault:?} {} hangs", nonce(number)));
            connection = None;
        }
        let received = received.ok().and_then(Result::ok).unwrap_or_default();
        let outcome = judge(&shared.tally, number, fault, &received);
        shared.tally.count(fault, outcome);
        // A request that callsign refused may not have arrived.
        if let (Some(told), Outcome::Answered) = (told, outcome)
            && timeout(LIMIT, told).await.is_err()
        {
            shared.tally.wrong(format!("{fault:?} {}: the upstream does not end", nonce(number)));
        }
        drop((alone, together));
    }
}

/// Compares what was received with the request.
fn judge(tally: &Tally, number: u64, fault: Fault, received: &Received) -> Outcome {
    let in_head = tally.search(number, fault, received.head.as_bytes());
    let in_body = tally.search(number, fault, &received.body);
    if !received.is_whole {
        return Outcome::Cut;
    }
    if received.head.contains("x-callsign-error") {
        return Outcome::Refused;
    }
    let has_body = !received.body.is_empty();
    if in_head != 1 || (has_body && in_body != 2) {
        tally.wrong(format!("{fault:?} {}: {in_head} and {in_body} own nonces: {}", nonce(number), received.head));
    }
    Outcome::Answered
}

/// Sends one request and reads the answer, over the open connection or a new one.
async fn exchange(
    shared: &Shared,
    connection: &mut Option<TcpStream>,
    (number, fault, account, dice): (u64, Fault, usize, u64),
) -> io::Result<Received> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => TcpStream::connect(shared.callsign).await?,
    };
    stream.set_nodelay(true)?;
    let (first, second) = request(number, fault, account, dice);
    stream.write_all(&first).await?;
    match fault {
        Fault::LeavesUpload | Fault::LeavesBefore => {
            tokio::time::sleep(Duration::from_millis(dice >> 20 & 3)).await;
            return Ok(Received::default());
        }
        Fault::Early | Fault::EarlyTrailing | Fault::EarlyReset if dice >> 20 & 1 == 0 => {
            tokio::task::yield_now().await;
        }
        _ => {}
    }
    // The upstream's answer may end the upload.
    let _sent = stream.write_all(&second).await;
    let mut received = Received::default();
    let leaves_after = if fault == Fault::LeavesWithin { 50 } else { usize::MAX };
    let is_open = read(&mut stream, &mut received, fault == Fault::Head, leaves_after).await?;
    *connection = Some(stream).filter(|_| is_open);
    Ok(received)
}

/// Returns the two parts of a request.
fn request(number: u64, fault: Fault, account: usize, dice: u64) -> (Vec<u8>, Vec<u8>) {
    let (nonce, name, key, user) = (nonce(number), fault.name(), key(account), dice >> 16 & 255);
    let common = format!("host: callsign\r\nauthorization: Bearer {key}\r\nx-user-id: u{user}\r\n");
    if fault.is_read() {
        let method = if fault == Fault::Head { "HEAD" } else { "GET" };
        return (format!("{method} /v1/models/{name}/{nonce}/endpoints HTTP/1.1\r\n{common}\r\n").into(), Vec::new());
    }
    let start = format!("{{\"fault\":\"{name}\",\"id\":\"{nonce}\",\"model\":\"m\",\"messages\":[\"");
    // Early answers need a body that is streamed; others are buffered or streamed.
    let filler = if fault.is_early() { 40_000 } else { [10, 900, 3000, 20_000][(dice >> 24 & 3) as usize] };
    let rest = "y".repeat(filler) + "\"]}";
    let head = "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\n";
    if dice >> 30 & 1 == 0 {
        let length = start.len() + rest.len();
        (format!("{head}{common}content-length: {length}\r\n\r\n{start}").into(), rest.into())
    } else {
        let (first, second) = (start.len(), rest.len());
        let begin = format!("{head}{common}transfer-encoding: chunked\r\n\r\n{first:x}\r\n{start}\r\n");
        (begin.into(), format!("{second:x}\r\n{rest}\r\n0\r\n\r\n").into())
    }
}

/// Reads an answer. Returns true if the connection stays open. Stops in the middle after `most` bytes of the body.
async fn read(stream: &mut TcpStream, received: &mut Received, is_head: bool, most: usize) -> io::Result<bool> {
    let mut seen = Vec::new();
    let head_end = loop {
        if let Some(at) = memchr::memmem::find(&seen, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            received.head = String::from_utf8_lossy(&seen).into_owned();
            return Ok(false);
        }
    };
    let mut rest = seen.split_off(head_end);
    received.head = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    let header = |name: &str| received.head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_chunked = header("transfer-encoding").is_some();
    let stays_open = header("connection") != Some("close");
    let status = received.head.get(9..12).unwrap_or_default();
    let is_empty = is_head || ["204", "304"].contains(&status);
    loop {
        let end = match length.filter(|_| !is_chunked) {
            _ if is_empty => Some(0),
            Some(length) => (rest.len() >= length).then_some(length),
            None if is_chunked => join(&rest, &mut received.body),
            None => None,
        };
        if let Some(end) = end {
            if !is_chunked && !is_empty {
                received.body.clone_from(&rest);
            }
            received.is_whole = true;
            // More than the answer would be an answer to nobody.
            return Ok(stays_open && rest.len() == end);
        }
        if rest.len() >= most {
            return Ok(false);
        }
        if stream.read_buf(&mut rest).await.unwrap_or(0) == 0 {
            if !is_chunked {
                received.body = rest;
            }
            return Ok(false);
        }
    }
}

/// Joins the chunks in `bytes`. Returns the number of bytes up to the end of the last one, if it has arrived.
fn join(bytes: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    body.clear();
    let mut at = 0;
    loop {
        let line = at + memchr::memmem::find(bytes.get(at..)?, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).ok()?, 16).ok()?;
        let data = line + 2;
        body.extend_from_slice(bytes.get(data..bytes.len().min(data + size))?);
        at = data + size + 2;
        if bytes.len() < at {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}

/// Returns a number that depends on all bits of `number`.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
