//! Keys in the database: created, rotated and revoked by command, admin API and console, and obeyed by running servers.

mod console;
mod import;
mod postgres;

use callsign_core::endpoint::Dialect;
use http::Method;
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::refusals::assert_refused;
use crate::support::client::{self, Answer};
use crate::support::program::{self, Said};
use crate::support::proxy::{ALICE, Callsign, Setup, VALVES, until_free};
use crate::support::within;

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;
const HELD: &str = r#"{"model":"mock/gate","stream":true,"messages":[]}"#;
const TOKEN: (&str, &str) = ("authorization", "Bearer an-admin-token-of-tests");
const SECRET: (&str, &str) = ("CALLSIGN_ID_SECRET", "a secret of some length for tests");
/// The path of a request of each dialect.
const DIALECTS: [(&str, Dialect); 2] = [("chat/completions", Dialect::OpenAi), ("messages", Dialect::Anthropic)];

/// A callsign with the secret and a data directory.
struct Rig {
    mock: MockServer,
    callsign: Callsign,
    directory: tempfile::TempDir,
}

impl Rig {
    async fn start(toml: &str) -> Self {
        let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
        let callsign = Self::setup(&mock, &directory).toml(toml).start();
        Self { mock, callsign, directory }
    }

    fn setup(mock: &MockServer, directory: &tempfile::TempDir) -> Setup {
        let variables = [
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_LEDGER", "off"),
            ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
            SECRET,
        ];
        Setup::to(&mock.url()).set(&VALVES).set(&variables)
    }

    /// Stops callsign and starts another one on its directory.
    async fn restart(self) -> Self {
        let Self { mock, callsign, directory } = self;
        drop(callsign);
        until_free(directory.path()).await;
        let callsign = Self::setup(&mock, &directory).start();
        Self { mock, callsign, directory }
    }

    fn command(&self, line: &str) -> Said {
        self.command_with(line, &[])
    }

    fn command_with(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let data = self.directory.path().to_str().unwrap();
        let usual = [
            ("CALLSIGN_DATA_DIR", data),
            ("CALLSIGN_LEDGER", "off"),
            ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test"),
            ("CALLSIGN_USER_KEYS", "configured=sk-cs-of-the-configuration-0123"),
            SECRET,
        ];
        program::callsign(line, &[&usual, variables].concat())
    }

    /// Runs a command that prints a key, and returns the key.
    fn new_key(&self, line: &str) -> String {
        let said = self.command(line);
        assert_eq!(said.code, 0, "{said:?}");
        let key = said.out.strip_suffix('\n').unwrap();
        assert!(key.starts_with("sk-cs-") && !key.contains(char::is_whitespace), "the key alone: {said:?}");
        assert!(said.err.contains("applied by 1 running server") && !said.err.contains(key), "{said:?}");
        key.to_owned()
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> Answer {
        let headers = [TOKEN, ("content-type", "application/json")];
        let url = self.callsign.admin_url(&format!("api/v1/admin/{path}"));
        client::request(method, &url, &headers, body.to_owned()).await
    }

    async fn status(&self, key: &str) -> u16 {
        ask(&self.callsign, key).await.status.as_u16()
    }

    /// Returns the `user` of the latest request that reached the upstream.
    fn sent(&self) -> Value {
        self.mock.received().last().unwrap().json().unwrap()["user"].clone()
    }

    async fn sql(&self, sql: &'static str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.directory.path().join("state.db"));
        let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

async fn ask(callsign: &Callsign, key: &str) -> Answer {
    ask_at(callsign, "chat/completions", key).await
}

async fn ask_at(callsign: &Callsign, path: &str, key: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client::post(&callsign.url(path), &headers, PLAIN).await
}

#[tokio::test]
async fn a_key_of_a_command_is_accepted_when_the_command_ends_until_it_is_revoked() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --user ada --expires 90d");
    assert_eq!(rig.status(&key).await, 200);
    assert_eq!(rig.sent(), "ada");
    let second = rig.new_key("key rotate ada --overlap 1h");
    assert_eq!((rig.status(&key).await, rig.status(&second).await), (200, 200));
    let third = rig.new_key("key rotate ada");
    let statuses = [rig.status(&key).await, rig.status(&second).await, rig.status(&third).await];
    assert_eq!(statuses, [401, 200, 200], "at most one earlier key is valid");
    let rig = rig.restart().await;
    assert_eq!((rig.status(&key).await, rig.status(&third).await), (401, 200));
    let said = rig.command("key revoke ada");
    assert_eq!((said.code, said.out.as_str()), (0, "revoked ada\napplied by 1 running server\n"), "{said:?}");
    for (path, dialect) in DIALECTS {
        for key in [&second, &third] {
            assert_refused(&ask_at(&rig.callsign, path, key).await, dialect, 401, "invalid_credential");
        }
    }
    assert_eq!(rig.command("key revoke ada").code, 1);
    assert_eq!(rig.command("key rotate ada").code, 1);
    let acts: Vec<_> = rig.admin(Method::GET, "audit", "").await.json().as_array().unwrap().clone();
    let acts: Vec<_> = acts.iter().map(|act| act["act"].as_str().unwrap().to_owned()).collect();
    assert_eq!(acts, ["revoke_key", "rotate_key", "rotate_key", "create_key"]);
}

#[tokio::test]
async fn a_key_of_an_app_names_its_users_and_has_limits() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --app chat --preset openwebui --limit rpm=1");
    let bearer = format!("Bearer {key}");
    let of = |user| {
        let json = ("content-type", "application/json");
        [("authorization", bearer.as_str()), ("x-openwebui-user-id", user), ("x-user-id", "mallory"), json]
    };
    let url = rig.callsign.url("chat/completions");
    assert_eq!(client::post(&url, &of("ada"), PLAIN).await.status, 200);
    assert_eq!(rig.sent(), "ada");
    assert_refused(&client::post(&url, &of("ada"), PLAIN).await, Dialect::OpenAi, 429, "rate_limited");
    assert_eq!(client::post(&url, &of("bob"), PLAIN).await.status, 200, "the limit is of each caller");
    // Nobody evades the limit with an unusable id.
    assert_refused(&client::post(&url, &of("null"), PLAIN).await, Dialect::OpenAi, 403, "user_required");
}

#[tokio::test]
async fn the_admin_api_creates_lists_rotates_and_revokes() {
    let rig = Rig::start("").await;
    let wish = r#"{"user":"ada","name":"laptop","expires_seconds":3600,"limits":{"rpm":60},"allowed_networks":["127.0.0.0/8","::1"]}"#;
    let created = rig.admin(Method::POST, "keys", wish).await;
    assert_eq!((created.status.as_u16(), created.header("cache-control")), (201, "no-store"), "{}", created.text());
    let created = created.json();
    let key = created["key"].as_str().unwrap().to_owned();
    let shown = (&created["name"], &created["limits"], &created["applied"], &created["kept"]);
    assert_eq!(shown, (&json!("laptop"), &json!("rpm=60"), &json!(1), &json!(true)));
    assert_eq!(rig.status(&key).await, 200);
    let elsewhere = r#"{"user":"ada","name":"office","allowed_networks":["192.0.2.0/24"]}"#;
    let other = rig.admin(Method::POST, "keys", elsewhere).await.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(rig.status(&other).await, 401, "from another network");
    let rotated = rig.admin(Method::POST, "keys/laptop/rotate", r#"{"overlap_seconds":0}"#).await;
    assert_eq!((rotated.status.as_u16(), rotated.header("cache-control")), (200, "no-store"));
    let rotated = rotated.json()["key"].as_str().unwrap().to_owned();
    assert_eq!((rig.status(&key).await, rig.status(&rotated).await), (401, 200));
    let listed = rig.admin(Method::GET, "keys", "").await;
    let names: Vec<_> = listed.json().as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["laptop", "office"]);
    let audit = rig.admin(Method::GET, "audit", "").await.text();
    for text in [listed.text(), audit] {
        assert!(
            !text.contains(&rotated)
                && !text.contains(&callsign_core::secret::KeyDigest::of(rotated.as_bytes()).to_hex())
        );
    }
    assert_eq!(rig.admin(Method::DELETE, "keys/laptop", "").await.json()["applied"], 1);
    assert_eq!(rig.status(&rotated).await, 401);
    for (body, status, code) in [
        (r#"{"user":"bob","name":"laptop"}"#, 409, "key_name_taken"),
        (r#"{"user":"bob","name":"app"}"#, 409, "key_name_taken"),
        (r#"{"user":"bob","app":"b"}"#, 400, "invalid_request"),
        (r#"{"user":"bob","preset":"generic"}"#, 400, "invalid_request"),
        (r#"{"user":"bob","tenant":"acme"}"#, 404, "unknown_tenant"),
        (r#"{"app":"bob","preset":"nothing"}"#, 400, "invalid_request"),
        (r#"{"user":"bob","key":"sk-cs-my-own"}"#, 400, "invalid_request"),
        (r#"{"user":"bob","limits":{"rpm":"default"}}"#, 400, "invalid_request"),
        (r#"{"user":"bob","allowed_networks":["home"]}"#, 400, "invalid_request"),
        ("", 400, "invalid_request"),
    ] {
        let refused = rig.admin(Method::POST, "keys", body).await;
        assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].as_str()), (status, Some(code)), "{body}");
    }
    assert_eq!(rig.admin(Method::POST, "keys/nobody/rotate", "").await.status, 404);
    assert_eq!(rig.admin(Method::POST, "keys/office/rotate", r#"{"overlap_seconds":2592001}"#).await.status, 400);
    assert_eq!(rig.admin(Method::DELETE, "keys/nobody?cut=true", "").await.status, 404);
    assert_eq!(rig.admin(Method::DELETE, "keys/office?cut=perhaps", "").await.status, 400);
}

#[tokio::test]
async fn a_revocation_ends_running_responses_if_asked() {
    let rig = Rig::start("").await;
    let (cut, kept) = (rig.new_key("key create --user ada"), rig.new_key("key create --user bob"));
    let open = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        client::stream(&rig.callsign.url("chat/completions"), &headers, HELD).await
    };
    let (mut of_ada, mut of_bob) = (open(&cut).await, open(&kept).await);
    let first = (of_ada.next().await, of_bob.next().await);
    assert!(matches!(first, (Some(Ok(_)), Some(Ok(_)))));
    assert_eq!(rig.command("key revoke ada --cut").code, 0);
    assert_eq!(rig.command("key revoke bob").code, 0);
    within("the end", async { while let Some(Ok(_)) = of_ada.next().await {} }).await;
    rig.mock.release(100);
    within("the rest", async {
        while let Some(piece) = of_bob.next().await {
            piece.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_row_that_was_written_by_hand_is_refused_and_reported() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --user ada");
    // A copy of the row under another id, a row for another user, and a row without HMAC.
    rig.sql("INSERT INTO callsign_entries (kind, op, lifted, body) SELECT kind, '0193a8a0000070008000000000000001', 0, body FROM callsign_entries WHERE kind = 'key'").await;
    rig.sql("INSERT INTO callsign_entries (kind, op, lifted, body) VALUES ('key', '0193a8a0000070008000000000000002', 0, '{}')").await;
    rig.sql("UPDATE callsign_entries SET body = replace(body, '\"ada\"', '\"eve\"') WHERE kind = 'key' AND op NOT LIKE '0193a8a0%'").await;
    let rig = rig.restart().await;
    assert_eq!(rig.status(&key).await, 401);
    let (status, text) = rig.callsign.ready().await;
    assert!(status == 200 && text.contains("degraded") && text.contains("rows of keys"), "{text}");
    assert_eq!(rig.callsign.metric("callsign_keys_refused_rows").await, 3);
    let said = rig.command("key list");
    assert!(said.err.contains("3 rows of keys are refused") && said.out.contains("refused"), "{said:?}");
    assert_eq!(rig.command("key revoke eve").code, 1);
}

#[tokio::test]
async fn an_older_copy_of_the_list_revives_nothing() {
    let rig = Rig::start("").await;
    let (revoked, kept) = (rig.new_key("key create --user ada"), rig.new_key("key create --user bob"));
    let (file, copy) = (rig.directory.path().join("state.db"), rig.directory.path().join("yesterday"));
    copy_database(&file, &copy).await;
    assert_eq!(rig.command("key revoke ada").code, 0);
    let late = rig.new_key("key create --user eve");
    for suffix in ["-wal", "-shm"] {
        let _absent = std::fs::remove_file(rig.directory.path().join(format!("state.db{suffix}")));
    }
    std::fs::rename(&copy, &file).unwrap();
    within("the notice", async { while !rig.callsign.ready().await.1.contains("went back in time") {} }).await;
    let statuses = [rig.status(&revoked).await, rig.status(&kept).await, rig.status(&late).await];
    assert_eq!(statuses, [401, 200, 200]);
    // The place has the later changes again.
    let rig = rig.restart().await;
    let statuses = [rig.status(&revoked).await, rig.status(&kept).await, rig.status(&late).await];
    assert_eq!(statuses, [401, 200, 200]);
}

async fn copy_database(file: &std::path::Path, copy: &std::path::Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("VACUUM INTO ?").bind(copy.to_str().unwrap()).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn keys_are_unavailable_once_their_list_is_too_old_and_configured_ones_are_not() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let setup = Rig::setup(&mock, &directory)
        .adjust(|config| config.limits.keys_max_stale = std::time::Duration::from_millis(1_500));
    let rig = Rig { callsign: setup.start(), mock, directory };
    let key = rig.new_key("key create --user ada");
    assert_eq!(rig.status(&key).await, 200);
    // Another file without a log, because the open one is cached.
    for suffix in ["-wal", "-shm"] {
        let _absent = std::fs::remove_file(rig.directory.path().join(format!("state.db{suffix}")));
    }
    let other = rig.directory.path().join("other");
    std::fs::write(&other, "no database at all".repeat(500)).unwrap();
    std::fs::rename(&other, rig.directory.path().join("state.db")).unwrap();
    within("the age", async { while rig.status(&key).await == 200 {} }).await;
    for (path, dialect) in DIALECTS {
        for key in [key.as_str(), "sk-cs-a-key-that-nobody-knows-0123456789"] {
            let refused = ask_at(&rig.callsign, path, key).await;
            assert_refused(&refused, dialect, 503, "keys_unavailable");
            assert_eq!(refused.header("retry-after"), "1");
        }
    }
    assert_eq!(client::post(&rig.callsign.url("chat/completions"), ALICE, PLAIN).await.status, 200);
    let unknown = ask(&rig.callsign, "another-key-that-nobody-knows-0123456789").await;
    assert_refused(&unknown, Dialect::OpenAi, 401, "invalid_credential");
    within("the notice", async { while !rig.callsign.ready().await.1.contains("list of keys is too old") {} }).await;
    assert_eq!(rig.callsign.ready().await.0, 200);
    let refused = rig.admin(Method::POST, "keys", r#"{"user":"bob"}"#).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].as_str()), (503, Some("state_unavailable")));
    assert_eq!(rig.command("key create --user bob").code, 1);
}

#[tokio::test]
async fn without_the_secret_there_are_no_keys_in_the_database() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --user ada");
    let said = rig.command_with("key create --user bob", &[("CALLSIGN_ID_SECRET", "")]);
    assert!(said.code == 1 && said.out.is_empty() && said.err.contains("CALLSIGN_ID_SECRET"), "{said:?}");
    let Rig { mock, callsign, directory } = rig;
    drop(callsign);
    until_free(directory.path()).await;
    for secret in ["", "another secret of some length"] {
        let callsign = Rig::setup(&mock, &directory).set(&[("CALLSIGN_ID_SECRET", secret)]).start();
        assert_refused(&ask(&callsign, &key).await, Dialect::OpenAi, 401, "invalid_credential");
        assert_eq!(callsign.metric("callsign_keys_refused_rows").await, 1, "{secret}");
        drop(callsign);
        until_free(directory.path()).await;
    }
}

#[tokio::test]
async fn a_server_whose_only_keys_are_in_the_database_starts_and_reloads() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let setup = Rig::setup(&mock, &directory).set(&[("CALLSIGN_APP_KEY", ""), ("CALLSIGN_USER_KEYS", "")]);
    let rig = Rig { callsign: setup.start(), mock, directory };
    let key = rig.new_key("key create --user ada");
    rig.callsign.reload();
    assert_eq!(rig.status(&key).await, 200);
}

#[tokio::test]
async fn a_key_of_a_tenant_is_the_tenants_while_the_tenant_is_configured() {
    let toml = "[[tenants]]\nname = \"acme\"\n";
    let rig = Rig::start(toml).await;
    let wish = r#"{"user":"ada","tenant":"acme"}"#;
    let key = rig.admin(Method::POST, "keys", wish).await.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(rig.status(&key).await, 200);
    let rig = rig.restart().await;
    assert_refused(&ask(&rig.callsign, &key).await, Dialect::OpenAi, 401, "invalid_credential");
}

#[tokio::test]
async fn lists_name_all_keys_and_show_none() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --user ada --name laptop --limit usd_day=2 --allowed-network 127.0.0.1");
    let table = rig.command("key list").out;
    for part in ["configured", "laptop", "user ada", "valid", "127.0.0.1", "database, "] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let csv = rig.command("key list --format csv").out;
    assert!(csv.contains("name") && csv.contains("laptop") && csv.contains("usd_day=2"), "{csv}");
    let listed: Value = serde_json::from_str(&rig.command("key list --format json").out).unwrap();
    assert_eq!((listed[0]["user"].as_str(), listed[0]["state"].as_str()), (Some("ada"), Some("valid")));
    assert!(![&table, &csv, &listed.to_string()].iter().any(|text| text.contains(&key)));
    let numbered = rig.command("key create --user configured");
    assert!(numbered.err.contains("created the key configured-2"), "{numbered:?}");
    for (line, code) in [
        ("key create", 2),
        ("key create --user a --app b", 2),
        ("key create --user a --limit rpm=default", 2),
        ("key create --user a --expires 1", 2),
        ("key create --user a --name configured", 1),
        ("key create --user a --name app", 1),
        ("key create --app a --preset nothing", 1),
        ("key create --user a --print-only --name b", 2),
        ("key rotate laptop --overlap 31d", 2),
        ("key rotate", 2),
    ] {
        let said = rig.command(line);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{line}: {said:?}");
    }
    assert_eq!(rig.command_with("key create --user a", &[("OPENROUTER_API_KEY", "")]).code, 1, "nobody pays");
}

#[tokio::test]
async fn the_user_of_a_key_counts_as_seen_and_is_blocked() {
    let rig = Rig::start("").await;
    let key = rig.new_key("key create --user ada");
    // With a ledger, only ids that were seen can be blocked.
    let Rig { mock, callsign, directory } = rig;
    let data = directory.path().to_str().unwrap();
    let with_ledger = |line: &str| program::callsign(line, &[("CALLSIGN_DATA_DIR", data), SECRET]);
    drop(callsign);
    until_free(directory.path()).await;
    let callsign = Rig::setup(&mock, &directory).set(&[("CALLSIGN_LEDGER", "")]).start();
    assert_eq!(with_ledger("block mallory").code, 1);
    let said = with_ledger("block ada");
    assert_eq!(said.code, 0, "{said:?}");
    assert_refused(&ask(&callsign, &key).await, Dialect::OpenAi, 403, "user_blocked");
    assert_eq!(with_ledger("unblock ada").code, 0);
    let said = with_ledger("forget ada --yes");
    assert_eq!(said.code, 0, "{said:?}");
    within("the end of the key", async { while ask(&callsign, &key).await.status != 401 {} }).await;
}
