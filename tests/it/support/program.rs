//! callsign as a process. Its environment has only the variables that a test sets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use tokio::sync::mpsc;

use super::secrets::{self, Place};
use super::within;

/// Environment variables by name.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a str)];

/// The output and exit code of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end. The words of `line` are its arguments.
pub(crate) fn callsign(line: &str, variables: Variables<'_>) -> Said {
    callsign_reading(line, variables, "")
}

/// Runs a command without blocking the runtime, for tests with a mock or a callsign in this process.
pub(crate) async fn callsign_beside(line: &str, variables: Variables<'_>) -> Said {
    let own = |text: &str| text.to_owned();
    let line = own(line);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (own(name), own(value))).collect();
    let run = move || {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        callsign(&line, &variables)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// Runs a command with this standard input.
pub(crate) fn callsign_reading(line: &str, variables: Variables<'_>, input: impl Into<Vec<u8>>) -> Said {
    secrets::remember_variables(variables);
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_callsign"));
    command.args(line.split_whitespace()).env_clear().envs(variables.iter().copied()).timeout(super::LIMIT);
    let output = command.write_stdin(input).output().unwrap();
    secrets::search(Place::Log, &output.stderr);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A running `callsign serve`, killed on drop.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    out: mpsc::UnboundedReceiver<String>,
    err: mpsc::UnboundedReceiver<String>,
    /// The data port's address, from the program's output.
    pub(crate) data: SocketAddr,
    /// The admin port's address, if it has one.
    pub(crate) admin: Option<SocketAddr>,
}

impl Server {
    /// Starts the program and waits for its listening line. The system chooses the ports unless `variables` does.
    pub(crate) async fn start(line: &str, variables: Variables<'_>) -> Self {
        Self::run(&mut Command::new(env!("CARGO_BIN_EXE_callsign")), line, variables).await
    }

    /// Starts the program with this hard limit of open files.
    pub(crate) async fn start_with_files(files: usize, line: &str, variables: Variables<'_>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_callsign")]);
        Self::run(&mut command, line, variables).await
    }

    async fn run(command: &mut Command, line: &str, variables: Variables<'_>) -> Self {
        secrets::remember_variables(variables);
        let mut child = command
            .args(line.split_whitespace())
            .env_clear()
            .envs([
                ("CALLSIGN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_LOG", "trace"),
                // Tests count the requests that the upstream gets.
                ("OPENROUTER_ORG_ID", "org_of_a_test"),
            ])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = lines(child.stdout.take().unwrap(), false);
        let mut err = lines(child.stderr.take().unwrap(), true);
        let Some(first) = within("the listening line", out.recv()).await else {
            let said = within("the reason", err.recv()).await;
            panic!("ended at once: {said:?}");
        };
        let message =
            |line: &str| Some(serde_json::from_str::<serde_json::Value>(line).ok()?["message"].as_str()?.to_owned());
        let first = message(&first).unwrap_or(first);
        let addresses: Vec<_> = first.split("://").skip(1).map(|rest| rest.split(',').next().unwrap()).collect();
        let [data, admin @ ..] = addresses.as_slice() else { panic!("no address in {first:?}") };
        let (data, admin) = (data.parse().unwrap(), admin.first().map(|admin| admin.parse().unwrap()));
        Self { child, out, err, data, admin }
    }

    /// Returns the next line of standard output.
    pub(crate) async fn line(&mut self) -> String {
        within("a line", self.out.recv()).await.unwrap_or_else(|| panic!("the program has ended"))
    }

    /// Reads standard error until a line contains `wanted`, and returns that line.
    pub(crate) async fn logged(&mut self, wanted: &str) -> String {
        while let Some(line) = within(wanted, self.err.recv()).await {
            if line.contains(wanted) {
                return line;
            }
        }
        panic!("ended before it said {wanted:?}");
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL and waits for the end of the process.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end of the process. Returns its status and its unread output.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        while let Some(line) = within("the end of its output", self.out.recv()).await {
            said += &(line + "\n");
        }
        while let Some(line) = within("the end of its log", self.err.recv()).await {
            said += &(line + "\n");
        }
        // Both pipes are closed, so the process is about to end.
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            secrets::assert_none_found();
        }
    }
}

/// Reads the lines of a pipe. Searches log lines for secrets; standard output may show samples and new keys.
fn lines(pipe: impl Read + Send + 'static, log: bool) -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if log {
                secrets::search(Place::Log, line.as_bytes());
            }
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Creates a temporary file with this content, deleted on drop.
pub(crate) fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}
