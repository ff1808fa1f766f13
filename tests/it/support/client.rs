//! A small HTTP/1.1 client: one connection per request, and no headers except the given ones, `host` and framing.
//!
//! It does not follow redirects, decode or retry, so that tests see the real answer.

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::secrets::{self, Place};
use super::within;

/// Headers in sending order. A name may occur twice.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

type RequestBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// A finished answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// All bytes that arrived.
    pub(crate) body: Bytes,
    /// The error that cut the body, if it is incomplete.
    pub(crate) cut: Option<String>,
}

impl Answer {
    /// Parses the body as JSON. Fails the test if it is not JSON or was cut.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.cut, None, "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns a header's first value, or the empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Parses the JSON of every `data:` line except `[DONE]`.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }
}

/// An answer whose body is still arriving. Dropping it closes the connection at once.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: Connection,
}

#[derive(Debug)]
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Streaming {
    /// Returns the next bytes: `None` at a clean end, an error where the stream was cut.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match within("a frame", self.body.frame()).await? {
                Ok(frame) if frame.is_data() => return frame.into_data().ok().map(Ok),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Reads until `wanted` has arrived and returns all bytes so far. Fails the test if the stream ends before.
    pub(crate) async fn until(&mut self, wanted: &str) -> Bytes {
        let mut seen = BytesMut::new();
        while memchr::memmem::find(&seen, wanted.as_bytes()).is_none() {
            let bytes = self.next().await.unwrap_or_else(|| panic!("ended before {wanted:?}: {seen:?}"));
            seen.extend_from_slice(&bytes.unwrap_or_else(|error| panic!("{error} before {wanted:?}: {seen:?}")));
        }
        seen.freeze()
    }

    /// Reads to the end.
    pub(crate) async fn finish(mut self) -> Answer {
        let mut body = BytesMut::new();
        let mut cut = None;
        while let Some(frame) = self.next().await {
            match frame {
                Ok(bytes) => body.extend_from_slice(&bytes),
                Err(error) => {
                    cut = Some(error.to_string());
                    break;
                }
            }
        }
        // The mock sends this header too, to test that callsign drops it.
        if self.headers.get("x-callsign-error").is_some_and(|code| code != "invented_upstream") {
            secrets::search(Place::Answer, &body);
        }
        Answer { status: self.status, headers: self.headers.clone(), body: body.freeze(), cut }
    }
}

/// A keep-alive connection for consecutive requests.
#[derive(Debug)]
pub(crate) struct Persistent {
    sender: hyper::client::conn::http1::SendRequest<RequestBody>,
    _connection: Connection,
}

impl Persistent {
    /// Connects to the host of a URL.
    pub(crate) async fn connect(url: &str) -> Self {
        let uri: Uri = url.parse().unwrap();
        let (sender, connection) = within("a connection", connect(uri.authority().unwrap().as_str())).await.unwrap();
        Self { sender, _connection: connection }
    }

    /// Sends a POST. Fails the test if the connection has been closed.
    pub(crate) async fn post(&mut self, url: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        secrets::remember_body(&body);
        let request = prepare(Method::POST, url, headers, Full::new(body).boxed_unsync());
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status: head.status, headers: head.headers, body, cut: None })
        };
        within("an answer", exchange).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }
}

/// The sending end of a body that a test writes in pieces. Dropping it ends the body cleanly.
pub(crate) struct Upload(mpsc::Sender<Bytes>);

impl Upload {
    /// Sends a piece; waits while the peer does not read. Fails once the peer reads no more, usually because it has
    /// answered.
    pub(crate) async fn send(&self, piece: impl Into<Bytes>) -> Result<(), mpsc::error::SendError<Bytes>> {
        let piece = piece.into();
        secrets::remember_body(&piece);
        within("the peer to read", self.0.send(piece)).await
    }
}

/// Sends a GET.
pub(crate) async fn get(url: &str, headers: Headers<'_>) -> Answer {
    let answer = request(Method::GET, url, headers, "").await;
    if url.ends_with("/metrics") {
        secrets::search(Place::Metrics, &answer.body);
    }
    answer
}

/// Sends a POST with a body of known length. Does not add `content-type`.
pub(crate) async fn post(url: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Answer {
    request(Method::POST, url, headers, body).await
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn request(method: Method, url: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Answer {
    open(method, url, headers, body).await.unwrap_or_else(|error| panic!("{url}: {error}")).finish().await
}

/// Sends a POST and returns when the answer's head has arrived.
pub(crate) async fn stream(url: &str, headers: Headers<'_>, body: impl Into<Bytes>) -> Streaming {
    open(Method::POST, url, headers, body).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Sends a request and returns when the answer's head has arrived. Fails if the connection fails before.
pub(crate) async fn open(
    method: Method,
    url: &str,
    headers: Headers<'_>,
    body: impl Into<Bytes>,
) -> Result<Streaming, hyper::Error> {
    let body = body.into();
    secrets::remember_body(&body);
    dispatch(method, url, headers, Full::new(body).boxed_unsync()).await
}

/// Starts a POST with a chunked body that the test writes. Poll or spawn the returned future while sending.
pub(crate) fn upload(
    url: &str,
    headers: Headers<'_>,
) -> (Upload, impl Future<Output = Result<Streaming, hyper::Error>> + use<>) {
    let (sender, receiver) = mpsc::channel(1);
    let frames = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|bytes| (Ok(Frame::data(bytes)), receiver))
    });
    let answer = dispatch(Method::POST, url, headers, StreamBody::new(frames).boxed_unsync());
    (Upload(sender), answer)
}

fn dispatch(
    method: Method,
    url: &str,
    headers: Headers<'_>,
    body: RequestBody,
) -> impl Future<Output = Result<Streaming, hyper::Error>> + use<> {
    let authority = url.parse::<Uri>().unwrap().authority().unwrap().clone();
    let request = prepare(method, url, headers, body);
    async move {
        let exchange = async {
            let (mut sender, connection) = connect(authority.as_str()).await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok(Streaming { status: head.status, headers: head.headers, body, connection })
        };
        within("the head of an answer", exchange).await
    }
}

async fn connect(
    authority: &str,
) -> Result<(hyper::client::conn::http1::SendRequest<RequestBody>, Connection), hyper::Error> {
    let socket = TcpStream::connect(authority).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    Ok((sender, Connection(tokio::spawn(connection).abort_handle())))
}

fn prepare(method: Method, url: &str, headers: Headers<'_>, body: RequestBody) -> Request<RequestBody> {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    let target = uri.path_and_query().unwrap().as_str();
    let mut request = Request::builder().method(method).uri(target).body(body).unwrap();
    request.headers_mut().insert("host", HeaderValue::from_str(authority.as_str()).unwrap());
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    secrets::remember_headers(request.headers());
    request
}
