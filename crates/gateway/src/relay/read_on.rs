//! Reads an answer on after its client has left, for its generation and usage (`docs/SPEC.md#clients-that-leave`).
//!
//! hyper drops a request's future and its body when the client leaves. What is left of the exchange with OpenRouter then
//! moves into a task on the same thread. The task keeps no byte of the body.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::record::RequestRecord;
use crate::server::Drain;
use crate::upstream::{AnswerBody, UpstreamError};
use callsign_telemetry::metrics::read_on::ReadOnResult;

/// A request that is being sent, until the head of its answer.
pub(super) type Sending = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, UpstreamError>> + Send>>;

/// Starts the tasks that read on, and ends them.
#[derive(Debug)]
pub struct ReadOn {
    drain: Drain,
    limit: Duration,
    /// Changes when all tasks must end.
    stop: watch::Sender<()>,
}

/// The rest of an exchange with OpenRouter.
pub(super) enum Rest {
    /// The whole answer.
    Head(Sending),
    /// The rest of the answer's body.
    Body(AnswerBody),
}

impl ReadOn {
    /// Creates the start of tasks that take at most `limit` each, and end when `drain` begins.
    pub fn new(drain: Drain, limit: Duration) -> Arc<Self> {
        Arc::new(Self { drain, limit, stop: watch::Sender::new(()) })
    }

    /// Ends all tasks: the caller of one may have lost their access.
    pub fn stop(&self) {
        self.stop.send_replace(());
    }

    /// Reads on, or ends the request if it may not be read on.
    pub(super) fn start(self: Arc<Self>, mut record: Box<RequestRecord>, rest: Rest) {
        // A panic or the end of the runtime drops requests too.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.drain.is_draining() || std::thread::panicking() {
            return;
        }
        let Some((slot, watcher)) = record.leave() else { return };
        let mut stop = self.stop.subscribe();
        runtime.spawn(async move {
            let stopped = async {
                tokio::select! {
                    () = watcher.blocked() => {}
                    () = self.drain.begun() => {}
                    _ = stop.changed() => {}
                }
            };
            let result = tokio::select! {
                biased;
                () = stopped => ReadOnResult::Stopped,
                result = timeout(self.limit, rest.read(&mut record)) => result.unwrap_or(ReadOnResult::Timeout),
            };
            record.was_read_on(result);
            drop(record);
            drop(slot);
        });
    }
}

impl Rest {
    async fn read(self, record: &mut RequestRecord) -> ReadOnResult {
        let mut body = match self {
            Self::Body(body) => body,
            Self::Head(sending) => match sending.await {
                Ok(answer) => {
                    record.answered(answer.status().as_u16(), answer.headers());
                    answer.into_body()
                }
                Err(error) => {
                    record.failed(&error);
                    return ReadOnResult::Failed;
                }
            },
        };
        // The head of a stream names its generation, by which the cost is found. The rest would only cost more.
        if !record.reads_document() {
            return ReadOnResult::Head;
        }
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return ReadOnResult::Failed };
            if let Ok(data) = frame.into_data() {
                record.read_undelivered(&data);
            }
        }
        ReadOnResult::Complete
    }
}
