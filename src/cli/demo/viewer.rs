//! The demo's viewer: sends a request through callsign as an app would, and answers with a text about both sides.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anstream::ColorChoice;
use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout;

use super::report::{self, Sent};
use crate::config::Config;
use crate::json_members;
use crate::selftest::client::{ClientError, Port};
use callsign_gateway::server::{Handler, Peer, Upload};
use callsign_store::ledger::{LedgerError, Reader};
use callsign_store::whois::{self, Candidates, Question};

/// Maximum length of a request's body in bytes.
const MAX_BODY: usize = 1 << 20;
/// Maximum time for callsign's answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Maximum time until the request is in the ledger; the writer takes 50 ms.
const RECORDED: Duration = Duration::from_secs(2);
/// Time between two questions to the ledger.
const AGAIN: Duration = Duration::from_millis(25);
/// Members of the body that the viewer adds if they are missing.
const ADDED: [(&str, &str); 2] = [("model", r#""demo""#), ("messages", r#"[{"role":"user","content":"Who am I?"}]"#)];
/// Headers that belong to the connection with the viewer, or that the client adds by itself.
const OWN_HEADERS: [&str; 8] =
    ["host", "content-length", "content-type", "connection", "transfer-encoding", "accept", "user-agent", "expect"];

/// The viewer as the request handler of a port.
#[derive(Clone)]
pub(super) struct Viewer(Arc<Shared>);

struct Shared {
    config: Config,
    data: SocketAddr,
    key: String,
    /// True if the terminal of the demo shows colours. The client's terminal is likely the same program.
    colours: bool,
}

/// An error that leaves a request without a text.
#[derive(Debug, thiserror::Error)]
enum ViewerError {
    #[error("the request is too large, or broke off")]
    Upload,
    #[error("callsign did not answer in time")]
    Late,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl Viewer {
    /// Creates the viewer of the callsign that listens at `data`.
    pub(super) fn new(config: Config, data: SocketAddr, key: String) -> Self {
        let colours = anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self(Arc::new(Shared { config, data, key, colours }))
    }

    async fn view(&self, request: Request<Upload>) -> Result<String, ViewerError> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| ViewerError::Upload)?.to_bytes();
        let mut headers = head.headers;
        for name in OWN_HEADERS {
            headers.remove(name);
        }
        let body = completed(&body);
        let is_own_key = !headers.contains_key(AUTHORIZATION);
        let answer = timeout(PATIENCE, self.forward(&headers, body.clone())).await.map_err(|_| ViewerError::Late)??;
        let sent = Sent { headers: &headers, is_own_key, body: &body };
        let received = report::Received::read(answer.body());
        let mut text = report::sent(&sent, received.as_ref());
        match &received {
            Some(received) => {
                text += &report::received(&sent, received);
                text += &report::person(received.user(), self.whois(received.user()).await);
            }
            None => text += &report::refused(&answer),
        }
        Ok(text)
    }

    /// Sends a request to callsign.
    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Result<Response<Bytes>, ViewerError> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static("/v1/chat/completions");
        let of_demo = HeaderValue::try_from(format!("Bearer {}", self.0.key)).map_err(http::Error::from)?;
        let host = HeaderValue::try_from(self.0.data.to_string()).map_err(http::Error::from)?;
        let own: [(HeaderName, HeaderValue); 4] = [
            (HOST, host),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_LENGTH, HeaderValue::from(body.len())),
            (AUTHORIZATION, of_demo),
        ];
        request.headers_mut().extend(own);
        for (name, value) in headers {
            if name == AUTHORIZATION {
                request.headers_mut().insert(name, value.clone());
            } else {
                request.headers_mut().append(name, value.clone());
            }
        }
        Ok(Port::new(self.0.data, false).send(request).await?)
    }

    /// Asks the ledger whose identifier this is, as `callsign whois` does. Returns the user and the key.
    async fn whois(&self, identifier: Option<&str>) -> Option<(String, Option<String>)> {
        let (identifier, config) = (identifier?, &self.0.config);
        let candidates = Candidates::new(String::new());
        let question = Question { identifier, tenant: None, candidates: &candidates };
        let of = |found: Vec<callsign_store::ledger::query::Found>| {
            found.into_iter().find_map(|found| Some((found.user?, found.key)))
        };
        let reader = match Reader::open(&config.ledger) {
            Ok(reader) => reader,
            Err(LedgerError::Off) => return of(whois::by_formats(config.whois_scope(), question)),
            Err(_) => return None,
        };
        let asked = async {
            loop {
                let answer = whois::ask(config.whois_scope(), &reader, question).await.ok()?;
                if let Some(found) = of(answer.found) {
                    return Some(found);
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        timeout(RECORDED, asked).await.ok().flatten()
    }
}

/// Adds `model` and `messages` to a JSON object that lacks them. Another body stays as it is, so that callsign's answer
/// to it can be seen.
fn completed(body: &Bytes) -> Bytes {
    let text = if body.is_empty() { "{}" } else { std::str::from_utf8(body).unwrap_or_default() };
    let Ok(members) = json_members::read(text) else { return body.clone() };
    let names: Vec<_> = members.iter().map(json_members::Member::name).collect();
    let missing = ADDED.iter().filter(|(name, _)| !names.iter().any(|own| own == name));
    let mut added: Vec<_> = missing.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let whole = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    added.extend(whole.filter(|_| !names.is_empty()).map(|own| own.trim().to_owned()));
    format!("{{{}}}", added.join(",")).into()
}

impl Handler for Viewer {
    type Body = Body;

    async fn handle(&self, request: Request<Upload>, _peer: Peer) -> Response<Body> {
        let is_curl = |value: &HeaderValue| value.as_bytes().starts_with(b"curl/");
        let colours = self.0.colours && request.headers().get(USER_AGENT).is_some_and(is_curl);
        let (status, text) = match self.view(request).await {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")),
        };
        let text = if colours { text } else { anstream::adapter::strip_str(&text).to_string() };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_gets_the_missing_members_and_keeps_its_own() {
        let model = r#""model":"demo""#;
        let messages = r#""messages":[{"role":"user","content":"Who am I?"}]"#;
        let of = |text: &'static str| String::from_utf8(completed(&Bytes::from(text)).to_vec()).unwrap();
        for empty in ["", "{}", " { }\n"] {
            assert_eq!(of(empty), format!("{{{model},{messages}}}"));
        }
        let own = r#""user":"mallory","user":{"a":{}}"#;
        assert_eq!(of(r#" {"user":"mallory","user":{"a":{}}} "#), format!("{{{model},{messages},{own}}}"));
        assert_eq!(of(r#"{"model":"m"}"#), format!("{{{messages},\"model\":\"m\"}}"));
        for other in ["[1]", "user=mallory", "{\"user\":"] {
            assert_eq!(of(other), other);
        }
    }
}
