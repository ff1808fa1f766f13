//! Reads an answer to its end before any of it is relayed.
//!
//! The answer that creates a video job is such an answer: its owner must be recorded before its id leaves
//! (`docs/SPEC.md#videos`).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::read_on::{ReadOn, Rest};
use crate::record::RequestRecord;
use crate::upstream::AnswerBody;

/// Maximum size in bytes. A longer answer is not relayed.
const MOST: usize = 1024 * 1024;

/// The body of an answer that is read to its end. Dropping it before means that the client has left: `read_on` then takes
/// the rest over.
#[derive(Debug)]
pub struct WholeBody(Option<Reading>);

#[derive(Debug)]
struct Reading {
    body: AnswerBody,
    record: Box<RequestRecord>,
    read_on: Option<Arc<ReadOn>>,
}

impl WholeBody {
    /// Begins to read.
    pub fn new(body: AnswerBody, record: Box<RequestRecord>, read_on: Option<Arc<ReadOn>>) -> Self {
        Self(Some(Reading { body, record, read_on }))
    }

    /// Returns the whole body; `None` if it breaks off, is too long, or nothing arrives for `idle`.
    pub async fn read(mut self, idle: Duration) -> (Option<Bytes>, Box<RequestRecord>) {
        // Only this function takes the answer, so it never waits for ever.
        let Some(reading) = &mut self.0 else { return std::future::pending().await };
        let bytes = reading.collect(idle).await;
        match self.0.take() {
            Some(reading) => (bytes, reading.record),
            None => std::future::pending().await,
        }
    }
}

impl Reading {
    async fn collect(&mut self, idle: Duration) -> Option<Bytes> {
        let mut whole = BytesMut::new();
        loop {
            let Some(frame) = timeout(idle, self.body.frame()).await.ok()? else { return Some(whole.freeze()) };
            let Ok(data) = frame.ok()?.into_data() else { continue };
            if whole.len() + data.len() > MOST {
                return None;
            }
            self.record.read_undelivered(&data);
            whole.extend_from_slice(&data);
        }
    }
}

impl Drop for WholeBody {
    fn drop(&mut self) {
        if let Some(Reading { body, record, read_on: Some(read_on) }) = self.0.take() {
            read_on.start(record, Rest::Body(body));
        }
    }
}
