//! A caller's own generations and usage, and that other callers do not see them.

use mock_openrouter::MockServer;
use serde_json::{Value, json};

use crate::support::client::{self, Answer, Headers};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, VALVES};
use crate::support::within;

const BOB: [(&str, &str); 3] = [APP[0], APP[1], ("x-user-id", "bob")];
const CAROL: [(&str, &str); 3] = [APP[0], APP[1], ("x-user-id", "carol")];

/// Starts callsign in front of a mock, with a strict ledger: rows are written before answers end.
async fn with_ledger(directory: &tempfile::TempDir) -> (MockServer, Callsign) {
    let mock = MockServer::start().await.unwrap();
    let data = directory.path().to_str().unwrap();
    let ledger = [("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER_MODE", "strict"), ("USER_ID_FORMAT", "acme_{user}")];
    let callsign = Setup::to(&mock.url()).set(&VALVES).set(&ledger).start();
    (mock, callsign)
}

/// Makes a generation as this caller and returns its id.
async fn generate(callsign: &Callsign, headers: Headers<'_>) -> String {
    let body = json!({"model": "mock/cost-126", "messages": []}).to_string();
    let answer = client::post(&callsign.url("chat/completions"), headers, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn me(callsign: &Callsign, headers: Headers<'_>) -> Answer {
    client::get(&format!("http://{}/callsign/v1/me", callsign.address()), headers).await
}

async fn record(callsign: &Callsign, query: &str, headers: Headers<'_>) -> Answer {
    client::get(&callsign.url(&format!("generation{query}")), headers).await
}

fn assert_not_exposed(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (404, "not_exposed"), "{answer:?}");
}

#[tokio::test]
async fn a_caller_sees_their_own_identifiers_and_usage() {
    let directory = tempfile::tempdir().unwrap();
    let (_mock, callsign) = with_ledger(&directory).await;
    for _ in 0..2 {
        generate(&callsign, ALICE).await;
    }
    generate(&callsign, &BOB).await;

    // Sums follow their rows within a second.
    let said = within("alice's sums", async {
        loop {
            let said = me(&callsign, ALICE).await.json();
            if said["usage"]["requests"] == 2 {
                return said;
            }
        }
    })
    .await;
    assert_eq!(
        (&said["user"], &said["tenant"], &said["usage"]["cost_usd"]),
        (&json!("alice"), &Value::Null, &json!("0.000000252"))
    );
    assert_eq!(
        said["identifiers"]["chat/completions"],
        json!({"user": "acme_alice", "metadata": {"user_id": "acme_alice"}})
    );
    assert_eq!(said["identifiers"]["embeddings"], json!({"user": "acme_alice"}));

    let bob = me(&callsign, &BOB).await;
    assert_eq!((bob.header("content-type"), bob.header("cache-control")), ("application/json", "no-store"));
    let bob = bob.json();
    assert_eq!((&bob["user"], bob["usage"]["requests"].as_u64().unwrap() <= 1), (&json!("bob"), true));
    // A request without a user shows no usage: all such requests of the app look the same.
    let nobody = me(&callsign, APP).await.json();
    assert_eq!((&nobody["user"], &nobody["usage"]), (&Value::Null, &Value::Null));

    let refused = me(&callsign, &[]).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (401, "missing_credential"));
    let posted = client::post(&format!("http://{}/callsign/v1/me", callsign.address()), ALICE, "{}").await;
    assert_eq!((posted.status.as_u16(), posted.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_generation_is_shown_only_to_the_caller_that_made_it() {
    let directory = tempfile::tempdir().unwrap();
    let (mock, callsign) = with_ledger(&directory).await;
    let of_alice = generate(&callsign, ALICE).await;
    let of_bob = generate(&callsign, &BOB).await;
    let of_nobody = generate(&callsign, APP).await;

    for (headers, own, id) in [(ALICE, "acme_alice", &of_alice), (&BOB[..], "acme_bob", &of_bob)] {
        let shown = record(&callsign, &format!("?id={id}&x=1"), headers).await;
        assert_eq!(shown.json()["data"]["external_user"], own, "{shown:?}");
        let asked = mock.received().pop().unwrap();
        let target = (asked.path.as_str(), asked.query.clone());
        assert_eq!(target, ("/api/v1/generation", Some(format!("id={id}"))), "only the id is sent upstream");
        assert_eq!(mock.sent(asked.number).unwrap().body, shown.body);
    }
    assert_eq!(record(&callsign, &format!("?id={of_nobody}"), APP).await.status, 200);

    let asked = mock.received().len();
    for headers in [ALICE, &BOB, &CAROL, APP] {
        for (id, owner) in [(&of_alice, ALICE), (&of_bob, &BOB[..]), (&of_nobody, APP)] {
            if headers != owner {
                assert_not_exposed(&record(&callsign, &format!("?id={id}"), headers).await);
            }
        }
        for query in ["", "?id=", "?id=gen-unknown", "?id=../keys", &format!("?id={of_alice}&id={of_bob}")] {
            assert_not_exposed(&record(&callsign, query, headers).await);
        }
    }
    assert_eq!(mock.received().len(), asked, "callsign asked OpenRouter for another caller's generation");
    assert_eq!(record(&callsign, &format!("?id={of_alice}"), &[]).await.status, 401);
    assert_not_exposed(&record(&callsign, &format!("/content?id={of_alice}"), ALICE).await);
}

#[tokio::test]
async fn without_a_ledger_nobody_knows_whose_it_is() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).set(&VALVES).start();
    let id = generate(&callsign, ALICE).await;
    assert_not_exposed(&record(&callsign, &format!("?id={id}"), ALICE).await);
    assert_not_exposed(&client::post(&callsign.url("generation"), ALICE, "{}").await);
    let said = me(&callsign, ALICE).await.json();
    assert_eq!((&said["user"], &said["usage"]), (&json!("alice"), &Value::Null));
}
