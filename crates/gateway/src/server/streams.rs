//! Runs the streams of HTTP/2 connections and cuts those whose client takes no bytes.
//!
//! A client can keep its connection alive (it answers PINGs, and other streams go on) and open no window for a stream. The
//! connection's write timeout does not see that. hyper waits for the window in the task of the stream and does not poll
//! the response's body meanwhile, so the timeout is around the task: dropping it resets the stream and drops the body.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::futures::TaskLocalFuture;

use super::timeouts::{DownloadTimeouts, Taking};

tokio::task_local! {
    /// The clock of the stream whose task is being polled.
    static CLOCK: Arc<StreamClock>;
}

/// The wait for the client of one stream, shared by the stream's task and its response body.
#[derive(Debug)]
pub(super) struct StreamClock(Mutex<State>);

#[derive(Debug)]
struct State {
    taking: Taking,
    /// Bytes that the body has handed to hyper and that wait for the client's window.
    offered: usize,
}

impl StreamClock {
    /// Returns the clock of the stream whose task is being polled; `None` for HTTP/1.1.
    pub(super) fn current() -> Option<Arc<Self>> {
        CLOCK.try_with(Arc::clone).ok()
    }

    /// Records that the body hands bytes to hyper.
    pub(super) fn offer(&self, bytes: usize) {
        self.0.lock().offered = bytes;
    }

    /// Records that hyper asks for more, so that the window had room for the bytes before.
    pub(super) fn taken(&self) {
        let mut state = self.0.lock();
        let bytes = std::mem::take(&mut state.offered);
        if bytes > 0 {
            state.taking.took(bytes);
        }
    }

    /// Returns `Ready` if the client is too slow; otherwise wakes the task at the deadline, if one runs.
    fn poll_too_slow(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.offered == 0 { Poll::Pending } else { state.taking.poll_too_slow(cx) }
    }
}

/// The executor of hyper's HTTP/2 streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamExecutor(pub(super) DownloadTimeouts);

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let clock = Arc::new(StreamClock(Mutex::new(State { taking: Taking::new(self.0), offered: 0 })));
        tokio::spawn(Watched { stream: CLOCK.scope(Arc::clone(&clock), stream), clock });
    }
}

pin_project_lite::pin_project! {
    /// The task of a stream, which ends early if the client is too slow.
    struct Watched<F> {
        #[pin]
        stream: TaskLocalFuture<Arc<StreamClock>, F>,
        clock: Arc<StreamClock>,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        this.clock.poll_too_slow(cx).map(|()| tracing::debug!("stream ended: the client takes too few bytes"))
    }
}
