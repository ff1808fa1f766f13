//! A Redis on a socket in a temporary directory. It syncs every write to disk before it answers.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Redis server, killed on drop.
pub(crate) struct Redis {
    directory: tempfile::TempDir,
    url: String,
    child: Option<Child>,
}

impl Redis {
    /// Starts the server and waits until it answers.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("unix://{}", directory.path().join("redis.sock").display());
        let mut redis = Self { directory, url, child: None };
        redis.restart();
        redis
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the path of the server's socket.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Restarts the server with its data.
    pub(crate) fn restart(&mut self) {
        let socket = self.socket();
        let _ = std::fs::remove_file(&socket);
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .args(["--unixsocket".as_ref(), socket.as_os_str(), "--dir".as_ref(), self.directory.path().as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server (Debian: apt-get install redis-server): {error}"));
        self.child = Some(child);
        let since = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
