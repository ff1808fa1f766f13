//! The commands that query the ledger and OpenRouter's records, run as processes beside a running callsign.

use std::path::Path;

use mock_openrouter::MockServer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::evidence::{entry, shown_password, unzip};
use crate::support::client::{self, Headers};
use crate::support::program::{Said, Variables, callsign_beside, file};
use crate::support::proxy::{ALICE, APP, Callsign, OPERATOR_KEY, Setup, VALVES};
use crate::support::within;

const BOB: [(&str, &str); 4] = [APP[0], APP[1], ("x-user-id", "bob"), ("x-chat-id", "chat-of-bob")];
const SECRET: (&str, &str) = ("CALLSIGN_ID_SECRET", "a-secret-for-identifiers-of-this-test");

/// A callsign with a ledger, and the settings for commands that query it.
struct Place {
    mock: MockServer,
    callsign: Callsign,
    directory: tempfile::TempDir,
    format: &'static str,
}

impl Place {
    async fn new(format: &'static str) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().to_str().unwrap();
        let ledger = [("CALLSIGN_DATA_DIR", data), ("CALLSIGN_LEDGER_MODE", "strict")];
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&ledger);
        let callsign = callsign.set(&[SECRET, ("USER_ID_FORMAT", format)]).start();
        Self { mock, callsign, directory, format }
    }

    /// Runs a command with the same ledger, secret and upstream.
    async fn run(&self, line: &str) -> Said {
        let (url, data) = (self.mock.url(), self.directory.path().to_str().unwrap());
        let ours = [
            ("CALLSIGN_DATA_DIR", data),
            ("CALLSIGN_UPSTREAM_URL", &url),
            ("OPENROUTER_API_KEY", OPERATOR_KEY),
            ("USER_ID_FORMAT", self.format),
            SECRET,
        ];
        callsign_beside(line, &[&ours[..], &VALVES].concat()).await
    }

    async fn json(&self, line: &str) -> Value {
        let said = self.run(line).await;
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }

    /// Sends a chat request and returns the answer's generation id.
    async fn chat(&self, headers: Headers<'_>, model: &str) -> String {
        let body = json!({"model": model, "stream": true, "messages": []}).to_string();
        let answer = client::post(&self.callsign.url("chat/completions"), headers, body).await;
        answer.header("x-generation-id").to_owned()
    }

    /// Waits until the sums count this many requests and returns the usage by user.
    async fn usage(&self, requests: u64) -> Value {
        within("the sums", async {
            loop {
                let usage = self.json("usage --format json").await;
                let counted = usage.as_array().unwrap().iter().filter_map(|row| row["requests"].as_u64());
                if counted.sum::<u64>() >= requests {
                    return usage;
                }
            }
        })
        .await
    }
}

fn row<'a>(rows: &'a Value, user: &Value) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["user"] == *user).unwrap_or_else(|| panic!("{user}: {rows}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_what_was_used() {
    let place = Place::new("acme_{user}").await;
    for _ in 0..3 {
        place.chat(ALICE, "mock/cost-420").await;
    }
    place.chat(&BOB, "mock/cost-1").await;
    let usage = place.usage(4).await;
    let alice = row(&usage, &json!("alice"));
    assert_eq!((&alice["external_user_id"], &alice["cost_usd"]), (&json!("acme_alice"), &json!("0.00000126")));
    assert_eq!((&alice["requests"], &alice["errors"], &alice["prompt_tokens"]), (&json!(3), &json!(0), &json!(33)));

    let csv = place.run("usage --by model --since 24h --format csv").await;
    assert_eq!((csv.code, csv.out.lines().count()), (0, 4), "{csv:?}");
    assert!(csv.out.starts_with("\"model\",\"requests\","), "{csv:?}");
    let table = place.run("usage --by day").await;
    assert!(table.out.trim_start().starts_with("DAY ") && table.out.contains("0.000001261"), "{table:?}");
    assert_eq!(place.json("usage --since 2999-01-01 --format json").await, json!([]));
    assert_eq!(place.json("usage --tenant acme --format json").await, json!([]));
    assert!(place.run("usage --since 2999-01-01").await.out.contains("The ledger has no request in this period."));

    let wrong = place.run("usage --since yesterday").await;
    assert_eq!((wrong.code, wrong.err.contains("--since takes")), (2, true), "{wrong:?}");
    let off = callsign_beside("usage", &[]).await;
    assert_eq!((off.code, off.err.contains("CALLSIGN_DATA_DIR")), (1, true), "{off:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whois_names_the_caller_behind_everything_that_was_sent() {
    let place = Place::new("acme_{hmac:32 user}").await;
    let generation = place.chat(&BOB, "m").await;
    let usage = place.usage(1).await;
    let sent = row(&usage, &json!("bob"))["external_user_id"].as_str().unwrap().to_owned();
    for (identifier, kind) in
        [(sent.as_str(), "user"), ("bob", "user"), ("chat-of-bob", "chat"), (&generation, "generation")]
    {
        let found = place.json(&format!("whois {identifier} --format json")).await;
        let [one] = found.as_array().unwrap().as_slice() else { panic!("{identifier}: {found}") };
        assert_eq!((&one["kind"], &one["user"], &one["requests"]), (&json!(kind), &json!("bob"), &json!(1)));
        assert_eq!((&one["identifier"], &one["tenant"]), (&json!(identifier), &Value::Null));
    }
    assert!(place.run(&format!("whois {sent}")).await.out.contains("bob"));
    let nobody = place.run("whois acme_nobody").await;
    assert_eq!((nobody.code, nobody.out.as_str()), (1, ""), "{nobody:?}");
    assert!(nobody.err.contains("--candidates"), "{nobody:?}");
    assert_eq!(place.json("whois acme_nobody --format json").await, json!([]));
    assert_eq!(place.run(&format!("whois {sent} --tenant acme")).await.code, 1);
}

/// The organisation of the mock's account.
const ORGANISATION: &str = "org_2mock0operator0account";

fn reported(sent: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{ORGANISATION}-{sent}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whois_asks_openrouter_for_the_id_that_a_provider_hashes() {
    let place = Place::new("acme_{hmac:32 user}").await;
    place.chat(&BOB, "m").await;
    let usage = place.usage(1).await;
    let digest = reported(row(&usage, &json!("bob"))["external_user_id"].as_str().unwrap());
    let asked = || place.mock.received().iter().filter(|received| received.path.ends_with("/key")).count();
    place.json("whois bob --format json").await;
    assert_eq!(asked(), 0, "only what may be such a hash needs the id");
    let found = place.json(&format!("whois {digest} --format json")).await;
    assert_eq!((&found[0]["kind"], &found[0]["user"]), (&json!("upstream"), &json!("bob")), "{found}");
    assert_eq!(asked(), 1);
    let said = place.run(&format!("block {digest}")).await;
    assert!(said.code == 0 && said.out.contains("bob") && !said.out.contains(ORGANISATION), "{said:?}");

    let data = place.directory.path().to_str().unwrap();
    let other = [("CALLSIGN_DATA_DIR", data), ("OPENROUTER_ORG_ID", "org_other")];
    let said = callsign_beside(&format!("whois {digest}"), &other).await;
    assert_eq!((said.code, said.err.contains("OpenRouter did not")), (1, false), "the setting wins: {said:?}");
    let nobody = [
        ("CALLSIGN_DATA_DIR", data),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_UPSTREAM_URL", "http://127.0.0.1:1/api/v1"),
    ];
    let said = callsign_beside(&format!("whois {digest}"), &nobody).await;
    assert_eq!((said.code, said.err.contains("set OPENROUTER_ORG_ID")), (1, true), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_knows_the_ids_of_all_accounts() {
    let (mock, directory) = (MockServer::start().await.unwrap(), tempfile::tempdir().unwrap());
    let callsign = Setup::to(&mock.url())
        .set(&VALVES)
        .set(&[
            ("OPENROUTER_ORG_ID", ""),
            ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
            ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
        ])
        .toml("[[tenants]]\nname = \"acme\"\nopenrouter_api_key = \"sk-or-v1-the-key-of-acme\"\n")
        .start();
    client::post(&callsign.url("chat/completions"), ALICE, "{}").await;
    let url = callsign.admin_url(&format!("api/v1/admin/whois/{}", reported("alice")));
    let found = within("the id and the row", async {
        loop {
            let answer = client::get(&url, &[("authorization", "Bearer an-admin-token-of-tests")]).await;
            if answer.status == 200 {
                return answer.json();
            }
        }
    })
    .await;
    assert_eq!((&found[0]["kind"], &found[0]["user"]), (&json!("upstream"), &json!("alice")), "{found}");
    let asked: Vec<_> = mock.received().into_iter().filter(|received| received.path.ends_with("/key")).collect();
    let mut keys: Vec<_> = asked.iter().map(|received| received.header("authorization").unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["Bearer sk-or-v1-the-key-of-acme", &format!("Bearer {OPERATOR_KEY}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whois_needs_no_ledger_where_the_format_or_a_list_of_users_tells() {
    let hashed = &[("USER_ID_FORMAT", "acme_{hmac:32 user}"), SECRET, ("SEND_END_USER_ID", "1")];
    let sent = callsign_beside("id --user bob", hashed).await;
    let sent: Value = serde_json::from_str(&sent.out).unwrap();
    let users = file("alice\nbob\n");
    let line = format!("whois {} --candidates {}", sent["user"].as_str().unwrap(), users.path().display());
    let said = callsign_beside(&line, hashed).await;
    assert!(said.code == 0 && said.out.contains("bob") && !said.out.contains("alice"), "{said:?}");
    let said = callsign_beside(&line.replace("acme_", "acme_0"), hashed).await;
    assert!(said.code == 1 && said.err.contains("None of the 2 candidates"), "{said:?}");

    let sealed: Variables<'_> = &[("USER_ID_FORMAT", "{seal user}"), SECRET, ("SEND_END_USER_ID", "1")];
    let sent = callsign_beside("id --user bob", sealed).await;
    let sent: Value = serde_json::from_str(&sent.out).unwrap();
    let line = format!("whois {} --format json", sent["user"].as_str().unwrap());
    let said = callsign_beside(&line, sealed).await;
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found[0]["kind"], &found[0]["user"]), (&json!("sealed"), &json!("bob")), "{said:?}");

    // Anybody can write such a text, so it is no finding.
    let raw = callsign_beside("whois p_bob", &[("OPENROUTER_USER_PREFIX", "p")]).await;
    assert_eq!((raw.code, raw.out.as_str()), (1, ""), "{raw:?}");
    for part in [
        "the ledger is off, so only the formats are used. With one (CALLSIGN_DATA_DIR), whois finds every",
        "nobody can tell if this identifier was sent",
        "under the current format it would belong to user bob",
    ] {
        assert!(raw.err.contains(part), "{part}: {raw:?}");
    }
    let users = file("bob\n");
    let line = format!("whois p_bob --candidates {}", users.path().display());
    let known = callsign_beside(&line, &[("OPENROUTER_USER_PREFIX", "p")]).await;
    assert!(known.code == 0 && known.out.contains(" bob "), "{known:?}");
    let lost = callsign_beside("whois x --candidates /nowhere/at/all", &[]).await;
    assert_eq!((lost.code, lost.err.contains("--candidates file cannot be read")), (2, true), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_fills_in_what_a_broken_stream_never_told() {
    let place = Place::new("{user}").await;
    place.chat(ALICE, "mock/cost-300+cut-after-2").await;
    place.chat(ALICE, "mock/cost-40+no-usage").await;
    place.chat(ALICE, "mock/cost-5").await;
    let before = place.usage(3).await;
    assert_eq!(row(&before, &json!("alice"))["cost_usd"], "0.000000005");

    let said = place.run("reconcile --since 24h").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.starts_with("Costs added: 2, 0.00000034 USD"), "{said:?}");
    let after = place.json("usage --format json").await;
    assert_eq!(row(&after, &json!("alice"))["cost_usd"], "0.000000345");
    assert_eq!(row(&after, &json!("alice"))["requests"], 3);

    let again = place.run("reconcile").await;
    assert!(again.code == 0 && again.out.starts_with("Costs added: 0, 0 USD"), "{again:?}");
    let again = place.json("reconcile --format json").await;
    assert_eq!((&again["costs_added"], &again["cost_usd"], &again["failed"]), (&0.into(), &"0".into(), &0.into()));
    assert_eq!(place.json("usage --format json").await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_says_what_it_could_not_ask_for() {
    let place = Place::new("{user}").await;
    place.chat(ALICE, "mock/no-usage").await;
    place.usage(1).await;
    let data = place.directory.path().to_str().unwrap();
    let nowhere = [
        ("CALLSIGN_DATA_DIR", data),
        ("CALLSIGN_UPSTREAM_URL", &MockServer::start().await.unwrap().url()[..]),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
    ];
    // This mock does not know the generation.
    let said = callsign_beside("reconcile --since 2999-01-01", &nowhere).await;
    assert!(said.code == 0 && said.out.starts_with("Costs added: 0,"), "{said:?}");
    let other = MockServer::start().await.unwrap();
    let url = other.url();
    let elsewhere = [nowhere[0], ("CALLSIGN_UPSTREAM_URL", &url), nowhere[2]];
    let said = callsign_beside("reconcile", &elsewhere).await;
    assert!(said.code == 0 && said.out.contains("Requests without a record at OpenRouter, or not yet: 1."), "{said:?}");
    let json = callsign_beside("reconcile --format json", &elsewhere).await;
    assert!(json.code == 0 && json.out.contains("\"without_record\": 1"), "{json:?}");
    let keyless = callsign_beside("reconcile", &[nowhere[0], ("CALLSIGN_UPSTREAM_URL", &url)]).await;
    assert!(
        keyless.code == 0 && keyless.out.contains("Requests of accounts whose OpenRouter keys are not configured: 1."),
        "{keyless:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_is_nobody_and_the_sums_stay() {
    let place = Place::new("{user}").await;
    place.chat(ALICE, "mock/cost-7").await;
    let generation = place.chat(&BOB, "mock/cost-8").await;
    place.usage(2).await;
    let said = place.run("forget bob --yes").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.starts_with("Forgotten: 1 requests"), "{said:?}");
    for identifier in ["bob", "chat-of-bob", &generation] {
        assert_eq!(place.json(&format!("whois {identifier} --tenant nobody --format json")).await, json!([]));
    }
    let usage = place.json("usage --format json").await;
    assert_eq!(row(&usage, &Value::Null)["cost_usd"], "0.000000008");
    assert_eq!(row(&usage, &json!("alice"))["cost_usd"], "0.000000007");
    assert!(!holds(place.directory.path(), b"chat-of-bob"), "the bytes are still in the ledger's files");

    let again = place.run("forget bob --yes").await;
    assert_eq!((again.code, again.err.contains("no request of this user")), (1, true), "{again:?}");
}

/// Returns true if any file below the directory contains these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|file| memchr::memmem::find(&file, bytes).is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_check_verifies_what_was_recorded() {
    let place = Place::new("acme_{hmac:32 user}").await;
    let (url, data) = (place.mock.url(), place.directory.path().to_str().unwrap());
    let app = [
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789"),
        ("USER_ID_FORMAT", place.format),
        SECRET,
    ];
    let with_ledger = [&app[..], &VALVES, &[("CALLSIGN_DATA_DIR", data)]].concat();
    let said = callsign_beside("check --live", &with_ledger).await;
    assert_eq!(said.code, 0, "{said:?}");
    for line in ["✓ live: upstream", "✓ live: external_user", "✓ live: session_id", "✓ live: ledger", "✓ live: budget"]
    {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
    assert!(said.out.contains("passed: 30 checks") && said.out.contains("recorded as acme_"), "{said:?}");
    assert!(said.out.contains("of $1000000 of the key's limit"), "{said:?}");
    assert!(said.out.contains("has the row, with key callsign-check"), "{said:?}");

    // The test is recognisable afterwards: in the audit log, for `whois` and in a case.
    let said = callsign_beside("audit --format json", &with_ledger).await;
    let acts: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((acts.as_array().unwrap().len(), &acts[0]["act"]), (1, &json!("live_test")), "{acts}");
    let generation = acts[0]["detail"].as_str().unwrap().strip_prefix("generation: ").unwrap().to_owned();
    let said = callsign_beside(&format!("whois {generation} --format json"), &with_ledger).await;
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!([&found[0]["test"], &found[0]["user"]], [&json!(true), &acts[0]["subject"]], "{found}");
    let bundle = place.directory.path().join("case.zip");
    let said = callsign_beside(&format!("case {generation} --output {}", bundle.display()), &with_ledger).await;
    assert_eq!(said.code, 0, "{said:?}");
    let entries = unzip(&bundle, shown_password(&said));
    let summary = entry(&entries, "summary.txt");
    assert!(summary.contains("Requests: 1, 1 of them tests of callsign") && summary.contains("  test\n"), "{summary}");

    let sent = place.mock.received();
    assert_eq!(sent.iter().filter(|received| received.path.ends_with("completions")).count(), 1, "{sent:?}");

    // With all valves off and no ledger nothing is sent and nothing is recorded.
    let said = callsign_beside("check --live", &app).await;
    assert!(said.code == 0 && said.out.contains("none was sent"), "{said:?}");
    assert!(said.out.contains("✓ live: ledger") && said.out.contains("off: "), "{said:?}");

    let said = callsign_beside("check --live --model mock/error-402 --format json", &with_ledger).await;
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["passed"]), (1, &json!(false)));
    let last = report["checks"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["passed"]), (&json!("live: upstream"), &json!(false)), "{last}");
    assert!(last["detail"].as_str().unwrap().contains("402"), "{last}");
}
