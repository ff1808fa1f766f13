//! The three callsign nodes.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use crate::random;

/// The key of the app, which names its users in headers.
pub(crate) const APP_KEY: &str = "sk-cs-a-key-of-one-app-0123456789";
/// Maximum duration of a drain.
const DRAIN: Duration = Duration::from_mins(1);

/// All nodes.
#[derive(Debug)]
pub(crate) struct Nodes {
    running: [Mutex<Child>; 3],
    addresses: [RwLock<SocketAddr>; 3],
    setup: Setup,
}

#[derive(Debug)]
struct Setup {
    binary: String,
    upstream: String,
    postgres: String,
    directory: tempfile::TempDir,
}

impl Nodes {
    pub(crate) fn start(binary: &str, upstream: &str, postgres: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [binary, upstream, postgres] = [binary, upstream, postgres].map(str::to_owned);
        let setup = Setup { binary, upstream, postgres, directory };
        let [(a, at_a), (b, at_b), (c, at_c)] = [0, 1, 2].map(|number| setup.start(number));
        Self { running: [a, b, c].map(Mutex::new), addresses: [at_a, at_b, at_c].map(RwLock::new), setup }
    }

    /// Returns the address of a random node.
    pub(crate) fn any(&self) -> SocketAddr {
        *self.addresses[usize::try_from(random() % 3).unwrap()].read().unwrap()
    }

    /// Kills a random node with SIGKILL and starts a new one in its place.
    pub(crate) fn kill_one(&self) {
        let number = usize::try_from(random() % 3).unwrap();
        let mut node = self.running[number].lock().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
        let (fresh, address) = self.setup.start(number);
        *node = fresh;
        *self.addresses[number].write().unwrap() = address;
    }

    /// Ends all nodes with SIGTERM.
    pub(crate) fn stop(&self) {
        for node in &self.running {
            terminate(&mut node.lock().unwrap());
        }
    }

    /// Starts each node once more and ends it.
    pub(crate) fn start_and_stop_each(&self) {
        for number in 0..3 {
            terminate(&mut self.setup.start(number).0);
        }
    }

    /// Runs `callsign reconcile` often enough for records that are late by one look-up.
    pub(crate) fn reconcile(&self) {
        for _ in 0..3 {
            let status = self.setup.command(0).arg("reconcile").status().unwrap();
            assert!(status.success(), "callsign reconcile fails");
        }
    }
}

impl Setup {
    fn command(&self, number: usize) -> Command {
        let data: PathBuf = self.directory.path().join(number.to_string());
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .envs([
                ("CALLSIGN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_ADMIN_LISTEN", "off"),
                ("CALLSIGN_UPSTREAM_URL", &self.upstream),
                ("OPENROUTER_API_KEY", "sk-or-v1-the-operators-own-key"),
                ("OPENROUTER_ORG_ID", "org_of_a_test"),
                ("CALLSIGN_APP_KEY", APP_KEY),
                ("CALLSIGN_LOG", "error"),
                ("CALLSIGN_LEDGER", &self.postgres),
                ("CALLSIGN_LEDGER_MODE", "strict"),
                ("SEND_END_USER_ID", "true"),
                ("SEND_MESSAGE_ID", "true"),
            ])
            .env("CALLSIGN_DATA_DIR", data)
            .stdin(Stdio::null());
        command
    }

    /// Starts a node. A strict node does not start while PostgreSQL is away, so that is tried again.
    fn start(&self, number: usize) -> (Child, SocketAddr) {
        let since = Instant::now();
        loop {
            let mut child =
                self.command(number).arg("serve").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let address = line.split("://").nth(1).and_then(|rest| rest.split([',', ' ', '\n']).next());
            if let Some(address) = address {
                let address = address.parse().unwrap();
                // Reads further output, so that the pipe does not fill up.
                std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
                return (child, address);
            }
            child.wait().unwrap();
            assert!(since.elapsed() < DRAIN, "node {number} does not start");
        }
    }
}

fn terminate(node: &mut Child) {
    let since = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &node.id().to_string()]).status().unwrap().success());
    while node.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < DRAIN, "a node does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &self.running {
            if let Ok(mut node) = node.lock() {
                let _ = node.kill();
                let _ = node.wait();
            }
        }
    }
}
