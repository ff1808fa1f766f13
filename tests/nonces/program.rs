//! A callsign process whose callers belong to several accounts.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use callsign_core::secret::KeyDigest;

/// Accounts, each with its own pool.
pub(crate) const ACCOUNTS: usize = 8;

pub(crate) struct Program {
    child: Child,
    pub(crate) data: SocketAddr,
    _files: [tempfile::NamedTempFile; 2],
}

/// Returns the key of an account's app.
pub(crate) fn key(account: usize) -> String {
    format!("sk-cs-the-app-of-account-{account}-0123456789")
}

fn config() -> String {
    let account = |number| {
        let digest = KeyDigest::of(key(number).as_bytes()).to_hex();
        format!(
            "[[tenants]]\nname = \"t{number}\"\nopenrouter_api_key = \"sk-or-v1-of-account-{number}\"\n\
             [[keys]]\nname = \"k{number}\"\nsha256 = \"{digest}\"\npreset = \"generic\"\ntenant = \"t{number}\"\n"
        )
    };
    (0..ACCOUNTS).map(account).collect()
}

impl Program {
    /// Starts the program in front of an upstream on this port, with TLS if there is a certificate.
    pub(crate) fn start(port: u16, certificate: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let file = |content: &str| {
            let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            file
        };
        let files = [file(&config()), file(certificate.unwrap_or_default())];
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let mut command = Command::new(env!("CARGO_BIN_EXE_callsign"));
        command.args(["serve", "--config"]).arg(files[0].path()).env_clear().envs([
            ("CALLSIGN_LISTEN", "127.0.0.1:0"),
            ("CALLSIGN_ADMIN_LISTEN", "off"),
            ("CALLSIGN_UPSTREAM_URL", &format!("{scheme}://localhost:{port}/api/v1")),
            ("OPENROUTER_API_KEY", "sk-or-v1-of-the-operator"),
            ("OPENROUTER_ORG_ID", "org_of_a_test"),
            ("CALLSIGN_LOG", "error"),
            ("CALLSIGN_BUFFER_BODY_BYTES", "1024"),
            ("SEND_END_USER_ID", "true"),
        ]);
        if certificate.is_some() {
            command.env("SSL_CERT_FILE", files[1].path());
        }
        let mut child =
            command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let address = first.split("://").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok());
        Self { child, data: address.unwrap_or_else(|| panic!("no address in {first:?}")), _files: files }
    }

    /// Returns true if the program still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
