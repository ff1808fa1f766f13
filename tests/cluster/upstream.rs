//! A mock OpenRouter that compares a request's identifiers with the user named in its body.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{COST, USERS};

/// The mock, with the messages that it has received.
pub(crate) struct Upstream {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

struct Told {
    of: Vec<usize>,
    messages: HashSet<String>,
    wrong: Vec<String>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Told { of: vec![0; USERS], messages: HashSet::new(), wrong: Vec::new() };
        let told = Arc::new(Mutex::new(told));
        let shared = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let told = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&told)));
                tokio::spawn(async move {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, told }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// Returns the number of requests received for a user.
    pub(crate) fn of(&self, user: usize) -> usize {
        self.told.lock().unwrap().of[user]
    }

    /// Returns every received message. Panics if one came twice or for another user.
    pub(crate) fn messages(&self) -> HashSet<String> {
        let told = self.told.lock().unwrap();
        assert_eq!(told.wrong, Vec::<String>::new(), "attribution");
        told.messages.clone()
    }
}

async fn answer(request: Request<Incoming>, told: Arc<Mutex<Told>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    // The list of prices, which budgets need.
    if request.method() == http::Method::GET {
        let mut none = Response::new(Full::new(Bytes::new()));
        *none.status_mut() = http::StatusCode::NOT_FOUND;
        return Ok(none);
    }
    // An incomplete request is not executed.
    let body = request.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let content = body["messages"][0]["content"].as_str().unwrap_or_default();
    let (user, message) = content.split_once(' ').unwrap_or_default();
    let is_right = body["user"] == format!("acme_{user}")
        && body["metadata"]["user_id"] == format!("acme_{user}")
        && body["metadata"]["message_id"] == message;
    {
        let mut told = told.lock().unwrap();
        if !is_right || !told.messages.insert(message.to_owned()) {
            told.wrong.push(body.to_string());
        }
        let number: usize = user.trim_start_matches("user-").parse().unwrap_or_default();
        told.of[number] += 1;
    }
    let cost = format!("0.{COST:06}");
    let text = format!(
        r#"{{"id":"gen-{message}","model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"yes"}}}}],"usage":{{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"cost":{cost}}}}}"#
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}
