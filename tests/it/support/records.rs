//! An upstream with one answer to inference requests and one to look-ups of generation records.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer: status, further headers (each line with its end), body.
pub(crate) type Scripted = (u16, &'static str, String);

/// A running upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug)]
struct Script {
    inference: Scripted,
    /// Answers to look-ups. The last one is repeated.
    records: VecDeque<Scripted>,
    looked_up: usize,
}

impl Upstream {
    pub(crate) async fn start(inference: Scripted, records: impl IntoIterator<Item = Scripted>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script { inference, records: records.into_iter().collect(), looked_up: 0 };
        let script = Arc::new(Mutex::new(script));
        let of_all = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&of_all)));
            }
        });
        Self { address, script }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns the number of look-ups so far.
    pub(crate) fn looked_up(&self) -> usize {
        self.script.lock().unwrap().looked_up
    }

    /// Replaces the answers to look-ups.
    pub(crate) fn set_record(&self, record: Scripted) {
        self.script.lock().unwrap().records = [record].into();
    }
}

async fn answer(mut socket: TcpStream, script: Arc<Mutex<Script>>) {
    let mut seen = Vec::new();
    let head = loop {
        if let Some(end) = memchr::memmem::find(&seen, b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while seen.len() < head + length && socket.read_buf(&mut seen).await.unwrap_or(0) > 0 {}
    let (status, headers, body) = {
        let mut script = script.lock().unwrap();
        if text.contains("/generation?id=") {
            script.looked_up += 1;
            let next = script.records.pop_front().unwrap();
            if script.records.is_empty() {
                script.records.push_back(next.clone());
            }
            next
        } else {
            script.inference.clone()
        }
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n{headers}\r\n{body}"
    );
    let _ = socket.write_all(answer.as_bytes()).await;
}
