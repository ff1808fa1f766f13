//! `callsign serve --demo`: callsign in front of a mock OpenRouter, with a ledger of invented requests, and a viewer that
//! shows both sides of a request (`docs/SPEC.md#demo`).

mod greeting;
mod report;
mod sample;
mod variables;
mod viewer;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::config::{Config, ConfigInputs};
use crate::run::{Running, ServeOptions};
use callsign_gateway::server;
use callsign_store::limits::keys::material;
use mock_openrouter::{MockServer, Options};

/// Maximum number of connections to the viewer.
const CONNECTIONS: usize = 16;

/// The parts of a demo. Dropping it stops the mock OpenRouter and deletes the directory.
pub(super) struct Demo {
    mock: MockServer,
    /// The key of the demo's app.
    key: String,
    /// The token of the console.
    token: String,
    /// The directory of the ledger; `None` if none can be written.
    directory: Option<TempDir>,
}

impl Demo {
    /// Starts the mock OpenRouter, and makes keys and a directory.
    ///
    /// # Errors
    /// If the system has no loopback port or no random numbers.
    pub(super) async fn start() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("callsign-demo-").tempdir();
        Ok(Self {
            mock: MockServer::start_with(Options::DEMO).await?,
            key: material::generate()?,
            token: material::random_text()?,
            directory: directory.ok(),
        })
    }

    /// Returns the inputs of the configuration: the settings of `variables` that a demo takes, and its own.
    pub(super) fn inputs(&self, variables: Vec<(OsString, OsString)>) -> ConfigInputs {
        let mut own = vec![
            ("CALLSIGN_UPSTREAM_URL", self.mock.url()),
            ("OPENROUTER_API_KEY", "sk-or-demo-the-operators-key".to_owned()),
            ("CALLSIGN_APP_KEY", self.key.clone()),
            ("CALLSIGN_ADMIN_TOKEN", self.token.clone()),
        ];
        if let Some(directory) = self.directory.as_ref().and_then(|directory| directory.path().to_str()) {
            own.push(("CALLSIGN_DATA_DIR", directory.to_owned()));
        }
        ConfigInputs::environment(variables::of_demo(variables, own))
    }

    /// Returns the options of the server. The demo connects only to its mock OpenRouter.
    pub(super) fn options() -> ServeOptions {
        ServeOptions { proxy_from_env: false, finds_accounts: false, ..ServeOptions::default() }
    }

    /// Writes the invented requests into the ledger. Without them the console is empty, so an error is only logged.
    pub(super) async fn fill(&self, config: &Config) {
        if self.directory.is_some()
            && let Err(error) = sample::fill(config).await
        {
            tracing::warn!(%error, "demo: the console has no sample data");
        }
    }

    /// Starts the viewer and returns the text for the terminal.
    ///
    /// # Errors
    /// If the viewer has no port.
    pub(super) fn begin(&self, config: &Config, running: &Running) -> io::Result<String> {
        let listener = viewer_port(running)?;
        let viewer = listener.local_addr()?;
        let connections = server::ConnectionLimiter::new(CONNECTIONS, usize::MAX, 0, None);
        let options = server::Options {
            timeouts: Self::options().timeouts,
            connection_limiter: std::sync::Arc::new(connections),
            tls: None,
        };
        let handler = viewer::Viewer::new(config.clone(), running.data, self.key.clone());
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(server::serve(listener, handler, std::sync::Arc::new(options), running.drain.clone()));
        Ok(greeting::text(&greeting::Addresses {
            data: shown(running.data),
            admin: running.admin.filter(|_| self.directory.is_some()).map(shown),
            viewer: shown(viewer),
            mock: self.mock.url(),
            key: &self.key,
            token: &self.token,
        }))
    }
}

/// Binds the port after the admin port, or else any free port.
fn viewer_port(running: &Running) -> io::Result<std::net::TcpListener> {
    let mut address = running.data;
    address.set_port(running.admin.unwrap_or(running.data).port().wrapping_add(1));
    let next = server::bind(address);
    address.set_port(0);
    next.or_else(|_| server::bind(address)).map_err(io::Error::other)
}

/// Returns the address for a URL. Loopback replaces an unspecified address.
fn shown(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() }
}
