//! Forms and compressed bodies: every forwarded byte was examined, and the rest is refused.

use std::io::Cursor;

use async_compression::Level;
use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use async_compression::zstd::CParameter;
use callsign_core::endpoint::INFERENCE;
use tokio::io::AsyncReadExt;

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, ALICE_KEY, Callsign, VALVES, callsign};

const JSON_BODY: &str = r#"{"model":"m","user":"mallory","metadata":{"user_id":"mallory"},"n":1.10}"#;

fn form(boundary: &str, parts: &[(&str, &str)]) -> String {
    let part = |(name, content): &(&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    parts.iter().map(part).collect::<String>() + &format!("--{boundary}--\r\n")
}

async fn post(callsign: &Callsign, path: &str, headers: &[(&str, &str)], body: impl Into<bytes::Bytes>) -> Answer {
    let authorization = format!("Bearer {ALICE_KEY}");
    let headers = [&[("authorization", authorization.as_str())], headers].concat();
    client::post(&callsign.url(path), &headers, body).await
}

async fn read(mut encoder: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut whole = Vec::new();
    encoder.read_to_end(&mut whole).await.unwrap();
    whole
}

async fn encoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let body = Cursor::new(body.to_vec());
    match coding {
        "gzip" => read(GzipEncoder::with_quality(body, Level::Fastest)).await,
        "br" => read(BrotliEncoder::with_quality(body, Level::Fastest)).await,
        _ => read(ZstdEncoder::with_quality(body, Level::Fastest)).await,
    }
}

#[tokio::test]
async fn a_form_loses_its_owned_parts_and_gets_callsigns() {
    let large = "\r\n--theirs ".repeat(40_000);
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[&VALVES[..], &[("CALLSIGN_BUFFER_BODY_BYTES", hold)]].concat()).await;
        for content in ["RIFF\0\0", large.as_str()] {
            let kept = [("model", "openai/whisper-1"), ("file", content), ("language", "de")];
            let mut parts = vec![("user", "mallory"), ("Session_Id", "forged")];
            parts.extend(kept);
            parts.push(("metadata[user_id]", "mallory"));
            let headers = [("content-type", "multipart/form-data; boundary=x-theirs"), ("x-session-id", "forged")];
            let answer = post(&callsign, "audio/transcriptions", &headers, form("x-theirs", &parts)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let received = mock.received().pop().unwrap();
            let ours = received.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
            assert!(ours.starts_with("callsign-"), "{ours}");
            assert_eq!(received.body, form(ours, &[&kept[..], &[("user", "alice")]].concat()));
            assert_eq!(received.header("x-session-id"), None);
            // A buffered form leaves with a known length, a longer one in chunks.
            let length = (hold != "0" && content.len() < 262_144).then(|| received.body.len().to_string());
            assert_eq!(received.header("content-length"), length.as_deref(), "{hold}");
        }
    }
}

#[tokio::test]
async fn forms_of_big_http_libraries_pass_and_arrive_in_one_spelling() {
    let (mock, callsign) = callsign(&VALVES).await;
    // Guzzle and OkHttp; Apache HttpClient; .NET, whose boundary is quoted.
    let sent = [
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Length: 1\r\n\r\nm\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Length: 4\r\n\
         Content-Type: audio/mpeg\r\n\r\nRIFF\r\n--b--\r\n",
        "\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nm\r\n\
         --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\
         Content-Transfer-Encoding: binary\r\n\r\nRIFF\r\n--b--\r\n",
        "--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n\
         --b\r\nContent-Type: audio/mpeg\r\nContent-Disposition: form-data; name=file; filename=a.mp3; \
         filename*=utf-8''a.mp3\r\n\r\nRIFF\r\n--b--\r\n\r\n",
    ];
    for body in sent {
        for content_type in ["multipart/form-data; boundary=\"b\"", "multipart/form-data; charset=UTF-8; boundary=b;"] {
            let headers = [("content-type", content_type)];
            let answer = post(&callsign, "audio/transcriptions", &headers, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let received = mock.received().pop().unwrap();
            let ours = received.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
            let expected = form(ours, &[("model", "m"), ("file", "RIFF"), ("user", "alice")])
                .replace("name=\"file\"", "name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg");
            assert_eq!(received.body, expected, "{body}");
        }
    }
}

#[tokio::test]
async fn a_form_that_could_be_read_in_two_ways_is_refused() {
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold)]).await;
        let good = "multipart/form-data; boundary=x";
        let part = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n";
        for (content_type, body) in [
            (good, String::new()),
            (good, "--y--\r\n".into()),
            (good, part.into()),
            (good, format!("{part}--x--\r\n--x--")),
            (good, part.replace('\r', "") + "--x--"),
            (good, part.replace("name=", "name*=utf-8''user; name=") + "--x--"),
            (good, part.replace("\"model\"", "\"model\"; name=\"user\"") + "--x--"),
            (good, part.replace("; name", ";\r\n name") + "--x--"),
            (good, part.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n") + "--x--"),
            (good, part.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n") + "--x--"),
            (good, part.replace("\"model\"", "\"_charset_\"") + "--x--"),
            ("multipart/form-data", form("x", &[])),
            ("multipart/form-data; boundary=x; boundary=y", form("x", &[])),
        ] {
            let answer = post(&callsign, "audio/transcriptions", &[("content-type", content_type)], body.clone()).await;
            let told = (answer.status.as_u16(), answer.header("x-callsign-error"));
            assert_eq!(told, (400, "bad_request"), "{content_type} {body:?}: {}", answer.text());
        }
        for endpoint in INFERENCE.iter().filter(|endpoint| !endpoint.form) {
            let answer = post(&callsign, endpoint.path, &[("content-type", good)], form("x", &[])).await;
            assert_eq!(answer.status, 415, "{}", endpoint.path);
        }
        assert_eq!(mock.received().len(), 0, "the upstream received no complete request");
    }
}

#[tokio::test]
async fn compressed_bodies_are_examined_and_leave_uncompressed() {
    for hold in ["0", "262144"] {
        let (mock, callsign) = callsign(&[&VALVES[..], &[("CALLSIGN_BUFFER_BODY_BYTES", hold)]].concat()).await;
        let long = format!(r#"{{"model":"m","input":"{}","user":"mallory"}}"#, "many words ".repeat(40_000));
        for coding in ["gzip", "br", "zstd", "GZIP"] {
            for body in [JSON_BODY, &long] {
                let headers = [("content-type", "application/json"), ("content-encoding", coding)];
                let compressed = encoded(&coding.to_lowercase(), body.as_bytes()).await;
                let answer = post(&callsign, "chat/completions", &headers, compressed).await;
                assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
                let received = mock.received().pop().unwrap();
                assert_eq!(received.header("content-encoding"), None);
                let json = received.json().unwrap();
                assert_eq!((&json["user"], &json["metadata"]["user_id"]), (&"alice".into(), &"alice".into()));
                assert!(!received.body.windows(7).any(|window| window == b"mallory"));
            }
            let headers = [("content-type", "multipart/form-data; boundary=x"), ("content-encoding", coding)];
            let body = form("x", &[("user", "mallory"), ("model", "m")]);
            let compressed = encoded(&coding.to_lowercase(), body.as_bytes()).await;
            let answer = post(&callsign, "audio/transcriptions", &headers, compressed).await;
            assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
            let received = mock.received().pop().unwrap();
            assert!(!received.body.windows(7).any(|window| window == b"mallory"));
            assert!(received.body.windows(9).any(|window| window == b"\r\nalice\r\n"));
        }
        let members = [encoded("gzip", b"{\"a\":").await, encoded("gzip", b"1}").await].concat();
        let answer = post(&callsign, "chat/completions", &[("content-encoding", "gzip")], members).await;
        assert_eq!(answer.status, 200, "two gzip members are one body: {}", answer.text());
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused() {
    for hold in ["0", "262144"] {
        let (mock, callsign) =
            callsign(&[("CALLSIGN_BUFFER_BODY_BYTES", hold), ("CALLSIGN_MAX_BODY_BYTES", "1048576")]).await;
        for coding in ["gzip", "br", "zstd"] {
            let whole = encoded(coding, JSON_BODY.as_bytes()).await;
            let no_json = encoded(coding, b"{\"a\":1} x").await;
            for (body, status, code) in [
                (JSON_BODY.as_bytes().to_vec(), 400, "bad_request"),
                (whole[..whole.len() - 1].to_vec(), 400, "bad_request"),
                ([whole.as_slice(), b"x"].concat(), 400, "bad_request"),
                (no_json, 400, "invalid_json"),
            ] {
                let answer = post(&callsign, "chat/completions", &[("content-encoding", coding)], body.clone()).await;
                let told = (answer.status.as_u16(), answer.header("x-callsign-error"));
                assert_eq!(told, (status, code), "{coding} {body:?}: {}", answer.text());
            }
            let object = encoded(coding, &[b"{\"a\":", vec![b' '; 4 << 20].as_slice(), b"1}"].concat()).await;
            assert!(object.len() < 1 << 16, "{coding}: {}", object.len());
            let answer = post(&callsign, "chat/completions", &[("content-encoding", coding)], object).await;
            assert_eq!(answer.header("x-callsign-error"), "body_too_large", "{coding}: {}", answer.text());
        }
        // A zstd window larger than 8 MiB, which RFC 9659 forbids.
        let mut wide = br#"{"a":"#.to_vec();
        wide.resize(1 << 20, b' ');
        let wide =
            ZstdEncoder::with_quality_and_params(Cursor::new(wide), Level::Default, &[CParameter::window_log(27)]);
        let answer = post(&callsign, "chat/completions", &[("content-encoding", "zstd")], read(wide).await).await;
        assert_eq!(answer.header("x-callsign-error"), "bad_request", "{}", answer.text());
        for coding in ["deflate", "compress", "gzip, br", "aws-chunked"] {
            let answer = post(&callsign, "chat/completions", &[("content-encoding", coding)], JSON_BODY).await;
            assert_eq!(answer.header("x-callsign-error"), "unsupported_encoding", "{coding}");
        }
        assert_eq!(mock.received().len(), 0, "the upstream received no complete request");
        assert_eq!(client::post(&callsign.url("chat/completions"), ALICE, "{}").await.status, 200);
    }
}
