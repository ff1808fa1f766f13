//! The bytes that the upstream writes for each fault.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::faults::Fault;
use super::tally::nonce;
use super::upstream::Peer;

/// The act that follows the first bytes of an answer.
enum Then {
    /// The next request.
    GoesOn,
    /// The end of the connection.
    Ends,
    /// An orderly end, also of TLS.
    Closes,
    /// The end, this many milliseconds later.
    EndsLater(u64),
    /// Nothing until the peer closes.
    Waits,
    /// Further bytes, this many milliseconds later.
    Writes(u64, Vec<u8>),
}

/// Answers request `number`. Returns false if the connection ends.
pub(crate) async fn act<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut Peer<'_, S>,
    number: u64,
    fault: Fault,
) -> io::Result<bool> {
    let (first, then) = script(number, fault);
    if fault == Fault::Slow {
        for piece in first.chunks(7) {
            peer.write(piece).await?;
            tokio::task::yield_now().await;
        }
    } else if !first.is_empty() {
        peer.write(&first).await?;
    }
    match then {
        Then::GoesOn => return Ok(true),
        Then::Ends => {}
        Then::Closes => peer.stream.shutdown().await?,
        Then::EndsLater(pause) => tokio::time::sleep(Duration::from_millis(pause)).await,
        Then::Waits => peer.drain().await?,
        Then::Writes(pause, bytes) => {
            if pause > 0 {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            peer.write(&bytes).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the first bytes, and what follows.
fn script(number: u64, fault: Fault) -> (Vec<u8>, Then) {
    let own = nonce(number);
    let whole = answer("200 OK", &own, "");
    let chunks = chunked(&own, "");
    let foreign = foreign(number);
    match fault {
        Fault::Plain | Fault::Slow | Fault::Early => (whole, Then::GoesOn),
        Fault::Chunked => (chunks, Then::GoesOn),
        Fault::Trailers => (chunked(&own, "x-trailer: y\r\n"), Then::GoesOn),
        Fault::Empty => (head("200 OK", &own, "content-length: 0\r\n"), Then::GoesOn),
        Fault::Interim => {
            let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
            ([&interim[..], &whole].concat(), Then::GoesOn)
        }
        Fault::ThenEof => (whole, Then::Ends),
        Fault::LateEof => (whole, Then::EndsLater(number % 5)),
        // TLS says that it ends. Otherwise the answer would be cut.
        Fault::CloseDelimited => ([head("200 OK", &own, ""), body(&own)].concat(), Then::Closes),
        Fault::Trailing => ([whole, foreign].concat(), Then::GoesOn),
        Fault::ChunkedTrailing | Fault::EarlyTrailing => ([chunks, foreign].concat(), Then::GoesOn),
        Fault::TrailingLine => ([&whole[..], b"\r\n"].concat(), Then::GoesOn),
        Fault::TrailingLater => (whole, Then::Writes(0, foreign)),
        // callsign has the connection back by now, or gets it back at the same moment.
        Fault::WhileIdle => (whole, Then::Writes(number % 3, foreign)),
        Fault::HalfWhileIdle => (whole, Then::Writes(number % 3, foreign[..foreign.len() / 2].to_vec())),
        Fault::LeavesBefore => (Vec::new(), Then::Writes(number % 3, whole)),
        Fault::LeavesWithin => {
            let (first, second) = whole.split_at(whole.len() - 100);
            (first.to_vec(), Then::Writes(number % 3, second.to_vec()))
        }
        // The rest of the upload does not come.
        Fault::LeavesUpload => (Vec::new(), Then::GoesOn),
        Fault::EarlyReset => (answer("413 Content Too Large", &own, ""), Then::Ends),
        Fault::CutBody => (whole[..whole.len() - 20].to_vec(), Then::Ends),
        Fault::CutChunk => (chunks[..chunks.len() - 20].to_vec(), Then::Ends),
        Fault::CutHead => (whole[..40].to_vec(), Then::Ends),
        Fault::CloseAfterHead => (head("200 OK", &own, "content-length: 9\r\n"), Then::Ends),
        Fault::Garbage => (b"\x00\xffno HTTP\r\n\r\n".to_vec(), Then::Ends),
        _ => doubtful(number, fault),
    }
}

/// Returns the script of an answer whose head or framing says that its connection must not be used again.
fn doubtful(number: u64, fault: Fault) -> (Vec<u8>, Then) {
    let (own, foreign) = (nonce(number), foreign(number));
    let replaced =
        |bytes: Vec<u8>, from: &str, to: &str| String::from_utf8_lossy(&bytes).replacen(from, to, 1).into_bytes();
    let (first, then) = match fault {
        Fault::SaysClose => (answer("200 OK", &own, "connection: close\r\n"), Then::Waits),
        Fault::OldVersion => {
            (replaced(answer("200 OK", &own, "connection: keep-alive\r\n"), "/1.1", "/1.0"), Then::GoesOn)
        }
        Fault::SameLengths => {
            let length = format!("content-length: {}\r\n", body(&own).len());
            return (answer("200 OK", &own, &length), Then::Writes(0, foreign));
        }
        Fault::TwoLengths => (answer("200 OK", &own, "content-length: 1\r\n"), Then::GoesOn),
        Fault::ChunksAndLength => {
            let length = format!("content-length: {}\r\nx-nonce", body(&own).len() + 1000);
            (replaced(chunked(&own, ""), "x-nonce", &length), Then::GoesOn)
        }
        Fault::BadChunk => (replaced(chunked(&own, ""), "\r\n0\r\n", "0\r\n\r\n"), Then::Waits),
        Fault::NoContent => (head("204 No Content", &own, ""), Then::GoesOn),
        Fault::ResetContent => (answer("205 Reset Content", &own, ""), Then::GoesOn),
        Fault::NotModified => (head("304 Not Modified", &own, "content-length: 9\r\n"), Then::GoesOn),
        Fault::Switches => {
            (head("101 Switching Protocols", &own, "connection: upgrade\r\nupgrade: x\r\n"), Then::GoesOn)
        }
        _ => (head("200 OK", &own, "content-length: 9\r\n"), Then::GoesOn),
    };
    ([first, foreign].concat(), then)
}

/// Returns a whole answer with the nonce of no request.
fn foreign(number: u64) -> Vec<u8> {
    answer("200 OK", &nonce(u64::MAX - number), "")
}

fn body(nonce: &str) -> Vec<u8> {
    let text = "x".repeat(200 + nonce.bytes().map(usize::from).sum::<usize>() % 1000);
    format!("{{\"echo\":\"{nonce}\",\"text\":\"{text}\",\"again\":\"{nonce}\"}}").into_bytes()
}

fn head(status: &str, nonce: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-nonce: {nonce}\r\n{headers}\r\n").into_bytes()
}

fn answer(status: &str, nonce: &str, headers: &str) -> Vec<u8> {
    let body = body(nonce);
    let headers = format!("content-length: {}\r\n{headers}", body.len());
    [head(status, nonce, &headers), body].concat()
}

fn chunked(nonce: &str, trailers: &str) -> Vec<u8> {
    let mut bytes = head("200 OK", nonce, "transfer-encoding: chunked\r\n");
    for piece in body(nonce).chunks(100) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    bytes
}
