//! One connection: HTTP/1.1 or HTTP/2, over TLS or not, from accept to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::gather::{Gather, Wait};
use super::patience::{Activity, Patience, Patient, Protocol, Running, Unblocked};
use super::{Drain, Handler, Peer, Tls, Upload};
use crate::shed::Shed;

/// The most that hyper buffers per HTTP/1.1 connection and direction, and so the longest head. Longer heads get 431.
const BUFFER: usize = 32 * 1024;
/// What an HTTP/2 client may send ahead on one stream: the memory that a stalled upload can hold.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Requests that one HTTP/2 connection may have in flight; RFC 9113 recommends no fewer than 100.
const STREAMS: u32 = 128;
/// The largest HTTP/2 head, as [`BUFFER`] is the largest of HTTP/1.1.
const HEADER_LIST: u32 = 64 * 1024;
/// How often an HTTP/2 client is asked whether it is still there, and how long its answer may take.
const PING: Duration = Duration::from_secs(20);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What all connections of one listener share.
pub(super) struct Room<H> {
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    handler: H,
    patience: Patience,
    closing: Closing,
    drain: Drain,
}

impl<H: Handler> Room<H> {
    pub(super) fn new(handler: H, patience: Patience, drain: Drain) -> Self {
        Self {
            http1: http().http1_only(),
            http2: http().http2_only(),
            handler,
            patience,
            closing: Closing::default(),
            drain,
        }
    }

    /// Asks every connection to end after the requests that it has in flight.
    pub(super) fn close(&self) {
        self.closing.closed.store(true, Ordering::Release);
        self.closing.notify.notify_waiters();
    }

    /// Whether a request that comes now would most likely be cut before its end.
    fn is_too_late(&self) -> bool {
        // The first question is cheap, and answers nearly always.
        self.closing.closed.load(Ordering::Relaxed) && self.drain.is_late()
    }

    /// Serves one connection in plain text. With `shed` only its first request, which the handler is told to refuse.
    pub(super) async fn serve(&self, stream: TcpStream, address: SocketAddr, shed: Option<Shed>) {
        self.converse(Unblocked::new(stream, self.patience.blocked), Peer { address, tls: false, shed }).await;
    }

    /// The same over TLS.
    pub(super) async fn serve_tls(&self, stream: TcpStream, address: SocketAddr, shed: Option<Shed>, tls: Tls) {
        let handshake = tls.acceptor().accept(Unblocked::new(stream, self.patience.blocked));
        match timeout(self.patience.handshake, handshake).await {
            Ok(Ok(stream)) => self.converse(stream, Peer { address, tls: true, shed }).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake timed out"),
        }
    }

    /// Speaks HTTP on a stream until either side is done with it.
    pub(super) async fn converse<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let mut stream = Patient::new(stream, self.patience, activity.clone());
        let mut closed = pin!(self.closing.asked());
        let protocol = tokio::select! {
            biased;
            protocol = stream.protocol() => protocol,
            () = &mut closed => return,
        };
        let http = match protocol {
            Ok(Protocol::Http1) => &self.http1,
            Ok(Protocol::Http2) => &self.http2,
            Err(error) => return tracing::debug!(address = %peer.address, %error, "connection ended"),
        };
        let service = {
            let (handler, activity, patience) = (self.handler.clone(), activity.clone(), self.patience.upload);
            service_fn(move |request: Request<Incoming>| {
                let running = activity.begin();
                let peer = Peer { shed: peer.shed.or_else(|| self.is_too_late().then_some(Shed::Draining)), ..peer };
                let by_itself = request.version() < Version::HTTP_2;
                let request = request.map(|body| Upload::new(body, patience, &activity));
                let handler = handler.clone();
                // hyper keeps the place of the future for as long as the connection lasts: as large as it is, it goes
                // into a box that is given back when the answer begins, which may then stream for minutes.
                Box::pin(async move {
                    let response = handler.handle(request, peer).await;
                    Ok::<_, Infallible>(response.map(|body| Served::new(body, running, by_itself)))
                })
            })
        };
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let (mut registered, mut leaving) = (false, false);
        let end = std::future::poll_fn(|cx| {
            let asked = activity.asked();
            let end = connection.as_mut().poll(cx);
            activity.polled(asked);
            if end.is_ready() || leaving {
                return end;
            }
            // Polled once: a spawned task keeps its waker, and polling takes a lock that all connections share.
            if !registered {
                registered = true;
                leaving = closed.as_mut().poll(cx).is_ready();
            }
            leaving |= self.closing.closed.load(Ordering::Acquire)
                || activity.is_idle_for_too_long()
                || (peer.shed.is_some() && activity.has_begun());
            if !leaving {
                return Poll::Pending;
            }
            connection.as_mut().graceful_shutdown();
            connection.as_mut().poll(cx)
        });
        if let Err(error) = end.await {
            tracing::debug!(address = %peer.address, %error, "connection ended");
        }
    }
}

/// The signal to all connections of a listener that they should end.
#[derive(Debug, Default)]
struct Closing {
    closed: AtomicBool,
    notify: Notify,
}

impl Closing {
    /// Ends when the connections are asked to end.
    async fn asked(&self) {
        let mut asked = pin!(self.notify.notified());
        asked.as_mut().enable();
        if !self.closed.load(Ordering::Acquire) {
            asked.await;
        }
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // `Patient` times the head, with rules that hyper's timer does not know.
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).half_close(false).max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .max_send_buf_size(BUFFER);
    http
}

pin_project_lite::pin_project! {
    /// A response body that tells its connection when it ended or was dropped.
    ///
    /// When it fails, hyper and h2 drop whatever they have not written yet: frames that had arrived in a quarter of such
    /// cases, and always those of a client that reads slowly. So the error is kept until all that came before it is
    /// written.
    struct Served<B> {
        #[pin]
        body: B,
        // HTTP/2: the last byte of the frame before. h2 takes a frame as soon as the client's window has room for its
        // first byte; what does not fit waits where the kept error could not see it. A byte that goes alone is taken
        // when there is room for all that came before it too.
        last_byte: Option<Bytes>,
        // HTTP/1.1: small frames of a burst.
        gather: Gather,
        // What comes behind what is gathered.
        end: Option<End>,
        failed: Option<Failed>,
        // Whether it has the connection for itself (HTTP/1.1) and is polled by the connection's own task.
        by_itself: bool,
        // Dropped with the body, which hyper does as soon as it has ended.
        running: Running,
    }
}

/// How a body ends.
enum End {
    /// With its last byte.
    Whole,
    /// Before it.
    Cut(BoxError),
}

/// An error that is kept until the answer to `question` is yes.
struct Failed {
    error: BoxError,
    question: u64,
}

impl<B> Served<B> {
    fn new(body: B, running: Running, by_itself: bool) -> Self {
        Self { body, last_byte: None, gather: Gather::default(), end: None, failed: None, by_itself, running }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for Served<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(byte) = this.last_byte.take() {
            return Poll::Ready(Some(Ok(Frame::data(byte))));
        }
        if let Some(failed) = this.failed {
            ready!(this.running.poll_written(failed.question, cx));
            return Poll::Ready(this.failed.take().map(|failed| Err(failed.error)));
        }
        let error = if *this.by_itself {
            match ready!(poll_gathered(this.body, this.gather, this.end, this.running, cx)) {
                Some(Err(error)) => error,
                other => return Poll::Ready(other),
            }
        } else {
            match ready!(this.body.poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => {
                    let frame = frame.map_data(|mut data| {
                        *this.last_byte = (data.len() > 1).then(|| data.split_off(data.len() - 1));
                        data
                    });
                    return Poll::Ready(Some(Ok(frame)));
                }
                Some(Err(error)) => error.into(),
            }
        };
        let question = this.running.ask();
        *this.failed = Some(Failed { error, question });
        if *this.by_itself {
            // This poll began before the question; the next one answers it.
            let _asked_just_now = this.running.poll_written(question, cx);
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            // A frame, empty as it is, has the connection's task woken.
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }

    fn is_end_stream(&self) -> bool {
        self.last_byte.is_none()
            && self.gather.is_empty()
            && self.end.is_none()
            && self.failed.is_none()
            && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.gather.add_to(self.body.size_hint());
        let kept = self.last_byte.as_ref().map_or(0, |byte| byte.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + kept);
        }
        hint.set_lower(hint.lower() + kept);
        hint
    }
}

/// The next frame of a body, or several small ones joined.
fn poll_gathered<B: Body<Data = Bytes, Error: Into<BoxError>>>(
    mut body: Pin<&mut B>,
    gather: &mut Gather,
    end: &mut Option<End>,
    running: &Running,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    loop {
        if let Some(data) = gather.due() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match end.take() {
            None => {}
            Some(End::Whole) => return Poll::Ready(None),
            Some(End::Cut(error)) => return Poll::Ready(Some(Err(error))),
        }
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => gather.take(data, body.is_end_stream()),
                // `relay` lets none pass.
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            },
            Poll::Ready(Some(Err(error))) => {
                *end = Some(End::Cut(error.into()));
                gather.release();
            }
            Poll::Ready(None) => {
                *end = Some(End::Whole);
                gather.release();
            }
            Poll::Pending => match gather.wait(running.turn()) {
                Wait::NoLonger => {}
                Wait::ForMore => return Poll::Pending,
                Wait::ForATurn => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
        }
    }
}
