//! The console on a running callsign: fetching costs, and the archive of a request.

use mock_openrouter::MockServer;
use serde_json::json;

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, Callsign, Setup, VALVES};
use crate::support::within;

/// A signed-in browser.
struct Browser<'c> {
    callsign: &'c Callsign,
    cookie: String,
}

impl<'c> Browser<'c> {
    async fn sign_in(callsign: &'c Callsign) -> Self {
        let answer = Self { callsign, cookie: String::new() }.send("login", "token=an-admin-token-of-tests").await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { callsign, cookie }
    }

    async fn send(&self, path: &str, form: &str) -> Answer {
        let origin = self.callsign.admin_url("").trim_end_matches('/').to_owned();
        let headers = [("origin", origin.as_str()), ("cookie", self.cookie.as_str())];
        client::post(&self.callsign.admin_url(path), &headers, form.to_owned()).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = client::get(&self.callsign.admin_url(path), &[("cookie", &self.cookie)]).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.text()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_fetches_a_cost_and_finds_the_archive() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let archive = directory.path().join("archive");
    let settings = [
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LEDGER_MODE", "strict"),
        ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
        ("CALLSIGN_ARCHIVE_DIR", archive.to_str().unwrap()),
        ("CALLSIGN_ARCHIVE_PASSWORD", "correct horse battery staple"),
        ("USER_ID_FORMAT", "acme_{user}"),
    ];
    let callsign = Setup::to(&mock.url()).set(&VALVES).set(&settings).start();
    let speech = json!({"model": "mock/cost-2000000", "input": "the secret words", "voice": "y"}).to_string();
    let asked = client::post(&callsign.url("audio/speech"), ALICE, speech).await;
    assert_eq!(asked.status, 200);
    within("the archive", async { while callsign.metric("callsign_archive_written_total").await < 1 {} }).await;

    let browser = Browser::sign_in(&callsign).await;
    assert!(browser.page("costs").await.contains("1 wait for their cost"));
    let done = browser.send("costs/reconcile?tz=Asia/Tokyo", "").await;
    let to = done.header("location");
    assert!(
        done.status == 303 && to.starts_with("/costs?added=1&nano_usd=2000000&") && to.ends_with("&tz=Asia%2FTokyo"),
        "{to}"
    );
    let page = browser.page(to.trim_start_matches('/')).await;
    assert!(page.contains("1 costs added, $0.002 in all.") && page.contains("0 wait for their cost"), "{page}");

    let page = browser.page(&format!("request?id={}", asked.header("x-callsign-request-id"))).await;
    let (_, path) = page.split_once("callsign archive show ").unwrap_or_else(|| panic!("no archive in {page}"));
    let path = path.split('<').next().unwrap();
    assert!(path.starts_with("acme_alice/") && archive.join(path).is_file(), "{path}");
    assert!(!page.contains("the secret words"), "no content");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_near_a_limit_has_a_badge() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let settings = [
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LEDGER_MODE", "strict"),
        ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
        ("CALLSIGN_LIMIT_MESSAGES_24H", "5"),
    ];
    let callsign = Setup::to(&mock.url()).set(&VALVES).set(&settings).start();
    let browser = Browser::sign_in(&callsign).await;
    for badge in ["", "", "", "over 80", "used up"] {
        let body = r#"{"model":"m","messages":[]}"#;
        assert_eq!(client::post(&callsign.url("chat/completions"), ALICE, body).await.status, 200);
        let page = browser.page("users").await;
        assert!(page.contains("alice"), "{page}");
        for text in ["over 80", "used up"] {
            assert_eq!(page.contains(text), text == badge, "{text}, {badge}: {page}");
        }
    }
}
