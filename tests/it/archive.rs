//! The archive: it contains the bytes that crossed the wire, however the request ended. Requests continue without it
//! unless `archive.required` is set. These tests read archives with the `zip` crate; `tests/external/archive.sh` uses
//! 7-Zip.

#![expect(clippy::similar_names, reason = "one archived request among the archives")]

mod commands;
mod many;

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use callsign_core::secret::KeyDigest;
use mock_openrouter::MockServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{self, Answer, Headers};
use crate::support::proxy::{ALICE, APP_KEY, Callsign, OPERATOR_KEY, Setup};
use crate::support::within;

const PASSWORD: &str = "correct horse battery staple";
const BEARER: &str = "Bearer sk-cs-a-key-of-one-app-0123456789";

/// A mock OpenRouter, a callsign in front of it, and its archive directory.
struct Rig {
    mock: MockServer,
    callsign: Callsign,
    directory: TempDir,
}

impl Rig {
    async fn start() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(more: impl FnOnce(Setup) -> Setup) -> Self {
        let mock = MockServer::start().await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive").display().to_string();
        let setup = Setup::to(&mock.url());
        let setup = setup.set(&[("CALLSIGN_ARCHIVE_DIR", &path), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)]);
        Self { mock, callsign: more(setup).start(), directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    async fn post(&self, path: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Answer {
        client::post(&self.callsign.url(path), headers, body).await
    }

    /// Sends one message of this user's chat.
    async fn chat(&self, user: &str, chat: &str, message: &str, body: &Value) -> Answer {
        self.post("chat/completions", &named(user, chat, message), body.to_string()).await
    }

    async fn metric(&self, name: &str) -> u64 {
        let metrics = client::get(&self.callsign.admin_url("metrics"), &[]).await.text();
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    async fn until(&self, name: &str, wanted: u64) {
        within(name, async { while self.metric(name).await != wanted {} }).await;
    }

    /// Waits until there are `count` archives and returns them.
    async fn archives(&self, count: usize) -> Vec<Archived> {
        self.until("callsign_archive_written_total", count as u64).await;
        read_all(&self.path())
    }

    /// Waits for the only archive and returns it.
    async fn archive(&self) -> Archived {
        let [archived] = self.archives(1).await.try_into().unwrap();
        archived
    }
}

fn named<'a>(user: &'a str, chat: &'a str, message: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("authorization", BEARER),
        ("content-type", "application/json"),
        ("x-user-id", user),
        ("x-chat-id", chat),
        ("x-message-id", message),
    ]
}

/// One archive, decrypted.
#[derive(Debug)]
struct Archived {
    path: String,
    entries: Vec<(String, Vec<u8>)>,
}

impl Archived {
    fn entry(&self, name: &str) -> &[u8] {
        let found = self.entries.iter().find(|(entry, _)| entry == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.names())).1
    }

    fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn meta(&self) -> Value {
        serde_json::from_slice(self.entry("meta.json")).unwrap()
    }

    fn response(&self) -> &[u8] {
        let (_, bytes) = self.entries.iter().find(|(name, _)| name.starts_with("response.")).unwrap();
        bytes
    }
}

fn read_all(directory: &Path) -> Vec<Archived> {
    let mut folders = vec![directory.to_owned()];
    let mut archives = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(folder) {
            // A running callsign removes empty folders.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.unwrap(),
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.components().any(|part| part.as_os_str() == ".tmp") {
                archives.push(read(directory, &path));
            }
        }
    }
    archives.sort_by(|one, other| one.path.cmp(&other.path));
    archives
}

fn read(directory: &Path, path: &Path) -> Archived {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let entries = (0..zip.len()).map(|index| {
        let mut file = zip.by_index_decrypt(index, PASSWORD.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    });
    let entries = entries.collect();
    Archived { path: path.strip_prefix(directory).unwrap().display().to_string(), entries }
}

#[tokio::test]
async fn an_archive_holds_what_crossed_the_wire() {
    let rig = Rig::start().await;
    let body = json!({"model": "openai/gpt-4o", "stream": true, "user": "mallory", "n": 1.5});
    let answer = rig.chat("alice", "chat-1", "msg-1", &body).await;
    assert_eq!(answer.status, 200);
    let archived = rig.archive().await;
    assert_eq!(archived.path, "alice/chat-1/msg-1.zip");
    assert_eq!(archived.names(), ["meta.json", "headers.json", "request.json", "response.sse"]);
    let received = rig.mock.received().pop().unwrap();
    assert_eq!(
        archived.entry("request.json"),
        received.body,
        "the archive has the body as sent upstream, with the client's user blanked"
    );
    assert!(!received.body.windows(7).any(|window| window == b"mallory"));
    assert_eq!(archived.entry("response.sse"), answer.body);

    let meta = archived.meta();
    assert_eq!(meta["ids"], json!({"user": "alice", "chat": "chat-1", "message": "msg-1"}));
    assert_eq!(meta["named"], meta["ids"]);
    assert_eq!(meta["sent"], json!({}), "the valves are closed");
    assert_eq!(
        [&meta["key"], &meta["tenant"], &meta["endpoint"]],
        [&json!("app"), &Value::Null, &json!("chat/completions")]
    );
    assert_eq!([&meta["status"], &meta["outcome"], &meta["error"]], [&json!(200), &json!("complete"), &Value::Null]);
    assert_eq!(meta["generation"], answer.header("x-generation-id"));
    assert_eq!(meta["model"], "openai/gpt-4o");
    assert!(meta["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{meta}");
    for name in ["headers.json", "request.json", "response.sse"] {
        let (part, bytes) = (&meta["parts"][name], archived.entry(name));
        assert_eq!(part["sha256"], KeyDigest::of(bytes).to_hex());
        assert_eq!([&part["bytes"], &part["of"]], [&json!(bytes.len()); 2]);
        assert_eq!(part["truncated"], false);
    }
}

#[tokio::test]
async fn headers_of_both_sides_are_kept_without_credentials() {
    let rig = Rig::start().await;
    let mut headers = named("alice", "c", "m").to_vec();
    headers.extend([("x-title", "Acme"), ("cookie", "a=a-clients-cookie"), ("x-openwebui-user-jwt", "eyJh.eyJz.c2ln")]);
    let body = r#"{"model":"mock/origin-headers"}"#;
    let answer = rig.post("chat/completions", &headers, body).await;
    assert_eq!(answer.status, 200);
    let archived = rig.archive().await;
    let headers: Value = serde_json::from_slice(archived.entry("headers.json")).unwrap();
    let find = |side: &str, direction: &str, name: &str| {
        let pairs = headers[side][direction].as_array().unwrap();
        pairs.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned())
    };
    for (direction, name, value) in [
        ("received", "authorization", Some("***")),
        ("received", "cookie", Some("***")),
        ("received", "x-openwebui-user-jwt", Some("***")),
        ("received", "x-user-id", Some("alice")),
        ("sent", "authorization", Some("***")),
        ("sent", "accept-encoding", Some("identity")),
        ("sent", "x-title", Some("Acme")),
        ("sent", "x-user-id", None),
    ] {
        assert_eq!(find("request", direction, name).as_deref(), value, "{direction} {name}");
    }
    assert_eq!(find("response", "received", "set-cookie").as_deref(), Some("***"));
    assert_eq!(find("response", "relayed", "set-cookie"), None, "set-cookie is not relayed");
    for direction in ["received", "relayed"] {
        assert_eq!(find("response", direction, "x-generation-id").as_deref(), Some(answer.header("x-generation-id")));
    }
    for (name, bytes) in &archived.entries {
        for secret in [APP_KEY, OPERATOR_KEY, "a-clients-cookie", "eyJh.eyJz.c2ln", PASSWORD] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {name}");
        }
    }
}

/// Covers both directions, buffered and streamed bodies, with and without `content-length`.
#[tokio::test]
async fn bodies_of_every_kind_are_kept_as_they_were() {
    for hold in ["262144", "0"] {
        let rig =
            Rig::with(|setup| setup.set(&[("CALLSIGN_BUFFER_BODY_BYTES", hold), ("SEND_END_USER_ID", "true")])).await;
        let large = format!(r#"{{"model":"m","stream":true,"user":"mallory","prompt":"{}"}}"#, "é…😀".repeat(90_000));
        let form = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x\r\ncontent-disposition: form-data; \
                    name=\"user\"\r\n\r\nmallory\r\n--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\
                    RIFF\0\r\n--x--\r\n";
        let kinds = [
            ("chat/completions", "application/json", large.as_str(), "request.json", "response.sse"),
            ("chat/completions", "application/json", r#"{"model":"m"}"#, "request.json", "response.json"),
            (
                "responses",
                "application/json",
                r#"{"model":"m","stream":true,"input":"x"}"#,
                "request.json",
                "response.sse",
            ),
            ("messages", "application/json", r#"{"model":"m","stream":true}"#, "request.json", "response.sse"),
            ("embeddings", "application/json", r#"{"model":"m","input":"x"}"#, "request.json", "response.json"),
            ("audio/speech", "application/json", r#"{"model":"m","input":"x"}"#, "request.json", "response.bin"),
            ("audio/transcriptions", "multipart/form-data; boundary=x", form, "request.form", "response.json"),
            ("chat/completions", "application/json", r#"{"model":"mock/error-429"}"#, "request.json", "response.json"),
            ("chat/completions", "application/json", r#"{"model":"mock/html-503"}"#, "request.json", "response.bin"),
        ];
        for (number, (path, content_type, body, request, response)) in kinds.into_iter().enumerate() {
            let chat = number.to_string();
            let headers =
                [("authorization", BEARER), ("content-type", content_type), ("x-user-id", "u"), ("x-chat-id", &chat)];
            let answer = rig.post(path, &headers, body.to_owned()).await;
            let sent = rig.mock.next_received().await;
            let archives = rig.archives(number + 1).await;
            let archived = archives.iter().find(|archived| archived.path.starts_with(&format!("u/{chat}/"))).unwrap();
            assert_eq!(archived.entry(request), sent.body, "{path} {hold}");
            assert_eq!(archived.entry(response), answer.body, "{path} {hold}");
            assert_eq!(archived.meta()["status"], answer.status.as_u16());
            assert_eq!(archived.meta()["endpoint"], path);
        }
        let (upload, answer) = client::upload(&rig.callsign.url("chat/completions"), &named("u", "chunked", "m"));
        let answer = tokio::spawn(answer);
        for piece in ["{\"mod", "el\":\"m\",\"us", "er\":\"mallory\",", "\"prompt\":\"", "x", "\"}"] {
            upload.send(piece).await.unwrap();
        }
        drop(upload);
        let answer = answer.await.unwrap().unwrap().finish().await;
        let archives = rig.archives(kinds.len() + 1).await;
        let archived = archives.iter().find(|archived| archived.path == "u/chunked/m.zip").unwrap();
        assert_eq!(archived.entry("request.json"), rig.mock.next_received().await.body);
        assert_eq!(archived.response(), answer.body);
    }
}

/// The upstream breaks off at every chunk: the archive has exactly the bytes that the client received.
#[tokio::test]
async fn a_stream_that_is_cut_is_kept_up_to_the_cut() {
    let rig = Rig::start().await;
    let whole = rig.chat("u", "whole", "m", &json!({"model": "m", "stream": true})).await;
    let chunks = whole.events().len() + 1;
    let cuts = (0..chunks).map(|chunks| format!("mock/cut-after-{chunks}"));
    let models: Vec<_> = cuts.chain(["mock/cut-mid-chunk", "mock/mid-error"].map(str::to_owned)).collect();
    for (number, model) in models.iter().enumerate() {
        let answer = rig.chat("u", &number.to_string(), "m", &json!({"model": model, "stream": true})).await;
        let archives = rig.archives(number + 2).await;
        let archived = archives.iter().find(|archived| archived.path == format!("u/{number}/m.zip")).unwrap();
        assert_eq!(archived.response(), answer.body, "{model}");
        let outcome = if answer.cut.is_some() { "upstream_cut" } else { "complete" };
        assert_eq!(archived.meta()["outcome"], outcome, "{model}");
    }
    assert!(models.len() > 8, "{models:?}");
}

/// The client leaves at every chunk: its bytes are a prefix of the archived ones, and these of the bytes sent upstream.
#[tokio::test]
async fn a_client_that_leaves_leaves_its_part() {
    let rig = Rig::start().await;
    for chunks in 1..6 {
        let chat = chunks.to_string();
        let body = r#"{"model":"mock/gate","stream":true}"#;
        let mut stream = client::stream(&rig.callsign.url("chat/completions"), &named("u", &chat, "m"), body).await;
        rig.mock.release(chunks - 1);
        let mut got = Vec::new();
        while memchr::memmem::find_iter(&got, b"data: ").count() < chunks {
            got.extend_from_slice(&stream.next().await.unwrap().unwrap());
        }
        drop(stream);
        within("the cancellation", rig.mock.wait_cancelled(chunks)).await;
        let archives = rig.archives(chunks).await;
        let archived = archives.iter().find(|archived| archived.path == format!("u/{chat}/m.zip")).unwrap();
        let sent = rig.mock.sent(rig.mock.received().pop().unwrap().number).unwrap().body;
        assert!(archived.response().starts_with(&got) && sent.starts_with(archived.response()));
        assert_eq!(archived.meta()["outcome"], "client_gone");
    }
}

#[tokio::test]
async fn requests_of_one_message_stand_beside_each_other() {
    let rig = Rig::start().await;
    for number in 0..4 {
        assert_eq!(rig.chat("u", "c", "m", &json!({"model": "m", "number": number})).await.status, 200);
    }
    let archives = rig.archives(4).await;
    let paths: Vec<_> = archives.iter().map(|archived| archived.path.as_str()).collect();
    assert_eq!(paths, ["u/c/m+2.zip", "u/c/m+3.zip", "u/c/m+4.zip", "u/c/m.zip"]);
    let mut numbers: Vec<u64> = archives
        .iter()
        .map(|archived| {
            serde_json::from_slice::<Value>(archived.entry("request.json")).unwrap()["number"].as_u64().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

#[tokio::test]
async fn files_are_named_as_the_formats_say_whatever_the_valves() {
    let formats = [
        ("USER_ID_FORMAT", "mai_client_63a4eb6d_user_{sha256:8 user}"),
        ("CHAT_ID_FORMAT", "c-{hmac:16 user chat}"),
        ("CALLSIGN_ID_SECRET", "a long and random secret"),
    ];
    let rig = Rig::with(|setup| setup.set(&formats)).await;
    let body = json!({"model": "m"});
    rig.chat("a3d0d2c1-7f49-4b6b-9a3b-9d3b2a54c2d1", "chat-1", "msg-1", &body).await;
    let archived = rig.archive().await;
    let folders: Vec<_> = archived.path.split('/').collect();
    assert_eq!(folders[0], "mai_client_63a4eb6d_user_31b11580", "the example of docs/SPEC.md#formats");
    assert!(folders[1].starts_with("c-") && folders[1].len() == 18 && folders[2] == "msg-1.zip", "{folders:?}");
    assert_eq!(archived.meta()["ids"]["user"], "a3d0d2c1-7f49-4b6b-9a3b-9d3b2a54c2d1");
    assert_eq!(archived.meta()["named"]["user"], folders[0]);

    rig.chat("../../etc", "..", "con", &body).await;
    let archives = rig.archives(2).await;
    assert!(archives.iter().all(|archived| archived.path.matches('/').count() == 2), "{archives:?}");
}

fn key(name: &str) -> String {
    format!("sk-cs-the-key-of-{name}-0123456789")
}

fn entry(name: &str, more: &str) -> String {
    let digest = KeyDigest::of(key(name).as_bytes()).to_hex();
    format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\npreset = \"generic\"\n{more}\n")
}

#[tokio::test]
async fn tenants_have_folders_of_their_own_and_valves_decide_who_is_archived() {
    let toml =
        "[archive]\nby_default = false\n[[tenants]]\nname = \"acme\"\narchive = true\n[[tenants]]\nname = \"Böse\"\n"
            .to_owned()
            + &entry("of-acme", "tenant = \"acme\"")
            + &entry("not-of-acme", "tenant = \"acme\"\narchive = false")
            + &entry("of-none", "archive = true")
            + &entry("of-other", "tenant = \"Böse\"\narchive = true");
    let rig = Rig::with(|setup| setup.toml(&toml)).await;
    for name in ["of-acme", "not-of-acme", "of-none", "of-other"] {
        let bearer = format!("Bearer {}", key(name));
        for user in ["_tenant-acme", "u"] {
            let headers =
                [("authorization", bearer.as_str()), ("x-user-id", user), ("x-chat-id", "c"), ("x-message-id", "m")];
            assert_eq!(rig.post("chat/completions", &headers, r#"{"model":"m"}"#).await.status, 200);
        }
    }
    // A key without `archive` uses the default of all keys.
    assert_eq!(rig.chat("u", "c", "m", &json!({"model": "m"})).await.status, 200);
    let archives = rig.archives(6).await;
    let paths: Vec<_> = archives.iter().map(|archived| archived.path.as_str()).collect();
    let digest = |name: &str| KeyDigest::of(name.as_bytes()).to_hex()[..40].to_owned();
    let (user, other) = (format!("tenant-acme~{}", digest("_tenant-acme")), format!("B_se~{}", digest("Böse")));
    let mut expected = vec![
        "_tenant-acme/u/c/m.zip".to_owned(),
        format!("_tenant-acme/{user}/c/m.zip"),
        "u/c/m.zip".to_owned(),
        format!("{user}/c/m.zip"),
        format!("_tenant-{other}/u/c/m.zip"),
        format!("_tenant-{other}/{user}/c/m.zip"),
    ];
    expected.sort_unstable();
    assert_eq!(paths, expected);
    let tenant = |path: &str| archives.iter().find(|archived| archived.path == path).unwrap().meta()["tenant"].clone();
    assert_eq!((tenant("_tenant-acme/u/c/m.zip"), tenant("u/c/m.zip")), (json!("acme"), Value::Null));
}

#[tokio::test]
async fn nothing_is_archived_that_never_left_or_that_nobody_asked_for() {
    let rig = Rig::start().await;
    assert_eq!(rig.post("chat/completions", ALICE, "{").await.status, 400);
    assert_eq!(rig.post("chat/completions", &[], "{}").await.status, 401);
    assert_eq!(client::get(&rig.callsign.url("models"), ALICE).await.status, 200);
    assert_eq!(rig.post("chat/completions", ALICE, r#"{"model":"m"}"#).await.status, 200);
    assert_eq!(rig.archive().await.path.split('/').next(), Some("alice"));
}

#[tokio::test]
async fn requests_go_on_while_the_disk_is_gone_and_are_archived_when_it_is_back() {
    let rig = Rig::start().await;
    let away = rig.directory.path().join("away");
    std::fs::rename(rig.path(), &away).unwrap();
    for number in 0..3 {
        assert_eq!(rig.chat("u", &number.to_string(), "m", &json!({"model": "m"})).await.status, 200);
    }
    rig.until("callsign_archive_up ", 0).await;
    std::fs::rename(&away, rig.path()).unwrap();
    assert_eq!(rig.archives(3).await.len(), 3);
    assert_eq!(rig.metric("callsign_archive_up ").await, 1);
    assert!(rig.metric("callsign_archive_failures_total").await > 0);
}

#[tokio::test]
async fn a_required_archive_refuses_while_it_cannot_be_written() {
    let rig = Rig::with(|setup| setup.set(&[("CALLSIGN_ARCHIVE_REQUIRED", "true")])).await;
    let away = rig.directory.path().join("away");
    std::fs::rename(rig.path(), &away).unwrap();
    let ask = async |path: &str| rig.post(path, ALICE, r#"{"model":"m"}"#).await;
    assert_eq!(ask("chat/completions").await.status, 200, "the failure is not known before the first write");
    rig.until("callsign_archive_up ", 0).await;
    let before = rig.mock.begun();
    let refused = ask("chat/completions").await;
    assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (503, "archive_unavailable"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(ask("messages").await.json()["error"]["type"], "overloaded_error");
    assert_eq!(rig.mock.begun(), before, "no request was sent upstream");
    assert_eq!(
        client::get(&rig.callsign.url("models"), ALICE).await.status,
        200,
        "endpoints that are never archived still work"
    );
    std::fs::rename(&away, rig.path()).unwrap();
    rig.until("callsign_archive_up ", 1).await;
    assert_eq!(ask("chat/completions").await.status, 200);
    assert_eq!(rig.archives(2).await.len(), 2);
}

#[tokio::test]
async fn without_memory_requests_go_on_and_are_counted_or_refused_where_it_is_required() {
    for required in ["false", "true"] {
        let toml = "[archive]\nmax_memory_bytes = 100\n";
        let rig = Rig::with(|setup| setup.set(&[("CALLSIGN_ARCHIVE_REQUIRED", required)]).toml(toml)).await;
        let answer = rig.post("chat/completions", ALICE, r#"{"model":"m"}"#).await;
        if required == "true" {
            assert_eq!((answer.status.as_u16(), answer.header("x-callsign-error")), (503, "archive_unavailable"));
        } else {
            assert_eq!(answer.status, 200);
            rig.until("callsign_archive_lost_total{reason=\"memory\"}", 1).await;
        }
        assert!(read_all(&rig.path()).is_empty());
    }
}

#[tokio::test]
async fn an_admin_forgets_a_persons_archives_with_and_without_a_ledger() {
    const TOKEN: &str = "an-admin-token-0123456789";
    for with_ledger in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let data = data.path().display().to_string();
        let ledger = if with_ledger { data.as_str() } else { "" };
        let rig = Rig::with(|setup| setup.set(&[("CALLSIGN_ADMIN_TOKEN", TOKEN), ("CALLSIGN_DATA_DIR", ledger)])).await;
        for (user, chat) in [("alice", "1"), ("alice", "2"), ("bob", "1")] {
            rig.chat(user, chat, "m", &json!({"model": "m"})).await;
        }
        rig.archives(3).await;
        if with_ledger {
            rig.until("callsign_ledger_rows_total", 3).await;
        }
        let url = rig.callsign.admin_url("api/v1/admin/users/alice");
        let bearer = format!("Bearer {TOKEN}");
        let headers: Headers<'_> = &[("authorization", &bearer)];
        let forgotten = client::request(http::Method::DELETE, &url, headers, "").await;
        assert_eq!(forgotten.status, 200, "{}", forgotten.text());
        assert_eq!(forgotten.json()["archives"], 2);
        assert_eq!(forgotten.json()["requests"], if with_ledger { 2 } else { 0 });
        let left: Vec<_> = read_all(&rig.path()).into_iter().map(|archived| archived.path).collect();
        assert_eq!(left, ["bob/1/m.zip"]);
        let again = client::request(http::Method::DELETE, &url, headers, "").await;
        assert_eq!(again.status, 404, "{}", again.text());
    }
}
