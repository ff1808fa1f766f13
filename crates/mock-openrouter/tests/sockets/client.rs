//! A client that speaks HTTP/1.0, so that the end of the connection is the end of a body.

use mock_openrouter::{Entry, MockServer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The operator's key in every request.
pub(crate) const KEY: &str = "sk-or-v1-operator";

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the JSON data of the events, without `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request and returns the connection.
pub(crate) async fn send(mock: &MockServer, method: &str, path: &str, key: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(mock.address()).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} /api/v1/{path} HTTP/1.0\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// Asks for an answer of this model.
pub(crate) fn body(model: &str, stream: bool) -> String {
    serde_json::json!({"model": model, "stream": stream, "user": "alice", "input": "hi", "documents": ["a"]})
        .to_string()
}

pub(crate) async fn post(mock: &MockServer, path: &str, model: &str, stream: bool) -> Answer {
    read(send(mock, "POST", path, KEY, &body(model, stream)).await).await
}

pub(crate) async fn get(mock: &MockServer, path: &str) -> Answer {
    get_with(mock, path, KEY).await
}

pub(crate) async fn get_with(mock: &MockServer, path: &str, key: &str) -> Answer {
    read(send(mock, "GET", path, key, "").await).await
}

/// Looks up the generation record of an answer.
pub(crate) async fn record(mock: &MockServer, answer: &Answer) -> Answer {
    get(mock, &format!("generation?id={}", answer.header("x-generation-id").unwrap())).await
}

/// Returns the only book entry of an answer.
pub(crate) fn entry(mock: &MockServer, answer: &Answer) -> Entry {
    let entries = mock.books().entries;
    let mut found = entries.iter().filter(|entry| Some(&*entry.generation) == answer.header("x-generation-id"));
    let entry = found.next().unwrap().clone();
    assert_eq!(found.next(), None, "booked twice");
    entry
}

/// Returns the numbers that are the value of this member anywhere in a JSON text, as they are written.
pub(crate) fn written<'a>(text: &'a str, member: &str) -> Vec<&'a str> {
    let name = format!("\"{member}\":");
    let values = text.match_indices(&name).filter_map(|(at, _)| text.get(at + name.len()..));
    values.map(|rest| rest.split([',', '}']).next().unwrap()).collect()
}
