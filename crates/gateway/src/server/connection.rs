//! Serves one connection from accept to close: HTTP/1.1 or HTTP/2, over TLS or plain.
//!
//! It detects the protocol, runs hyper, closes idle connections gracefully, and writes every byte of a failed response
//! body before it aborts the connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::coalesce::{FrameCoalescer, Wait};
use super::handler::{Handler, Peer};
use super::reset::{CutSignal, ResettableSocket};
use super::streams::{StreamClock, StreamExecutor};
use super::timeouts::{Activity, InFlightGuard, Protocol, ReadTimeout, Timeouts, WriteTimeout};
use super::{Drain, Tls, Upload};
use callsign_core::shed::OverloadError;

/// Bytes that hyper buffers per HTTP/1.1 connection and direction, and so the longest head. Longer heads get 431.
const BUFFER: usize = 32 * 1024;
/// Bytes that an HTTP/2 client may send ahead on one stream: the memory that a stalled upload can occupy.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes that an HTTP/2 client may send ahead on all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Requests that one HTTP/2 connection may have in flight. RFC 9113, section 6.5.2, recommends at least 100.
const STREAMS: u32 = 128;
/// Bytes of the largest HTTP/2 head.
const HEADER_LIST: u32 = 64 * 1024;
/// The interval between HTTP/2 PINGs, and the timeout for their acknowledgement.
const PING: Duration = Duration::from_secs(20);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// State shared by all connections of one listener.
pub(super) struct ConnectionServer<H> {
    http1: auto::Builder<StreamExecutor>,
    http2: auto::Builder<StreamExecutor>,
    handler: H,
    timeouts: Timeouts,
    closing: Closing,
    drain: Drain,
}

impl<H: Handler> ConnectionServer<H> {
    pub(super) fn new(handler: H, timeouts: Timeouts, drain: Drain) -> Self {
        Self {
            http1: http(timeouts).http1_only(),
            http2: http(timeouts).http2_only(),
            handler,
            timeouts,
            closing: Closing::default(),
            drain,
        }
    }

    /// Tells every connection to close after its requests in flight.
    pub(super) fn close(&self) {
        self.closing.closed.store(true, Ordering::Release);
        self.closing.notify.notify_waiters();
    }

    /// Returns true if the drain would most likely cut a request that begins now.
    fn is_too_late(&self) -> bool {
        // The first test is cheap, and false except during a drain.
        self.closing.closed.load(Ordering::Relaxed) && self.drain.is_late()
    }

    /// Serves one plain-text connection. With `shed`, serves only its first request, which the handler refuses.
    pub(super) async fn serve(&self, stream: TcpStream, address: SocketAddr, shed: Option<OverloadError>) {
        let cut = CutSignal::default();
        let stream = WriteTimeout::new(ResettableSocket::new(stream, cut.clone()), self.timeouts.download);
        self.serve_http(stream, Peer { address, tls: false, shed }, cut).await;
    }

    /// Serves one TLS connection, as [`Self::serve`] does.
    pub(super) async fn serve_tls(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        shed: Option<OverloadError>,
        tls: Tls,
    ) {
        let cut = CutSignal::default();
        let stream = WriteTimeout::new(ResettableSocket::new(stream, cut.clone()), self.timeouts.download);
        let handshake = tls.acceptor().accept(stream);
        match timeout(self.timeouts.handshake, handshake).await {
            Ok(Ok(stream)) => self.serve_http(stream, Peer { address, tls: true, shed }, cut).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake timed out"),
        }
    }

    /// Serves HTTP on a stream until either side closes it. Sets `cut` if the answer to an HTTP/1.0 request is cut.
    pub(super) async fn serve_http<S>(&self, stream: S, peer: Peer, cut: CutSignal)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let mut stream = ReadTimeout::new(stream, self.timeouts, activity.clone());
        let mut closed = pin!(self.closing.wait());
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
            let (handler, activity, timeouts) = (self.handler.clone(), activity.clone(), self.timeouts.upload);
            service_fn(move |request: Request<Incoming>| {
                let guard = activity.begin();
                let peer =
                    Peer { shed: peer.shed.or_else(|| self.is_too_late().then_some(OverloadError::Draining)), ..peer };
                let http1_body = request.version() < Version::HTTP_2;
                let cut = (request.version() == Version::HTTP_10).then(|| cut.clone());
                let request = request.map(|body| Upload::new(body, timeouts, &activity));
                let handler = handler.clone();
                // hyper keeps the future's memory as long as the connection lasts. The future is large, so it is boxed:
                // the box is freed when the response begins, which may then stream for minutes.
                Box::pin(async move {
                    let response = handler.handle(request, peer).await;
                    Ok::<_, Infallible>(response.map(|body| Served::new(body, guard, http1_body, cut)))
                })
            })
        };
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let (mut registered, mut leaving) = (false, false);
        let end = std::future::poll_fn(|cx| {
            let requested = activity.begin_poll();
            let end = connection.as_mut().poll(cx);
            activity.end_poll(requested);
            if end.is_ready() || leaving {
                return end;
            }
            // Polled once: a spawned task keeps its waker, and each poll takes a lock that all connections share.
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

/// The signal to all connections of a listener to close.
#[derive(Debug, Default)]
struct Closing {
    closed: AtomicBool,
    notify: Notify,
}

impl Closing {
    /// Waits for the signal.
    async fn wait(&self) {
        let mut notified = pin!(self.notify.notified());
        notified.as_mut().enable();
        if !self.closed.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

fn http(timeouts: Timeouts) -> auto::Builder<StreamExecutor> {
    let mut http = auto::Builder::new(StreamExecutor(timeouts.download));
    // `ReadTimeout` limits the time for the head instead, with rules that hyper's timer does not have.
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
    /// A response body that tells its connection when it ends or is dropped.
    ///
    /// When a body fails, hyper and h2 drop the bytes that they have not written yet, which loses received frames,
    /// above all those of a client that reads slowly. So the error is kept until everything before it is written.
    struct Served<B> {
        #[pin]
        body: B,
        // HTTP/2: the last byte of the previous frame. h2 accepts a frame as soon as the client's window has room for
        // its first byte, and queues the rest where this body cannot see it. A last byte in a separate frame is
        // accepted only when the window has room for everything before it too.
        last_byte: Option<Bytes>,
        // HTTP/1.1: joins the small frames of a burst.
        coalesce: FrameCoalescer,
        // HTTP/1.1: the end of the body, which follows the buffered frames.
        end: Option<End>,
        failed: Option<Failed>,
        // True for HTTP/1.1: the connection carries only this body, and the connection's task polls it.
        http1_body: bool,
        // HTTP/2: the wait for the client's window.
        clock: Option<Arc<StreamClock>>,
        // HTTP/1.0: tells the socket that the body failed.
        cut: Option<CutSignal>,
        // Marks the request as in flight. hyper drops it with the body, as soon as the body has ended.
        guard: InFlightGuard,
    }
}

/// The end of a body.
enum End {
    /// The body is complete.
    Whole,
    /// The body failed before its last byte.
    Cut(BoxError),
}

/// An error that is kept until the write check with the number `check` is done.
struct Failed {
    error: BoxError,
    check: u64,
}

impl<B> Served<B> {
    fn new(body: B, guard: InFlightGuard, http1_body: bool, cut: Option<CutSignal>) -> Self {
        let (coalesce, clock) = (FrameCoalescer::default(), StreamClock::current());
        Self { body, last_byte: None, coalesce, end: None, failed: None, http1_body, clock, cut, guard }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for Served<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let clock = self.clock.clone();
        if let Some(clock) = &clock {
            clock.taken();
        }
        let next = self.as_mut().poll_next(cx);
        if let (Some(clock), Poll::Ready(Some(Ok(frame)))) = (&clock, &next) {
            clock.offer(frame.data_ref().map_or(0, Bytes::len));
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.last_byte.is_none()
            && self.coalesce.is_empty()
            && self.end.is_none()
            && self.failed.is_none()
            && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.coalesce.add_to(self.body.size_hint());
        let kept = self.last_byte.as_ref().map_or(0, |byte| byte.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + kept);
        }
        hint.set_lower(hint.lower() + kept);
        hint
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Served<B> {
    /// Returns the next frame.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(byte) = this.last_byte.take() {
            return Poll::Ready(Some(Ok(Frame::data(byte))));
        }
        if let Some(failed) = this.failed {
            ready!(this.guard.poll_written(failed.check, cx));
            if let Some(cut) = this.cut {
                cut.set();
            }
            return Poll::Ready(this.failed.take().map(|failed| Err(failed.error)));
        }
        let error = if *this.http1_body {
            match ready!(poll_coalesced(this.body, this.coalesce, this.end, this.guard, cx)) {
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
        let check = this.guard.request_write_check();
        *this.failed = Some(Failed { error, check });
        if *this.http1_body {
            // This poll began before the check was requested, so only the next poll can complete it.
            let _pending = this.guard.poll_written(check, cx);
            cx.waker().wake_by_ref();
            Poll::Pending
        } else {
            // Any frame wakes the connection's task, even an empty one.
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }
    }
}

/// Returns the next frame of a body, or several small frames joined.
fn poll_coalesced<B: Body<Data = Bytes, Error: Into<BoxError>>>(
    mut body: Pin<&mut B>,
    coalesce: &mut FrameCoalescer,
    end: &mut Option<End>,
    guard: &InFlightGuard,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    loop {
        if let Some(data) = coalesce.due() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match end.take() {
            None => {}
            Some(End::Whole) => return Poll::Ready(None),
            Some(End::Cut(error)) => return Poll::Ready(Some(Err(error))),
        }
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => coalesce.take(data, body.is_end_stream()),
                // `relay` drops trailers, so there are none.
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            },
            Poll::Ready(Some(Err(error))) => {
                *end = Some(End::Cut(error.into()));
                coalesce.release();
            }
            Poll::Ready(None) => {
                *end = Some(End::Whole);
                coalesce.release();
            }
            Poll::Pending => match coalesce.wait(guard.turn()) {
                Wait::Due => {}
                Wait::NextFrame => return Poll::Pending,
                Wait::NextTurn => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            },
        }
    }
}
