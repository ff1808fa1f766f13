//! Three callsigns with a directory each, and their Redis.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mock_openrouter::MockServer;

use crate::server::Redis;
use crate::support::client;
use crate::support::program::{Said, Server, callsign_beside};
use crate::support::proxy::{APP, APP_KEY};

/// Number of nodes.
pub(crate) const NODES: usize = 3;
/// The time within which a stored change is in force (docs/SPEC.md#blocking), and a reserve for a busy machine.
const SOON: Duration = Duration::from_secs(1 + 2);

pub(crate) struct Cluster {
    mock: MockServer,
    redis: Redis,
    redis_runs: bool,
    nodes: [Option<Server>; NODES],
    directories: [tempfile::TempDir; NODES],
    saved: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let directory = || tempfile::tempdir().unwrap();
        let mut cluster = Self {
            mock: MockServer::start().await.unwrap(),
            redis: Redis::start(),
            redis_runs: true,
            nodes: [const { None }; NODES],
            directories: [directory(), directory(), directory()],
            saved: directory(),
        };
        for node in 0..NODES {
            cluster.start_node(node).await;
        }
        cluster
    }

    fn variables(&self, node: usize) -> Vec<(String, String)> {
        let directory = self.directories[node].path().to_str().unwrap().to_owned();
        [
            ("CALLSIGN_UPSTREAM_URL", self.mock.url()),
            ("CALLSIGN_DATA_DIR", directory),
            ("CALLSIGN_LEDGER", "off".to_owned()),
            ("CALLSIGN_LIMIT_STORE", self.redis.url().to_owned()),
            ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test".to_owned()),
            ("CALLSIGN_APP_KEY", APP_KEY.to_owned()),
            ("CALLSIGN_LOG", "error".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(crate) fn runs(&self, node: usize) -> bool {
        self.nodes[node].is_some()
    }

    pub(crate) async fn start_node(&mut self, node: usize) {
        if self.nodes[node].is_none() {
            let variables = self.variables(node);
            let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            self.nodes[node] = Some(Server::start("serve", &variables).await);
        }
    }

    /// Sends SIGKILL to a node.
    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(server) = self.nodes[node].take() {
            server.kill();
        }
    }

    pub(crate) fn kill_redis(&mut self) {
        self.redis.kill();
        self.redis_runs = false;
    }

    pub(crate) fn start_redis(&mut self) {
        if !self.redis_runs {
            self.redis.restart();
            self.redis_runs = true;
        }
    }

    fn data(&self) -> PathBuf {
        Path::new(self.redis.url().strip_prefix("unix://").unwrap()).with_file_name("appendonlydir")
    }

    /// Takes a copy of Redis's data.
    pub(crate) fn save_redis(&mut self) {
        self.kill_redis();
        copy(&self.data(), self.saved.path());
        self.start_redis();
    }

    /// Starts Redis with the latest copy of its data, or none.
    pub(crate) fn restore_redis(&mut self) {
        self.kill_redis();
        copy(self.saved.path(), &self.data());
        self.start_redis();
    }

    /// Starts Redis without its data.
    pub(crate) fn empty_redis(&mut self) {
        self.kill_redis();
        std::fs::remove_dir_all(self.data()).unwrap();
        self.start_redis();
    }

    /// Runs a command about a person, with the directory of the person's node.
    pub(crate) async fn command(&self, person: usize, command: &str) -> Said {
        let variables = self.variables(person % NODES);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        callsign_beside(&format!("{command} person-{person}"), &variables).await
    }

    async fn status(&self, node: usize, person: usize) -> u16 {
        let user = format!("person-{person}");
        let headers = [APP, &[("x-user-id", user.as_str())]].concat();
        let url = format!("http://{}/v1/chat/completions", self.nodes[node].as_ref().unwrap().data);
        client::post(&url, &headers, r#"{"model":"m","messages":[]}"#).await.status.as_u16()
    }

    /// Waits until a node answers a person so, for a short time.
    pub(crate) async fn assert_soon(&self, node: usize, person: usize, status: u16) {
        let began = Instant::now();
        loop {
            let found = self.status(node, person).await;
            if found == status {
                return;
            }
            assert!(began.elapsed() < SOON, "person {person} on node {node}: {found} instead of {status}");
        }
    }

    /// Waits until all nodes answer a person so.
    pub(crate) async fn until_all(&self, person: usize, status: u16) {
        for node in 0..NODES {
            let what = format!("person {person} on node {node}: {status}");
            crate::support::within(&what, async { while self.status(node, person).await != status {} }).await;
        }
    }
}

/// Copies a directory in place of another.
fn copy(from: &Path, to: &Path) {
    let _absent = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
