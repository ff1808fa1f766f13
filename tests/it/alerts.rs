//! Alerts: what the webhook gets, and what it does not.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use mock_openrouter::MockServer;
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::client;
use crate::support::proxy::{APP, Setup, VALVES};

/// A request that the webhook got: head and body.
type Got = (String, String);

/// A webhook that answers with each of these statuses once, then with 204.
async fn webhook(statuses: Vec<u16>) -> (String, mpsc::UnboundedReceiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/services/a-secret-path", listener.local_addr().unwrap());
    let (tell, got) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut statuses = statuses.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some((head, body)) = request(&mut stream).await else { continue };
            let status = statuses.next().unwrap_or(204);
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            tell.send((head, body)).unwrap();
        }
    });
    (url, got)
}

/// Reads a request; `None` if the connection ends before.
async fn request(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8(bytes.clone()).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        if length.parse() == Ok(body.len()) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// Waits for the next request of the webhook. A test that hangs here fails by its time limit.
async fn next(got: &mut mpsc::UnboundedReceiver<Got>) -> Got {
    tokio::time::timeout(Duration::from_mins(1), got.recv()).await.unwrap().unwrap()
}

const CHAT: &str = r#"{"model":"demo","messages":[]}"#;

#[tokio::test]
async fn a_budget_names_the_user_by_the_format_and_the_request_is_signed() {
    let (url, mut got) = webhook(vec![503]).await;
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .set(&[
            ("CALLSIGN_ALERT_WEBHOOK", &url),
            ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
            ("CALLSIGN_LIMIT_TOKENS_DAY", "1"),
            ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
        ])
        .start();
    let headers = [APP, &[("x-user-id", "alice")]].concat();
    for _ in 0..2 {
        let answer = client::post(&callsign.url("chat/completions"), &headers, CHAT).await;
        assert!([200, 429].contains(&answer.status.as_u16()), "{}", answer.text());
    }
    let refused: Value = serde_json::from_str(&next(&mut got).await.1).unwrap();
    let (head, text) = next(&mut got).await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["id"], refused["id"], "an alert that was not taken is sent again");
    assert!(["budget_warning", "budget_exhausted"].contains(&body["kind"].as_str().unwrap()), "{body}");
    assert_eq!([&body["subject"], &body["person"]], ["tokens_day", "acme_2bd806c97f0e00af"], "{body}");
    assert!(body["text"].as_str().unwrap().starts_with("callsign: "), "{body}");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned();
    let signed = format!("{}.{}.{text}", header("webhook-id"), header("webhook-timestamp"));
    let mac = Hmac::<Sha256>::new_from_slice(url.as_bytes()).unwrap().chain_update(signed).finalize().into_bytes();
    assert_eq!(header("webhook-signature"), format!("v1,{}", data_encoding::BASE64.encode(&mac)));
}

#[tokio::test]
async fn an_app_without_users_is_an_alert_and_the_console_can_test_the_webhook() {
    let (url, mut got) = webhook(Vec::new()).await;
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .set(&[("CALLSIGN_ALERT_WEBHOOK", &url), ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests")])
        .start();
    for _ in 0..3 {
        assert_eq!(client::post(&callsign.url("chat/completions"), APP, CHAT).await.status, 200);
    }
    let kind = |(_, text): &Got| serde_json::from_str::<Value>(text).unwrap()["kind"].as_str().unwrap().to_owned();
    assert_eq!(kind(&next(&mut got).await), "unattributed");
    let origin = callsign.admin_url("");
    let origin = ("origin", origin.trim_end_matches('/'));
    let answer = client::post(&callsign.admin_url("login"), &[origin], "token=an-admin-token-of-tests").await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let answer = client::post(&callsign.admin_url("alerts/test"), &[origin, ("cookie", &cookie)], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/settings?alert=sent"));
    let test = next(&mut got).await;
    assert_eq!(kind(&test), "test", "the same alert is sent once an hour: {test:?}");
    let page = client::get(&callsign.admin_url("settings"), &[("cookie", &cookie)]).await.text();
    assert!(page.contains("Send a test") && !page.contains("a-secret-path"), "{page}");
}
