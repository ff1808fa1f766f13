//! A PostgreSQL on a socket in a temporary directory, with copies of its data.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::copy;

/// The server refuses to run as root. Root runs it as this user of Debian's package.
const OWNER: &str = "postgres";

/// The data directory of a new PostgreSQL.
pub(crate) struct Template(tempfile::TempDir);

/// A PostgreSQL server, stopped on drop.
pub(crate) struct Postgres {
    directory: tempfile::TempDir,
    template: PathBuf,
    child: Option<Child>,
}

impl Template {
    pub(crate) fn new() -> Self {
        let directory = directory();
        let mut initdb = command("initdb", directory.path());
        initdb.args([
            "--username",
            "callsign",
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--no-sync",
            "--wal-segsize",
            "1",
        ]);
        let output = initdb.arg("--pgdata").arg(directory.path().join("data")).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        Self(directory)
    }
}

impl Postgres {
    pub(crate) async fn start(template: &Template) -> Self {
        let mut postgres = Self { directory: directory(), template: template.0.path().join("data"), child: None };
        postgres.empty().await;
        postgres
    }

    pub(crate) fn url(&self) -> String {
        let socket = self.directory.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://callsign@{socket}/postgres")
    }

    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Stops the server without a checkpoint: the next start recovers from the log, as after a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = kill_process(Pid::from_child(&child), Signal::QUIT);
            child.wait().unwrap();
        }
    }

    /// Starts the server and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        if self.runs() {
            return;
        }
        let _absent = std::fs::remove_file(self.data().join("postmaster.pid"));
        let mut postgres = command("postgres", self.directory.path());
        postgres.arg("-D").arg(self.data());
        let socket = format!("unix_socket_directories={}", self.directory.path().display());
        let settings = ["listen_addresses=", &socket, "fsync=off", "shared_buffers=16MB", "autovacuum=off"];
        postgres.args(settings.iter().flat_map(|setting| ["-c", setting]));
        self.child = Some(postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let since = Instant::now();
        while self.try_connect().await.is_none() {
            assert!(since.elapsed() < Duration::from_secs(20), "PostgreSQL does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn try_connect(&self) -> Option<()> {
        let mut connection = PgConnection::connect(&self.url()).await.ok()?;
        connection.execute("SELECT 1").await.ok().map(drop)
    }

    /// Takes a copy of the data.
    pub(crate) async fn save(&mut self) {
        self.kill();
        copy::replace(&self.data(), &self.copy());
        self.restart().await;
    }

    /// Starts the server with the latest copy of its data, or without data.
    pub(crate) async fn restore(&mut self) {
        if !self.copy().exists() {
            return self.empty().await;
        }
        self.kill();
        copy::replace(&self.copy(), &self.data());
        self.restart().await;
    }

    /// Starts the server without its data.
    pub(crate) async fn empty(&mut self) {
        self.kill();
        copy::replace(&self.template, &self.data());
        self.restart().await;
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn copy(&self) -> PathBuf {
        self.directory.path().join("copy")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Creates a directory of the server's user.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    if let Some((user, group)) = owner() {
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        chown(directory.path(), Some(user), Some(group)).unwrap();
    }
    directory
}

/// Prepares to run a program of PostgreSQL. Debian installs each version's programs outside of `PATH`.
fn command(name: &str, directory: &Path) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin").join(name));
    let program = programs.filter(|program| program.exists()).max();
    let program = program.unwrap_or_else(|| panic!("there is no {name} (Debian: apt-get install postgresql)"));
    let mut command = Command::new(program);
    command.current_dir(directory);
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// Returns the server's user and group if this process is root.
fn owner() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|user| user[0] == OWNER).unwrap_or_else(|| panic!("root needs a user {OWNER}"));
    Some((user[2].parse().unwrap(), user[3].parse().unwrap()))
}
