//! Parses the settings of the data port and the admin port: addresses, TLS, CORS origins, token.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::{HeaderValue, Uri};

use super::admin_issuers::{self, AdminIssuer};
use super::admin_tokens;
use super::reader::{Reader, Reported};
use super::values;

/// Settings of the data port, which apps connect to.
#[derive(Clone, Debug)]
pub struct DataPort {
    /// `CALLSIGN_LISTEN`; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// `CALLSIGN_TLS_CERT` and `CALLSIGN_TLS_KEY`; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// `CALLSIGN_CORS_ORIGINS`, each as a browser sends it in `Origin`; empty turns CORS off.
    pub cors_origins: Vec<HeaderValue>,
}

/// Paths of certificate and private key. The server reads the files at start and when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate chain, own certificate first.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Settings of the admin port.
#[derive(Clone, Debug)]
pub struct AdminPort {
    /// `CALLSIGN_ADMIN_LISTEN`; `None` for `off`.
    pub listen: Option<SocketAddr>,
    /// Token and host names.
    pub console: callsign_console::Settings,
    /// The named tokens of the admin port.
    pub tokens: Vec<callsign_console::AdminToken>,
    /// The issuers whose tokens sign people in to the console.
    pub issuers: Vec<AdminIssuer>,
}

impl DataPort {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Reported> {
        let listen = reader.required("listen", address);
        let cert = reader.optional("tls_cert", values::path);
        let key = reader.optional("tls_key", values::path);
        let cors_origins = reader.list("cors_origins", "cors_origins", origin);
        for shared in cors_origins.iter().flatten().filter(|origin| is_shared(origin)) {
            let message = format!(
                "allows {}, which many apps have as their origin; each of them may call callsign with a key that it has",
                shared.to_str().unwrap_or_default()
            );
            reader.warn(&reader.place("cors_origins"), message);
        }
        let tls = match (cert?, key?) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                return reader.refuse(reader.place("tls_cert"), "needs a private key; set CALLSIGN_TLS_KEY too");
            }
            (None, Some(_)) => {
                let message = "needs a certificate; set CALLSIGN_TLS_CERT too";
                return reader.refuse(reader.place("tls_key"), message);
            }
        };
        Ok(Self { listen: listen?, tls, cors_origins: cors_origins? })
    }
}

impl AdminPort {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Reported> {
        let listen = reader.required("admin_listen", |text| match text {
            "off" => Ok(None),
            _ => address(text).map(Some).map_err(|message| format!("{message}, or off")),
        });
        let token = reader.optional("admin_token", values::key);
        let hosts = reader.list("admin.hosts", "admin.hosts", host);
        let tokens = admin_tokens::read(reader);
        let issuers = admin_issuers::read(reader);
        let console = callsign_console::Settings { token: token?, hosts: hosts? };
        Ok(Self { listen: listen?, console, tokens: tokens?, issuers: issuers? })
    }
}

/// Parses a DNS name (RFC 1123, section 2.1) into lower case. Wildcards are refused: they would accept names that
/// others control.
fn host(text: &str) -> Result<String, &'static str> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let text = text.trim();
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected a host name without scheme, port or wildcard, as callsign.acme.example")
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, as 127.0.0.1:8484 or [::1]:8484")
}

/// Parses an origin in the spelling that browsers send (RFC 6454, section 6.2). Desktop and mobile apps have schemes of
/// their own, as `app://obsidian.md`. Origins are compared byte for byte, so no other spelling would ever match.
fn origin(text: &str) -> Result<HeaderValue, &'static str> {
    const MESSAGE: &str = "expected an origin: scheme, host and port (unless it is the default one) without a path, as \
                           https://chat.example or app://obsidian.md; web origins are in lower case";
    let (scheme, host) = text.split_once("://").ok_or(MESSAGE)?;
    if !matches!(scheme, "http" | "https") {
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
        let is_host =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,*\"\\".contains(&byte));
        return HeaderValue::from_str(text).ok().filter(|_| is_scheme && is_host).ok_or(MESSAGE);
    }
    let uri: Uri = text.parse().map_err(|_| MESSAGE)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(MESSAGE) };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(MESSAGE),
    };
    let plain = format!("{scheme}://{authority}") == text
        && text.bytes().all(|byte| !byte.is_ascii_uppercase() && byte != b'@')
        && authority.port_u16() != Some(default_port);
    HeaderValue::from_str(text).ok().filter(|_| plain).ok_or(MESSAGE)
}

/// Returns true for an origin that is not of one app: frameworks give it to every app.
fn is_shared(origin: &HeaderValue) -> bool {
    // Tauri, Capacitor and Ionic; Capacitor on Android and Cordova use the web schemes.
    let shared = [
        "tauri://localhost",
        "http://tauri.localhost",
        "https://tauri.localhost",
        "capacitor://localhost",
        "ionic://localhost",
        "app://localhost",
        "http://localhost",
        "https://localhost",
    ];
    shared.iter().any(|shared| origin == shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_plain_name() {
        for (text, name) in
            [("callsign.acme.example", "callsign.acme.example"), (" Admin ", "admin"), ("a-b.c", "a-b.c")]
        {
            assert_eq!(host(text).as_deref(), Ok(name));
        }
        for text in ["", "*", "*.acme.example", "https://acme.example", "acme.example:8485", "a..b", "-a", "[::1]", "é"]
        {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_spelled_as_browsers_send_it() {
        for text in [
            "https://chat.example",
            "http://localhost:3000",
            "https://[::1]:8443",
            "app://obsidian.md",
            "vscode-webview://1ab2c3d4e5f6",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://0f8fad5b-d9cb-469f-a165-70867728950e",
            "capacitor://localhost",
            "tauri://localhost",
        ] {
            assert_eq!(origin(text), Ok(HeaderValue::from_static(text)), "{text}");
        }
        for text in [
            "*",
            "null",
            "chat.example",
            "https://chat.example/",
            "https://Chat.example",
            "HTTPS://chat.example",
            "https://chat.example:443",
            "https://me@chat.example",
            "https://chat.example?x",
            "app://",
            "app://obsidian.md/",
            "App://obsidian.md",
            "1app://x",
            "app:obsidian.md",
            "app://a,app://b",
            "app://*",
            "app://a b",
            "://x",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
