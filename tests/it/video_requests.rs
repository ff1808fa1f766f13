//! Requests about video jobs: refusals, continued jobs, content (docs/SPEC.md#videos).

use mock_openrouter::MockServer;
use serde_json::json;
use tempfile::TempDir;

use crate::support::client::{self, Answer, Headers};
use crate::support::proxy::{ALICE, Callsign, Setup, VALVES};
use crate::videos::{BOB, create, read};

pub(crate) fn start(mock: &MockServer, data: &TempDir, variables: &[(&str, &str)]) -> Callsign {
    let data = [("CALLSIGN_DATA_DIR", data.path().to_str().unwrap()), ("SEND_TRACE", "1")];
    Setup::to(&mock.url()).set(&VALVES).set(&data).set(variables).start()
}

pub(crate) fn assert_refused(answer: &Answer, status: u16, code: &str, word: &str) {
    let error = &answer.json()["error"];
    assert_eq!((answer.status.as_u16(), &error["code"]), (status, &json!(code)), "{}", answer.text());
    assert!(error["message"].as_str().unwrap().contains(word), "{error}");
}

/// The three requests about jobs.
async fn all(callsign: &Callsign, headers: Headers<'_>) -> [Answer; 3] {
    let created = client::post(&callsign.url("videos"), headers, r#"{"model":"m"}"#).await;
    [created, read(callsign, headers, "gen-vid-1").await, read(callsign, headers, "gen-vid-1/content").await]
}

#[tokio::test]
async fn without_a_ledger_the_message_names_the_setting() {
    let mock = MockServer::start().await.unwrap();
    let off = Setup::to(&mock.url()).set(&VALVES).start();
    for answer in all(&off, ALICE).await {
        assert_refused(&answer, 404, "not_exposed", "CALLSIGN_LEDGER");
    }
    let data = TempDir::new().unwrap();
    let away = start(&mock, &data, &[("CALLSIGN_LEDGER", "postgres://nobody@127.0.0.1:1/none")]);
    for answer in all(&away, ALICE).await {
        assert_refused(&answer, 503, "ledger_unavailable", "try again");
    }
    assert_eq!(mock.received().len(), 0);
    assert_eq!(read(&off, ALICE, "models").await.status, 200, "the list of models needs no ledger");
    let before = mock.begun();
    assert_eq!(read(&off, BOB, "models").await.header("age"), "0", "it is cached");
    assert_eq!(mock.begun(), before);
}

#[tokio::test]
async fn the_creator_arrives_and_no_claim_does() {
    let (mock, data) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock, &data, &[]);
    let body = r#"{"model":"m","user":"eve","User":"eve","session_id":"eve","trace":{"x":"eve"},"metadata":{"a":"eve"},
        "callback_url":"https://eve.example","prompt":"x"}"#;
    let headers = [BOB, &[("x-session-id", "s-1")]].concat();
    assert_eq!(client::post(&callsign.url("videos?user=eve"), &headers, body).await.status, 202);
    let received = mock.received().pop().unwrap();
    let trace = json!({"user_id": "bob", "session_id": "s-1"});
    let expected = json!({"model": "m", "prompt": "x", "user": "bob", "session_id": "s-1", "trace": trace});
    assert_eq!(received.json(), Some(expected));
    assert_eq!((received.header("x-session-id"), received.query.as_deref()), (None, None));
}

#[tokio::test]
async fn only_an_own_job_is_continued_and_nothing_complete_leaves_otherwise() {
    let (mock, data) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    for hold in ["262144", "0"] {
        let callsign = start(&mock, &data, &[("CALLSIGN_BUFFER_BODY_BYTES", hold)]);
        let (of_alice, of_bob) = (create(&callsign, ALICE, "m").await, create(&callsign, BOB, "m").await);
        let chat = client::post(&callsign.url("chat/completions"), ALICE, r#"{"model":"m","messages":[]}"#).await;
        let post = async |previous: String| {
            let body = format!(r#"{{"model":"m",{previous},"prompt":"x"}}"#);
            client::post(&callsign.url("videos"), ALICE, body).await
        };
        let own = |id: &str| format!(r#""previous_job_id":"{id}""#);
        let before = mock.received().len();
        for id in [of_bob.as_str(), "gen-vid-unknown", chat.json()["id"].as_str().unwrap()] {
            assert_refused(&post(own(id)).await, 403, "not_yours", "previous_job_id");
            let escaped = format!(r#""previous\u005fjob_id":"{id}""#);
            assert_refused(&post(escaped).await, 403, "not_yours", "previous_job_id");
        }
        for value in ["7", "[]", "{}", "true", r#""""#, r#""a/b""#, &format!(r#"["{of_alice}"]"#)] {
            let answer = post(format!(r#""previous_job_id":{value}"#)).await;
            assert_refused(&answer, 400, "bad_request", "previous_job_id");
        }
        for twice in [format!("{},{}", own(&of_alice), own(&of_bob)), format!("{},{}", own(&of_bob), own(&of_alice))] {
            assert_refused(&post(twice).await, 400, "bad_request", "once");
        }
        assert_eq!(mock.received().len(), before, "a refused request arrived");
        for pass in [own(&of_alice), r#""previous_job_id":null"#.to_owned()] {
            assert_eq!(post(pass).await.status, 202);
        }
        drop(callsign);
        crate::support::proxy::until_free(data.path()).await;
    }
}

#[tokio::test]
async fn content_is_a_download_and_takes_one_simple_range() {
    let (mock, data) = (MockServer::start().await.unwrap(), TempDir::new().unwrap());
    let callsign = start(&mock, &data, &[]);
    let id = create(&callsign, ALICE, "m").await;
    let get = async |query: &str, range: &str| {
        let headers = [ALICE, &[("range", range)]].concat();
        let answer = read(&callsign, &headers, &format!("{id}/content{query}")).await;
        (answer, mock.received().pop().unwrap())
    };
    let (answer, sent) = get("?index=1&user=eve&key=x", "bytes=0-9").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "video/mp4"));
    assert_eq!(
        (answer.header("x-content-type-options"), answer.header("content-disposition")),
        ("nosniff", "attachment")
    );
    assert_eq!((sent.query.as_deref(), sent.header("range")), (Some("index=1"), Some("bytes=0-9")));
    assert_eq!(sent.path, format!("/api/v1/videos/{id}/content"));
    assert_eq!(get("", "bytes=0-1,3-4").await.1.header("range"), None);
    for query in ["?index=x", "?index=1&index=2", "?index="] {
        let answer = read(&callsign, ALICE, &format!("{id}/content{query}")).await;
        assert_refused(&answer, 400, "bad_request", "index");
    }
    let posted = client::post(&callsign.url(&format!("videos/{id}")), ALICE, "{}").await;
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"));
    assert_eq!(read(&callsign, &[], &id).await.status, 401);
}
