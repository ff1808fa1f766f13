//! Tests of the mock OpenRouter: its answers have OpenRouter's shapes, it records requests, and models steer it.

use http_body_util::BodyExt;
use mock_openrouter::{MockServer, Options, Received};
use serde_json::{Value, json};

use crate::support::client::{self, Answer, Headers, Streaming};
use crate::support::peer::{Peer, raw};
use crate::support::within;

const KEY: Headers<'static> = &[("authorization", "Bearer sk-or-v1-operator"), ("content-type", "application/json")];

fn ask(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}], "user": "alice"})
        .to_string()
}

async fn post(mock: &MockServer, path: &str, body: impl Into<String>) -> Answer {
    client::post(&format!("{}/{path}", mock.url()), KEY, body.into()).await
}

async fn chat(mock: &MockServer, model: &str) -> Streaming {
    client::stream(&format!("{}/chat/completions", mock.url()), KEY, ask(model, true)).await
}

/// Compares the answer that was sent for `received` with the client's.
fn assert_sent(mock: &MockServer, received: &Received, answer: &Answer) {
    let sent = mock.sent(received.number).unwrap();
    assert_eq!((sent.status, &sent.body), (answer.status, &answer.body));
}

#[tokio::test]
async fn a_chat_stream_arrives_as_it_was_sent() {
    let mock = MockServer::start().await.unwrap();
    let answer = chat(&mock, "openai/gpt-4o-mini").await.finish().await;
    let received = within("the record", mock.next_received()).await;
    assert_sent(&mock, &received, &answer);
    assert_eq!(answer.cut, None);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert!(answer.header("x-generation-id").starts_with("gen-"));

    let text = answer.text();
    assert!(text.starts_with(": OPENROUTER PROCESSING\n\n"), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let events = answer.events();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let said: String = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(said.contains("user") && said.contains("alice") && said.contains("the operator's key"), "{said}");
    assert!(!text.contains("sk-or-v1-operator"));
    let last = events.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"]["total_tokens"], 18);
}

#[tokio::test]
async fn every_endpoint_answers_in_its_shape() {
    let mock = MockServer::start().await.unwrap();
    let cases: [(&str, Value, &str, Value); 11] = [
        ("chat/completions", json!({}), "/object", json!("chat.completion")),
        ("chat/completions", json!({}), "/usage/prompt_tokens_details/cached_tokens", json!(3)),
        ("completions", json!({"prompt": "hi"}), "/object", json!("text_completion")),
        (
            "responses",
            json!({"input": "hi", "user": "a", "metadata": {"user_id": "a"}}),
            "/metadata/user_id",
            json!("a"),
        ),
        ("messages", json!({"max_tokens": 1}), "/content/0/type", json!("text")),
        ("messages/count_tokens", json!({}), "/input_tokens", json!(11)),
        ("embeddings", json!({"input": ["a", "b"]}), "/data/1/embedding/0", json!(0.5)),
        ("rerank", json!({"documents": ["a", "b"]}), "/results/1/document/text", json!("b")),
        ("systemone", json!({"questions": {"a": {"type": "noul"}}}), "/answers/a/noul", json!(0.5)),
        ("images/generations", json!({"prompt": "x"}), "/data/0/media_type", json!("image/png")),
        ("audio/transcriptions", json!({}), "/usage/total_tokens", json!(18)),
    ];
    for (path, body, pointer, expected) in cases {
        let answer = post(&mock, path, body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.header("x-generation-id").is_empty(), "{path}");
        assert_eq!(answer.json().pointer(pointer), Some(&expected), "{path}: {}", answer.text());
        let received = within("the record", mock.next_received()).await;
        assert_eq!(received.path, format!("/api/v1/{path}"));
        assert_eq!(received.json(), Some(body));
        assert_sent(&mock, &received, &answer);
    }
    let speech = post(&mock, "audio/speech", "{}").await;
    assert_eq!(speech.body.len(), 44 + 1024);
    assert_eq!(speech.header("content-type"), "audio/wav");
}

#[tokio::test]
async fn responses_and_messages_stream_their_own_events() {
    let mock = MockServer::start().await.unwrap();
    let body = json!({"stream": true, "user": "a", "safety_identifier": "a", "metadata": {"user_id": "a"}}).to_string();
    let events = post(&mock, "responses", body.clone()).await.events();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[..4],
        ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    );
    assert_eq!(kinds[4], "response.output_text.delta");
    let completed = &events.last().unwrap()["response"];
    assert_eq!(completed["usage"]["output_tokens"], 7);
    assert_eq!((&completed["user"], &completed["safety_identifier"]), (&json!("a"), &json!("a")));

    let answer = post(&mock, "messages", body).await;
    assert!(answer.text().contains("event: message_start\ndata: {\"type\":\"message_start\""));
    let mut kinds: Vec<_> = answer.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    kinds.dedup();
    let expected = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_generation_is_on_record_once_it_has_ended() {
    let mock = MockServer::start().await.unwrap();
    let record = |id: String| {
        let url = format!("{}/generation?id={id}", mock.url());
        async move { client::get(&url, &[]).await }
    };
    let mut stream = chat(&mock, "mock/hang-after-2").await;
    let id = stream.headers["x-generation-id"].to_str().unwrap().to_owned();
    stream.until("data: ").await;
    assert_eq!(record(id.clone()).await.status, 404, "the gated stream has ended");
    drop(stream);
    within("the cancellation", mock.wait_cancelled(1)).await;
    let data = record(id).await.json()["data"].clone();
    assert_eq!((&data["cancelled"], &data["external_user"]), (&json!(true), &json!("alice")));

    let ended = chat(&mock, "mock/echo").await.finish().await;
    let data = record(ended.header("x-generation-id").to_owned()).await.json()["data"].clone();
    assert_eq!((&data["cancelled"], &data["total_cost"]), (&json!(false), &json!(0.000_42)));
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_wherever_it_leaves() {
    let mock = MockServer::start().await.unwrap();
    // During a stream.
    let mut stream = chat(&mock, "mock/gate").await;
    stream.until("data: ").await;
    drop(stream);
    within("the first", mock.wait_cancelled(1)).await;
    // Before the answer.
    let mut peer = Peer::connect(mock.address()).await;
    let body = ask("mock/hang", false);
    let head = format!(
        "POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    peer.send(format!("{head}{body}").as_bytes()).await.unwrap();
    within("the request", mock.wait_received(2)).await;
    peer.reset();
    within("the second", mock.wait_cancelled(2)).await;
    // During the upload.
    let mut peer = Peer::connect(mock.address()).await;
    peer.send(head.as_bytes()).await.unwrap();
    within("the head", mock.wait_begun(3)).await;
    drop(peer);
    within("the third", mock.wait_cancelled(3)).await;
    assert_eq!((mock.begun(), mock.received().len()), (3, 2));
    // A client that stays to the end is not counted.
    chat(&mock, "mock/echo").await.finish().await;
    post(&mock, "chat/completions", ask("mock/echo", false)).await;
    post(&mock, "embeddings", "{}").await;
    client::request(http::Method::HEAD, &format!("{}/models", mock.url()), KEY, "").await;
    assert_eq!(mock.cancelled(), 3);
}

#[tokio::test]
async fn a_gate_lets_one_chunk_pass_at_a_time() {
    let mock = MockServer::start().await.unwrap();
    let mut stream = chat(&mock, "mock/gate+cut-after-3").await;
    let first = stream.until("\"content\":\"\"").await;
    assert_eq!(mock.sent(0).unwrap().body, first);
    mock.release(1);
    let second = stream.until("This").await;
    assert_eq!(mock.sent(0).unwrap().body.len(), first.len() + second.len());
    mock.release(1);
    let rest = stream.finish().await;
    assert!(rest.cut.is_some() && rest.text().contains("is"), "{rest:?}");
    assert_eq!(mock.cancelled(), 0, "a cut by the mock counts as cancelled by the client");
}

#[tokio::test]
async fn a_cut_answer_arrives_up_to_the_cut() {
    let mock = MockServer::start().await.unwrap();
    for (number, (model, stream)) in [
        ("mock/cut-after-3", true),
        ("mock/cut-mid-chunk", true),
        ("mock/cut-mid-chunk", false),
        ("mock/cut-after-0", true),
        ("mock/long-500+cut-after-400", true),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = post(&mock, "chat/completions", ask(model, stream)).await;
        assert!(answer.cut.is_some(), "{model}");
        assert_eq!(mock.sent(number).unwrap().body, answer.body, "{model}");
        assert!(!answer.text().contains("[DONE]"), "{model}");
    }
}

#[tokio::test]
async fn steering_replaces_the_answer() {
    let mock = MockServer::start().await.unwrap();
    let error = post(&mock, "chat/completions", ask("mock/error-429", true)).await;
    assert_eq!((error.status.as_u16(), error.header("retry-after")), (429, "1"));
    assert_eq!(error.json()["error"]["code"], 429);
    assert!(error.json()["user_id"].as_str().unwrap().starts_with("org_"));
    let error = post(&mock, "messages", ask("mock/error-429", true)).await;
    assert_eq!(error.json()["error"]["type"], "rate_limit_error");
    let html = post(&mock, "chat/completions", ask("mock/html-503", true)).await;
    assert_eq!((html.status.as_u16(), html.text().starts_with("<!DOCTYPE html>")), (503, true));
    let redirect = post(&mock, "chat/completions", ask("mock/redirect", true)).await;
    assert_eq!((redirect.status.as_u16(), redirect.header("location").is_empty()), (307, false));
    let headers = post(&mock, "chat/completions", ask("mock/origin-headers", false)).await;
    assert_eq!(headers.headers.get_all("set-cookie").iter().count(), 2);
    let slip = post(&mock, "chat/completions", ask("mock/gat", false)).await;
    assert_eq!((slip.status.as_u16(), slip.text().contains("gat")), (400, true));

    for (path, failed) in
        [("chat/completions", "/error/code"), ("responses", "/response/error/code"), ("messages", "/error/type")]
    {
        let answer = post(&mock, path, ask("mock/mid-error", true)).await;
        assert_eq!((answer.status.as_u16(), &answer.cut), (200, &None));
        assert!(answer.events().last().unwrap().pointer(failed).is_some(), "{path}: {}", answer.text());
    }
    let plain = chat(&mock, "mock/no-usage").await.finish().await;
    assert!(!plain.text().contains("\"usage\"") && plain.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_body() {
    let mock = MockServer::start().await.unwrap();
    let (upload, answer) = client::upload(&format!("{}/chat/completions", mock.url()), KEY);
    let answer = tokio::spawn(answer);
    upload.send(r#"{"model":"mock/early-401","messages":["#).await.unwrap();
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!((mock.begun(), mock.received().len()), (1, 0), "an incomplete request counts as received");
}

#[tokio::test]
async fn a_slow_reader_takes_the_body_piece_by_piece() {
    let mock = MockServer::start().await.unwrap();
    let body = json!({"model": "mock/slow-read", "padding": "x".repeat(1 << 20)}).to_string();
    let url = format!("{}/chat/completions", mock.url());
    let answer = tokio::spawn(async move { client::post(&url, KEY, body).await.status });
    within("the head", mock.wait_begun(1)).await;
    // Other connections send requests meanwhile.
    for others in 1..=5 {
        post(&mock, "embeddings", "{}").await;
        assert_eq!(mock.received().len(), others, "the unfinished upload counts as received");
    }
    mock.release(1_000_000);
    assert_eq!(answer.await.unwrap(), 200);
    assert!(mock.received()[5].body.len() > 1 << 20);
}

#[tokio::test]
async fn identifiers_that_openrouter_refuses_are_refused() {
    let mock = MockServer::start().await.unwrap();
    let refused = post(&mock, "chat/completions", r#"{"user":null}"#).await;
    assert_eq!((refused.status.as_u16(), refused.text().contains("user: expected string")), (400, true));
    assert_eq!(post(&mock, "chat/completions", "[]").await.status, 400);
    let odd = post(&mock, "chat/completions", r#"{"n":1e400,"s":"\ud800","d":12345678901234567890123}"#).await;
    assert_eq!(odd.status, 200);
    let anonymous = client::post(&format!("{}/embeddings", mock.url()), &[], "{}").await;
    assert_eq!(anonymous.status, 401);
    assert_eq!(post(&mock, "keys", "{}").await.status, 404);
    assert_eq!(client::get(&format!("{}/messages", mock.url()), &[]).await.status, 405);
    let models = client::get(&format!("{}/models", mock.url()), &[]).await.json();
    assert!(models["data"].as_array().unwrap().iter().any(|model| model["id"] == "mock/gate"));
}

#[tokio::test]
async fn duplicate_headers_are_recorded_and_credentials_are_not_printed() {
    let mock = MockServer::start().await.unwrap();
    let head = b"GET /api/v1/models?x=1 HTTP/1.1\r\nhost: x\r\nx-twice: 1\r\nX-Twice: 2\r\nauthorization: Bearer secret\r\nconnection: close\r\n\r\n";
    let answer = raw(mock.address(), head).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let received = within("the record", mock.next_received()).await;
    assert_eq!(received.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((received.query.as_deref(), received.header("x-twice")), (Some("x=1"), None));
    assert_eq!(received.header("authorization"), Some("Bearer secret"));
    assert!(!format!("{received:?}").contains("secret"));
}

#[tokio::test]
async fn compression_is_for_those_who_ask() {
    let mock = MockServer::start().await.unwrap();
    let plain = chat(&mock, "mock/compressed").await.finish().await;
    assert_eq!(plain.header("content-encoding"), "");
    let url = format!("{}/chat/completions", mock.url());
    let headers = [KEY, &[("accept-encoding", "br, gzip")]].concat();
    let packed = client::post(&url, &headers, ask("mock/compressed", true)).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.cut.is_none());
}

#[tokio::test]
async fn a_demo_keeps_nothing_and_dropping_it_closes_everything() {
    let options = Options { pace: None, ..Options::DEMO };
    let mock = MockServer::start_with(options).await.unwrap();
    post(&mock, "chat/completions", ask("mock/echo", true)).await;
    assert_eq!((mock.begun(), mock.received().len(), mock.sent(0).is_none()), (1, 0, true));
    let peer = Peer::connect(mock.address()).await;
    drop(mock);
    assert_eq!(peer.read_to_close().await, b"");
}

#[tokio::test]
async fn http2_is_spoken_too() {
    let mock = MockServer::start().await.unwrap();
    let socket = tokio::net::TcpStream::connect(mock.address()).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(socket);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let ask = |model| {
        let request = http::Request::post(format!("{}/chat/completions", mock.url()));
        let body = http_body_util::Full::new(bytes::Bytes::from(ask(model, true)));
        request.header("authorization", "Bearer k").body(body).unwrap()
    };
    let answer = within("the answer", sender.send_request(ask("mock/cut-after-2"))).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err(), "a cut stream is reset");
    let answer = within("the next answer", sender.send_request(ask("mock/hang-after-2"))).await.unwrap();
    drop(answer);
    within("the cancellation", mock.wait_cancelled(1)).await;
    assert!(mock.received().iter().all(|received| received.version == http::Version::HTTP_2));
}
