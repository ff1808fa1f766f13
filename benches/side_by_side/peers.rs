//! Starts the proxies and reads the CPU time and memory of their processes.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::gateways;
use crate::workload::{Answer, KEY};

/// The kind of a proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// callsign with all valves on and `hmac` formats.
    Callsign,
    /// callsign with a caller that is resolved from a JSON Web Token.
    CallsignToken,
    /// callsign with a ledger in `fast` mode.
    CallsignLedger,
    /// callsign with a log line for every request.
    CallsignLogged,
    /// callsign with the other pool of upstream connections.
    CallsignPool,
    /// Another build of callsign, as [`Kind::Callsign`].
    Before,
    /// Another build of callsign, as [`Kind::CallsignLedger`].
    BeforeLedger,
    /// nginx with one worker per core, streaming both ways.
    Nginx,
    /// HAProxy with one thread per core.
    HaProxy,
    /// LiteLLM's proxy.
    LiteLlm,
    /// Portkey's gateway.
    Portkey,
}

/// All kinds in the order of the tables.
pub(crate) const ALL: [Kind; 11] = [
    Kind::Nginx,
    Kind::HaProxy,
    Kind::Callsign,
    Kind::CallsignToken,
    Kind::CallsignLedger,
    Kind::CallsignLogged,
    Kind::CallsignPool,
    Kind::Before,
    Kind::BeforeLedger,
    Kind::LiteLlm,
    Kind::Portkey,
];
/// Maximum time of a start; LiteLLM imports many Python modules.
const STARTING: Duration = Duration::from_secs(90);

/// A running proxy.
pub(crate) struct Peer {
    kind: Kind,
    /// Additional header lines that the proxy needs.
    pub(crate) headers: String,
    /// The name in the tables.
    pub(crate) name: &'static str,
    /// The address that the proxy listens on.
    pub(crate) address: SocketAddr,
    /// The bearer credential of its requests.
    pub(crate) credential: String,
    /// Time from the start to the first accepted connection.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Peer {
    /// Starts a proxy in front of `upstream`.
    ///
    /// # Errors
    /// A message if the proxy does not start or does not listen within [`STARTING`].
    pub(crate) async fn start(kind: Kind, upstream: SocketAddr, directory: &Path) -> Result<Self, String> {
        let address = free_address();
        let build = build();
        let (name, mut command) = match kind {
            Kind::Callsign => ("callsign", callsign(&build, address, upstream)),
            Kind::CallsignToken => ("  with JWT", with_tokens(callsign(&build, address, upstream), directory)),
            Kind::CallsignLedger => {
                ("  with ledger", with_ledger(callsign(&build, address, upstream), &directory.join("ledger")))
            }
            Kind::CallsignLogged => ("  with log", logged(callsign(&build, address, upstream))),
            Kind::CallsignPool => ("  inline pool", with_pool(callsign(&build, address, upstream))),
            Kind::Before => ("before", callsign(&build_before()?, address, upstream)),
            Kind::BeforeLedger => (
                "  with ledger before",
                with_ledger(callsign(&build_before()?, address, upstream), &directory.join("before")),
            ),
            Kind::Nginx => ("nginx", nginx(address, upstream, directory)),
            Kind::HaProxy => ("haproxy", haproxy(address, upstream, directory)),
            Kind::LiteLlm => ("litellm", gateways::litellm(address, upstream, directory)),
            Kind::Portkey => ("portkey", gateways::portkey(address)),
        };
        let headers = if kind == Kind::Portkey { gateways::portkey_headers(upstream) } else { String::new() };
        let credential = if kind == Kind::CallsignToken { token() } else { KEY.to_owned() };
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start {name}: {error}; is it installed?"))?;
        let mut peer = Self { kind, headers, name, address, credential, started_in: Duration::ZERO, child };
        let until = began + STARTING;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > until {
                return Err(format!("{name} does not listen after {STARTING:?}"));
            }
            if let Ok(Some(status)) = peer.child.try_wait() {
                return Err(format!("{name} ended before it listened: {status}"));
            }
            // Start times are measured to the millisecond. The pause leaves the CPU to the starting proxy.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        peer.started_in = began.elapsed();
        Ok(peer)
    }

    /// Returns true if the proxy is measured with this kind of response. Streams add nothing to the cost of logging,
    /// and the slow gateways would take too long with streams.
    pub(crate) fn takes(&self, answer: Answer) -> bool {
        match self.kind {
            Kind::CallsignLogged | Kind::LiteLlm | Kind::Portkey => answer == Answer::Json,
            _ => true,
        }
    }

    /// Returns true if the proxy is fast enough for a fixed rate and thousands of streams.
    pub(crate) fn is_fast(&self) -> bool {
        !matches!(self.kind, Kind::LiteLlm | Kind::Portkey)
    }

    /// Resets [`Self::peak_memory`].
    pub(crate) fn forget_peak(&self) {
        for pid in self.processes() {
            // proc(5): 5 resets the peak resident set size.
            std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        }
    }

    /// Returns the CPU time of all processes of the proxy.
    pub(crate) fn cpu(&self) -> Duration {
        let ticks: u64 = self.processes().into_iter().map(ticks).sum();
        // Linux reports hundredths of a second (USER_HZ).
        Duration::from_millis(ticks * 10)
    }

    /// Returns the sum of the processes' peak resident memory in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Returns the sum of the processes' resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, field: &str) -> u64 {
        let of = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0");
            line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
        };
        self.processes().into_iter().map(of).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let main = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        std::iter::once(main).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _gone = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        }
        let _gone = self.child.wait();
    }
}

/// Returns user and system time of one process in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().filter_map(|index| fields.get(*index)?.parse::<u64>().ok()).sum()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const ISSUER: &str = "https://issuer.example";
const TOKEN_SECRET: &str = "a-secret-for-tokens-of-the-benchmark";

/// Returns a token that is valid for an hour.
fn token() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": "benchmark", "sub": "user_2N4ZuACdqJrGGgz5c2egqQnwZaN", "sid": "sess_1", "iat": now, "exp": now + 3600,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

fn with_tokens(mut command: Command, directory: &Path) -> Command {
    let (file, secret) = (directory.join("tokens.toml"), directory.join("token-secret"));
    std::fs::write(&secret, TOKEN_SECRET).unwrap();
    let text = format!(
        "[[issuers]]\nname = \"benchmark\"\npreset = \"oidc\"\nissuer = \"{ISSUER}\"\nsecret_file = \"{}\"\n\
         algorithms = [\"HS256\"]\naudience = [\"benchmark\"]\n",
        secret.display()
    );
    std::fs::write(&file, text).unwrap();
    command.env_remove("CALLSIGN_APP_KEY").env("CALLSIGN_CONFIG", file);
    command
}

fn with_ledger(mut command: Command, data: &Path) -> Command {
    command.env("CALLSIGN_DATA_DIR", data);
    command
}

fn logged(mut command: Command) -> Command {
    command.env("CALLSIGN_LOG", "info");
    command
}

fn with_pool(mut command: Command) -> Command {
    command.env("CALLSIGN_UPSTREAM_POOL", "inline");
    command
}

/// Returns the build to measure: `CALLSIGN`, by default the one of this benchmark's profile.
#[expect(clippy::disallowed_methods, reason = "the environment selects the build to measure")]
fn build() -> String {
    std::env::var("CALLSIGN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_callsign").to_owned())
}

/// Returns the build to compare with: `CALLSIGN_BEFORE`.
#[expect(clippy::disallowed_methods, reason = "the environment selects the build to measure")]
fn build_before() -> Result<String, String> {
    std::env::var("CALLSIGN_BEFORE").map_err(|_| "another build: CALLSIGN_BEFORE is not set".to_owned())
}

fn callsign(program: &str, address: SocketAddr, upstream: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").env_clear().envs([
        ("CALLSIGN_LISTEN", address.to_string()),
        ("CALLSIGN_ADMIN_LISTEN", "off".to_owned()),
        ("CALLSIGN_UPSTREAM_URL", format!("http://{upstream}/api/v1")),
        ("CALLSIGN_APP_KEY", KEY.to_owned()),
        ("CALLSIGN_ID_SECRET", "a-secret-for-the-benchmark-alone".to_owned()),
        ("CALLSIGN_LOG", "off".to_owned()),
        // All load comes from one address and one caller.
        ("CALLSIGN_MAX_CONNECTIONS", "8000".to_owned()),
        ("CALLSIGN_MAX_CONNECTIONS_PER_ADDRESS", "8000".to_owned()),
        ("CALLSIGN_MAX_IN_FLIGHT", "8000".to_owned()),
        ("CALLSIGN_MAX_IN_FLIGHT_PER_CALLER", "8000".to_owned()),
        ("OPENROUTER_API_KEY", "sk-or-benchmark".to_owned()),
        ("USER_ID_FORMAT", "acme_{hmac:32 user}".to_owned()),
        ("SESSION_ID_FORMAT", "{hmac:32 user session}".to_owned()),
        ("CHAT_ID_FORMAT", "{hmac:32 user chat}".to_owned()),
        ("MESSAGE_ID_FORMAT", "{hmac:32 user message}".to_owned()),
    ]);
    for valve in [
        "SEND_END_USER_ID",
        "SEND_SESSION_ID",
        "SEND_CHAT_ID",
        "SEND_MESSAGE_ID",
        "SEND_CACHE_SESSION_ID",
        "SEND_TRACE",
    ] {
        command.env(valve, "true");
    }
    command
}

fn nginx(address: SocketAddr, upstream: SocketAddr, directory: &Path) -> Command {
    let file = directory.join("nginx.conf");
    let root = directory.display();
    let text = format!(
        "daemon off; worker_processes auto; pid {root}/nginx.pid; error_log /dev/null;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; client_max_body_size 200m; keepalive_requests 1000000000;\n\
         client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
         upstream up {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n\
         server {{ listen {address}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_buffering off; proxy_request_buffering off; }} }} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-p").arg(directory);
    command
}

fn haproxy(address: SocketAddr, upstream: SocketAddr, directory: &Path) -> Command {
    let file = directory.join("haproxy.cfg");
    let text = format!(
        "global\n  maxconn 8192\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 120s\n  timeout server 600s\n  http-reuse always\n\
         frontend in\n  bind {address}\n  default_backend up\n\
         backend up\n  server up {upstream}\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(file);
    command
}
