//! HTTP/1.0, which old proxies speak: an answer without a length ends with its connection (`docs/SPEC.md#broken-streams`).

use std::io::ErrorKind;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::proxy::{APP, Callsign, callsign};
use crate::support::within;

/// Sends a request over HTTP/1.0. Returns the bytes that came, and the kind of the error that ended them.
async fn http_1_0(callsign: &Callsign, body: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let authority = callsign.url("").split('/').nth(2).unwrap().to_owned();
    let mut socket = TcpStream::connect(&authority).await.unwrap();
    let (name, value) = APP[0];
    let length = body.len();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.0\r\n{name}: {value}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    socket.write_all((head + body).as_bytes()).await.unwrap();
    let mut came = Vec::new();
    let end = within("the end", socket.read_to_end(&mut came)).await;
    (came, end.err().map(|error| error.kind()))
}

#[tokio::test]
async fn over_http_1_0_a_cut_answer_ends_with_a_reset_after_every_byte() {
    let (mock, callsign) = callsign(&[]).await;
    for model in ["mock/cut-after-3", "mock/long-800+cut-after-700", "mock/cut-mid-chunk"] {
        let (came, end) = http_1_0(&callsign, &json!({"model": model, "stream": true}).to_string()).await;
        assert_eq!(end, Some(ErrorKind::ConnectionReset), "{model}");
        let sent = mock.sent(mock.begun() - 1).unwrap().body;
        let body = memchr::memmem::find(&came, b"\r\n\r\n").unwrap() + 4;
        assert_eq!(came[body..].escape_ascii().to_string(), sent.escape_ascii().to_string(), "{model}");
    }
    let (came, end) = http_1_0(&callsign, r#"{"model":"m","stream":true}"#).await;
    assert!(end.is_none() && came.ends_with(b"data: [DONE]\n\n"), "a whole answer ends with a FIN");
}
