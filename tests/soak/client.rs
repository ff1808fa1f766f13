//! A client that sends one request after the other over HTTP/1.1 and HTTP/2, and leaves when its plan says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::plan::{Callers, Dice, Fault, Plan, Says};
use crate::tally::Tally;
use crate::upstream::EVENTS;

/// A request that takes longer than this hangs.
const HUNG: Duration = Duration::from_secs(30);
const PIECE: usize = 16 * 1024;

type Body = UnsyncBoxBody<Bytes, io::Error>;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// An open connection, closed on drop.
struct Connection {
    sender: Sender,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn open(address: SocketAddr, two: bool) -> Result<Self, String> {
        let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let io = TokioIo::new(socket);
        if two {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(|error| error.to_string())?;
            Ok(Self { sender: Sender::Two(sender), task: tokio::spawn(connection).abort_handle() })
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
            Ok(Self { sender: Sender::One(sender), task: tokio::spawn(connection).abort_handle() })
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

pub(crate) struct Client {
    address: SocketAddr,
    callers: Arc<Callers>,
    tally: Arc<Tally>,
    dice: Dice,
    open: [Option<Connection>; 2],
}

/// The outcome of a request.
enum Came {
    Whole(u16, Bytes),
    Broken(u16),
    /// An error before the answer's head.
    Failed(String),
    Left,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, callers: Arc<Callers>, tally: Arc<Tally>, dice: Dice) -> Self {
        Self { address, callers, tally, dice, open: [None, None] }
    }

    pub(crate) async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let plan = Plan::new(NUMBERS.fetch_add(1, Ordering::Relaxed), &self.callers, &mut self.dice);
            self.tally.asks(plan.route);
            let version = self.dice.below(2);
            // Opens a new connection now and then, as clients do.
            if self.dice.below(50) == 0 {
                self.open[version] = None;
            }
            let came = match timeout(HUNG, self.ask(&plan, version)).await {
                Ok(came) => came,
                Err(_) => Came::Failed("it hung".to_owned()),
            };
            self.judge(&plan, &came, version);
            // After a failure the next request uses a new connection.
            if !matches!(came, Came::Whole(..)) || plan.fault.is_some() {
                self.open[version] = None;
            }
        }
    }

    async fn ask(&mut self, plan: &Plan, version: usize) -> Came {
        let connection = match self.open[version].take() {
            Some(connection) => connection,
            None => match Connection::open(self.address, version == 1).await {
                Ok(connection) => connection,
                Err(error) => return Came::Failed(error),
            },
        };
        let connection = self.open[version].insert(connection);
        let response = match connection.send(request(plan, self.address, version == 1)).await {
            Ok(response) => response,
            Err(_) if plan.fault == Some(Fault::LeavesUpload) => return Came::Left,
            Err(error) => return Came::Failed(error.to_string()),
        };
        let (head, mut body) = response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Came::Broken(head.status.as_u16()) };
            whole.extend_from_slice(&frame.into_data().unwrap_or_default());
            if plan.fault == Some(Fault::LeavesStream) && !whole.is_empty() {
                return Came::Left;
            }
        }
        Came::Whole(head.status.as_u16(), whole.freeze())
    }

    /// Compares the outcome with the plan.
    fn judge(&self, plan: &Plan, came: &Came, version: usize) {
        let number = plan.number;
        let told =
            |what: &str| format!("request {number} to {} (HTTP/{}, {:?}): {what}", plan.route, version + 1, plan.fault);
        match (plan.fault, came) {
            (None | Some(Fault::Dawdles), Came::Whole(200, body)) => match complete(plan, body) {
                Ok(()) => {}
                Err(why) => self.tally.wrong(told(&why)),
            },
            (Some(Fault::LeavesUpload | Fault::LeavesStream), Came::Left)
            | (Some(Fault::Cuts), Came::Broken(200))
            | (Some(Fault::Refuses | Fault::Garbles), Came::Whole(502, _)) => {}
            (_, Came::Whole(status, body)) => {
                self.tally.failed(told(&format!("{status} {}", String::from_utf8_lossy(&body[..body.len().min(200)]))));
            }
            (_, Came::Broken(status)) => self.tally.failed(told(&format!("{status}, then cut"))),
            (_, Came::Failed(error)) => self.tally.failed(told(error)),
            (_, Came::Left) => self.tally.failed(told("left, and should not have")),
        }
        if let Some(fault) = plan.fault {
            self.tally.fault(fault);
        }
    }
}

/// Checks that the body is this request's complete answer.
fn complete(plan: &Plan, body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    if !plan.sse {
        let answer: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        return if answer["number"] == plan.number {
            Ok(())
        } else {
            Err(format!("the answer to {}", answer["number"]))
        };
    }
    let event = |part| format!("data: {{\"number\":{},\"part\":{part}}}\n\n", plan.number);
    let expected: String = (0..EVENTS).map(event).chain(["data: [DONE]\n\n".to_owned()]).collect();
    if text == expected { Ok(()) } else { Err(format!("this stream: {text}")) }
}

fn request(plan: &Plan, address: SocketAddr, two: bool) -> Request<Body> {
    let read = plan.says == Says::Read;
    let query = if read { format!("?mark={}", plan.number) } else { String::new() };
    let path = format!("/v1/{}{query}", plan.route);
    let target = if two { format!("http://{address}{path}") } else { path };
    let mut builder = Request::builder().method(if read { Method::GET } else { Method::POST }).uri(target);
    if !two {
        builder = builder.header("host", address.to_string());
    }
    if !read {
        builder = builder.header("content-type", plan.content_type);
    }
    for (name, value) in &plan.headers {
        builder = builder.header(*name, value);
    }
    builder.body(body(plan)).unwrap()
}

fn body(plan: &Plan) -> Body {
    let bytes = Bytes::from(plan.body.clone());
    let leaves = plan.fault == Some(Fault::LeavesUpload);
    if !plan.chunked && !leaves {
        return Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    }
    let end = if leaves { bytes.len() / 2 } else { bytes.len() };
    let pieces = (0..end).step_by(PIECE).map(move |at| Ok(Frame::data(bytes.slice(at..end.min(at + PIECE)))));
    let leaving = leaves.then(|| Err(io::Error::other("the client leaves")));
    let frames = stream::iter(pieces.chain(leaving).collect::<Vec<_>>());
    StreamBody::new(frames).boxed_unsync()
}
