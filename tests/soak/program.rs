//! A callsign process, and its resources as the system and `/metrics` report them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::leaks::Rest;
use crate::plan::{CANARY, CLAIM, Callers, OPERATOR_KEY};
use crate::tally::Tally;

pub(crate) struct Program {
    child: Child,
    pub(crate) data: SocketAddr,
    admin: SocketAddr,
    _config: tempfile::NamedTempFile,
}

impl Program {
    pub(crate) fn start(upstream: &str, tally: &Arc<Tally>) -> Self {
        let mut config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        config.write_all(Callers::toml().as_bytes()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_callsign"))
            .args(["serve", "--config"])
            .arg(config.path())
            .env_clear()
            .envs([
                ("CALLSIGN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_UPSTREAM_URL", upstream),
                ("OPENROUTER_API_KEY", OPERATOR_KEY),
                // The upstream compares each request with a mark in it.
                ("OPENROUTER_ORG_ID", "org_of_a_test"),
                ("CALLSIGN_LOG", "debug"),
                ("SEND_END_USER_ID", "true"),
                ("SEND_SESSION_ID", "true"),
                ("SEND_CHAT_ID", "true"),
                ("SEND_MESSAGE_ID", "true"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        watch(out, Arc::clone(tally));
        watch(BufReader::new(child.stderr.take().unwrap()), Arc::clone(tally));
        let mut addresses =
            first.split("://").skip(1).map(|rest| rest.split(',').next().unwrap().trim().parse().unwrap());
        let (data, admin) = (addresses.next().unwrap(), addresses.next().unwrap());
        Self { child, data, admin, _config: config }
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("callsign has ended: {error}"))
    }

    fn status(&self, name: &str) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns the resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status("VmRSS")
    }

    /// Returns the number of open sockets.
    pub(crate) fn sockets(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let target = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        open.filter_map(target).filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// Returns the open resources.
    pub(crate) async fn rest(&self) -> Rest {
        let metrics = self.metrics();
        let metric = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
        };
        let rest = Rest {
            in_flight: metric("callsign_in_flight"),
            connections: metric("callsign_connections"),
            tasks: metric("callsign_tasks"),
            sockets: 0,
            threads: self.status("Threads"),
        };
        // Waits for the end of the connection that fetched the metrics.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        Rest { sockets: self.sockets(), ..rest }
    }

    fn metrics(&self) -> String {
        let mut socket = TcpStream::connect(self.admin).unwrap();
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        assert!(!text.contains(CANARY) && !text.contains(CLAIM), "{text}");
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the program's output, so that the pipe does not block it, and searches it for secrets.
fn watch(mut pipe: impl BufRead + Send + 'static, tally: Arc<Tally>) {
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            for secret in [CANARY, CLAIM, "person-", "token-", "panicked"] {
                if memchr::memmem::find(&line, secret.as_bytes()).is_some() {
                    tally.leaked(format!("{secret} in {}", String::from_utf8_lossy(&line)));
                }
            }
            line.clear();
        }
    });
}
