//! Malformed and unusual HTTP over raw sockets, which client libraries do not send: it must neither pass, nor confuse
//! nor block callsign. One file for each kind; `refusals.rs` checks the answers.

mod bodies;
mod heads;
mod http2;
mod methods;
mod paths;

use std::net::SocketAddr;

use crate::support::peer::Peer;

/// An answer read from a raw connection.
#[derive(Debug)]
struct Read {
    status: u16,
    /// Status line and headers, in lower case.
    head: String,
    body: String,
}

impl Read {
    /// Returns the value of a header, or the empty string.
    fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default()
    }

    fn code(&self) -> &str {
        self.header("x-callsign-error")
    }
}

/// Splits the bytes of a connection into answers; panics on any error of framing. `methods` are those of the requests
/// in order, since an answer to HEAD has no body; missing ones count as GET. Skips interim answers.
fn answers(mut bytes: &[u8], methods: &[&str]) -> Vec<Read> {
    let mut read: Vec<Read> = Vec::new();
    while !bytes.is_empty() {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {}", lossy(bytes))) + 4;
        let head = lossy(&bytes[..end]).to_ascii_lowercase();
        bytes = &bytes[end..];
        assert!(head.starts_with("http/1.1 "), "{head}");
        let status = head[9..12].parse().unwrap();
        let mut answer = Read { status, head, body: String::new() };
        if status < 200 {
            continue;
        }
        let head_only = methods.get(read.len()) == Some(&"HEAD");
        if !head_only && answer.header("transfer-encoding") == "chunked" {
            while !bytes.is_empty() {
                let at = memchr::memmem::find(bytes, b"\r\n").unwrap();
                let size = usize::from_str_radix(&lossy(&bytes[..at]), 16).unwrap();
                answer.body += &lossy(&bytes[at + 2..at + 2 + size]);
                assert_eq!(&bytes[at + 2 + size..at + 4 + size], b"\r\n", "a chunk is not followed by CRLF");
                bytes = &bytes[at + 4 + size..];
                if size == 0 {
                    break;
                }
            }
        } else if !head_only {
            let length: usize = answer.header("content-length").parse().unwrap_or_else(|_| panic!("{}", answer.head));
            answer.body = lossy(&bytes[..length]);
            bytes = &bytes[length..];
        }
        read.push(answer);
    }
    read
}

/// Sends `bytes`, waits for the close and returns the answers.
async fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<Read> {
    answers(&crate::support::peer::raw(address, bytes).await, &[])
}

/// Sends `bytes` and returns the only answer.
async fn ask_once(address: SocketAddr, bytes: &[u8]) -> Read {
    let mut answers = ask(address, bytes).await;
    assert_eq!(answers.len(), 1, "{}: {answers:?}", lossy(bytes));
    answers.remove(0)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends as much of `bytes` as the server reads.
async fn send_some(peer: &mut Peer, bytes: &[u8]) {
    // The server may have answered and closed already; the tests look at its answer.
    let _closed = peer.send(bytes).await;
}
