//! The wait for the head of OpenRouter's answer.

use std::fmt;
use std::sync::Arc;

use http::Response;

use super::read_on::{ReadOn, Rest, Sending};
use crate::record::RequestRecord;
use crate::upstream::upload_state::UploadState;
use crate::upstream::{AnswerBody, UpstreamError};

/// A request without an answer. Dropping it means that the client has left: `read_on` then takes the request over, unless
/// the upload is incomplete. Otherwise the request is cancelled.
#[derive(Debug)]
pub struct AwaitedHead(Option<Waiting>);

struct Waiting {
    sending: Sending,
    record: Box<RequestRecord>,
    upload: Option<Arc<UploadState>>,
    read_on: Option<Arc<ReadOn>>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("record", &self.record).finish_non_exhaustive()
    }
}

impl AwaitedHead {
    /// Creates the wait. `upload` is the state of a streamed upload.
    pub fn new(
        sending: Sending,
        record: Box<RequestRecord>,
        upload: Option<Arc<UploadState>>,
        read_on: Option<Arc<ReadOn>>,
    ) -> Self {
        Self(Some(Waiting { sending, record, upload, read_on }))
    }

    /// Waits for the head. The result is `None` if the operator blocks the caller first, which cancels the request.
    pub async fn wait(mut self) -> (Option<Result<Response<AnswerBody>, UpstreamError>>, Box<RequestRecord>) {
        // Only this function takes the request, so it never waits for ever.
        let Some(Waiting { sending, record, .. }) = &mut self.0 else { return std::future::pending().await };
        let answer = tokio::select! {
            biased;
            () = record.blocked() => None,
            answer = sending => Some(answer),
        };
        match self.0.take() {
            Some(waiting) => (answer, waiting.record),
            None => std::future::pending().await,
        }
    }
}

impl Drop for AwaitedHead {
    fn drop(&mut self) {
        let Some(Waiting { sending, record, upload, read_on }) = self.0.take() else { return };
        if let Some(read_on) = read_on.filter(|_| upload.is_none_or(|upload| upload.is_complete())) {
            read_on.start(record, Rest::Head(sending));
        }
    }
}
