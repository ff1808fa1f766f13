//! Video jobs belong to the caller who created them (docs/SPEC.md#videos).

use callsign_core::secret::KeyDigest;
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{self, Answer, Headers};
use crate::support::peer::Peer;
use crate::support::proxy::{ALICE, ALICE_KEY, APP, Callsign, Setup, VALVES};
use crate::support::{rows, within};

/// Alice through the app.
const APPS_ALICE: Headers<'static> = &[APP[0], APP[1], ("x-user-id", "alice")];
pub(crate) const BOB: Headers<'static> = &[APP[0], APP[1], ("x-user-id", "bob")];
/// Alice of another tenant, and that tenant's app without a user.
const OTHER_KEY: &str = "sk-cs-the-app-of-acme-0123456789";
const OTHER_ALICE: Headers<'static> =
    &[("authorization", "Bearer sk-cs-the-app-of-acme-0123456789"), APP[1], ("x-user-id", "alice")];
const OTHER_APP: Headers<'static> = &[("authorization", "Bearer sk-cs-the-app-of-acme-0123456789"), APP[1]];
/// A second app of the operator without a user.
const SECOND_KEY: &str = "sk-cs-the-second-app-0123456789";
const SECOND_APP: Headers<'static> = &[("authorization", "Bearer sk-cs-the-second-app-0123456789"), APP[1]];

/// Starts a callsign whose ledger is in `ledger`, and which has a data directory of its own.
fn node(mock: &MockServer, ledger: &TempDir, data: &TempDir) -> Callsign {
    let entry = |name: &str, key: &str, tenant: &str| {
        let digest = KeyDigest::of(key.as_bytes()).to_hex();
        format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\npreset = \"generic\"\n{tenant}")
    };
    let keys = entry("acme", OTHER_KEY, "tenant = \"acme\"\n") + &entry("second", SECOND_KEY, "");
    let file = format!("sqlite:{}", ledger.path().join("ledger.db").display());
    let stores = [("CALLSIGN_DATA_DIR", data.path().to_str().unwrap()), ("CALLSIGN_LEDGER", &file)];
    let toml = format!("[[tenants]]\nname = \"acme\"\n{keys}");
    Setup::to(&mock.url()).set(&VALVES).set(&stores).toml(&toml).start()
}

pub(crate) async fn create(callsign: &Callsign, headers: Headers<'_>, model: &str) -> String {
    let answer =
        client::post(&callsign.url("videos"), headers, json!({"model": model, "prompt": "x"}).to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn read(callsign: &Callsign, headers: Headers<'_>, path: &str) -> Answer {
    client::get(&callsign.url(&format!("videos/{path}")), headers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_creator_reads_a_job_and_all_others_get_one_404() {
    let mock = MockServer::start().await.unwrap();
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [ledger, first, second] = &directories;
    let nodes = [node(&mock, ledger, first), node(&mock, ledger, second)];
    let callers = [BOB, OTHER_ALICE, OTHER_APP, APP, SECOND_APP, ALICE];
    for (number, creator) in callers.into_iter().enumerate() {
        // The ledger is in `fast` mode: the row is there at once nevertheless, on both nodes.
        let id = create(&nodes[number % 2], creator, "m").await;
        let of_nobody = &read(&nodes[0], creator, "gen-vid-unknown").await;
        assert_eq!((of_nobody.status.as_u16(), of_nobody.header("x-callsign-error")), (404, "not_exposed"));
        let before = mock.begun();
        for path in [id.clone(), format!("{id}/content"), format!("{id}/content?index=0")] {
            for other in callers.into_iter().filter(|other| *other != creator) {
                for node in &nodes {
                    let answer = read(node, other, &path).await;
                    assert_eq!((answer.status, answer.text()), (of_nobody.status, of_nobody.text()), "{other:?}");
                }
            }
        }
        assert_eq!(mock.begun(), before, "OpenRouter was asked for another caller's job");
        for node in &nodes {
            let state = read(node, creator, &id).await;
            assert_eq!((state.status.as_u16(), &state.json()["id"]), (200, &json!(id)));
            assert_eq!(state.body, mock.sent(mock.received().pop().unwrap().number).unwrap().body, "byte for byte");
            assert_eq!(read(node, creator, &format!("{id}/content")).await.status, 200);
        }
    }
    let of_the_app = create(&nodes[0], APPS_ALICE, "m").await;
    assert_eq!(read(&nodes[1], ALICE, &of_the_app).await.status, 200, "alice with her own key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_on_two_nodes_race_for_one_job() {
    let mock = MockServer::start().await.unwrap();
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [ledger, first, second] = &directories;
    let nodes = [node(&mock, ledger, first), node(&mock, ledger, second)];
    for round in 0..8 {
        let (url, before) = (nodes[round % 2].url("videos"), mock.received().len());
        let creating =
            tokio::spawn(async move { client::post(&url, BOB, r#"{"model":"mock/gate-head","prompt":"x"}"#).await });
        within("the request", mock.wait_received(before + 1)).await;
        let number = mock.received()[before].number;
        mock.release(1);
        // The eavesdropper knows the id as soon as the mock has sent it, and asks until bob has it.
        let id = within("the id", async {
            loop {
                let sent = mock.sent(number).and_then(|sent| serde_json::from_slice::<Value>(&sent.body).ok());
                match sent {
                    Some(job) => return job["id"].as_str().unwrap().to_owned(),
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await;
        while !creating.is_finished() {
            for node in &nodes {
                assert_eq!(read(node, ALICE, &id).await.status, 404);
            }
        }
        assert_eq!(creating.await.unwrap().json()["id"], json!(id));
        for node in &nodes {
            let (own, stolen) = tokio::join!(read(node, BOB, &id), read(node, ALICE, &id));
            assert_eq!((own.status.as_u16(), stolen.status.as_u16()), (200, 404));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_its_owner_although_the_client_left_before_the_answer() {
    let mock = MockServer::start().await.unwrap();
    let (ledger, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let callsign = node(&mock, &ledger, &data);
    let received = mock.received().len();
    let mut peer = Peer::connect(callsign.address()).await;
    let body = r#"{"model":"mock/gate-head","prompt":"x"}"#;
    let head = format!(
        "POST /v1/videos HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    peer.send(head.as_bytes()).await.unwrap();
    within("the request", mock.wait_received(received + 1)).await;
    drop(peer);
    mock.release(1);
    let file = ledger.path().join("ledger.db");
    let row = within("the row", async {
        loop {
            let mut rows = rows::requests(&file).await.into_iter();
            if let Some(row) = rows.find(|row| row.ended.is_some()) {
                return row;
            }
        }
    })
    .await;
    let id = row.generation.expect("the job's id").to_string();
    assert!(id.starts_with("gen-vid-"), "{id}");
    assert_eq!(read(&callsign, ALICE, &id).await.status, 200);
    assert_eq!(read(&callsign, BOB, &id).await.status, 404);
}
