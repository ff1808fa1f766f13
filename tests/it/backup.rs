//! `backup` and `restore` as processes: copies beside a running callsign, and what they bring back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mock_openrouter::MockServer;
use serde_json::Value;

use crate::support::client;
use crate::support::program::{Said, Server, callsign_beside};
use crate::support::proxy::{APP, APP_KEY, OPERATOR_KEY};

const BODY: &str = r#"{"model":"mock/cost-420","messages":[]}"#;
const SECRET: (&str, &str) = ("CALLSIGN_ID_SECRET", "a secret of some length for tests");

/// A callsign with ledger and state in a directory.
struct Rig {
    mock: MockServer,
    directory: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        Self { mock: MockServer::start().await.unwrap(), directory: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn settings<'s>(upstream: &'s str, data: &'s str) -> [(&'s str, &'s str); 7] {
        [
            ("CALLSIGN_UPSTREAM_URL", upstream),
            ("CALLSIGN_DATA_DIR", data),
            ("CALLSIGN_LEDGER_MODE", "strict"),
            ("CALLSIGN_RECONCILE", "off"),
            ("OPENROUTER_API_KEY", OPERATOR_KEY),
            ("CALLSIGN_APP_KEY", APP_KEY),
            SECRET,
        ]
    }

    async fn serve(&self) -> Server {
        Server::start("serve", &Self::settings(&self.mock.url(), self.data().to_str().unwrap())).await
    }

    async fn stop(&self, server: Server) {
        server.terminate();
        assert!(server.ended().await.0.success());
    }

    /// Runs a command. `COPY` in its line is the path of the backup.
    async fn run(&self, line: &str) -> Said {
        let line = line.replace("COPY", self.copy().to_str().unwrap());
        let data = self.data();
        callsign_beside(&line, &Self::settings(&self.mock.url(), data.to_str().unwrap())).await
    }

    async fn done(&self, line: &str) -> Said {
        let said = self.run(line).await;
        assert_eq!(said.code, 0, "{line}: {said:?}");
        said
    }

    async fn refused(&self, line: &str, reason: &str) {
        let said = self.run(line).await;
        assert!(said.code == 1 && said.err.contains(reason), "{line}: {said:?}");
    }

    fn copy(&self) -> PathBuf {
        self.directory.path().join("copy")
    }

    async fn users(&self) -> Vec<String> {
        let listed: Value = serde_json::from_str(&self.done("requests --format json").await.out).unwrap();
        let listed = listed.as_array().unwrap_or_else(|| panic!("{listed}"));
        let mut users: Vec<_> = listed.iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect();
        users.sort();
        users
    }
}

async fn ask(server: &Server, user: &str) -> u16 {
    let headers = [APP, &[("x-user-id", user)]].concat();
    client::post(&format!("http://{}/v1/chat/completions", server.data), &headers, BODY).await.status.as_u16()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect();
    // SQLite makes these when it reads.
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_running_server_brings_rows_sums_and_blocks_back() {
    let rig = Rig::new().await;
    let callsign = rig.serve().await;
    for user in ["ada", "bob"] {
        assert_eq!(ask(&callsign, user).await, 200);
    }
    rig.done("block mallory --unseen").await;
    let said = rig.done("backup --output COPY").await;
    assert!(said.out.contains("ledger.db: ") && said.out.ends_with("copy: complete\n"), "{said:?}");
    assert_eq!(names(&rig.copy()), ["ledger.db", "manifest.json", "state.db"]);
    assert_eq!(mode(&rig.copy()), 0o700);
    assert!(names(&rig.copy()).iter().all(|name| mode(&rig.copy().join(name)) == 0o600));
    // Later than the backup.
    assert_eq!(ask(&callsign, "carol").await, 200);
    rig.refused("backup --output COPY", "exists: choose a new directory").await;
    rig.refused("restore COPY", "callsign is running on").await;
    rig.stop(callsign).await;
    let said = rig.done("restore COPY --dry-run").await;
    assert!(said.out.contains("would replace") && rig.users().await == ["ada", "bob", "carol"], "{said:?}");
    let said = rig.done("restore COPY").await;
    assert!(said.out.contains("what was there before is in"), "{said:?}");
    assert_eq!(rig.users().await, ["ada", "bob"]);
    let usage: Value = serde_json::from_str(&rig.done("usage --by user --format json").await.out).unwrap();
    let text = usage.to_string();
    assert!(text.contains("ada") && text.contains("bob") && !text.contains("carol"), "{text}");
    let callsign = rig.serve().await;
    assert_eq!((ask(&callsign, "mallory").await, ask(&callsign, "dora").await), (403, 200));
    rig.stop(callsign).await;
    // What was replaced is a whole database again.
    let kept = names(&rig.data()).into_iter().find(|name| name.starts_with("replaced-")).unwrap();
    let kept = rig.data().join(kept);
    assert_eq!(mode(&kept), 0o700);
    fs::copy(kept.join("ledger.db"), rig.data().join("ledger.db")).unwrap();
    assert_eq!(rig.users().await, ["ada", "bob", "carol"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_list_of_blocks_needs_a_decision() {
    let rig = Rig::new().await;
    let callsign = rig.serve().await;
    assert_eq!(ask(&callsign, "ada").await, 200);
    rig.done("block early --unseen").await;
    rig.done("backup --output COPY").await;
    rig.done("block late --unseen").await;
    rig.stop(callsign).await;
    rig.refused("restore COPY", "Choose --state keep").await;
    rig.done("restore COPY --state keep").await;
    let callsign = rig.serve().await;
    assert_eq!((ask(&callsign, "early").await, ask(&callsign, "late").await), (403, 403));
    rig.stop(callsign).await;
    // A deleted list does not make the older one the latest.
    fs::remove_file(rig.data().join("state.db")).unwrap();
    rig.refused("restore COPY", "Choose --state keep").await;
    rig.done("restore COPY --state replace").await;
    let callsign = rig.serve().await;
    assert_eq!((ask(&callsign, "early").await, ask(&callsign, "late").await), (403, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_incomplete_backup_changes_nothing() {
    let rig = Rig::new().await;
    rig.refused("backup --output COPY", "there is no SQLite file to copy").await;
    assert!(!rig.copy().exists());
    let callsign = rig.serve().await;
    assert_eq!(ask(&callsign, "ada").await, 200);
    rig.done("backup --output COPY").await;
    rig.stop(callsign).await;
    let before = names(&rig.data());
    let ledger = rig.copy().join("ledger.db");
    let mut bytes = fs::read(&ledger).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&ledger, bytes).unwrap();
    for line in ["restore COPY", "restore COPY --dry-run"] {
        rig.refused(line, "is not the file that was backed up").await;
    }
    fs::remove_file(rig.copy().join("manifest.json")).unwrap();
    rig.refused("restore COPY", "is no complete backup").await;
    assert_eq!(names(&rig.data()), before);
    assert_eq!(rig.users().await, ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_into_an_empty_directory() {
    let rig = Rig::new().await;
    let callsign = rig.serve().await;
    assert_eq!(ask(&callsign, "ada").await, 200);
    rig.done("block mallory --unseen").await;
    rig.done("backup --output COPY").await;
    rig.stop(callsign).await;
    fs::rename(rig.data(), rig.directory.path().join("lost")).unwrap();
    let said = rig.done("restore COPY").await;
    assert!(!said.out.contains("what was there before"), "{said:?}");
    assert_eq!(rig.users().await, ["ada"]);
    let callsign = rig.serve().await;
    assert_eq!(ask(&callsign, "mallory").await, 403);
}
