//! callsign in this process, between a test's client and a test's upstream.

use std::net::SocketAddr;
use std::path::Path;

use callsign::config::{Config, ConfigInputs};
use callsign::run::{self, Running, ServeOptions};
use callsign_gateway::server::Timeouts;
use callsign_store::state::DirectoryLock;
use mock_openrouter::MockServer;

use super::client::{self, Headers};
use super::{secrets, within};

/// The operator's OpenRouter key.
pub(crate) const OPERATOR_KEY: &str = "sk-or-v1-the-operators-own-key";
/// The key of an app that names its users in the preset's headers (`generic` by default).
pub(crate) const APP_KEY: &str = "sk-cs-a-key-of-one-app-0123456789";
/// A personal key of the user `alice`.
pub(crate) const ALICE_KEY: &str = "sk-cs-a-key-of-alice-0123456789";

/// The app's headers without a user.
pub(crate) const APP: Headers<'static> =
    &[("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789"), ("content-type", "application/json")];
/// The headers of alice with her personal key.
pub(crate) const ALICE: Headers<'static> =
    &[("authorization", "Bearer sk-cs-a-key-of-alice-0123456789"), ("content-type", "application/json")];

/// All valves on except cache session and `trace`.
pub(crate) const VALVES: [(&str, &str); 4] =
    [("SEND_END_USER_ID", "true"), ("SEND_SESSION_ID", "true"), ("SEND_CHAT_ID", "true"), ("SEND_MESSAGE_ID", "true")];

/// The setup of a callsign. Default: an app key, a personal key of alice, all valves off.
#[derive(Debug)]
pub(crate) struct Setup {
    variables: Vec<(String, String)>,
    toml: Option<String>,
    setting: ServeOptions,
    adjust: fn(&mut Config),
}

impl Setup {
    /// Starts a setup with the upstream at this URL.
    pub(crate) fn to(upstream: &str) -> Self {
        let setup = Self {
            variables: Vec::new(),
            toml: None,
            setting: ServeOptions { proxy_from_env: false, ..ServeOptions::default() },
            adjust: |_| {},
        };
        let setup = match pool() {
            Some(pool) => setup.set(&[("CALLSIGN_UPSTREAM_POOL", &pool)]),
            None => setup,
        };
        setup.set(&[
            ("CALLSIGN_UPSTREAM_URL", upstream),
            ("CALLSIGN_LISTEN", "127.0.0.1:0"),
            ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0"),
            ("OPENROUTER_API_KEY", OPERATOR_KEY),
            ("CALLSIGN_APP_KEY", APP_KEY),
            // Tests count the requests that the upstream gets.
            ("CALLSIGN_RECONCILE", "off"),
            ("OPENROUTER_ORG_ID", "org_of_a_test"),
            ("CALLSIGN_USER_KEYS", &format!("alice={ALICE_KEY}")),
        ])
    }

    /// Sets variables. A later value wins; an empty one counts as unset.
    pub(crate) fn set(mut self, variables: &[(&str, &str)]) -> Self {
        secrets::remember_variables(variables);
        for (name, value) in variables {
            self.variables.retain(|(set, _)| set != name);
            self.variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        self
    }

    /// Streams every body instead of buffering it.
    pub(crate) fn streaming(self) -> Self {
        self.set(&[("CALLSIGN_BUFFER_BODY_BYTES", "0")])
    }

    /// Sets a TOML file, which the variables override.
    pub(crate) fn toml(self, text: &str) -> Self {
        Self { toml: Some(text.to_owned()), ..self }
    }

    /// Sets the timeouts of client connections.
    pub(crate) fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { setting: ServeOptions { timeouts, ..self.setting }, ..self }
    }

    /// Sets the number of threads. With one, all connections share a pool.
    pub(crate) fn workers(self, workers: usize) -> Self {
        Self { setting: ServeOptions { workers, ..self.setting }, ..self }
    }

    /// Changes the loaded configuration, for values that settings do not allow, such as timeouts below a second.
    pub(crate) fn adjust(self, adjust: fn(&mut Config)) -> Self {
        Self { adjust, ..self }
    }

    /// Starts callsign. Must be called within a tokio runtime.
    pub(crate) fn start(self) -> Callsign {
        let (setting, config) = self.config();
        Callsign(run::start(&config, setting).unwrap(), config)
    }

    /// Returns the reason why callsign does not start.
    pub(crate) fn refused(self) -> String {
        let (setting, config) = self.config();
        run::start(&config, setting).unwrap_err().to_string()
    }

    fn config(self) -> (ServeOptions, Config) {
        secrets::watch();
        let file = self.toml.map(|text| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            file
        });
        let sources =
            ConfigInputs::environment(self.variables).file(file.as_ref().map(|file| file.path().to_owned())).serving();
        let mut config = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}")).config;
        (self.adjust)(&mut config);
        (self.setting, config)
    }
}

/// Returns `CALLSIGN_UPSTREAM_POOL`, so that the suite can run with each pool.
#[expect(clippy::disallowed_methods, reason = "the environment of the suite, not of callsign")]
pub(crate) fn pool() -> Option<String> {
    std::env::var("CALLSIGN_UPSTREAM_POOL").ok()
}

/// Waits until no callsign uses the directory. Within one process a dropped one needs a moment to stop.
pub(crate) async fn until_free(directory: &Path) {
    super::within("the lock", async {
        while DirectoryLock::try_take(directory).unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A running callsign. Dropping it triggers the drain and closes every connection.
#[derive(Debug)]
pub(crate) struct Callsign(Running, Config);

impl Callsign {
    /// Returns the data port's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.data
    }

    /// Returns the URL of a path below `/v1/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.0.data)
    }

    /// Returns a sample of `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = client::get(&self.admin_url("metrics"), &[]).await.text();
        let sample = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        sample.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    /// Waits until list prices are known. A callsign with a budget in dollars fetches them at its start.
    pub(crate) async fn priced(&self) {
        within("prices", async { while self.metric("callsign_limits_priced_models").await == 0 {} }).await;
    }

    /// Returns status and text of `/readyz`.
    pub(crate) async fn ready(&self) -> (u16, String) {
        let answer = client::get(&self.admin_url("readyz"), &[]).await;
        (answer.status.as_u16(), answer.text())
    }

    /// Begins the drain.
    pub(crate) fn begin_drain(&self) {
        self.0.drain.trigger();
    }

    /// Puts the same configuration in force again.
    pub(crate) fn reload(&self) {
        self.0.in_force.replace(&self.1).unwrap();
    }

    /// Puts a changed configuration in force.
    pub(crate) fn reload_changed(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.1.clone();
        change(&mut config);
        self.0.in_force.replace(&config).unwrap();
    }

    /// Returns the URL of a path on the admin port.
    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.0.admin.unwrap())
    }
}

impl Drop for Callsign {
    fn drop(&mut self) {
        self.0.drain.trigger();
        if !std::thread::panicking() {
            secrets::assert_none_found();
        }
    }
}

/// Starts a mock OpenRouter and a callsign with these variables in front of it. Video jobs need no ledger.
pub(crate) async fn callsign(variables: &[(&str, &str)]) -> (MockServer, Callsign) {
    let mock = MockServer::start().await.unwrap();
    let setup = Setup::to(&mock.url()).set(variables).adjust(|config| config.bodies.unowned_jobs = true);
    (mock, setup.start())
}
