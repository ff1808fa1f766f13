//! The admin API through the running program, over a filled ledger: schemas, statuses, hostile names, mapping tests.

mod pages;
mod schema;

use std::path::Path;
use std::sync::Arc;

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{Begun, Finished, Ledger, RequestLabels, SentIds};
use callsign_telemetry::metrics::Metrics;
use http::Method;
use mock_openrouter::MockServer;
use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::proxy::{Callsign, Setup, VALVES};

const TOKEN: &str = "Bearer an-admin-token-of-tests";
const HOSTILE: [&str; 5] =
    ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\u{202e}gnp.exe", "..", "a/b?c=d&e=%2F#f"];

/// A finished and paid request of this user.
fn row(user: &str, tenant: Option<&str>, sent: Option<&str>) -> (Begun, Finished) {
    static NUMBER: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let began_us = jiff::Timestamp::now().as_microsecond();
    let name = |text: Option<&str>| text.map(Into::into);
    let begun = Begun {
        id: RequestId::new(began_us, [number; RANDOM]),
        began_us,
        labels: RequestLabels {
            tenant: name(tenant),
            key: "openwebui".into(),
            user: name(Some(user)),
            session: None,
            chat: name(Some("chat-7")),
            message: None,
        },
        sent: SentIds { user: name(sent), ..SentIds::default() },
        endpoint: "chat/completions".into(),
        account: None,
        markup: Markup::ONE,
    };
    let finished = Finished {
        outcome: Some(Outcome::Complete),
        limit: None,
        bill: Bill::Known,
        requested_model: None,
        status: 200,
        error: None,
        model: Some("a/<b>model</b>".into()),
        provider: Some("Provider".into()),
        generation: None,
        usage: Usage {
            prompt_tokens: Some(11),
            completion_tokens: Some(7),
            cached_tokens: Some(3),
            reasoning_tokens: None,
            cost: Some(NanoUsd(420_000)),
            ..Usage::default()
        },
        request_bytes: 100,
        response_bytes: 200,
        head_us: Some(300_000),
        first_output_us: Some(400_000),
        duration_us: 900_000,
    };
    (begun, finished)
}

/// Fills a ledger: three requests of alice, one bob in each of two tenants, carol without an identifier, dan and dora
/// with the same identifier, and users whose names are special in HTML, spreadsheets, terminals and paths.
async fn fill(directory: &Path) {
    let settings = Settings {
        store: Some(Store::Sqlite(directory.join("ledger.db"))),
        mode: Mode::Strict,
        retention_days: 400,
        data_dir: Some(directory.to_owned()),
        data_dir_set: true,
    };
    let ledger = Ledger::open(&settings, &Arc::new(Metrics::new()), &Arc::default()).unwrap();
    let long = "x".repeat(512);
    let known = [("alice", None, Some("acme_1")); 3].into_iter().chain([
        ("bob", None, Some("acme_2")),
        ("bob", Some("acme"), Some("acme_3")),
        ("carol", None, None),
        ("dan", None, Some("acme_4")),
        ("dora", None, Some("acme_4")),
        (long.as_str(), None, None),
    ]);
    for (user, tenant, sent) in known.chain(HOSTILE.map(|user| (user, None, Some(user)))) {
        let (begun, finished) = row(user, tenant, sent);
        let entry = ledger.begin(begun);
        entry.answered(Some("gen-1790000000-abc"));
        if let Some(committed) = entry.finish(finished) {
            committed.await;
        }
    }
    ledger.close().await;
}

/// A running callsign over a filled ledger.
struct Rig {
    callsign: Callsign,
    _mock: MockServer,
    _directory: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path()).await;
        let mock = MockServer::start().await.unwrap();
        let callsign = Setup::to(&mock.url())
            .set(&VALVES)
            .set(&[
                ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
                ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
                ("USER_ID_FORMAT", "acme_{sha256:16 user}"),
            ])
            .toml("[[tenants]]\nname = \"acme\"\nformats = { user = \"of-acme_{user}\" }\n")
            .start();
        Self { callsign, _mock: mock, _directory: directory }
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        let headers = [("authorization", TOKEN), ("content-type", "application/json")];
        client::request(method, &self.callsign.admin_url(&format!("api/v1/admin/{path}")), &headers, body.to_owned())
            .await
    }

    /// Sends a GET and returns the answer's JSON. Fails if it does not match `schema` in the OpenAPI document.
    async fn get(&self, path: &str, schema: &str) -> Value {
        let answer = self.ask(Method::GET, path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        self.checked(&answer, schema).await
    }

    async fn checked(&self, answer: &Answer, schema: &str) -> Value {
        let document = self.ask(Method::GET, "openapi.json", "").await.json();
        let wrong =
            schema::check(&document, &json!({ "$ref": format!("#/components/schemas/{schema}") }), &answer.json());
        assert_eq!(wrong, Vec::<String>::new(), "{schema}: {}", answer.text());
        answer.json()
    }

    /// Sends a request that must fail with this status and returns the error. Fails if it does not match the OpenAPI
    /// document.
    async fn refused(&self, method: Method, path: &str, body: &str, status: u16) -> Value {
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        self.checked(&answer, "Error").await["error"].clone()
    }
}

/// Percent-encodes all of a name except letters.
fn encoded(name: &str) -> String {
    name.bytes().flat_map(|byte| format!("%{byte:02X}").into_bytes()).map(char::from).collect()
}

#[tokio::test]
async fn usage_is_told_by_everything_and_as_csv() {
    let rig = Rig::start().await;
    let by_user = rig.get("usage", "Usage").await;
    let alice = by_user.as_array().unwrap().iter().find(|row| row["user"] == "alice").unwrap();
    assert_eq!(alice.as_object().unwrap().keys().next().unwrap(), "user");
    assert_eq!(
        [&alice["external_user_id"], &alice["requests"], &alice["prompt_tokens"], &alice["cost_usd"], &alice["tenant"]],
        [&json!("acme_1"), &json!(3), &json!(33), &json!("0.00126"), &Value::Null]
    );
    for by in ["user", "model", "key", "provider", "tenant", "hour", "day", "month", "user,day"] {
        let rows = rig.get(&format!("usage?by={by}&since=24h"), "Usage").await;
        let requests: u64 = rows.as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum();
        assert_eq!(requests, 14, "{by}: {rows}");
    }
    assert_eq!(rig.get("usage?tenant=acme", "Usage").await.as_array().unwrap().len(), 1);
    assert_eq!(rig.get("usage?since=2999-01-01", "Usage").await, json!([]));
    let csv = rig.ask(Method::GET, "usage?format=csv", "").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"callsign-usage-by-user.csv\"");
    let text = csv.text();
    assert!(text.contains("\r\n\"'=cmd|' /C calc'!A0\",\"'=cmd|' /C calc'!A0\",\"1\","), "{text}");
    assert_eq!(rig.refused(Method::GET, "usage?since=yesterday", "", 400).await["code"], "invalid_request");
}

#[tokio::test]
async fn mappings_are_counted_and_collisions_are_errors() {
    let rig = Rig::start().await;
    let statistics = rig.get("user-mapping/statistics", "Statistics").await;
    assert_eq!(
        [&statistics["total_users"], &statistics["successful_mappings"], &statistics["failed_mappings"]],
        [12, 10, 2]
    );
    assert_eq!(statistics["mapping_success_rate"], 83.33);
    assert_eq!(
        statistics["collisions"],
        json!([{"external_user_id": "acme_4", "users": [
            {"user_id": "dan", "tenant": null}, {"user_id": "dora", "tenant": null}]}])
    );
    let validation = rig.get("user-mapping/validate", "Validation").await;
    assert_eq!(validation["configuration_valid"], false);
    let status = |user: &str| {
        let statuses = validation["user_statuses"].as_array().unwrap();
        statuses.iter().find(|status| status["user_id"] == user).unwrap().clone()
    };
    assert_eq!(status("alice")["mapping_valid"], true);
    assert_eq!(status("carol")["mapping_valid"], false);
    assert!(status("dora")["error_message"].as_str().unwrap().contains("acme_4 stands for 2 users (dan, dora)"));
}

#[tokio::test]
async fn one_user_is_found_by_any_name_and_tenant() {
    let rig = Rig::start().await;
    let alice = rig.get("user-mapping/user/alice/mapping", "Mapping").await;
    assert_eq!([&alice["external_user_id"], &alice["requests"]], [&json!("acme_1"), &json!(3)]);
    assert_eq!(alice["identifiers"]["embeddings"], json!({"user": "acme_2bd806c97f0e00af"}));
    let several = rig.refused(Method::GET, "user-mapping/user/bob/mapping", "", 409).await;
    assert_eq!([&several["code"], &several["tenants"]], [&json!("several_tenants"), &json!([null, "acme"])]);
    let bob = rig.get("user-mapping/user/bob/mapping?tenant=acme", "Mapping").await;
    assert_eq!(bob["identifiers"]["embeddings"], json!({"user": "of-acme_bob"}));
    assert_eq!(rig.get("user-mapping/user/bob/mapping?tenant=", "Mapping").await["external_user_id"], "acme_2");
    assert_eq!(rig.refused(Method::GET, "user-mapping/user/mallory/mapping", "", 404).await["code"], "unknown_user");
    for user in HOSTILE {
        assert_eq!(rig.get(&format!("user-mapping/user/{}/mapping", encoded(user)), "Mapping").await["user_id"], user);
        let found = rig.get(&format!("whois/{}", encoded(user)), "Whois").await;
        assert_eq!([&found[0]["kind"], &found[0]["user"]], ["user", user]);
    }
    let generation = rig.get("whois/gen-1790000000-abc", "Whois").await;
    assert_eq!(generation[0]["kind"], "generation");
    assert_eq!(rig.refused(Method::GET, "whois/acme_9", "", 404).await["code"], "unknown_identifier");
}

#[tokio::test]
async fn forgetting_keeps_the_sums() {
    let rig = Rig::start().await;
    assert_eq!(rig.refused(Method::DELETE, "users/bob", "", 409).await["code"], "several_tenants");
    let answer = rig.ask(Method::DELETE, "users/bob?tenant=acme", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let forgotten = rig.checked(&answer, "Forgotten").await;
    assert_eq!(
        [&forgotten["user_id"], &forgotten["tenant"], &forgotten["requests"]],
        [&json!("bob"), &json!("acme"), &json!(1)]
    );
    assert_eq!(
        rig.get("user-mapping/user/bob/mapping", "Mapping").await["tenant"],
        Value::Null,
        "the user of the other tenant is kept"
    );
    let apps = rig.get("usage?by=key", "Usage").await;
    let requests: u64 = apps.as_array().unwrap().iter().map(|row| row["requests"].as_u64().unwrap()).sum();
    assert_eq!(requests, 14);
    assert_eq!(rig.refused(Method::DELETE, "users/bob?tenant=acme", "", 404).await["code"], "unknown_user");
}

#[tokio::test]
async fn the_configuration_in_force_is_told_without_a_secret() {
    let rig = Rig::start().await;
    let told = rig.get("user-mapping/configuration", "Configuration").await;
    assert_eq!(told["valves"]["SEND_END_USER_ID"], true);
    assert_eq!(told["formats"]["USER_ID_FORMAT"], "acme_{sha256:16 user}");
    assert_eq!(told["limits"]["max_id_chars"], 128);
    assert_eq!(told["example"]["identifiers"]["embeddings"]["user"], "acme_bfe1bd65d9faa81a");
    assert_eq!(told["sources"].as_array().unwrap().len(), 2);
    let of_acme = rig.get("user-mapping/configuration?tenant=acme", "Configuration").await;
    assert_eq!(of_acme["formats"]["USER_ID_FORMAT"], "of-acme_{user}");
    for secret in ["sk-or-", "sk-cs-", "an-admin-token"] {
        assert!(!told.to_string().contains(secret), "{told}");
    }
}

#[tokio::test]
async fn a_mapping_is_tried_out_in_the_real_pipeline() {
    let rig = Rig::start().await;
    let user = "acme_2bd806c97f0e00af";
    let media = json!({"user": user, "session_id": "tab-1", "headers": {"x-session-id": "tab-1"}});
    for (endpoint, expected) in [
        ("embeddings", media.clone()),
        ("rerank", media),
        ("videos", json!({"user": user, "session_id": "tab-1"})),
        ("systemone", json!({"user": user, "session_id": "tab-1"})),
        (
            "messages",
            json!({"user": "acme_2bd806c97f0e00af", "session_id": "tab-1",
                            "metadata": {"user_id": "acme_2bd806c97f0e00af"}}),
        ),
    ] {
        let trial = json!({"user_id": "alice", "session_id": "tab-1", "endpoint": endpoint}).to_string();
        let answer = rig.ask(Method::POST, "user-mapping/test-mapping", &trial).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let tried = rig.checked(&answer, "Tried").await;
        assert_eq!([&tried["passed"], &tried["live"]], [&json!(true), &Value::Null], "{tried}");
        assert_eq!(tried["identifiers"], expected, "{endpoint}");
        assert!(!tried.to_string().contains("spoofed") && !tried.to_string().contains("sk-or-"), "{tried}");
        assert_eq!(tried["received"]["headers"]["content-type"], "application/json");
    }
    let trial = json!({"user_id": "bob", "chat_id": "c"}).to_string();
    let tried =
        rig.checked(&rig.ask(Method::POST, "user-mapping/test-mapping?tenant=acme", &trial).await, "Tried").await;
    assert_eq!(tried["identifiers"]["metadata"], json!({"user_id": "of-acme_bob", "chat_id": "c"}));
    // A live test goes to the configured upstream, which is this test's mock.
    let trial = json!({"user_id": "alice", "live": true}).to_string();
    let tried = rig.checked(&rig.ask(Method::POST, "user-mapping/test-mapping", &trial).await, "Tried").await;
    assert_eq!([&tried["passed"], &tried["live"]["status"]], [&json!(true), &json!(200)], "{tried}");
    let acts = rig.ask(Method::GET, "audit", "").await.json();
    let detail = json!(format!("generation: {}", tried["live"]["generation_id"].as_str().unwrap()));
    let tests: Vec<_> = acts.as_array().unwrap().iter().filter(|act| act["act"] == "live_test").collect();
    assert_eq!((tests.len(), &tests[0]["detail"], &tests[0]["subject"]), (1, &detail, &json!("alice")), "{acts}");
    for wrong in
        ["{}", r#"{"user_id":"a","endpoint":"weather"}"#, r#"{"user_id":"a\nb"}"#, r#"{"user_id":"a","x":1}"#, "["]
    {
        assert_eq!(
            rig.refused(Method::POST, "user-mapping/test-mapping", wrong, 400).await["code"],
            "invalid_request",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn every_documented_path_is_a_route() {
    let rig = Rig::start().await;
    let document = rig.ask(Method::GET, "openapi.json", "").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.trim_start_matches('/').replace("{user_id}", "nobody").replace("{id}", "nobody");
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = rig.ask(method.clone(), &path, "").await;
            assert_ne!(answer.status, 405, "{method} {path}");
            assert_ne!(answer.json()["error"]["code"], "not_found", "{method} {path}");
            let code = answer.status.as_str().to_owned();
            let known = operations[method.as_str().to_lowercase()]["responses"].get(&code);
            assert!(known.is_some(), "{method} {path} answers {code}, which is not documented");
        }
    }
}
