//! Blocks through the running program and the command line: which users are refused, how soon, and what happens to
//! running requests.

use http::Method;
use mock_openrouter::MockServer;
use serde_json::json;
use sqlx::Connection as _;

use crate::support::client::{self, Answer, Headers};
use crate::support::program::{self, Said};
use crate::support::proxy::{ALICE, APP, Callsign, Setup, VALVES, until_free};
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
        Self::start_with(ledger, toml, &[]).await
    }

    /// Starts callsign with further variables.
    async fn start_with(ledger: &str, toml: &str, variables: &[(&str, &str)]) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let callsign = Self::setup(&mock, &directory, ledger, toml).set(variables).start();
        Self { mock, callsign, directory }
    }

    fn on(mock: &MockServer, directory: &tempfile::TempDir, ledger: &str, toml: &str) -> Callsign {
        Self::setup(mock, directory, ledger, toml).start()
    }

    fn setup(mock: &MockServer, directory: &tempfile::TempDir, ledger: &str, toml: &str) -> Setup {
        let variables = [
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_LEDGER", ledger),
            ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
            ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
        ];
        Setup::to(&mock.url()).set(&VALVES).set(&variables).toml(toml)
    }

    /// Returns the environment of a command with a ledger and this format; empty for the format of [`Rig::setup`].
    fn variables<'v>(&'v self, format: &'v str) -> Vec<(&'v str, &'v str)> {
        let format = if format.is_empty() { "acme_{sha256:16 user}" } else { format };
        vec![("CALLSIGN_DATA_DIR", self.directory.path().to_str().unwrap()), ("USER_ID_FORMAT", format)]
    }

    /// Stops callsign and starts another one on its directory.
    async fn restart(self, ledger: &str, toml: &str) -> Self {
        let Self { mock, callsign, directory } = self;
        drop(callsign);
        until_free(directory.path()).await;
        let callsign = Self::on(&mock, &directory, ledger, toml);
        Self { mock, callsign, directory }
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
    assert!(said.out.starts_with("blocked ada in any tenant since "), "{said:?}");
    assert!(said.out.ends_with(": abuse\napplied by 1 running server\n"), "{said:?}");
    assert!(said.err.contains("there is no ledger, so the id was not looked up"), "{said:?}");
    assert_eq!(rig.ask(&ada).await.status, 403, "it was in force when the command ended");
    let refused = rig.ask(&ada).await;
    assert_eq!(refused.header("x-callsign-error"), "user_blocked");
    assert_eq!(refused.json()["error"]["type"], "permission_error");
    let refused = client::post(&rig.callsign.url("messages"), &ada, "not json").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["type"]), (403, &json!("error")));
    assert_eq!(rig.ask(&of("bob")).await.status, 200);
    assert!(rig.command("block --list", "off").out.contains("ada in any tenant"));
    // The block survives a restart.
    let rig = rig.restart("off", "").await;
    assert_eq!(rig.ask(&ada).await.status, 403);
    assert_eq!(rig.command("unblock ada", "off").out, "unblocked ada\napplied by 1 running server\n");
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
    within("the row", async { while !known().out.contains("is of the user ada") {} }).await;
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
async fn a_damaged_list_stays_in_force_and_stops_the_next_start() {
    let rig = Rig::start("off", "").await;
    assert_eq!(rig.command("block ada", "off").code, 0);
    let path = rig.directory.path().join("state.db");
    // The command cannot read it, and the running server keeps what it knows.
    for file in ["state.db", "state.db-wal"] {
        std::fs::write(rig.directory.path().join(file), "no database at all, and no list of blocks".repeat(200))
            .unwrap();
    }
    let said = rig.command("block bob", "off");
    assert!(said.code == 1 && said.err.contains("state.db"), "{said:?}");
    assert_eq!(rig.ask(&of("ada")).await.status, 403);
    let Rig { mock, callsign, directory } = rig;
    drop(callsign);
    until_free(directory.path()).await;
    let refused = Rig::setup(&mock, &directory, "off", "").refused();
    until_free(directory.path()).await;
    assert!(refused.contains("cannot read state.db") && refused.contains("list of blocks"), "{refused}");
    // Nor does a list that is gone count as an empty one.
    std::fs::remove_file(&path).unwrap();
    let refused = Rig::setup(&mock, &directory, "off", "").refused();
    until_free(directory.path()).await;
    assert!(refused.contains("is missing, empty or an old copy") && refused.contains("state.version"), "{refused}");
    std::fs::remove_file(directory.path().join("state.version")).unwrap();
    let callsign = Rig::on(&mock, &directory, "off", "");
    assert_eq!(client::post(&callsign.url("chat/completions"), &of("ada"), PLAIN).await.status, 200);
}

/// Every column of a block's row may be damaged while no server runs.
#[tokio::test]
async fn a_damaged_row_still_stops_whom_it_names_after_a_restart() {
    let users = ["bob", "cy", "dan", "fay", "gus", "eve"];
    let rig = Rig::start("off", "").await;
    for user in users {
        assert_eq!(rig.command(&format!("block {user} --for 1h --unseen"), "off").code, 0);
    }
    let Rig { mock, callsign, directory } = rig;
    drop(callsign);
    until_free(directory.path()).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("state.db"));
    let mut state = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    for damage in [
        r#"body = substr(body, 1, instr(body, 'bob"') + 3) WHERE kind = 'block' AND body LIKE '%"bob"%'"#,
        r#"body = CAST(substr(body, 1, length(body) - 5) AS BLOB) || x'ff' WHERE kind = 'block' AND body LIKE '%"cy"%'"#,
        r#"lifted = 'no' WHERE kind = 'block' AND body LIKE '%"dan"%'"#,
        r#"lifted = -1 WHERE kind = 'block' AND body LIKE '%"fay"%'"#,
        r#"op = 'x' WHERE kind = 'block' AND body LIKE '%"gus"%'"#,
        r#"kind = 'blocc' WHERE kind = 'block' AND body LIKE '%"eve"%'"#,
    ] {
        let sql = sqlx::AssertSqlSafe(format!("UPDATE callsign_entries SET {damage}"));
        assert_eq!(sqlx::query(sql).execute(&mut state).await.unwrap().rows_affected(), 1, "{damage}");
    }
    state.close().await.unwrap();
    let callsign = Rig::on(&mock, &directory, "off", "");
    let rig = Rig { mock, callsign, directory };
    for user in &users[..5] {
        assert_eq!(rig.ask(&of(user)).await.status, 403, "{user}");
    }
    // A row whose kind is lost names nobody, which is shown.
    let metrics = client::get(&rig.callsign.admin_url("metrics"), &[]).await.text();
    assert!(metrics.contains("callsign_state_unreadable_entries 3\n"), "{metrics}");
    assert!(client::get(&rig.callsign.admin_url("readyz"), &[]).await.text().contains("degraded"));
    // The blocks can be lifted, for good.
    for user in &users[..5] {
        assert_eq!(rig.command(&format!("unblock {user}"), "off").code, 0, "{user}");
    }
    let rig = rig.restart("off", "").await;
    for user in &users[..5] {
        assert_eq!(rig.ask(&of(user)).await.status, 200, "{user}");
    }
}

#[tokio::test]
async fn an_id_that_was_never_seen_is_refused_unless_it_is_meant() {
    let toml = "[[users]]\nid = \"named\"\n[[keys]]\nname = \"own\"\nuser = \"keyed\"\n\
                sha256 = \"1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0\"\n";
    let rig = Rig::start("", toml).await;
    let said = program::callsign("block malory", &rig.variables(""));
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains("nothing was changed") && said.err.contains("--unseen"), "{said:?}");
    let refused = rig.admin(Method::PUT, "users/malory/block", "").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (404, &json!("unseen_id")));
    assert_eq!(rig.admin(Method::GET, "blocks", "").await.json(), json!([]));
    for line in ["block malory --unseen", "block malory --unseen --tenant acme"] {
        assert_eq!(rig.command(line, "").code, 0, "{line}");
    }
    assert_eq!(rig.admin(Method::PUT, "users/other/block", r#"{"unseen": true}"#).await.status, 200);
    assert_eq!(rig.ask(&of("malory")).await.status, 403);
    // Users that the configuration names count as seen.
    for user in ["named", "keyed"] {
        assert_eq!(rig.admin(Method::PUT, &format!("users/{user}/block"), "").await.status, 200, "{user}");
        assert_eq!(rig.ask(&of(user)).await.status, 403, "{user}");
    }
}

#[tokio::test]
async fn an_id_of_several_people_lists_them_and_blocks_nobody() {
    let rig = Rig::start("", "").await;
    for user in ["ada", "bob", "eve"] {
        let mut headers = of(user);
        headers.push(("x-chat-id", if user == "eve" { "hers" } else { "theirs" }));
        assert_eq!(rig.ask(&headers).await.status, 200);
    }
    let block = |id: &str| rig.command(&format!("block {id} --for 1h"), "");
    within("the row", async { while !block("theirs").err.contains("2 persons") {} }).await;
    let said = block("theirs");
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains("\n  ada --tenant ''\n  bob --tenant ''\n"), "{said:?}");
    let refused = rig.admin(Method::PUT, "users/theirs/block", "").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (409, &json!("several_persons")));
    assert_eq!(refused.json()["error"]["persons"][1], json!({"user_id": "bob", "tenant": null}));
    assert_eq!(rig.ask(&of("ada")).await.status, 200);
    // The chat of one person means that person.
    within("the row", async { while block("hers").code != 0 {} }).await;
    assert_eq!(rig.ask(&of("eve")).await.status, 403);
}

#[tokio::test]
async fn a_stranger_with_the_name_of_an_identifier_is_not_blocked_in_its_place() {
    let rig = Rig::start_with("", "", &[("USER_ID_FORMAT", "x_{user}")]).await;
    // The decoy calls itself as callsign calls mal upstream. The ledger does not know mal.
    assert_eq!(rig.ask(&of("x_mal")).await.status, 200);
    let decoy = || program::callsign("block x_mal", &rig.variables("x_{user}"));
    within("the row", async { while !decoy().err.contains("2 persons") {} }).await;
    let said = decoy();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("\n  mal --tenant ''\n  x_mal --tenant ''\n"), "{said:?}");
    assert_eq!(rig.ask(&of("x_mal")).await.status, 200, "nobody was blocked");
    assert_eq!(rig.admin(Method::PUT, "users/x_mal/block", "").await.status, 409);
    // The operator chooses.
    let chosen = program::callsign("block x_mal --user-id", &rig.variables("x_{user}"));
    assert_eq!(chosen.code, 0, "{chosen:?}");
    assert_eq!(rig.ask(&of("x_mal")).await.status, 403);
    assert_eq!(rig.ask(&of("mal")).await.status, 200);
}
