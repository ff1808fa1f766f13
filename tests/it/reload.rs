//! A changed configuration is applied while requests run, completely or not at all.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use callsign::config::{Config, ConfigInputs};
use callsign::reload::{Reloaded, Reloader};
use callsign::run::{self, Running, ServeOptions};
use mock_openrouter::MockServer;

use crate::support::client;

const KEY: &str = "sk-cs-a-key-of-alice-0123456789";
const OTHER: &str = "sk-cs-a-key-of-bob-000123456789";
const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;

/// Builds a configuration file; `rest` follows the common settings.
fn toml(mock: &MockServer, valve: bool, rest: &str) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[upstream]\nurl = \"{}\"\napi_key = \"sk-or-operator\"\n\
         [valves]\nsend_end_user_id = {valve}\n{rest}",
        mock.url()
    )
}

fn key_of(user: &str, key: &str, more: &str) -> String {
    let digest = callsign_core::secret::KeyDigest::of(key.as_bytes()).to_hex();
    format!("[[keys]]\nname = \"{user}\"\nsha256 = \"{digest}\"\nuser = \"{user}\"\n{more}\n")
}

struct Live {
    mock: MockServer,
    running: Running,
    reloader: Reloader,
    file: PathBuf,
    _directory: tempfile::TempDir,
}

async fn live() -> Live {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("callsign.toml");
    std::fs::write(&file, toml(&mock, false, &key_of("alice", KEY, ""))).unwrap();
    let none: [(String, String); 0] = [];
    let sources = ConfigInputs::environment(none).file(Some(file.clone())).serving();
    let loaded = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}"));
    let running = run::start(
        &loaded.config,
        ServeOptions { proxy_from_env: false, finds_accounts: false, ..ServeOptions::default() },
    )
    .unwrap();
    let reloader = Reloader::new(sources, running.in_force.clone(), None, &loaded);
    Live { mock, running, reloader, file, _directory: directory }
}

impl Live {
    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    async fn ready(&self) -> String {
        client::get(&format!("http://{}/readyz", self.running.admin.unwrap()), &[]).await.text()
    }

    async fn ask(&self, key: &str) -> (u16, Option<String>) {
        let bearer = format!("Bearer {key}");
        let url = format!("http://{}/v1/chat/completions", self.running.data);
        let status = client::post(&url, &[("authorization", &bearer)], BODY).await.status.as_u16();
        let user = match status {
            200 => self.mock.next_received().await.json().unwrap()["user"].as_str().map(str::to_owned),
            _ => None,
        };
        (status, user)
    }
}

#[tokio::test]
async fn a_valve_is_flipped_and_the_difference_told() {
    let mut live = live().await;
    assert_eq!(live.ask(KEY).await, (200, None));
    live.write(&toml(&live.mock, true, &key_of("alice", KEY, "")));
    let told = vec!["valves.send_end_user_id: false → true".to_owned()];
    assert_eq!(live.reloader.reload(), Reloaded::Changed(told));
    assert_eq!(live.ask(KEY).await, (200, Some("alice".to_owned())));
    assert_eq!(live.reloader.reload(), Reloaded::Changed(vec![]));
}

#[tokio::test]
async fn keys_come_go_and_are_disabled() {
    let mut live = live().await;
    assert_eq!(live.ask(OTHER).await.0, 401);
    let both = key_of("alice", KEY, "disabled = true") + &key_of("bob", OTHER, "");
    live.write(&toml(&live.mock, true, &both));
    assert!(matches!(live.reloader.reload(), Reloaded::Changed(changes) if !changes.is_empty()));
    assert_eq!(live.ask(KEY).await.0, 401);
    assert_eq!(live.ask(OTHER).await, (200, Some("bob".to_owned())));
}

#[tokio::test]
async fn whatever_is_invalid_or_suddenly_empty_leaves_the_old_one_in_force() {
    let mut live = live().await;
    live.write(&(toml(&live.mock, true, &key_of("alice", KEY, "")) + "[formats]\nuser = \"{usr}\"\nchat = \"{\"\n"));
    assert_eq!(live.ready().await, "ready\n");
    let Reloaded::Refused(problems) = live.reloader.reload() else { panic!("taken") };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(
        live.ready().await,
        "ready\ndegraded: the changed configuration was refused; the previous one is in force\n"
    );
    live.write(" \n");
    assert!(matches!(live.reloader.reload(), Reloaded::Refused(_)));
    assert_eq!(live.ask(KEY).await, (200, None));
    live.write(&toml(&live.mock, true, &key_of("alice", KEY, "")));
    assert!(matches!(live.reloader.reload(), Reloaded::Changed(_)));
    assert_eq!(live.ready().await, "ready\n");
    assert_eq!(live.ask(KEY).await, (200, Some("alice".to_owned())));
}

#[tokio::test]
async fn a_note_about_a_refused_key_ends_with_the_key() {
    let mut live = live().await;
    let refused = r#"{"model":"mock/error-401","messages":[]}"#;
    let bearer = format!("Bearer {KEY}");
    let url = format!("http://{}/v1/chat/completions", live.running.data);
    assert_eq!(client::post(&url, &[("authorization", &bearer)], refused).await.status, 401);
    let degraded = "ready\ndegraded: OpenRouter refused the operator's key (401)\n";
    assert_eq!(live.ready().await, degraded);
    live.write(&toml(&live.mock, true, &key_of("alice", KEY, "")));
    assert!(matches!(live.reloader.reload(), Reloaded::Changed(_)));
    assert_eq!(live.ready().await, degraded, "the key is the same");
    live.write(&toml(&live.mock, true, &key_of("alice", KEY, "")).replace("sk-or-operator", "sk-or-another"));
    assert!(matches!(live.reloader.reload(), Reloaded::Changed(_)));
    assert_eq!(live.ready().await, "ready\n");
}

#[tokio::test]
async fn a_secret_that_changed_is_told_by_name_alone() {
    let mut live = live().await;
    let changed = toml(&live.mock, false, &key_of("alice", KEY, "")).replace("sk-or-operator", "sk-or-another");
    live.write(&changed);
    let told = vec!["upstream.api_key: *** → ***".to_owned()];
    assert_eq!(live.reloader.reload(), Reloaded::Changed(told));
    live.ask(KEY).await;
    let received = live.mock.received().pop().unwrap();
    assert_eq!(received.headers["authorization"], "Bearer sk-or-another");
}

#[tokio::test]
async fn a_running_stream_is_not_touched() {
    let mut live = live().await;
    let bearer = format!("Bearer {KEY}");
    let url = format!("http://{}/v1/chat/completions", live.running.data);
    let body = &br#"{"model":"mock/gate","stream":true,"messages":[]}"#[..];
    let mut stream = client::stream(&url, &[("authorization", &bearer)], body).await;
    live.mock.release(1);
    stream.next().await.unwrap().unwrap();
    live.write(&toml(&live.mock, true, &key_of("bob", OTHER, "")));
    assert!(matches!(live.reloader.reload(), Reloaded::Changed(_)));
    assert_eq!(live.ask(KEY).await.0, 401, "the removed key is still accepted");
    live.mock.release(1000);
    let answer = stream.finish().await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "the running stream of the removed key was cut: {answer:?}");
}

/// A callsign process with a configuration file, logging to a pipe.
struct Program {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    _out: BufReader<std::process::ChildStdout>,
}

impl Program {
    fn start(file: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callsign"))
            .args(["serve", "--config"])
            .arg(file)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("listening on"), "{line}");
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log, _out: out }
    }

    /// Reads the log up to a line that contains `text`. Blocks if there is none.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the program ended");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[tokio::test]
async fn the_program_reloads_on_sighup_and_when_a_symlink_is_swapped() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let versions = [false, true, false].map(|valve| toml(&mock, valve, &key_of("alice", KEY, "")));
    for (number, text) in versions.iter().enumerate() {
        let version = directory.path().join(format!("v{number}"));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("callsign.toml"), text).unwrap();
    }
    // As Kubernetes mounts a ConfigMap: the file is a symlink through a symlink that a rename replaces.
    let root = directory.path().to_owned();
    let swap = move |number: usize| {
        let fresh = root.join("..fresh");
        std::os::unix::fs::symlink(root.join(format!("v{number}")), &fresh).unwrap();
        std::fs::rename(&fresh, root.join("..data")).unwrap();
    };
    swap(0);
    let file = directory.path().join("callsign.toml");
    std::os::unix::fs::symlink("..data/callsign.toml", &file).unwrap();

    tokio::task::spawn_blocking(move || {
        let mut program = Program::start(&file);
        swap(1);
        program.wait_for("send_end_user_id: false → true");
        swap(2);
        let hangup = Command::new("kill").arg("-HUP").arg(program.child.id().to_string()).status().unwrap();
        assert!(hangup.success());
        program.wait_for("SIGHUP");
        program.wait_for("send_end_user_id: true → false");
    })
    .await
    .unwrap();
}
