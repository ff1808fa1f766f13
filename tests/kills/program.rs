//! A callsign process that tests kill.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Program {
    child: Child,
    pub(crate) data: SocketAddr,
}

impl Program {
    /// Starts callsign in this ledger mode on this data directory, and waits for its listening line.
    pub(crate) fn start(upstream: &str, data: &Path, mode: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callsign"))
            .arg("serve")
            .env_clear()
            .envs([
                ("CALLSIGN_LISTEN", "127.0.0.1:0"),
                ("CALLSIGN_ADMIN_LISTEN", "off"),
                ("CALLSIGN_UPSTREAM_URL", upstream),
                ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test"),
                ("OPENROUTER_ORG_ID", "org_of_a_test"),
                ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789"),
                ("CALLSIGN_LEDGER_MODE", mode),
                ("CALLSIGN_LOG", "error"),
                ("SEND_END_USER_ID", "true"),
                ("SEND_MESSAGE_ID", "true"),
            ])
            .env("CALLSIGN_DATA_DIR", data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let address = first.split("://").nth(1).unwrap_or_else(|| panic!("no address in {first:?}"));
        let data = address.split([',', ' ', '\n']).next().unwrap().parse().unwrap();
        // Reads further output, so that the pipe does not fill up.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Self { child, data }
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and checks that the program ends cleanly.
    pub(crate) fn terminate(mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
