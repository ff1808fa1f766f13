//! A web server of a token issuer: tests set its answers and read the requested paths.
//!
//! The unit tests of `issuers` and the integration tests share it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A server on loopback. Dropping it closes its connections and its port.
#[derive(Debug)]
pub(crate) struct KeyServer {
    address: SocketAddr,
    house: Arc<House>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct House {
    answers: Mutex<HashMap<String, Answer>>,
    asked: watch::Sender<Vec<String>>,
    open: watch::Sender<bool>,
}

/// The answer of a path.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    location: Option<String>,
    body: Bytes,
}

impl KeyServer {
    /// Starts a server that publishes nothing.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let house = Arc::new(House {
            answers: Mutex::default(),
            asked: watch::Sender::default(),
            open: watch::Sender::new(true),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&house))).abort_handle();
        Self { address, house, accepting }
    }

    /// Returns the URL of a path, which begins with a slash or is empty.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Lets a path answer 200 with `body`.
    pub(crate) fn publish(&self, path: &str, body: impl Into<Bytes>) {
        self.set(path, Answer { status: 200, location: None, body: body.into() });
    }

    /// Lets a path answer with this status and its earlier body.
    pub(crate) fn fail(&self, path: &str, status: u16) {
        let body = self.house.answers.lock().unwrap().get(path).map(|known| known.body.clone()).unwrap_or_default();
        self.set(path, Answer { status, location: None, body });
    }

    /// Lets a path redirect to `location`.
    pub(crate) fn redirect(&self, path: &str, location: &str) {
        self.set(path, Answer { status: 302, location: Some(location.to_owned()), body: Bytes::new() });
    }

    fn set(&self, path: &str, answer: Answer) {
        self.house.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Delays all answers until [`Self::release`]. An answer has the content at the time of its request.
    pub(crate) fn hold(&self) {
        self.house.open.send_replace(false);
    }

    /// Sends the delayed answers and stops delaying.
    pub(crate) fn release(&self) {
        self.house.open.send_replace(true);
    }

    /// Returns the requested paths in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.house.asked.borrow().clone()
    }

    /// Waits until this many requests have arrived.
    pub(crate) async fn wait_asked(&self, count: usize) {
        let mut asked = self.house.asked.subscribe();
        let waiting = tokio::time::timeout(Duration::from_secs(20), asked.wait_for(|asked| asked.len() >= count));
        assert!(
            waiting.await.is_ok_and(|reached| reached.is_ok()),
            "{count} requests did not come: {:?}",
            self.asked()
        );
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, house: Arc<House>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let house = Arc::clone(&house);
        let service = service_fn(move |request| answer(Arc::clone(&house), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(house: Arc<House>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let known = house.answers.lock().unwrap().get(&path).cloned();
    house.asked.send_modify(|asked| asked.push(path));
    house.open.subscribe().wait_for(|open| *open).await.unwrap();
    let answer = known.unwrap_or(Answer { status: 404, location: None, body: Bytes::new() });
    let mut response = Response::builder().status(answer.status);
    if let Some(location) = answer.location {
        response = response.header(http::header::LOCATION, location);
    }
    Ok(response.body(Full::new(answer.body)).unwrap())
}
