//! Blocks through the running program and the command line: which users are refused, how soon, and what happens to
//! running requests.

use http::Method;
use mock_openrouter::MockServer;
use serde_json::json;

use crate::support::client::{self, Answer, Headers};
use crate::support::program::{self, Said};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, VALVES};
use crate::support::within;

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;
const HELD: &str = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
const TOKEN: (&str, &str) = ("authorization", "Bearer an-admin-token-of-tests");

struct Rig {
    mock: MockServer,
    callsign: Callsign,
    directory: tempfile::TempDir,
}

impl Rig {
    /// Starts callsign with a data directory and this `CALLSIGN_LEDGER`.
    async fn start(ledger: &str, toml: &str) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let callsign = Self::on(&mock, &directory, ledger, toml);
        Self { mock, callsign, directory }
    }

    fn on(mock: &MockServer, directory: &tempfile::TempDir, ledger: &str, toml: &str) -> Callsign {
        let variables = [
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_LEDGER", ledger),
            ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
            ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
        ];
        Setup::to(&mock.url()).set(&VALVES).set(&variables).toml(toml).start()
    }

    async fn ask(&self, headers: Headers<'_>) -> Answer {
        client::post(&self.callsign.url("chat/completions"), headers, PLAIN).await
    }

    /// Returns the `user` of the latest request that reached the upstream.
    fn sent(&self) -> String {
        let received = self.mock.received();
        received.last().unwrap().json().unwrap()["user"].as_str().unwrap().to_owned()
    }

    fn command(&self, line: &str, ledger: &str) -> Said {
        let data = self.directory.path().to_str().unwrap();
        program::callsign(line, &[("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER", ledger)])
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> Answer {
        let headers = [TOKEN, ("content-type", "application/json")];
        let url = self.callsign.admin_url(&format!("api/v1/admin/{path}"));
        client::request(method, &url, &headers, body.to_owned()).await
    }

    /// Sends requests until one is answered with this status.
    async fn until(&self, headers: Headers<'_>, status: u16) {
        within("the block", async { while self.ask(headers).await.status != status {} }).await;
    }
}

fn of(user: &str) -> Vec<(&str, &str)> {
    [APP, &[("x-user-id", user)]].concat()
}

#[tokio::test]
async fn the_command_stops_a_person_within_a_second_and_lets_them_in_again() {
    let rig = Rig::start("off", "").await;
    let ada = of("ada");
    assert_eq!(rig.ask(&ada).await.status, 200);
    let said = rig.command("block ada --for 1h --reason abuse", "off");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("blocked ada in any tenant since ") && said.out.ends_with(": abuse\n"), "{said:?}");
    let since = std::time::Instant::now();
    rig.until(&ada, 403).await;
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    let refused = rig.ask(&ada).await;
    assert_eq!(refused.header("x-callsign-error"), "user_blocked");
    assert_eq!(refused.json()["error"]["type"], "permission_error");
    let refused = client::post(&rig.callsign.url("messages"), &ada, "not json").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (403, &json!("error")));
    assert_eq!(rig.ask(&of("bob")).await.status, 200);
    assert!(rig.command("block --list", "off").out.contains("ada in any tenant"));
    // The block survives a restart.
    let again = Rig::on(&rig.mock, &rig.directory, "off", "");
    assert_eq!(client::post(&again.url("chat/completions"), &ada, PLAIN).await.status, 403);
    assert_eq!(rig.command("unblock ada", "off").out, "unblocked ada\n");
    rig.until(&ada, 200).await;
    assert_eq!(rig.command("unblock ada", "off").code, 1);
    assert_eq!(rig.command("block --list", "off").out, "No user is blocked.\n");
    assert_eq!(program::callsign("block ada", &[]).code, 1, "without a data directory the block cannot be stored");
    for wrong in ["block", "block ada --for 1", "block ada --for 0h", "block --list --cut"] {
        assert_eq!(rig.command(wrong, "off").code, 2, "{wrong}");
    }
}

#[tokio::test]
async fn by_the_identifier_as_sent() {
    let rig = Rig::start("off", "").await;
    assert_eq!(rig.ask(ALICE).await.status, 200);
    let sent = rig.sent();
    assert!(sent.starts_with("acme_"));
    assert_eq!(rig.command(&format!("block {sent}"), "off").code, 0);
    rig.until(ALICE, 403).await;
    assert_eq!(rig.ask(&of("bob")).await.status, 200);
}

#[tokio::test]
async fn a_ledger_knows_whom_an_identifier_means() {
    let toml = "[[tenants]]\nname = \"acme\"\n[[keys]]\nname = \"other\"\nuser = \"ada\"\ntenant = \"acme\"\n\
                sha256 = \"1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0\"\n";
    let rig = Rig::start("", toml).await;
    assert_eq!(rig.ask(&of("ada")).await.status, 200);
    let sent = rig.sent();
    let known = || rig.command(&format!("block {sent}"), "");
    within("the row", async { while !known().out.contains("was sent for the user ada") {} }).await;
    rig.until(&of("ada"), 403).await;
    assert!(rig.command("block --list", "").out.contains("ada since "));
    assert_eq!(rig.command(&format!("unblock {sent}"), "").code, 0);
    rig.until(&of("ada"), 200).await;
}

#[tokio::test]
async fn a_cut_ends_what_runs_at_once_and_nothing_else() {
    let rig = Rig::start("off", "").await;
    let url = rig.callsign.url("chat/completions");
    rig.mock.release(3);
    let (ada, bob) = (of("ada"), of("bob"));
    let mut of_ada = client::stream(&url, &ada, HELD).await;
    of_ada.until("data:").await;
    let mut of_bob = client::stream(&url, &bob, HELD).await;
    of_bob.until("data:").await;
    // A third request still waits for the head of its answer.
    let begun = rig.mock.begun();
    let waiting = client::post(&url, &ada, r#"{"model":"mock/hang","messages":[]}"#);
    let block = async {
        within("the third", async {
            while rig.mock.begun() == begun {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let put = rig.admin(Method::PUT, "users/ada/block", r#"{"cut": true, "reason": "abuse", "seconds": 60}"#).await;
        assert_eq!(put.status, 200, "{}", put.text());
        assert_eq!((&put.json()["id"], &put.json()["kept"]), (&json!("ada"), &json!(true)));
    };
    let (answer, ()) = tokio::join!(waiting, block);
    assert_eq!(answer.header("x-callsign-error"), "user_blocked");
    assert!(of_ada.finish().await.cut.is_some());
    assert_eq!(rig.ask(&ada).await.status, 403, "the node that took the block applies it at once");
    rig.mock.release(usize::MAX >> 4);
    assert_eq!(of_bob.finish().await.cut, None);
    let metrics = client::get(&rig.callsign.admin_url("metrics"), &[]).await.text();
    assert!(metrics.contains("callsign_limits_cut_total 2\n"), "{metrics}");
    assert!(metrics.contains(r#"outcome="blocked""#), "{metrics}");
}

#[tokio::test]
async fn without_a_cut_what_runs_may_end() {
    let rig = Rig::start("off", "").await;
    rig.mock.release(1);
    let ada = of("ada");
    let mut stream = client::stream(&rig.callsign.url("chat/completions"), &ada, HELD).await;
    stream.until("data:").await;
    assert_eq!(rig.admin(Method::PUT, "users/ada/block", "").await.status, 200);
    assert_eq!(rig.ask(&ada).await.status, 403);
    rig.mock.release(usize::MAX >> 4);
    assert_eq!(stream.finish().await.cut, None);
}

#[tokio::test]
async fn the_admin_api_lists_blocks_and_lifts_them() {
    let rig = Rig::start("off", "").await;
    assert_eq!(rig.admin(Method::PUT, "users/ada/block?tenant=acme", "{}").await.status, 200);
    assert_eq!(rig.ask(&of("ada")).await.status, 200, "the block is for another tenant");
    let listed = rig.admin(Method::GET, "blocks", "").await.json();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["tenant"], &listed[0]["until"]),
        (&json!("ada"), &json!("acme"), &json!(null))
    );
    assert_eq!(rig.admin(Method::DELETE, "users/ada/block?tenant=", "").await.status, 404);
    assert_eq!(rig.admin(Method::DELETE, "users/ada/block", "").await.json()["lifted"], 1);
    assert_eq!(rig.admin(Method::GET, "blocks", "").await.json(), json!([]));
    for bad in [r#"{"seconds": 0}"#, r#"{"forever": true}"#, "[]", r#"{"cut": 1}"#] {
        assert_eq!(rig.admin(Method::PUT, "users/ada/block", bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_configuration_stops_people_too() {
    let rig = Rig::start("off", "[[users]]\nid = \"mallory\"\nblocked = true\n").await;
    assert_eq!(rig.ask(&of("mallory")).await.header("x-callsign-error"), "user_blocked");
    assert_eq!(rig.ask(&of("ada")).await.status, 200);
}

#[tokio::test]
async fn providers_refusals_suspend_a_user() {
    let rig = Rig::start("off", "[limits]\nauto_block_refusals = 2\nauto_block_suspend_seconds = 600\n").await;
    let url = rig.callsign.url("chat/completions");
    let (ada, bob) = (of("ada"), of("bob"));
    for who in [&ada, &bob, &ada] {
        let refused = client::post(&url, who, r#"{"model":"mock/moderated","messages":[]}"#).await;
        assert_eq!(refused.status, 403);
        assert!(refused.headers.get("x-callsign-error").is_none(), "this refusal is OpenRouter's");
    }
    // Other errors are not counted as refusals by providers.
    for _ in 0..3 {
        client::post(&url, &bob, r#"{"model":"mock/error-403","messages":[]}"#).await;
    }
    within("the suspension", async {
        while rig.ask(&ada).await.headers.get("x-callsign-error").is_none_or(|code| code != "user_blocked") {}
    })
    .await;
    assert_eq!(rig.ask(&bob).await.status, 200);
    assert!(rig.command("block --list", "off").out.contains("suspended: 2 refusals by providers"));
    let metrics = client::get(&rig.callsign.admin_url("metrics"), &[]).await.text();
    assert!(metrics.contains("callsign_limits_suspended_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_damaged_list_stays_as_it_was() {
    let rig = Rig::start("off", "").await;
    assert_eq!(rig.command("block ada", "off").code, 0);
    rig.until(&of("ada"), 403).await;
    let path = rig.directory.path().join("blocks.json");
    std::fs::write(&path, "{\"blocks\": [").unwrap();
    assert_eq!(rig.command("block bob", "off").code, 1);
    // The damaged file keeps the earlier block in force.
    std::fs::write(&path, "{\"blocks\": [],").unwrap();
    assert_eq!(rig.ask(&of("ada")).await.status, 403);
    std::fs::write(&path, "{\"blocks\": []}").unwrap();
    rig.until(&of("ada"), 200).await;
}
