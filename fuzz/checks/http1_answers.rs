//! Answers of a server, read by callsign's HTTP/1.1 connection and by hyper's.
//!
//! Input: one byte of options (bits: 0–1 the method, 2 the server closes the connection at the end, 4–7 the number of
//! splits), that many bytes of split lengths, then the bytes of the server. Both must see the same head, body, trailers
//! and end. A connection that callsign would use again must be one that hyper would use again.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use callsign_http1::{Connection, Reason};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Maximum size of hyper's buffers.
const BUFFER: usize = 32 * 1024;
/// Rounds without progress after which nothing more is expected.
const SILENT_ROUNDS: usize = 3;

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let Some((splits, bytes)) = rest.split_at_checked(usize::from(options >> 4)) else { return };
    // hyper's buffers may grow a little beyond their limit.
    if bytes.len() > 20_000 {
        return;
    }
    let method = [Method::GET, Method::POST, Method::HEAD, Method::DELETE][usize::from(options & 3)].clone();
    let closes = options & 4 == 4;
    let whole = Server::new(bytes, &[], closes);
    let split = Server::new(bytes, splits, closes);
    let bytewise = Server::new(bytes, &vec![1; bytes.len()], closes);
    for server in [whole, split, bytewise] {
        let (own, hypers) = (read_own(server.clone(), &method), read_hyper(server, &method));
        let told = || format!("{method} {closes} {splits:?} {}", bytes.escape_ascii());
        assert_eq!(own.answer, hypers.answer, "{}", told());
        assert!(!own.is_reusable || hypers.is_reusable, "{}", told());
    }
}

/// The result for a client.
struct Seen {
    answer: Answer,
    /// True if the client would send another request over the connection.
    is_reusable: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Answer {
    head: Option<Head>,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: End,
}

#[derive(Debug, PartialEq)]
struct Head {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    reason: Option<Bytes>,
}

#[derive(Debug, Default, PartialEq)]
enum End {
    #[default]
    Awaited,
    Complete,
    Failed,
}

impl Head {
    fn of<B>(answer: &Response<B>, reason: Option<Bytes>) -> Self {
        let (status, version, headers) = (answer.status(), answer.version(), answer.headers().clone());
        Self { status, version, headers, reason }
    }
}

impl Answer {
    /// Adds what a body yields. Returns false once it yields nothing more.
    fn add<E>(&mut self, polled: Poll<Option<Result<http_body::Frame<Bytes>, E>>>) -> bool {
        match polled {
            Poll::Pending => return false,
            Poll::Ready(None) => self.end = End::Complete,
            Poll::Ready(Some(Err(_))) => self.end = End::Failed,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => self.data.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            },
        }
        self.end == End::Awaited
    }
}

/// A server that accepts everything, and answers in pieces once something was written.
#[derive(Clone)]
struct Server {
    pieces: std::collections::VecDeque<Bytes>,
    closes: bool,
    was_asked: bool,
}

impl Server {
    fn new(bytes: &[u8], splits: &[u8], closes: bool) -> Self {
        let mut rest = Bytes::copy_from_slice(bytes);
        let mut pieces = std::collections::VecDeque::new();
        for &length in splits {
            pieces.push_back(rest.split_to(usize::from(length).min(rest.len())));
        }
        pieces.push_back(rest);
        pieces.retain(|piece| !piece.is_empty());
        Self { pieces, closes, was_asked: false }
    }
}

impl AsyncRead for Server {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.was_asked {
            return Poll::Pending;
        }
        let Some(piece) = this.pieces.front_mut() else {
            return if this.closes { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        buf.put_slice(&piece.split_to(piece.len().min(buf.remaining())));
        if piece.is_empty() {
            this.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().was_asked = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn request(method: &Method) -> Request<Empty<Bytes>> {
    Request::builder().method(method).uri("/").header("host", "a").body(Empty::new()).expect("a request")
}

fn read_own(server: Server, method: &Method) -> Seen {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut connection = Connection::new(server);
    connection.start(request(method));
    let mut answer = Answer::default();
    match connection.poll_head(cx) {
        Poll::Pending => {}
        Poll::Ready(Err(_)) => answer.end = End::Failed,
        Poll::Ready(Ok(head)) => {
            answer.head = Some(Head::of(&head, head.extensions().get().map(|Reason(reason)| reason.clone())));
            while answer.add(connection.poll_frame(cx)) {}
        }
    }
    let is_reusable = answer.end == End::Complete && connection.is_idle(cx);
    Seen { answer, is_reusable }
}

/// Remembers that something was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn read_hyper(server: Server, method: &Method) -> Seen {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let cx = &mut Context::from_waker(&waker);
    let mut builder = http1::Builder::new();
    let Poll::Ready(Ok((mut sender, connection))) =
        pin!(builder.max_buf_size(BUFFER).handshake(TokioIo::new(server))).poll(cx)
    else {
        unreachable!("a handshake over HTTP/1.1 sends nothing")
    };
    let mut connection = pin!(connection);
    let mut asking = Box::pin(sender.send_request(request(method)));
    let (mut answer, mut body, mut is_open, mut silent) = (Answer::default(), None, true, 0);
    while silent < SILENT_ROUNDS {
        woken.0.store(false, Ordering::Relaxed);
        is_open = is_open && connection.as_mut().poll(cx).is_pending();
        let mut progress = false;
        if answer.head.is_none() && answer.end == End::Awaited {
            match asking.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Err(_)) => answer.end = End::Failed,
                Poll::Ready(Ok(head)) => {
                    let reason = head.extensions().get::<ReasonPhrase>();
                    let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
                    answer.head = Some(Head::of(&head, reason));
                    body = Some(head.into_body());
                    progress = true;
                }
            }
        }
        if let Some(body) = body.as_mut().filter(|_| answer.end == End::Awaited) {
            let before = answer.data.len();
            while answer.add(pin!(body.frame()).poll(cx)) {}
            progress |= answer.data.len() > before || answer.end != End::Awaited;
        }
        silent = if progress || woken.0.load(Ordering::Relaxed) { 0 } else { silent + 1 };
    }
    drop(asking);
    let is_reusable = answer.end == End::Complete && is_open && sender.is_ready();
    Seen { answer, is_reusable }
}
