//! `requests`, `case`, `export` and `forget` as processes, on the ledger and the archive of a running callsign.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mock_openrouter::MockServer;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::program::{Said, callsign_beside};
use crate::support::proxy::{APP, Callsign, Setup, VALVES};
use crate::support::within;

const ARCHIVE_PASSWORD: &str = "correct horse battery staple";
const PASSWORD: &str = "a password of this bundle";
const FORMAT: (&str, &str) = ("USER_ID_FORMAT", "acme_{sha256:16 user}");
const PROMPT: &str = "the prompt that nobody else may read";

/// A callsign with ledger and archive, after some requests.
struct Rig {
    _mock: MockServer,
    callsign: Callsign,
    directory: tempfile::TempDir,
    /// The generation ids of alice, alice and bob.
    generations: [String; 3],
}

impl Rig {
    async fn start() -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let settings = Self::settings(directory.path());
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let callsign = Setup::to(&mock.url()).set(&VALVES).set(&settings).start();
        let mut generations = Vec::new();
        for (user, chat) in [("alice", "chat-a"), ("alice", "shared-chat"), ("bob", "shared-chat")] {
            let headers = [APP[0], APP[1], ("x-user-id", user), ("x-chat-id", chat)];
            let body = json!({"model": "mock/cost-420", "messages": [{"role": "user", "content": PROMPT}]});
            let answer = client::post(&callsign.url("chat/completions"), &headers, body.to_string()).await;
            generations.push(answer.header("x-generation-id").to_owned());
        }
        let written = || async { client::get(&callsign.admin_url("metrics"), &[]).await.text() };
        within("the archives", async { while !written().await.contains("callsign_archive_written_total 3") {} }).await;
        Self { _mock: mock, callsign, directory, generations: generations.try_into().unwrap() }
    }

    fn settings(directory: &Path) -> [(&'static str, String); 6] {
        [
            ("CALLSIGN_DATA_DIR", directory.display().to_string()),
            ("CALLSIGN_LEDGER_MODE", "strict".to_owned()),
            ("CALLSIGN_RECONCILE", "off".to_owned()),
            ("CALLSIGN_ARCHIVE_DIR", directory.join("archive").display().to_string()),
            ("CALLSIGN_ARCHIVE_PASSWORD", ARCHIVE_PASSWORD.to_owned()),
            (FORMAT.0, FORMAT.1.to_owned()),
        ]
    }

    /// Runs a command. `OUT` in its line stands for a new path, which is returned.
    async fn run(&self, line: &str) -> (Said, PathBuf) {
        let path = self.path("out");
        let line = line.replace("OUT", &path.display().to_string());
        let settings = Self::settings(self.directory.path());
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        (callsign_beside(&line, &settings).await, path)
    }

    async fn said(&self, line: &str) -> Said {
        self.run(line).await.0
    }

    /// Returns a path that does not exist.
    fn path(&self, name: &str) -> PathBuf {
        let name = format!("{name}-{}", uuid::Uuid::now_v7().simple());
        self.directory.path().join(name)
    }

    fn password_file(&self) -> PathBuf {
        let path = self.path("password");
        fs::write(&path, format!("{PASSWORD}\n")).unwrap();
        path
    }
}

/// Returns the entries of a zip file, in order.
pub(crate) fn unzip(path: &Path, password: &str) -> Vec<(String, String)> {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let entries = (0..zip.len()).map(|index| {
        let mut file = zip.by_index_decrypt(index, password.as_bytes()).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (file.name().unwrap().into_owned(), text)
    });
    entries.collect()
}

pub(crate) fn entry<'e>(entries: &'e [(String, String)], name: &str) -> &'e str {
    let found = entries.iter().find(|(entry, _)| entry == name);
    found.map_or_else(|| panic!("no {name} in {entries:?}"), |(_, text)| text.as_str())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Returns the password that a command printed.
pub(crate) fn shown_password(said: &Said) -> &str {
    let (_, password) = said.err.split_once("shown only once: ").unwrap_or_else(|| panic!("{said:?}"));
    password.trim()
}

fn rows(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_names_one_person_and_its_summary_has_no_internal_ids() {
    let rig = Rig::start().await;
    let [first, second, _] = &rig.generations;
    let (said, path) = rig.run("case acme_2bd806c97f0e00af --output OUT").await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.ends_with(": user alice; 2 requests, 0 archives.\n"), "{said:?}");
    assert_eq!(mode(&path), 0o600);
    assert!(shown_password(&said).len() >= 26, "fewer than 128 bits in base32: {said:?}");
    let entries = unzip(&path, shown_password(&said));
    let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["requests.json", "whois.json", "summary.txt"]);
    let summary = entry(&entries, "summary.txt");
    assert!(summary.starts_with("Reported identifier: acme_2bd806c97f0e00af\n"), "{summary}");
    for expected in [first, second, "Sent as user: acme_2bd806c97f0e00af", "Requests: 2", "mock/cost-420"] {
        assert!(summary.contains(expected), "{expected}: {summary}");
    }
    assert!(!summary.contains("alice"), "{summary}");
    let requests = rows(entry(&entries, "requests.json"));
    assert_eq!(requests.iter().map(|row| &row["generation"]).collect::<Vec<_>>(), [second, first]);
    assert_eq!(rows(entry(&entries, "whois.json"))[0]["user"], "alice");

    // An internal id is no reported identifier. A generation is one request.
    let (said, path) = rig.run("case alice --output OUT").await;
    let summary = unzip(&path, shown_password(&said));
    assert!(entry(&summary, "summary.txt").starts_with("Sent as user: acme_2bd806c97f0e00af\nRequests: 2\n"));
    let request = requests[1]["request_id"].as_str().unwrap();
    for id in [first, request] {
        let (said, path) = rig.run(&format!("case {id} --output OUT --with-archives")).await;
        assert!(said.out.ends_with(": user alice; 1 requests, 1 archives.\n"), "{said:?}");
        let entries = unzip(&path, shown_password(&said));
        let archived = format!("archives/acme_2bd806c97f0e00af/chat-a/{first}/request.json");
        assert!(entry(&entries, &archived).contains(PROMPT));
        assert!(!entry(&entries, "summary.txt").contains(request) || id == first, "a request id is internal");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_a_new_file_about_exactly_one_person() {
    let rig = Rig::start().await;
    let (several, path) = rig.run("case shared-chat --output OUT").await;
    assert_eq!((several.code, several.out.as_str(), path.exists()), (1, "", false), "{several:?}");
    assert!(several.err.contains("is of 2 persons"), "{several:?}");
    assert!(several.err.contains("  alice --tenant ''\n  bob --tenant ''\n"), "{several:?}");
    for line in ["case acme_nobody --output OUT", "export nobody --output OUT", "case alice --tenant t --output OUT"] {
        let (nobody, path) = rig.run(line).await;
        assert_eq!((nobody.code, nobody.out.as_str(), path.exists()), (1, "", false), "{nobody:?}");
    }

    let (victim, link) = (rig.path("victim"), rig.path("link"));
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let taken = rig.path("taken");
    fs::write(&taken, "content").unwrap();
    for path in [&link, &taken] {
        for command in ["case", "export"] {
            let said = rig.said(&format!("{command} alice --output {}", path.display())).await;
            assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
            assert!(said.err.contains("cannot create the") && said.err.contains("exists"), "{said:?}");
        }
    }
    assert!(!victim.exists());
    assert_eq!(fs::read_to_string(&taken).unwrap(), "content");

    let missing = rig.path("missing");
    let weak = rig.path("weak");
    fs::write(&weak, "short\n").unwrap();
    for file in [missing, weak] {
        let (said, path) = rig.run(&format!("case alice --output OUT --password-file {}", file.display())).await;
        assert_eq!((said.code, path.exists()), (2, false), "{said:?}");
        assert!(said.err.contains("--password-file"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_everything_about_one_person() {
    let rig = Rig::start().await;
    let password = rig.password_file();
    let line = format!("export alice --output OUT --with-archives --password-file {}", password.display());
    let (said, path) = rig.run(&line).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.ends_with("/export.zip: user alice; 2 requests, 2 archives.\n"), "{said:?}");
    assert_eq!(mode(&path), 0o700);
    let zip = path.join("export.zip");
    assert_eq!((mode(&zip), fs::metadata(&zip).unwrap().nlink()), (0o600, 1));
    assert!(!fs::read(&zip).unwrap().windows(PROMPT.len()).any(|window| window == PROMPT.as_bytes()));
    let entries = unzip(&zip, PASSWORD);
    assert_eq!(rows(entry(&entries, "requests.json")).len(), 2);
    let usage = rows(entry(&entries, "usage.json"));
    assert_eq!((usage.len(), &usage[0]["requests"], &usage[0]["cost_usd"]), (1, &json!(2), &json!("0.00000084")));
    let identifiers = rows(entry(&entries, "identifiers.json"));
    let identifiers: Vec<_> =
        identifiers.iter().map(|row| (row["identifier"].as_str().unwrap(), &row["requests"])).collect();
    let (one, two) = (&json!(1), &json!(2));
    assert_eq!(identifiers, [("chat-a", one), ("shared-chat", one), ("acme_2bd806c97f0e00af", two), ("alice", two)]);
    for chat in ["chat-a", "shared-chat"] {
        let folder = format!("archives/acme_2bd806c97f0e00af/{chat}/");
        let names = entries.iter().filter(|(name, _)| name.starts_with(&folder)).map(|(name, _)| name);
        let names: Vec<_> = names.map(|name| name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["meta.json", "headers.json", "request.json", "response.json"]);
    }
    assert!(!entries.iter().any(|(name, text)| name.starts_with("archives/") && text.contains("\"bob\"")));

    // Prompts only when asked for.
    let (said, path) = rig.run("export acme_2bd806c97f0e00af --output OUT").await;
    let entries = unzip(&path.join("export.zip"), shown_password(&said));
    assert_eq!(entries.len(), 3);
    assert!(!entries.iter().any(|(_, text)| text.contains(PROMPT)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_makes_an_export_incomplete() {
    let rig = Rig::start().await;
    let folder = rig.directory.path().join("archive/acme_2bd806c97f0e00af/chat-a");
    let archive = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&archive, "no zip file").unwrap();
    let (said, path) = rig.run("export alice --output OUT --with-archives").await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("1 archives cannot be read"), "{said:?}");
    assert!(said.out.ends_with("2 requests, 1 archives.\n") && path.join("export.zip").exists(), "{said:?}");
    let off = callsign_beside("case alice --output /tmp/x --with-archives", &[]).await;
    assert_eq!((off.code, off.err.contains("CALLSIGN_ARCHIVE_DIR")), (2, true), "{off:?}");
    let off = callsign_beside("export alice --output /tmp/x", &[]).await;
    assert_eq!((off.code, off.err.contains("CALLSIGN_DATA_DIR")), (1, true), "{off:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_shows_what_it_erases_and_does_not_guess() {
    let rig = Rig::start().await;
    let unasked = rig.said("forget alice").await;
    assert_eq!(
        (unasked.code, unasked.err.contains("--yes") && unasked.err.contains("--dry-run")),
        (2, true),
        "{unasked:?}"
    );
    let dry = rig.said("forget acme_2bd806c97f0e00af --dry-run").await;
    let shown = "Would erase user alice: 2 requests in the ledger, 2 archives. Sums are kept.\n";
    assert_eq!((dry.code, dry.out.as_str()), (0, shown), "{dry:?}");
    let dry: Value = serde_json::from_str(&rig.said("forget alice --dry-run --format json").await.out).unwrap();
    let counts = json!({"requests": 2, "archives": 2});
    assert_eq!(dry, json!({"user": "alice", "tenant": null, "dry_run": true, "erased": counts}));
    for id in ["shared-chat", "acme_nobody", &rig.generations[0]] {
        let said = rig.said(&format!("forget {id} --yes")).await;
        assert_eq!((said.code, said.err.contains("no request of this user")), (1, true), "{said:?}");
    }
    let said = rig.said("forget acme_2bd806c97f0e00af --user-id --yes").await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(rows(&rig.said("requests --user alice --format json").await.out).len(), 2, "nothing was erased");

    let said = rig.said("forget acme_2bd806c97f0e00af --yes").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(said.out.starts_with("Archives removed: 2.\nForgotten: 2 requests"), "{said:?}");
    assert!(!rig.directory.path().join("archive/acme_2bd806c97f0e00af").exists(), "empty folders are removed");
    assert_eq!(rows(&rig.said("requests --user bob --format json").await.out).len(), 1);
    let said: Value = serde_json::from_str(&rig.said("forget bob --yes --format json").await.out).unwrap();
    let counts =
        json!({"requests": 1, "identifiers": said["erased"]["identifiers"], "archives": 1, "archives_kept": 0});
    assert_eq!(said, json!({"user": "bob", "tenant": null, "dry_run": false, "erased": counts}));
    assert!(said["erased"]["identifiers"].as_u64() > Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_filtered_paged_and_shown() {
    let rig = Rig::start().await;
    let [first, second, third] = &rig.generations;
    let page = rig.said("requests --limit 2 --format json").await;
    let generations = |said: &Said| -> Vec<String> {
        rows(&said.out).iter().map(|row| row["generation"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(generations(&page), [third.as_str(), second]);
    let (_, next) = page.err.split_once("--before ").unwrap_or_else(|| panic!("{page:?}"));
    let rest = rig.said(&format!("requests --format json --before {}", next.trim())).await;
    assert_eq!((generations(&rest), rest.err.as_str()), (vec![first.clone()], ""));

    for (filter, count) in [
        ("--user alice", 2),
        ("--key app", 3),
        ("--model mock/cost-420", 3),
        ("--status 200", 3),
        ("--status 502", 0),
        ("--ending complete", 3),
        ("--ending client_gone", 0),
        ("--error overloaded", 0),
        ("--tenant acme", 0),
        ("--since 24h", 3),
        ("--until 2026-01-01", 0),
    ] {
        let said = rig.said(&format!("requests --format json {filter}")).await;
        assert_eq!((rows(&said.out).len(), said.code), (count, i32::from(count == 0)), "{filter}: {said:?}");
        let usage = rig.said(&format!("usage --format json --by day,model {filter}")).await;
        if usage.code == 0 {
            let sum: u64 = rows(&usage.out).iter().map(|row| row["requests"].as_u64().unwrap()).sum();
            assert_eq!(sum, count as u64, "{filter}: {usage:?}");
        }
    }
    let wrong = rig.said("requests --ending over").await;
    assert_eq!((wrong.code, wrong.err.contains("client_gone")), (2, true), "{wrong:?}");
    let wrong = rig.said("usage --until tomorrow").await;
    assert_eq!((wrong.code, wrong.err.contains("--until takes")), (2, true), "{wrong:?}");

    let table = rig.said("requests --user bob").await;
    assert!(table.out.contains("bob") && table.out.lines().count() == 2, "{table:?}");
    let csv = rig.said("requests --user bob --format csv").await;
    assert!(csv.out.starts_with("\"request_id\",") && csv.out.lines().count() == 2, "{csv:?}");
    let one = rig.said(&format!("request {third}")).await;
    assert!(one.code == 0 && one.out.contains(third) && one.out.contains("acme_"), "{one:?}");
    let id = rows(&rig.said(&format!("request {third} --format json")).await.out)[0]["request_id"].clone();
    let whois = rig.said(&format!("whois {} --format json", id.as_str().unwrap())).await;
    assert_eq!([&rows(&whois.out)[0]["kind"], &rows(&whois.out)[0]["user"]], [&json!("request"), &json!("bob")]);
    let nothing = rig.said("request gen-none").await;
    assert_eq!((nothing.code, nothing.out.as_str()), (1, ""), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_usage_says_which_costs_are_missing() {
    let rig = Rig::start().await;
    assert_eq!(rig.said("usage").await.err, "");
    let headers = [APP[0], APP[1], ("x-user-id", "alice")];
    let body = json!({"model": "mock/no-usage", "stream": true, "messages": []}).to_string();
    client::post(&rig.callsign.url("chat/completions"), &headers, body).await;
    let table = rig.said("usage --by model").await;
    assert!(table.err.contains("the cost of 1 requests is not known yet; `callsign reconcile`"), "{table:?}");
    assert!(table.out.lines().last().unwrap().starts_with(" total"), "{table:?}");
    for format in ["csv", "json"] {
        let said = rig.said(&format!("usage --by model --format {format}")).await;
        assert_eq!((said.err.as_str(), said.out.contains("total\"")), ("", format == "csv"), "{said:?}");
    }
}
