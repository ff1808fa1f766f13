//! Reads usage, cost, model, provider and generation from an answer.

use callsign_core::endpoint::Inference;
use callsign_core::usage::generation;
use callsign_core::usage::reader::{ResponseUsage, Seen, UsageReader};
use http::HeaderMap;

/// Reads an answer as it passes. Reads nothing unless [`AnswerReader::read_as`] was called.
#[derive(Debug, Default)]
pub(super) struct AnswerReader {
    endpoint: Option<&'static Inference>,
    reader: Option<UsageReader>,
    generation: Option<String>,
    job: Option<String>,
}

impl AnswerReader {
    /// Turns reading on, in the formats of this endpoint.
    pub(super) fn read_as(&mut self, endpoint: &'static Inference) {
        self.endpoint = Some(endpoint);
    }

    /// Reads the head of the answer. Returns its generation id, if it has one.
    pub(super) fn begin(&mut self, headers: &HeaderMap) -> Option<&str> {
        self.reader = Some(UsageReader::new(self.endpoint?, headers));
        self.generation = generation::id(headers).map(str::to_owned);
        self.generation.as_deref()
    }

    /// Reads a piece of the answer's body.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Seen {
        self.reader.as_mut().map(|reader| reader.see(bytes)).unwrap_or_default()
    }

    /// Returns true if the rest of the body may tell usage and is not a stream.
    pub(super) fn is_in_document(&self) -> bool {
        self.reader.as_ref().is_some_and(UsageReader::is_in_document)
    }

    /// Records the id of the job that the answer creates.
    pub(super) fn is_job(&mut self, id: &str) {
        self.job = Some(id.to_owned());
    }

    /// Returns the values that were read. The generation id of the head takes precedence over that of the body, except for
    /// jobs: their id is in the body.
    pub(super) fn finish(&mut self) -> ResponseUsage {
        let usage = self.reader.take().map(UsageReader::finish).unwrap_or_default();
        let (head, body) = (self.generation.take(), usage.generation);
        let generation = if self.endpoint.is_some_and(Inference::creates_jobs) { body.or(head) } else { head.or(body) };
        ResponseUsage { generation: self.job.take().or(generation), ..usage }
    }
}
