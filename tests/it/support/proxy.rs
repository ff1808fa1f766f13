//! callsign itself, in process, between a test's client and the upstream of the test's choice.

use std::net::SocketAddr;

use callsign::config::{Config, Sources};
use callsign::run::{self, Running, Setting};
use callsign::server::Patience;
use callsign::standin::StandIn;

use super::client::Headers;
use super::secrets;

/// What callsign pays with upstream.
pub(crate) const OPERATOR_KEY: &str = "sk-or-v1-the-operators-own-key";
/// The key of an app, which names its users in the headers of the preset (`generic` unless a test says otherwise).
pub(crate) const APP_KEY: &str = "sk-cs-a-key-of-one-app-0123456789";
/// A personal key of the user `alice`.
pub(crate) const ALICE_KEY: &str = "sk-cs-a-key-of-alice-0123456789";

/// The usual headers of the app, without a user.
pub(crate) const APP: Headers<'static> =
    &[("authorization", "Bearer sk-cs-a-key-of-one-app-0123456789"), ("content-type", "application/json")];
/// The usual headers of alice.
pub(crate) const ALICE: Headers<'static> =
    &[("authorization", "Bearer sk-cs-a-key-of-alice-0123456789"), ("content-type", "application/json")];

/// Four of the valves: everything but the cache session and `trace`.
pub(crate) const VALVES: [(&str, &str); 4] =
    [("SEND_END_USER_ID", "true"), ("SEND_SESSION_ID", "true"), ("SEND_CHAT_ID", "true"), ("SEND_MESSAGE_ID", "true")];

/// How one callsign is set up. By default: an app key, a key of alice's, all valves off.
#[derive(Debug)]
pub(crate) struct Setup {
    variables: Vec<(String, String)>,
    toml: Option<String>,
    setting: Setting,
    adjust: fn(&mut Config),
}

impl Setup {
    /// In front of the upstream at this URL.
    pub(crate) fn to(upstream: &str) -> Self {
        let setup = Self {
            variables: Vec::new(),
            toml: None,
            setting: Setting { proxy_from_env: false, ..Setting::default() },
            adjust: |_| {},
        };
        setup.set(&[
            ("CALLSIGN_UPSTREAM_URL", upstream),
            ("CALLSIGN_LISTEN", "127.0.0.1:0"),
            ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0"),
            ("OPENROUTER_API_KEY", OPERATOR_KEY),
            ("CALLSIGN_APP_KEY", APP_KEY),
            ("CALLSIGN_USER_KEYS", &format!("alice={ALICE_KEY}")),
        ])
    }

    /// Sets variables; a later value wins, an empty one counts as unset.
    pub(crate) fn set(mut self, variables: &[(&str, &str)]) -> Self {
        secrets::remember_variables(variables);
        for (name, value) in variables {
            self.variables.retain(|(set, _)| set != name);
            self.variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        self
    }

    /// Streams every body: nothing is held.
    pub(crate) fn streaming(self) -> Self {
        self.set(&[("CALLSIGN_HOLD_BODY_BYTES", "0")])
    }

    /// A TOML file below the variables.
    pub(crate) fn toml(self, text: &str) -> Self {
        Self { toml: Some(text.to_owned()), ..self }
    }

    /// The time-outs of client connections.
    pub(crate) fn patience(self, patience: Patience) -> Self {
        Self { setting: Setting { patience, ..self.setting }, ..self }
    }

    /// Serves with this many threads; one, where a test needs its connections to share a pool.
    pub(crate) fn workers(self, workers: usize) -> Self {
        Self { setting: Setting { workers, ..self.setting }, ..self }
    }

    /// Changes the configuration behind the settings' backs: time-outs below a second.
    pub(crate) fn adjust(self, adjust: fn(&mut Config)) -> Self {
        Self { adjust, ..self }
    }

    /// Starts it. Must be called within a tokio runtime.
    pub(crate) fn start(self) -> Callsign {
        secrets::watch();
        let file = self.toml.map(|text| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            file
        });
        let sources =
            Sources::environment(self.variables).file(file.as_ref().map(|file| file.path().to_owned())).serving();
        let mut config = Config::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}")).config;
        (self.adjust)(&mut config);
        Callsign(run::start(&config, self.setting).unwrap())
    }
}

/// A running callsign. Dropping it triggers the drain and closes every connection.
#[derive(Debug)]
pub(crate) struct Callsign(Running);

impl Callsign {
    /// Where the data port listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.data
    }

    /// The URL of a path behind `/v1/`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.0.data)
    }

    /// The URL of `/` and a path on the admin port.
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

/// A stand-in, and a callsign with these variables in front of it.
pub(crate) async fn callsign(variables: &[(&str, &str)]) -> (StandIn, Callsign) {
    let standin = StandIn::start().await.unwrap();
    let callsign = Setup::to(&standin.url()).set(variables).start();
    (standin, callsign)
}
