//! What the upstream writes for each fault.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::faults::Fault;
use super::tally::nonce;
use super::upstream::Peer;

/// Answers request `number`. Returns false if the connection ends.
pub(crate) async fn act<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut Peer<'_, S>,
    number: u64,
    fault: Fault,
) -> io::Result<bool> {
    let own = nonce(number);
    let whole = answer("200 OK", &own, "");
    // The nonce of no request.
    let foreign = answer("200 OK", &nonce(u64::MAX - number), "");
    let both = [&*whole, &*foreign].concat();
    match fault {
        Fault::Plain => peer.write(&whole).await?,
        Fault::Chunked => peer.write(&chunked(&own, "")).await?,
        Fault::Trailers => peer.write(&chunked(&own, "x-trailer: y\r\n")).await?,
        Fault::Empty => peer.write(&head("200 OK", &own, "content-length: 0\r\n")).await?,
        Fault::Interim => {
            peer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await?;
            peer.write(&whole).await?;
        }
        Fault::Slow => {
            for piece in whole.chunks(7) {
                peer.write(piece).await?;
                tokio::task::yield_now().await;
            }
        }
        Fault::ThenEof => return peer.write(&whole).await.map(|()| false),
        Fault::LateEof => {
            peer.write(&whole).await?;
            tokio::time::sleep(Duration::from_millis(number % 5)).await;
            return Ok(false);
        }
        Fault::SaysClose => {
            peer.write(&[answer("200 OK", &own, "connection: close\r\n"), foreign].concat()).await?;
            return peer.drain().await;
        }
        Fault::OldVersion => {
            let old =
                String::from_utf8_lossy(&answer("200 OK", &own, "connection: keep-alive\r\n")).replace("/1.1", "/1.0");
            peer.write(&[old.as_bytes(), &foreign].concat()).await?;
        }
        Fault::CloseDelimited => {
            peer.write(&[head("200 OK", &own, ""), body(&own)].concat()).await?;
            // TLS says that it ends. Otherwise the answer would be cut.
            return peer.stream.shutdown().await.map(|()| false);
        }
        Fault::Trailing => peer.write(&both).await?,
        Fault::ChunkedTrailing => peer.write(&[chunked(&own, ""), foreign].concat()).await?,
        Fault::TrailingLine => peer.write(&[&*whole, b"\r\n"].concat()).await?,
        Fault::TrailingLater => {
            peer.write(&whole).await?;
            peer.write(&foreign).await?;
        }
        Fault::WhileIdle | Fault::HalfWhileIdle => {
            peer.write(&whole).await?;
            // callsign has the connection back by now, or gets it back at the same moment.
            tokio::time::sleep(Duration::from_millis(number % 3)).await;
            let end = if fault == Fault::WhileIdle { foreign.len() } else { foreign.len() / 2 };
            peer.write(&foreign[..end]).await?;
        }
        Fault::SameLengths => {
            let length = format!("content-length: {}\r\n", body(&own).len());
            peer.write(&answer("200 OK", &own, &length)).await?;
            peer.write(&foreign).await?;
        }
        Fault::TwoLengths => peer.write(&[answer("200 OK", &own, "content-length: 1\r\n"), foreign].concat()).await?,
        Fault::ChunksAndLength => {
            let length = format!("content-length: {}\r\n", both.len());
            let answer = String::from_utf8_lossy(&chunked(&own, "")).replacen("x-nonce", &(length + "x-nonce"), 1);
            peer.write(&[answer.as_bytes(), &foreign].concat()).await?;
        }
        Fault::NoContent => peer.write(&[head("204 No Content", &own, ""), foreign].concat()).await?,
        Fault::ResetContent => peer.write(&[answer("205 Reset Content", &own, ""), foreign].concat()).await?,
        Fault::NotModified => {
            peer.write(&[head("304 Not Modified", &own, "content-length: 9\r\n"), foreign].concat()).await?
        }
        Fault::Head => peer.write(&[head("200 OK", &own, "content-length: 9\r\n"), foreign].concat()).await?,
        Fault::Switches => {
            let switch = head("101 Switching Protocols", &own, "connection: upgrade\r\nupgrade: x\r\n");
            peer.write(&[switch, foreign].concat()).await?;
        }
        Fault::CutBody => return peer.write(&whole[..whole.len() - 20]).await.map(|()| false),
        Fault::CutChunk => {
            let whole = chunked(&own, "");
            return peer.write(&whole[..whole.len() - 20]).await.map(|()| false);
        }
        Fault::BadChunk => {
            let whole = String::from_utf8_lossy(&chunked(&own, "")).replace("\r\n0\r\n", "0\r\n\r\n");
            peer.write(&[whole.as_bytes(), &foreign].concat()).await?;
            return peer.drain().await;
        }
        Fault::CloseAfterHead => {
            return peer.write(&head("200 OK", &own, "content-length: 9\r\n")).await.map(|()| false);
        }
        Fault::CutHead => return peer.write(&whole[..40]).await.map(|()| false),
        Fault::Garbage => return peer.write(b"\x00\xffno HTTP\r\n\r\n").await.map(|()| false),
        Fault::Early => peer.write(&whole).await?,
        Fault::EarlyTrailing => peer.write(&[chunked(&own, ""), foreign].concat()).await?,
        Fault::EarlyReset => return peer.write(&answer("413 Content Too Large", &own, "")).await.map(|()| false),
        Fault::LeavesBefore => {
            tokio::time::sleep(Duration::from_millis(number % 3)).await;
            peer.write(&whole).await?;
        }
        Fault::LeavesWithin => {
            let (first, second) = whole.split_at(whole.len() - 100);
            peer.write(first).await?;
            tokio::time::sleep(Duration::from_millis(number % 3)).await;
            peer.write(second).await?;
        }
        // The rest of the upload does not come.
        Fault::LeavesUpload => {}
    }
    Ok(true)
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
