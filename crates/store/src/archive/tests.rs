//! Tests of the archive without HTTP: from a record to its file and back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use super::reader::{self, Opened};
use super::*;
use crate::archive::settings::{self, Settings};
use crate::ledger::{self, RequestLabels, SentIds};
use crate::trusted_clock::TrustedClock;
use callsign_core::identity::RenderedIds;
use callsign_core::identity::caller_identity::{CallerIdentity, Holder};
use callsign_core::request_id::{self, RequestId};
use callsign_core::secret::Secret;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::reader::ResponseUsage;
use callsign_telemetry::metrics::Metrics;

const PASSWORD: &str = "correct horse battery staple";

/// A temporary archive directory with its settings and metrics.
struct Place {
    directory: tempfile::TempDir,
    settings: Settings,
    metrics: Arc<Metrics>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = settings::Place { directory: directory.path().join("archive"), password: Secret::new(PASSWORD) };
        let settings = Settings { place: Some(place), ..Settings::OFF };
        Self { directory, settings, metrics: Arc::new(Metrics::new()) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    fn open(&self) -> Archive {
        Archive::open(&self.settings, &self.metrics, &Arc::new(TrustedClock::proven())).unwrap()
    }

    fn counter(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Waits until a metric has this value.
    async fn until(&self, name: &str, wanted: u64) {
        let reached = tokio::time::timeout(Duration::from_secs(20), async {
            while self.counter(name) != wanted {
                tokio::task::yield_now().await;
            }
        });
        reached.await.unwrap_or_else(|_| panic!("{name} is {}, not {wanted}", self.counter(name)));
    }

    /// Returns the paths of all archives, below the directory.
    fn paths(&self) -> Vec<String> {
        let found = reader::list(&self.path(), None).unwrap();
        found.iter().map(|found| found.path.strip_prefix(self.path()).unwrap().display().to_string()).collect()
    }

    fn open_archive(&self, path: &str) -> Opened {
        Opened::open(&self.path().join(path), &Secret::new(PASSWORD)).unwrap()
    }

    fn entry(&self, path: &str, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open_archive(path).copy(name, &Secret::new(PASSWORD), &mut bytes).unwrap();
        bytes
    }
}

fn begun(tenant: Option<&str>, user: Option<&str>, chat: Option<&str>, message: Option<&str>) -> Begun {
    let owned = |id: Option<&str>| id.map(str::to_owned);
    let began_us = jiff::Timestamp::now().as_microsecond();
    let shared = |id: Option<&str>| id.map(Into::into);
    let mut random = [0; request_id::RANDOM];
    random.copy_from_slice(&Uuid::now_v7().as_bytes()[1..]);
    let row = ledger::Begun {
        id: RequestId::new(began_us, random),
        began_us,
        labels: RequestLabels {
            tenant: shared(tenant),
            key: "app".into(),
            user: shared(user),
            chat: shared(chat),
            message: shared(message),
            ..RequestLabels::default()
        },
        sent: SentIds::default(),
        endpoint: "chat/completions".into(),
        account: None,
        markup: Markup::ONE,
    };
    let names = RenderedIds { user: owned(user), chat: owned(chat), message: owned(message) };
    Begun { row, names, received: HeaderSnapshot::default(), sent: HeaderSnapshot::default(), is_form: false }
}

fn finished(generation: Option<&str>) -> Finished {
    let seen = ResponseUsage { generation: generation.map(str::to_owned), ..ResponseUsage::default() };
    Finished { status: 200, outcome: "complete", seen, ..Finished::default() }
}

fn caller() -> Holder<'static> {
    CallerIdentity::default().holder()
}

/// Records one request from its head to its end.
fn keep(archive: &Archive, begun: Begun, request: &[u8], response: &[u8], finished: Finished) {
    let mut recording = archive.begin(|| begun, 0, caller()).unwrap().unwrap();
    recording.request().push(&Bytes::copy_from_slice(request));
    recording.goes_upstream();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    recording.answered(&headers);
    recording.passed(&Bytes::copy_from_slice(response));
    recording.finish(finished);
}

#[tokio::test]
async fn a_record_becomes_a_file_that_can_be_read_back() {
    let place = Place::new();
    let archive = place.open();
    keep(
        &archive,
        begun(None, Some("alice"), Some("c"), Some("m")),
        b"{\"n\":1.10}",
        b"data: x\n\n",
        finished(Some("gen-1")),
    );
    archive.close().await;
    assert_eq!(place.paths(), ["alice/c/m.zip"]);
    let mut opened = place.open_archive("alice/c/m.zip");
    assert_eq!(opened.entries(), ["meta.json", "headers.json", "request.json", "response.sse"]);
    opened.verify(&Secret::new(PASSWORD)).unwrap();
    assert_eq!(place.entry("alice/c/m.zip", "request.json"), b"{\"n\":1.10}");
    assert_eq!(place.entry("alice/c/m.zip", "response.sse"), b"data: x\n\n");
    let meta = &opened.meta;
    assert_eq!(
        (meta.ids.user.as_deref(), meta.generation.as_deref(), meta.status),
        (Some("alice"), Some("gen-1"), 200)
    );
    let part = &meta.parts["request.json"];
    // printf '{"n":1.10}' | sha256sum
    assert_eq!(part.sha256, "972785b8a55d9391ca089ec53056845713de41dfbd2429135c001429598d929e");
    assert_eq!((part.bytes, part.of, part.truncated), (10, 10, false));
    for path in [place.path(), place.path().join("alice"), place.path().join("alice/c/m.zip")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "accessible to the owner only");
    }
    assert_eq!(fs::read_dir(place.path().join(".tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_request_that_did_not_go_upstream_is_not_archived() {
    let place = Place::new();
    let archive = place.open();
    let recording = archive.begin(|| begun(None, None, None, None), 0, caller()).unwrap().unwrap();
    recording.passed(&Bytes::from_static(b"{\"error\":0}"));
    recording.finish(finished(None));
    archive.close().await;
    assert!(place.paths().is_empty());
}

#[tokio::test]
async fn missing_ids_are_replaced_by_the_generation_or_the_request_id() {
    let place = Place::new();
    let archive = place.open();
    let unnamed = begun(Some("acme"), None, None, None);
    let id = unnamed.row.id.to_string();
    keep(&archive, unnamed, b"{}", b"", finished(None));
    keep(&archive, begun(None, Some("bob"), Some("c"), None), b"{}", b"", finished(Some("gen-1")));
    archive.close().await;
    assert_eq!(place.paths(), [format!("_tenant-acme/_none/{id}/{id}.zip"), "bob/c/gen-1.zip".to_owned()]);
}

#[tokio::test]
async fn requests_of_one_message_get_separate_files() {
    let place = Place::new();
    let archives = [place.open(), place.open(), place.open()];
    for (number, archive) in archives.iter().cycle().take(30).enumerate() {
        let body = number.to_string();
        keep(archive, begun(None, Some("alice"), Some("c"), Some("m")), body.as_bytes(), b"", finished(None));
    }
    for archive in &archives {
        archive.close().await;
    }
    let again = place.open();
    keep(&again, begun(None, Some("alice"), Some("c"), Some("m")), b"30", b"", finished(None));
    again.close().await;
    let paths = place.paths();
    assert_eq!(paths.len(), 31);
    assert!(paths.contains(&"alice/c/m.zip".to_owned()) && paths.contains(&"alice/c/m+31.zip".to_owned()), "{paths:?}");
    let mut bodies: Vec<u32> = paths
        .iter()
        .map(|path| String::from_utf8(place.entry(path, "request.json")).unwrap().parse().unwrap())
        .collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..=30).collect::<Vec<_>>(), "nothing is overwritten");
}

#[tokio::test]
async fn a_body_over_the_cap_is_truncated_and_counted() {
    let mut place = Place::new();
    place.settings.max_body = 10;
    let archive = place.open();
    keep(&archive, begun(None, Some("a"), Some("c"), Some("m")), b"0123456789", b"0123456789ab", finished(None));
    archive.close().await;
    let meta = place.open_archive("a/c/m.zip").meta;
    assert_eq!(place.entry("a/c/m.zip", "response.sse"), b"0123456789");
    let (request, response) = (&meta.parts["request.json"], &meta.parts["response.sse"]);
    assert_eq!((request.bytes, request.of, request.truncated), (10, 10, false));
    assert_eq!((response.bytes, response.of, response.truncated), (10, 12, true));
    assert_eq!(place.counter("callsign_archive_truncated_total{reason=\"size\"}"), 1);
}

#[tokio::test]
async fn memory_is_bounded_and_requests_beyond_it_are_counted() {
    let mut place = Place::new();
    place.settings.max_memory = 200_000;
    let archive = place.open();
    let mut running: Vec<_> =
        (0..24).filter_map(|_| archive.begin(|| begun(None, None, None, None), 0, caller()).unwrap()).collect();
    assert_eq!(running.len(), 24);
    assert!(archive.begin(|| begun(None, None, None, None), 0, caller()).unwrap().is_none());
    assert_eq!(place.counter("callsign_archive_lost_total{reason=\"memory\"}"), 1);
    let mut one = running.pop().unwrap();
    drop(running);
    one.goes_upstream();
    one.passed(&Bytes::from(vec![0; 200_000]));
    assert!(place.counter("callsign_archive_memory_bytes") <= 200_000);
    one.finish(finished(Some("gen-1")));
    archive.close().await;
    let meta = place.open_archive("_none/gen-1/gen-1.zip").meta;
    assert_eq!((meta.parts["response.json"].bytes, meta.parts["response.json"].of), (0, 200_000));
    assert_eq!(place.counter("callsign_archive_truncated_total{reason=\"memory\"}"), 1);
    assert_eq!(place.counter("callsign_archive_memory_bytes"), 0);
}

#[tokio::test]
async fn a_caller_that_holds_its_share_costs_others_no_archive() {
    let mut place = Place::new();
    place.settings.required = true;
    place.settings.max_memory = 200_000;
    let archive = place.open();
    let begin = |user, announced| {
        let caller = CallerIdentity { user: Some(user), ..CallerIdentity::default() };
        archive.begin(|| begun(None, Some(user), None, None), announced, caller.holder())
    };
    let held: Vec<_> = std::iter::from_fn(|| begin("mallory", 0).ok().flatten()).collect();
    assert_eq!(held.len(), 24, "half of the memory");
    let mut alice = begin("alice", 20_000).unwrap().unwrap();
    alice.goes_upstream();
    alice.request().push(&Bytes::from(vec![b' '; 20_000]));
    alice.passed(&Bytes::from(vec![b' '; 20_000]));
    alice.finish(finished(Some("gen-1")));
    place.until("callsign_archive_written_total", 1).await;
    assert!(begin("mallory", 0).is_err(), "the holder still holds");
    let meta = place.open_archive("alice/gen-1/gen-1.zip").meta;
    assert!(meta.parts.values().all(|part| !part.truncated));
    drop(held);
    archive.close().await;
}

#[tokio::test]
async fn a_required_archive_without_memory_or_disk_refuses_at_begin() {
    let mut place = Place::new();
    place.settings.required = true;
    place.settings.max_memory = 100_000;
    let archive = place.open();
    assert!(
        archive.begin(|| begun(None, None, None, None), 60_000, caller()).is_err(),
        "the body exceeds the caller's share"
    );
    let first = archive.begin(|| begun(None, None, None, None), 40_000, caller()).unwrap().unwrap();
    first.request().push(&Bytes::from(vec![0; 40_000]));
    assert!(archive.begin(|| begun(None, None, None, None), 10_000, caller()).is_err());
    drop(first);
    // Simulates an unmounted disk.
    let elsewhere = place.directory.path().join("elsewhere");
    fs::rename(place.path(), &elsewhere).unwrap();
    keep(&archive, begun(None, Some("alice"), Some("c"), Some("m")), b"{}", b"", finished(None));
    place.until("callsign_archive_up ", 0).await;
    assert!(archive.begin(|| begun(None, None, None, None), 0, caller()).is_err());
    assert!(!place.path().exists(), "the directory is not recreated on another disk");
    fs::rename(&elsewhere, place.path()).unwrap();
    place.until("callsign_archive_up ", 1).await;
    assert!(archive.begin(|| begun(None, None, None, None), 0, caller()).is_ok());
    place.until("callsign_archive_written_total", 1).await;
    assert_eq!(place.paths(), ["alice/c/m.zip"], "the record was retried");
    archive.close().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_written_does_not_block_the_others() {
    let place = Place::new();
    let archive = place.open();
    fs::write(place.path().join("alice"), "a file where a folder should be").unwrap();
    keep(&archive, begun(None, Some("alice"), Some("c"), Some("m")), b"{}", b"", finished(None));
    place.until("callsign_archive_lost_total{reason=\"disk\"}", 1).await;
    keep(&archive, begun(None, Some("bob"), Some("c"), Some("m")), b"{}", b"", finished(None));
    archive.close().await;
    assert_eq!(place.paths(), ["bob/c/m.zip"]);
    assert_eq!(place.counter("callsign_archive_up "), 1);
}

#[tokio::test]
async fn a_symbolic_link_is_not_followed_when_writing() {
    let place = Place::new();
    let archive = place.open();
    let outside = place.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, place.path().join("alice")).unwrap();
    keep(&archive, begun(None, Some("alice"), Some("c"), Some("m")), b"{}", b"", finished(None));
    place.until("callsign_archive_lost_total{reason=\"disk\"}", 1).await;
    archive.close().await;
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[tokio::test]
async fn left_over_temporary_files_are_removed_and_locked_ones_are_not() {
    let place = Place::new();
    let temporary = place.path().join(".tmp");
    fs::create_dir_all(&temporary).unwrap();
    fs::write(temporary.join("left-over.zip"), "half").unwrap();
    let locked = fs::File::create(temporary.join("locked.zip")).unwrap();
    locked.lock().unwrap();
    place.open().close().await;
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["locked.zip"]);
    assert!(place.paths().is_empty(), "temporary files are not listed");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_at_the_start() {
    let place = Place::new();
    fs::write(place.path(), "a file").unwrap();
    assert!(matches!(Archive::open(&place.settings, &place.metrics, &Arc::default()), Err(ArchiveError::Directory(_))));
}

/// Sets a file's modification time into the past.
fn age(path: &Path, days: u64) {
    let modified = SystemTime::now() - Duration::from_secs(days * 86_400);
    fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[tokio::test]
async fn a_sweep_removes_only_old_archives_and_empty_folders() {
    let place = Place::new();
    let archive = place.open();
    for (tenant, user, message) in
        [(None, "old", "m"), (None, "both", "old"), (None, "both", "new"), (Some("acme"), "old", "m")]
    {
        keep(&archive, begun(tenant, Some(user), Some("c"), Some(message)), b"{}", b"", finished(None));
    }
    archive.close().await;
    let root = place.path();
    for old in ["old/c/m.zip", "both/c/old.zip", "_tenant-acme/old/c/m.zip"] {
        age(&root.join(old), 91);
    }
    // Old files that are not archives, or are outside the directory.
    let outside = place.directory.path().join("outside");
    fs::create_dir_all(outside.join("c")).unwrap();
    let not_ours = [root.join("both/c/notes.txt"), outside.join("c/m.zip"), root.join("loose.zip")];
    for path in &not_ours {
        fs::write(path, "x").unwrap();
        age(path, 1000);
    }
    for folder in ["lost+found/c", "both/.hidden"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    symlink(&outside, root.join("linked")).unwrap();
    symlink(outside.join("c"), root.join("both/linked")).unwrap();
    symlink(outside.join("c/m.zip"), root.join("both/c/linked.zip")).unwrap();

    let swept = sweep(&root, SystemTime::now() - Duration::from_hours(2160)).unwrap();
    assert_eq!(swept, Swept { removed: 3, failed: 0 });
    assert_eq!(place.paths(), ["both/c/new.zip"]);
    assert!(!root.join("old").exists() && !root.join("_tenant-acme").exists(), "empty folders are pruned");
    for path in
        not_ours.iter().chain(&[root.join("lost+found/c"), root.join("both/.hidden"), root.join("both/c/linked.zip")])
    {
        assert!(path.symlink_metadata().is_ok(), "{}", path.display());
    }
}

#[tokio::test]
async fn opening_the_archive_starts_a_sweep() {
    let mut place = Place::new();
    let archive = place.open();
    keep(&archive, begun(None, Some("alice"), Some("c"), Some("m")), b"{}", b"", finished(None));
    archive.close().await;
    age(&place.path().join("alice/c/m.zip"), 8);
    place.settings.retention_days = 7;
    let archive = place.open();
    place.until("callsign_archive_removed_total", 1).await;
    archive.close().await;
    assert!(place.paths().is_empty() && place.path().exists());
}

#[tokio::test]
async fn forgetting_a_user_keeps_other_users_with_the_same_name() {
    let place = Place::new();
    let archive = place.open();
    for (tenant, user, chat) in [
        (None, Some("alice"), "c1"),
        (None, Some("alice"), "c2"),
        (None, Some("bob"), "c1"),
        (None, None, "c1"),
        (Some("acme"), Some("alice"), "c1"),
        (Some("acme"), Some("bob"), "c1"),
    ] {
        keep(&archive, begun(tenant, user, Some(chat), Some("m")), b"{}", b"", finished(None));
    }
    // A format may render several users alike.
    let mut shared = begun(None, Some("alice"), Some("c3"), Some("m"));
    shared.names.user = Some("everybody".to_owned());
    keep(&archive, shared, b"{}", b"", finished(None));
    let mut shared = begun(None, Some("carol"), Some("c3"), Some("m"));
    shared.names.user = Some("everybody".to_owned());
    keep(&archive, shared, b"{}", b"", finished(None));
    archive.close().await;
    fs::write(place.path().join("bob/c1/damaged.zip"), "none").unwrap();

    let password = Secret::new(PASSWORD);
    let forgotten = forget(&place.path(), &password, None, "alice").unwrap();
    assert_eq!(forgotten, Forgotten { removed: 3, unreadable: 1 });
    let left = place.paths();
    assert_eq!(
        left,
        [
            "_none/c1/m.zip",
            "_tenant-acme/alice/c1/m.zip",
            "_tenant-acme/bob/c1/m.zip",
            "bob/c1/damaged.zip",
            "bob/c1/m.zip",
            left.iter().find(|path| path.starts_with("everybody/")).unwrap(),
        ]
    );
    assert!(!place.path().join("alice").exists());
    assert_eq!(forget(&place.path(), &password, Some("acme"), "alice").unwrap().removed, 1);
    assert!(place.path().join("_tenant-acme/bob/c1/m.zip").exists());
}

#[tokio::test]
async fn damage_and_a_wrong_password_are_different_errors() {
    let place = Place::new();
    let archive = place.open();
    keep(&archive, begun(None, Some("a"), Some("c"), Some("m")), &[b'x'; 5000], b"data: y\n\n", finished(None));
    archive.close().await;
    let path = place.path().join("a/c/m.zip");
    let password = Secret::new(PASSWORD);
    assert!(matches!(Opened::open(&path, &Secret::new("another long password")), Err(ArchiveError::Password)));
    let whole = fs::read(&path).unwrap();
    let verify = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Opened::open(&path, &password).and_then(|mut opened| opened.verify(&password))
    };
    verify(&whole).unwrap();
    for length in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        assert!(verify(&whole[..length]).is_err(), "cut at {length}");
    }
    // A flipped bit anywhere in an entry is detected: salt, password check, data and authentication code.
    let mut bytes = whole.clone();
    let mut zip = ::zip::ZipArchive::new(std::io::Cursor::new(&whole)).unwrap();
    let file = zip.by_index_raw(2).unwrap();
    let data = usize::try_from(file.data_start().unwrap()).unwrap();
    for offset in data..data + usize::try_from(file.compressed_size()).unwrap() {
        bytes[offset] ^= 1;
        assert!(verify(&bytes).is_err(), "at {offset}");
        bytes[offset] ^= 1;
    }
    verify(&bytes).unwrap();
}

#[tokio::test]
async fn archives_are_found_by_identifier_or_path() {
    let place = Place::new();
    let archive = place.open();
    keep(&archive, begun(None, Some("alice"), Some("../c"), Some("m1")), b"{}", b"", finished(None));
    keep(&archive, begun(None, Some("alice"), Some("c2"), Some("M2")), b"{}", b"", finished(None));
    keep(&archive, begun(None, Some("alice"), Some("c2"), Some("M2")), b"{}", b"", finished(None));
    archive.close().await;
    let found = |id: &str| reader::named(&place.path(), id).unwrap().len();
    assert_eq!(
        [found("alice"), found("../c"), found("m1"), found("M2"), found("c2/M2"), found("alice/c2/M2+2.zip")],
        [3, 1, 1, 2, 0, 1]
    );
}
