//! `--format json`: every command that prints a result prints one JSON value, and nothing else, on standard output.

use std::collections::BTreeSet;
use std::path::Path;

use callsign::cli::args::Args;
use clap::CommandFactory as _;
use mock_openrouter::MockServer;
use serde_json::Value;
use sqlx::Connection as _;

use crate::support::client;
use crate::support::program::{Said, Server, callsign_reading};
use crate::support::proxy::{APP, APP_KEY, OPERATOR_KEY, VALVES};
use crate::support::within;

/// Commands without a result: they run a server, or answer by their exit code. `archive show` prints archived bytes.
const WITHOUT: [&str; 3] = ["serve", "healthcheck", "archive show"];

/// Commands in the order in which they run, with a JSON pointer to a member of their result. `GEN` stands for a generation
/// id, `REQ` for a request whose row the database refused, `OUT` for a directory.
const BESIDE_A_SERVER: [(&str, &str); 32] = [
    ("check", "/passed"),
    ("config", "/settings/0/name"),
    ("explain --user alice", "/members"),
    ("id --user alice", "/user"),
    ("usage", "/0/cost_usd"),
    ("requests", "/0/request_id"),
    ("request GEN", "/0/request_id"),
    ("whois alice", "/0/user"),
    ("reconcile", "/costs_added"),
    ("key create --user dave", "/key"),
    ("key create --user erin --print-only", "/sha256"),
    ("key rotate dave", "/key"),
    ("key list", "/0/name"),
    ("key revoke dave --cut", "/applied"),
    ("key import --key app --as chat", "/keys/0/treatment"),
    ("key import --key app --as chat --yes", "/applied"),
    ("archive list", "/0/path"),
    ("archive verify", "/intact"),
    ("block alice --for 1h --reason test", "/until"),
    ("block --list", "/0/id"),
    ("unblock alice", "/lifted"),
    ("limits set alice rpm=5", "/set/0/value"),
    ("limits show alice", "/0/limit"),
    ("limits reset alice", "/reset"),
    ("ledger rejected", "/0/request_id"),
    ("ledger repair REQ --key app --user alice", "/repaired"),
    ("ledger drop --all", "/dropped"),
    ("case GEN --output OUT/case.zip", "/requests"),
    ("export alice --output OUT/export --with-archives", "/archives"),
    ("forget alice --yes", "/erased/requests"),
    ("audit", "/0/act"),
    ("backup --output OUT/backup", "/files/0/sha256"),
];
const WITHOUT_A_SERVER: [(&str, &str); 2] =
    [("restore OUT/backup --dry-run", "/files/0"), ("restore OUT/backup --state replace", "/replaced/0")];

fn settings<'s>(upstream: &'s str, data: &'s str, archive: &'s str) -> [(&'s str, &'s str); 9] {
    [
        ("CALLSIGN_UPSTREAM_URL", upstream),
        ("CALLSIGN_DATA_DIR", data),
        ("CALLSIGN_LEDGER_MODE", "strict"),
        ("CALLSIGN_RECONCILE", "off"),
        ("CALLSIGN_ARCHIVE_DIR", archive),
        ("CALLSIGN_ARCHIVE_PASSWORD", "correct horse battery staple"),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_APP_KEY", APP_KEY),
        ("CALLSIGN_ID_SECRET", "a secret of some length for tests"),
    ]
}

/// Makes the database refuse new rows with this message id.
async fn refuse(data: &Path, message: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.join("ledger.db"));
    let mut ledger = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    let sql = format!(
        "CREATE TRIGGER refused BEFORE INSERT ON requests WHEN NEW.message = '{message}' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut ledger).await.unwrap();
    ledger.close().await.unwrap();
}

/// Asserts that this is one JSON value with this member.
fn assert_json(line: &str, said: &Said, member: &str) -> Value {
    assert_eq!(said.code, 0, "{line}: {said:?}");
    let result: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}: {said:?}"));
    let found = result.pointer(member).unwrap_or_else(|| panic!("{line}: no {member} in {result:#}"));
    assert!(!found.is_null(), "{line}: {member} is null in {result:#}");
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn every_result_is_one_json_value() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [data, archive] = ["data", "archive"].map(|name| directory.path().join(name));
    let url = mock.url();
    let settings = settings(&url, data.to_str().unwrap(), archive.to_str().unwrap());
    let variables = [VALVES.as_slice(), &settings].concat();
    let callsign = Server::start("serve", &variables).await;
    let data_url = format!("http://{}/v1/chat/completions", callsign.data);
    let metrics = format!("http://{}/metrics", callsign.admin.unwrap());
    refuse(&data, "poison").await;
    let mut ids = Vec::new();
    for message in ["poison", "m-1"] {
        let headers = [APP, &[("x-user-id", "alice"), ("x-chat-id", "c"), ("x-message-id", message)]].concat();
        let body = r#"{"model":"mock/cost-420","messages":[]}"#;
        let answer = client::post(&data_url, &headers, body).await;
        ids.push(["x-generation-id", "x-callsign-request-id"].map(|name| answer.header(name).to_owned()));
    }
    let [[_, refused], [generation, _]] = ids.as_slice() else { panic!("{ids:?}") };
    within("the archives", async {
        while !client::get(&metrics, &[]).await.text().contains("callsign_archive_written_total 2") {}
    })
    .await;
    let run = |line: &str| {
        let line = line.replace("GEN", generation).replace("REQ", refused);
        let line = line.replace("OUT", directory.path().to_str().unwrap()) + " --format json";
        callsign_reading(&line, &variables, r#"{"model":"m","user":"mallory"}"#)
    };
    for (line, member) in BESIDE_A_SERVER {
        let result = assert_json(line, &run(line), member);
        let shows_key = result.to_string().contains("sk-cs-");
        assert_eq!(shows_key, line.starts_with("key create") || line.starts_with("key rotate"), "{line}: {result:#}");
    }
    // A command that does nothing prints no result.
    for line in ["unblock nobody", "limits reset nobody", "key revoke dave", "ledger repair REQ --key app"] {
        let said = run(line);
        assert!(said.code == 1 && said.out.is_empty() && said.err.starts_with("callsign: "), "{line}: {said:?}");
    }
    callsign.terminate();
    assert!(callsign.ended().await.0.success());
    for (line, member) in WITHOUT_A_SERVER {
        assert_json(line, &run(line), member);
    }
}

/// Collects the commands without subcommands, as `key create`.
fn leaves(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
    let mut subcommands = command.get_subcommands().filter(|one| one.get_name() != "help").peekable();
    if subcommands.peek().is_none() {
        assert_eq!(
            command.get_arguments().any(|argument| argument.get_long() == Some("format")),
            !WITHOUT.contains(&name),
            "{name}: expected the option --format, or an entry in WITHOUT"
        );
        found.insert(name.to_owned());
    }
    for one in subcommands {
        leaves(one, format!("{name} {}", one.get_name()).trim(), found);
    }
}

#[test]
fn no_command_is_left_out() {
    let mut commands = BTreeSet::new();
    leaves(&Args::command(), "", &mut commands);
    let lines = || BESIDE_A_SERVER.iter().chain(&WITHOUT_A_SERVER).map(|(line, _)| *line);
    for command in commands {
        let is_run = lines()
            .any(|line| line.strip_prefix(&command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')));
        assert_eq!(is_run, !WITHOUT.contains(&command.as_str()), "{command}: add a line to the table");
    }
}
