//! The archive's interface to the request path.
//!
//! A [`Recording`] copies headers, records both bodies, and queues the record at the end of the request. These steps do
//! no I/O and do not wait for a worker.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::body_recorder::BodyRecorder;
use super::budget::Share;
use super::error::{ArchiveError, ArchiveUnavailableError};
use super::header_snapshot::{HeaderSnapshot, Redaction};
use super::queue::{Loss, Record, Shared};
use super::record::{Begun, Finished, Kind};
use super::write::Shelf;
use super::{retention, worker};
use crate::archive::settings::Settings;
use crate::trusted_clock::TrustedClock;
use callsign_core::identity::caller_identity::Holder;
use callsign_telemetry::metrics::Metrics;

/// Number of worker threads. While one waits for the disk, the other compresses and encrypts.
const WORKERS: usize = 2;
/// Approximate memory in bytes of a record without headers and bodies.
const FIXED: usize = 4096;
/// Maximum time that [`Archive::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);

/// A cheap handle to the archive.
#[derive(Clone, Debug)]
pub struct Archive {
    shared: Option<Arc<Shared>>,
    /// `CALLSIGN_ARCHIVE_REQUIRED`.
    required: bool,
}

/// Records one request. [`finish`](Recording::finish) archives it if it went upstream; dropping it discards it.
#[derive(Debug)]
pub struct Recording {
    shared: Arc<Shared>,
    begun: Box<Begun>,
    request: BodyRecorder,
    response: BodyRecorder,
    answered: Option<HeaderSnapshot>,
    relayed: Option<HeaderSnapshot>,
    kind: Kind,
    has_left: bool,
    share: Share,
}

impl Archive {
    /// Returns an archive that records nothing.
    pub fn off() -> Self {
        Self { shared: None, required: false }
    }

    /// Opens the directory, removes temporary files of crashed processes, and starts the worker and sweeper threads.
    /// Returns [`Archive::off`] if no archive is configured.
    ///
    /// # Errors
    /// [`ArchiveError`] if the directory cannot be written or a thread cannot be started.
    pub fn open(settings: &Settings, metrics: &Arc<Metrics>, clock: &Arc<TrustedClock>) -> Result<Self, ArchiveError> {
        let Some(place) = &settings.place else { return Ok(Self::off()) };
        let shelf = Shelf::open(&place.directory, place.password.clone()).map_err(ArchiveError::Directory)?;
        let shelf = Arc::new(shelf);
        let shared = Shared::new(Arc::clone(metrics), settings.max_memory, settings.max_body);
        shared.set_up(true);
        for number in 0..WORKERS {
            let (shared, shelf) = (Arc::clone(&shared), Arc::clone(&shelf));
            shared.working.send_modify(|working| *working += 1);
            thread(format!("archive-{number}"), move || worker::run(&shared, &shelf))?;
        }
        let (of_sweep, directory) = (Arc::clone(&shared), shelf.directory().to_owned());
        let (days, clock) = (settings.retention_days, Arc::clone(clock));
        thread("archive-sweep".to_owned(), move || retention::run(&of_sweep, &directory, days, &clock))?;
        Ok(Self { shared: Some(shared), required: settings.required })
    }

    /// Returns true if an archive is configured.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Returns false while archiving is required and the disk does not accept archives. New requests that are to be
    /// archived then get 503 `archive_unavailable`.
    pub fn is_available(&self) -> bool {
        !self.required || self.shared.as_ref().is_none_or(|shared| !shared.is_down())
    }

    /// Begins a record. `announced` is the length of the request's body in bytes, `caller` the holder of the memory.
    ///
    /// Returns `None` if the archive is off, or if the caller's share of the memory is used up and archiving is optional.
    /// The second case is counted.
    ///
    /// # Errors
    /// [`ArchiveUnavailableError`] if archiving is required and the disk, the queue or the memory budget has no room.
    pub fn begin(
        &self,
        begun: impl FnOnce() -> Begun,
        announced: u64,
        caller: Holder<'_>,
    ) -> Result<Option<Recording>, ArchiveUnavailableError> {
        let Some(shared) = &self.shared else { return Ok(None) };
        let body = usize::try_from(announced).unwrap_or(usize::MAX).min(shared.most);
        let mut share = shared.budget.share(caller);
        if self.required && !shared.has_room() {
            return Err(ArchiveUnavailableError);
        }
        let begun = Box::new(begun());
        if !share.grow(FIXED + begun.received.len() + begun.sent.len()) {
            shared.lost(Loss::Memory, 1);
            return if self.required { Err(ArchiveUnavailableError) } else { Ok(None) };
        }
        if self.required && !share.has_room(body) {
            return Err(ArchiveUnavailableError);
        }
        let recorder = || BodyRecorder::new(share.sibling(), shared.most);
        let (request, response) = (recorder(), recorder());
        Ok(Some(Recording {
            shared: Arc::clone(shared),
            begun,
            request,
            response,
            answered: None,
            relayed: None,
            kind: Kind::default(),
            has_left: false,
            share,
        }))
    }

    /// Writes queued records and stops the threads, for the end of a drain. Gives up after `CLOSING` and counts the
    /// records that remain.
    pub async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        let mut working = shared.working.subscribe();
        shared.close();
        let waited = tokio::time::timeout(CLOSING, working.wait_for(|working| *working == 0)).await;
        if waited.is_err() {
            let lost = shared.len();
            shared.lost(Loss::Closing, lost);
            tracing::error!(lost, "archive: shutdown timed out; queued records are lost");
        }
    }
}

impl Recording {
    /// Returns the recorder of the body that goes upstream.
    pub fn request(&self) -> &BodyRecorder {
        &self.request
    }

    /// Marks the request as sent upstream. Only such requests are archived.
    pub fn goes_upstream(&mut self) {
        self.has_left = true;
    }

    /// Records the headers of OpenRouter's response.
    pub fn answered(&mut self, headers: &HeaderMap) {
        self.kind = Kind::of(headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes));
        self.answered = self.copy(headers);
    }

    /// Records the response headers that the client receives.
    pub fn relays(&mut self, headers: &HeaderMap) {
        self.relayed = self.copy(headers);
    }

    /// Records the next piece of the response's body.
    pub fn passed(&self, bytes: &Bytes) {
        self.response.push(bytes);
    }

    /// Queues the record for writing if the request went upstream.
    pub fn finish(self, finished: Finished) {
        if !self.has_left {
            return;
        }
        let Self { shared, begun, request, response, answered, relayed, kind, share, .. } = self;
        let response = response.take();
        let has_answer = answered.is_some() || response.total > 0;
        let record = Record {
            begun,
            finished,
            request: request.take(),
            response: has_answer.then_some((kind, response)),
            answered,
            relayed,
            _share: share,
        };
        shared.push(Box::new(record));
    }

    fn copy(&mut self, headers: &HeaderMap) -> Option<HeaderSnapshot> {
        let snapshot = HeaderSnapshot::of(headers, &Redaction::default());
        self.share.grow(snapshot.len()).then_some(snapshot)
    }
}

/// Starts a named thread.
fn thread(name: String, body: impl FnOnce() + Send + 'static) -> Result<(), ArchiveError> {
    std::thread::Builder::new().name(name).spawn(body).map(drop).map_err(ArchiveError::Thread)
}
