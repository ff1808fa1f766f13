//! What the request path has of the archive. Nothing in here waits, reads or writes: a copy of some headers, references to
//! what passes, and a push at the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::budget::Share;
use super::error::{ArchiveError, Unavailable};
use super::flat::{Flat, Redaction};
use super::queue::{Loss, Record, Shared};
use super::record::{Begun, Finished, Kind};
use super::tape::Tape;
use super::write::Shelf;
use super::{retention, worker};
use crate::config;
use crate::observe::Metrics;

/// Threads that write: while one waits for the disk, the other compresses and encrypts.
const WORKERS: usize = 2;
/// What a record takes besides headers and bodies, roundly.
const FIXED: usize = 4096;
/// How long [`Archive::close`] waits.
const CLOSING: Duration = Duration::from_secs(5);

/// The archive as requests see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    shared: Option<Arc<Shared>>,
    /// `CALLSIGN_ARCHIVE_REQUIRED`.
    required: bool,
}

/// One request that is archived when it has ended, if it has gone upstream.
#[derive(Debug)]
pub struct Recording {
    shared: Arc<Shared>,
    begun: Box<Begun>,
    request: Tape,
    response: Tape,
    answered: Option<Flat>,
    relayed: Option<Flat>,
    kind: Kind,
    has_left: bool,
    share: Share,
}

impl Archive {
    /// An archive that keeps nothing.
    pub fn off() -> Self {
        Self { shared: None, required: false }
    }

    /// Opens the directory, removes what crashes have left in it, and starts the threads that write and sweep;
    /// [`Archive::off`] where none is configured.
    ///
    /// # Errors
    /// [`ArchiveError`] when the directory cannot be written.
    pub fn open(settings: &config::Archive, metrics: &Arc<Metrics>) -> Result<Self, ArchiveError> {
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
        let days = settings.retention_days;
        thread("archive-sweep".to_owned(), move || retention::run(&of_sweep, &directory, days))?;
        Ok(Self { shared: Some(shared), required: settings.required })
    }

    /// Whether anything is kept; otherwise nothing need be gathered.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Begins a record. `None` where nothing is kept, or there is no memory for it, which is counted.
    ///
    /// # Errors
    /// [`Unavailable`] where the request must be archived and cannot be, as far as can be known now; `announced` is the
    /// length of its body.
    pub fn begin(&self, begun: impl FnOnce() -> Begun, announced: u64) -> Result<Option<Recording>, Unavailable> {
        let Some(shared) = &self.shared else { return Ok(None) };
        let body = usize::try_from(announced).unwrap_or(usize::MAX).min(shared.most);
        if self.required && !shared.has_room(body.saturating_add(FIXED)) {
            return Err(Unavailable);
        }
        let begun = Box::new(begun());
        let mut share = shared.budget.share();
        if !share.grow(FIXED + begun.received.len() + begun.sent.len()) {
            shared.lost(Loss::Memory, 1);
            return if self.required { Err(Unavailable) } else { Ok(None) };
        }
        let tape = || Tape::new(shared.budget.share(), shared.most);
        Ok(Some(Recording {
            shared: Arc::clone(shared),
            begun,
            request: tape(),
            response: tape(),
            answered: None,
            relayed: None,
            kind: Kind::default(),
            has_left: false,
            share,
        }))
    }

    /// Writes what is queued, then stops the threads; gives up after five seconds. For the end of a drain.
    pub async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        let mut working = shared.working.subscribe();
        shared.close();
        let waited = tokio::time::timeout(CLOSING, working.wait_for(|working| *working == 0)).await;
        if waited.is_err() {
            let lost = shared.len();
            shared.lost(Loss::Closing, lost);
            tracing::error!(lost, "the archive did not take its last records in time");
        }
    }
}

impl Recording {
    /// What records the body that goes upstream.
    pub fn request(&self) -> &Tape {
        &self.request
    }

    /// Notes that the request goes upstream: only such ones are archived.
    pub fn goes_upstream(&mut self) {
        self.has_left = true;
    }

    /// Notes the head of OpenRouter's answer.
    pub fn answered(&mut self, headers: &HeaderMap) {
        self.kind = Kind::of(headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes));
        self.answered = self.copy(headers);
    }

    /// Notes the headers that are relayed of it.
    pub fn relays(&mut self, headers: &HeaderMap) {
        self.relayed = self.copy(headers);
    }

    /// Notes bytes of the answer that pass.
    pub fn passed(&self, bytes: &Bytes) {
        self.response.push(bytes);
    }

    /// The request has ended: hands the record over, if there is anything to keep.
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

    fn copy(&mut self, headers: &HeaderMap) -> Option<Flat> {
        let flat = Flat::of(headers, &Redaction::default());
        self.share.grow(flat.len()).then_some(flat)
    }
}

/// Starts a thread.
fn thread(name: String, body: impl FnOnce() + Send + 'static) -> Result<(), ArchiveError> {
    std::thread::Builder::new().name(name).spawn(body).map(drop).map_err(ArchiveError::Thread)
}
