//! `callsign healthcheck`: checks that the local server is ready, for container images without a shell.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;

use super::Exit;
use crate::config::{Config, ConfigInputs};
use crate::selftest::client::Port;

/// Maximum time for the answer. A ready server on this machine answers much faster; Docker's own limit is 30 s.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks the server of this configuration. Prints nothing if it is ready, else one line with the reason.
///
/// # Errors
/// I/O errors of `err`.
pub(super) async fn run(sources: &ConfigInputs, err: &mut impl Write) -> io::Result<Exit> {
    let reason = match Config::load(sources) {
        Err(problems) => {
            let count = problems.iter().count();
            Err(format!("the configuration is invalid ({count} problems); run callsign config to see them"))
        }
        Ok(loaded) => match tokio::time::timeout(LIMIT, ask(&loaded.config)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        },
    };
    match reason {
        Ok(()) => Ok(Exit::Success),
        Err(reason) => {
            writeln!(err, "callsign: not ready: {reason}")?;
            Ok(Exit::Failure)
        }
    }
}

async fn ask(config: &Config) -> Result<(), String> {
    let (listen, tls, path) = match config.admin.listen {
        Some(admin) => (admin, false, "/readyz"),
        None => (config.data.listen, config.data.tls.is_some(), "/"),
    };
    if listen.port() == 0 {
        return Err("the port is chosen by the system (port 0), so it is not known; set a fixed port".to_owned());
    }
    let answer = get(Port::new(listen, tls), path).await?;
    if config.admin.listen.is_some() && answer.status() != StatusCode::OK {
        let said: String =
            String::from_utf8_lossy(answer.body()).lines().next().unwrap_or_default().chars().take(80).collect();
        return Err(format!("{path} returned {}: {}", answer.status(), callsign_core::visible::printable(&said)));
    }
    Ok(())
}

async fn get(port: Port, path: &str) -> Result<Response<Bytes>, String> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    port.send(request).await.map_err(|error| format!("{port}: {error}"))
}
