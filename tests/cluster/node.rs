//! The three callsign nodes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use crate::{COST, USERS, random};

/// The key of the app, which names its users in headers.
pub(crate) const APP_KEY: &str = "sk-cs-a-key-of-one-app-0123456789";

/// All nodes.
pub(crate) struct Nodes {
    nodes: [Mutex<Node>; 3],
    addresses: [RwLock<SocketAddr>; 3],
    binary: String,
    variables: Vec<(String, String)>,
    config: tempfile::NamedTempFile,
    directory: tempfile::TempDir,
}

struct Node {
    child: Child,
    /// Kept open, so that writes to it do not fail.
    _out: BufReader<ChildStdout>,
}

impl Nodes {
    pub(crate) fn start(binary: &str, upstream: &str, store: &str, ledger: &str, allowed: usize) -> Self {
        // One half of the users is limited by messages, the other by money.
        let mut toml = format!("[limits]\nestimate_usd = \"0.{:06}\"\n", 2 * COST);
        for user in 0..USERS {
            let limit = if user % 2 == 0 {
                format!("messages_24h = {allowed}")
            } else {
                let millionths = allowed * COST;
                format!("usd_month = \"{}.{:06}\"", millionths / 1_000_000, millionths % 1_000_000)
            };
            toml.push_str(&format!("[[users]]\nid = \"user-{user}\"\nlimits = {{ {limit}, concurrent = 8 }}\n"));
        }
        let config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(config.path(), toml).unwrap();
        let variables = [
            ("CALLSIGN_LISTEN", "127.0.0.1:0"),
            ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0"),
            ("CALLSIGN_UPSTREAM_URL", upstream),
            ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key"),
            ("OPENROUTER_ORG_ID", "org_of_a_test"),
            ("CALLSIGN_APP_KEY", APP_KEY),
            ("CALLSIGN_LOG", "warn"),
            ("CALLSIGN_LIMIT_STORE", store),
            ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "deny"),
            ("CALLSIGN_LEDGER", ledger),
            ("CALLSIGN_LEDGER_MODE", "strict"),
            ("SEND_END_USER_ID", "true"),
            ("SEND_MESSAGE_ID", "true"),
            ("USER_ID_FORMAT", "acme_{user}"),
        ];
        let variables: Vec<_> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let directory = tempfile::tempdir().unwrap();
        let start = |number| Node::start(binary, &variables, config.path(), directory.path(), number);
        let [(a, at_a), (b, at_b), (c, at_c)] = [start(0), start(1), start(2)];
        Self {
            nodes: [a, b, c].map(Mutex::new),
            addresses: [at_a, at_b, at_c].map(RwLock::new),
            binary: binary.to_owned(),
            variables,
            config,
            directory,
        }
    }

    /// Returns the address of a random node.
    pub(crate) fn any(&self) -> SocketAddr {
        *self.addresses[usize::try_from(random() % 3).unwrap()].read().unwrap()
    }

    /// Kills a random node with SIGKILL and starts a new one in its place.
    pub(crate) fn kill_one(&self) {
        let number = usize::try_from(random() % 3).unwrap();
        let mut node = self.nodes[number].lock().unwrap();
        node.child.kill().unwrap();
        node.child.wait().unwrap();
        let (fresh, address) =
            Node::start(&self.binary, &self.variables, self.config.path(), self.directory.path(), number);
        *node = fresh;
        *self.addresses[number].write().unwrap() = address;
    }

    /// Sends SIGTERM to all nodes and waits for their ends.
    pub(crate) fn stop(&self) {
        for node in &self.nodes {
            let id = node.lock().unwrap().child.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        }
        for node in &self.nodes {
            let (child, since) = (&mut node.lock().unwrap().child, Instant::now());
            while child.try_wait().unwrap().is_none() {
                assert!(since.elapsed() < Duration::from_secs(60), "a node does not end");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Node {
    fn start(
        binary: &str,
        variables: &[(String, String)],
        config: &std::path::Path,
        directory: &std::path::Path,
        number: usize,
    ) -> (Self, SocketAddr) {
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(config)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("CALLSIGN_DATA_DIR", directory.join(number.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{binary}: {error}"));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split("://").nth(1).and_then(|rest| rest.split(',').next());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).trim().parse().unwrap();
        (Self { child, _out: out }, address)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
